/* wait.c - see wait.h; and the waiting functions of managed_memory.h. */
#include "wait.h"

#include "allocate.h"
#include "participants.h"
#include "shared.h"

#define MILLISECOND 1000000ull
#define PATIENCE (50 * MILLISECOND) /* for one that was told to take */
#define HOLD (100 * MILLISECOND)    /* how long room is held without a free */
#define STALE (1000 * MILLISECOND)  /* a cell must be renewed more often */
#define SLICE (25 * MILLISECOND)    /* longest sleep without a look */
#define PASSES_MAX 16u

/* ---- The set of cells that show something ------------------------------ */

/* The next slot after `slot` (start with UINT32_MAX) that waits, or NOBODY. */
static uint32_t next_waiting(const mm_pool *pool, uint32_t slot) {
  const mm__header *header = pool->header;
  const uint32_t words = mm__load(&header->waiting_words);
  const uint32_t limit = mm__participant_limit(pool);
  uint32_t at = slot + 1;
  for (uint32_t word = at / 64; word < MM__WAIT_WORDS; word++, at = word * 64) {
    if ((words >> word & 1) == 0) continue;
    const uint64_t bits =
        mm__load(&header->waiting[word]) & (UINT64_MAX << (at % 64));
    if (bits == 0) continue;
    const uint32_t found = word * 64 + (uint32_t)__builtin_ctzll(bits);
    return found < limit ? found : MM__NOBODY;
  }
  return MM__NOBODY;
}

static void set_bit(mm_pool *pool, uint32_t slot) {
  mm__header *header = pool->header;
  const uint32_t word = slot / 64;
  mm__store(&header->waiting[word],
            mm__load(&header->waiting[word]) | 1ull << (slot % 64));
  mm__store(&header->waiting_words,
            mm__load(&header->waiting_words) | 1u << word);
}

static void clear_bit(mm_pool *pool, uint32_t slot) {
  mm__header *header = pool->header;
  const uint32_t word = slot / 64;
  const uint64_t bits =
      mm__load(&header->waiting[word]) & ~(1ull << (slot % 64));
  mm__store(&header->waiting[word], bits);
  if (bits == 0)
    mm__store(&header->waiting_words,
              mm__load(&header->waiting_words) & ~(1u << word));
}

int mm__wait_any(const mm_pool *pool) {
  return mm__load(&pool->header->waiting_words) != 0;
}

void mm__wait_clear(mm_pool *pool, uint32_t slot) {
  mm__slot *cell = &pool->slots[slot];
  mm__store_release(&cell->ticket, 0u);
  mm__store(&cell->told_at, 0u);
  mm__store(&cell->passes, 0u);
  clear_bit(pool, slot);
}

void mm__wait_rebuild(mm_pool *pool) {
  mm__header *header = pool->header;
  mm__store(&header->waiting_words, 0u);
  for (uint32_t word = 0; word < MM__WAIT_WORDS; word++)
    mm__store(&header->waiting[word], 0u);
  for (uint32_t slot = 0; slot < mm__participant_limit(pool); slot++)
    if (mm__load(&pool->slots[slot].ticket) != 0) set_bit(pool, slot);
}

const char *mm__wait_check(mm_pool *pool) {
  const mm__header *header = pool->header;
  for (uint32_t slot = 0; slot < mm__participant_limit(pool); slot++) {
    const int shows = mm__load(&pool->slots[slot].ticket) != 0;
    const int bit = mm__load(&header->waiting[slot / 64]) >> (slot % 64) & 1;
    if (shows != bit) return "W1: a bit does not say whether a cell waits";
  }
  for (uint32_t word = 0; word < MM__WAIT_WORDS; word++)
    if ((mm__load(&header->waiting_words) >> word & 1) !=
        (mm__load(&header->waiting[word]) != 0))
      return "W1: waiting_words does not mirror waiting";
  return NULL;
}

/* ---- Turns ------------------------------------------------------------- */

static int is_stale(const mm__slot *cell, uint64_t now) {
  const uint64_t shown_at = mm__load(&cell->shown_at);
  /* A time in the future is another time namespace's, or spoilt. */
  return shown_at > now ? shown_at - now > STALE : now - shown_at > STALE;
}

/* 1 if the cell shows a request that has ended: it could not be withdrawn while
 * the lock was busy. Then it is now. */
static int has_ended(mm_pool *pool, uint32_t slot) {
  const mm__slot *cell = &pool->slots[slot];
  const uint64_t ticket = mm__load(&cell->ticket);
  if (mm__likely(ticket == 0 || mm__load(&cell->withdrawn) != ticket)) return 0;
  mm__wait_clear(pool, slot);
  return 1;
}

static int is_recent(uint64_t since, uint64_t now, uint64_t span) {
  return since != 0 && now >= since && now - since <= span;
}

static int fits(mm_pool *pool, uint64_t size) {
  if (size > pool->geometry.data_size) return 0;
  return mm__heap_fits(&pool->heap, mm__heap_granules(&pool->heap, size));
}

/* 1 if the cell's participant has tried since something was last freed. */
static int has_tried(const mm_pool *pool, const mm__slot *cell) {
  return mm__load(&cell->tried) == mm__load(&pool->header->frees) + 1;
}

/* 1 if room is held back for the cell's request: too many younger ones went
 * first. Ends when nothing was freed for a while, so that nobody waits for one
 * that waits for them. */
static int is_held_for(const mm_pool *pool, const mm__slot *cell, uint64_t now) {
  return mm__load(&cell->passes) >= PASSES_MAX &&
         is_recent(mm__load(&pool->header->freed_at), now, HOLD);
}

static void tell(mm__slot *cell, uint64_t now) {
  mm__store(&cell->told_at, now);
  __atomic_fetch_add(&cell->wake, 1, __ATOMIC_RELEASE);
}

int mm__wait_turn(mm_pool *pool, uint64_t ticket, mm__turn *turn,
                  uint32_t *to_wake) {
  const uint64_t now = mm__os_now();
  turn->passed_words = 0;
  *to_wake = MM__NOBODY;
  for (uint32_t slot = next_waiting(pool, MM__NOBODY); slot != MM__NOBODY;
       slot = next_waiting(pool, slot)) {
    mm__slot *cell = &pool->slots[slot];
    const uint64_t other = mm__load(&cell->ticket);
    if (other == 0 || other >= ticket || is_stale(cell, now) ||
        has_ended(pool, slot))
      continue;

    int goes_first = 0;
    int passed = 0;
    if (!fits(pool, mm__load(&cell->size))) {
      goes_first = is_held_for(pool, cell, now);
      passed = 1;
    } else if (slot != pool->slot && !has_tried(pool, cell)) {
      const uint64_t told_at = mm__load(&cell->told_at);
      goes_first = told_at == 0 || is_recent(told_at, now, PATIENCE);
    }
    if (goes_first && slot != pool->slot &&
        !mm__participant_is_alive(pool, slot)) {
      mm__wait_clear(pool, slot);
      continue;
    }
    if (goes_first) {
      if (!passed && mm__load(&cell->told_at) == 0) {
        tell(cell, now);
        *to_wake = slot;
      }
      return MM_E_QUEUED;
    }
    if (passed) {
      const uint32_t word = slot / 64;
      if ((turn->passed_words >> word & 1) == 0) turn->passed[word] = 0;
      turn->passed_words |= 1u << word;
      turn->passed[word] |= 1ull << (slot % 64);
    }
  }
  return MM_OK;
}

void mm__wait_queued(mm_pool *pool) {
  mm__store(&pool->slots[pool->slot].told_at, 0u);
}

void mm__wait_tried(mm_pool *pool, uint64_t ticket, const mm__turn *turn,
                    int succeeded) {
  mm__slot *own = &pool->slots[pool->slot];
  if (mm__load(&own->ticket) != 0) {
    mm__store(&own->tried, mm__load(&pool->header->frees) + 1);
    mm__store(&own->told_at, 0u);
    if (succeeded && mm__load(&own->ticket) == ticket)
      mm__store(&own->passes, 0u); /* what it showed does not wait any more */
  }
  if (!succeeded) return;
  for (uint32_t words = turn->passed_words; words != 0; words &= words - 1) {
    const uint32_t word = (uint32_t)__builtin_ctz(words);
    for (uint64_t bits = turn->passed[word]; bits != 0; bits &= bits - 1) {
      mm__slot *cell =
          &pool->slots[word * 64 + (uint32_t)__builtin_ctzll(bits)];
      if (mm__load(&cell->ticket) < ticket)
        mm__store(&cell->passes, mm__load(&cell->passes) + 1);
    }
  }
}

/* The oldest participant that waits for what would fit and has not looked since
 * it came, or NOBODY. None that is younger than one for whom room is held. */
static uint32_t oldest_to_tell(mm_pool *pool, uint64_t now) {
  uint32_t oldest = MM__NOBODY;
  uint64_t before = UINT64_MAX; /* only tickets below */
  for (uint32_t slot = next_waiting(pool, MM__NOBODY); slot != MM__NOBODY;
       slot = next_waiting(pool, slot)) {
    const mm__slot *cell = &pool->slots[slot];
    const uint64_t ticket = mm__load(&cell->ticket);
    if (ticket == 0 || ticket >= before || is_stale(cell, now) ||
        has_ended(pool, slot))
      continue;
    if (is_held_for(pool, cell, now) && !fits(pool, mm__load(&cell->size))) {
      before = ticket;
      if (oldest != MM__NOBODY && mm__load(&pool->slots[oldest].ticket) > before)
        oldest = MM__NOBODY;
    }
    const uint64_t told_at = mm__load(&cell->told_at);
    if (has_tried(pool, cell) ||
        (told_at != 0 && !is_recent(told_at, now, PATIENCE)) ||
        !fits(pool, mm__load(&cell->smallest)))
      continue;
    oldest = slot;
    before = ticket;
  }
  return oldest;
}

/* Tells whoever goes next that there is room; answers the slot to wake. */
static uint32_t tell_next(mm_pool *pool) {
  const uint64_t now = mm__os_now();
  for (;;) {
    const uint32_t oldest = oldest_to_tell(pool, now);
    /* This participant itself is about to try. */
    if (oldest == MM__NOBODY || oldest == pool->slot) return MM__NOBODY;
    if (!mm__participant_is_alive(pool, oldest)) {
      mm__wait_clear(pool, oldest);
      continue;
    }
    mm__slot *cell = &pool->slots[oldest];
    /* Once told, it has its turn; it tells the next one when it has tried. */
    if (mm__load(&cell->told_at) != 0) return MM__NOBODY;
    tell(cell, now);
    return oldest;
  }
}

void mm__wait_count_free(mm_pool *pool) {
  mm__store(&pool->header->frees, mm__load(&pool->header->frees) + 1);
}

uint32_t mm__wait_freed(mm_pool *pool) {
  mm__header *header = pool->header;
  mm__wait_count_free(pool);
  if (mm__likely(!mm__wait_any(pool))) return MM__NOBODY;
  mm__store(&header->freed_at, mm__os_now());
  return tell_next(pool);
}

void mm__wait_wake(mm_pool *pool, uint32_t slot) {
  if (mm__unlikely(slot != MM__NOBODY))
    mm__os_wake(&pool->slots[slot].wake, UINT32_MAX);
}

void mm__wait_wake_all(mm_pool *pool) {
  for (uint32_t slot = 0; slot < mm__participant_limit(pool); slot++) {
    mm__slot *cell = &pool->slots[slot];
    if (mm__load(&cell->ticket) == 0) continue;
    __atomic_fetch_add(&cell->wake, 1, __ATOMIC_SEQ_CST);
    mm__wait_wake(pool, slot);
  }
}

/* ---- Public ------------------------------------------------------------ */

int mm_wait_ticket(mm_pool *pool, uint64_t *ticket) {
  const int status = mm__enter(pool);
  if (status != MM_OK) return status;
  *ticket = __atomic_add_fetch(&pool->header->next_ticket, 1, __ATOMIC_SEQ_CST);
  return MM_OK;
}

int mm_wait_show(mm_pool *pool, uint64_t ticket, uint64_t size,
                 uint64_t smallest) {
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  mm__slot *cell = &pool->slots[pool->slot];
  const uint64_t shown = mm__load(&cell->ticket);
  if (shown != ticket) mm__store_release(&cell->withdrawn, shown);
  status = mm__lock(pool, MM__WAITER_PATIENCE_MS);
  if (status != MM_OK) return status;
  if (ticket == 0) {
    mm__wait_clear(pool, pool->slot);
  } else {
    if (mm__load(&cell->ticket) != ticket) {
      mm__store(&cell->passes, 0u);
      mm__store(&cell->told_at, 0u);
    }
    mm__store(&cell->size, size);
    mm__store(&cell->smallest, smallest);
    mm__store(&cell->shown_at, mm__os_now());
    mm__store(&cell->withdrawn, 0u);
    mm__store_release(&cell->ticket, ticket);
    set_bit(pool, pool->slot);
  }
  const uint32_t to_wake =
      mm__wait_any(pool) ? tell_next(pool) : MM__NOBODY;
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return MM_OK;
}

int mm_wait_try(mm_pool *pool, uint64_t ticket, uint64_t size, uint32_t type,
                mm_allocation *allocation) {
  return mm__allocate(pool, size, type, ticket != 0 ? ticket : UINT64_MAX,
                      MM__WAITER_PATIENCE_MS, allocation);
}

uint32_t mm_wait_begin(mm_pool *pool) {
  return mm__load_acquire(&pool->slots[pool->slot].wake);
}

/* Looks at shared words and at the handle's constants only: it may run beside
 * the handle's own thread. */
int mm_wait(mm_pool *pool, uint32_t seen, uint32_t timeout_ms) {
  mm__header *header = pool->header;
  mm__slot *cell = &pool->slots[pool->slot];
  const uint64_t give_up = mm__os_now() + timeout_ms * MILLISECOND;
  const uint64_t tried = mm__load(&cell->tried);
  uint64_t lock = mm__load(&header->lock);
  for (;;) {
    if (mm__load_acquire(&header->destroyed) != 0) return MM_E_DESTROYED;
    if (mm__load_acquire(&cell->wake) != seen) return MM_OK;
    const uint64_t now = mm__os_now();
    if (now >= give_up) return MM_E_TIMEOUT;
    const uint64_t left = give_up - now;
    mm__os_wait(&cell->wake, seen, left < SLICE ? left : SLICE);

    /* Whoever should have told us may be dead: did something change? */
    if (left < SLICE) continue;
    const uint64_t lock_now = mm__load(&header->lock);
    if (lock_now != 0 && lock_now == lock) return MM_OK;
    lock = lock_now;
    if (mm__load(&header->frees) + 1 != tried) return MM_OK;
    if (mm__cache_any(pool)) return MM_OK;
  }
}

void mm_unpark(mm_pool *pool) {
  __atomic_fetch_add(&pool->slots[pool->slot].wake, 1, __ATOMIC_SEQ_CST);
  mm__wait_wake(pool, pool->slot);
}

/* Passes and sleeps until the request is served. */
int mm_alloc_blocking(mm_pool *pool, uint64_t size, uint32_t type,
                      int64_t timeout_ms, mm_allocation *allocation) {
  if (timeout_ms == 0) return mm_alloc(pool, size, type, allocation);
  /* Beyond 2^43 ms, some 280 years, is without limit. */
  const uint64_t give_up =
      timeout_ms < 0 || timeout_ms >> 43 != 0
          ? UINT64_MAX
          : mm__os_now() + (uint64_t)timeout_ms * MILLISECOND;
  uint64_t ticket = 0;
  int status = mm_wait_ticket(pool, &ticket);
  while (status == MM_OK) {
    const uint32_t seen = mm_wait_begin(pool);
    const int shown = mm_wait_show(pool, ticket, size, size);
    status = shown == MM_OK || shown == MM_E_BUSY
                 ? mm_wait_try(pool, ticket, size, type, allocation)
                 : shown;
    const int waits = status == MM_E_NO_ROOM || status == MM_E_LIMIT ||
                      status == MM_E_FS_FULL || status == MM_E_QUEUED ||
                      status == MM_E_BUSY;
    if (!waits) break;
    const uint64_t now = mm__os_now();
    if (now >= give_up) {
      status = MM_E_TIMEOUT;
      break;
    }
    const uint64_t left = (give_up - now) / MILLISECOND + 1;
    /* A pass that did not see whether there is room is soon repeated. */
    const uint64_t longest =
        status == MM_E_QUEUED || status == MM_E_BUSY ? 50 : 250;
    const int woken =
        mm_wait(pool, seen, (uint32_t)(left < longest ? left : longest));
    status = woken == MM_E_DESTROYED ? woken : MM_OK;
  }
  /* When the lock is busy the cell stays, marked as withdrawn. */
  if (status != MM_E_DESTROYED && mm__load(&pool->slots[pool->slot].ticket) == ticket)
    mm_wait_show(pool, 0, 0, 0);
  return status;
}
