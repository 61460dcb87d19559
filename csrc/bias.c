/* bias.c - see bias.h. */
#include "bias.h"

#include "block.h"
#include "participants.h"
#include "wait.h"

/* Until a slot is biased again: that costs about as much as revoking the bias; and
 * twice as long each time. */
#define AGAIN_AFTER (256u << 10)
#define AGAIN_AFTER_MOST (64u << 20)

/* Until that is worth having all threads of a process wait. */
#define AFTER_A_WAIT (4u << 20)

#define TRIES_MAX 100

/* Between looks whether another has freed what it is about to free. */
#define SLICE_NS 50000u

/* ---- One slot's word ----------------------------------------------------- */

static uint32_t kind_of(uint32_t word) { return word & MM__BIAS_MASK; }

/* Lets no bias go on; answers the word to end that with, or 0 if there was none. */
static uint32_t begin_to_revoke(uint32_t *biased) {
  for (int tries = 0; tries < TRIES_MAX; tries++) {
    const uint32_t word = mm__load_acquire(biased);
    if (kind_of(word) == MM__NOT_BIASED) return 0;
    if (kind_of(word) == MM__BIAS_REVOKED) return word;
    const uint32_t revoked =
        (word & ~MM__BIAS_MASK) + MM__BIAS_ONCE + MM__BIAS_REVOKED;
    if (mm__cas(biased, word, revoked)) return revoked;
  }
  return 0; /* somebody scribbles */
}

static void end_revoking(uint32_t *biased, uint32_t revoked) {
  mm__cas(biased, revoked, revoked - MM__BIAS_REVOKED + MM__NOT_BIASED);
}

/* ---- For the participant ------------------------------------------------- */

void mm__bias_seek(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  const int joined = mm__os_join_fences(cache->is_worth_a_wait);
  cache->is_worth_a_wait = 1;
  cache->until_bias = joined > 0    ? MM__BIAS_AFTER
                      : joined == 0 ? AFTER_A_WAIT
                                    : UINT32_MAX;
  if (joined <= 0 || mm__lock(pool, 0) != MM_OK) return;
  if (mm__wait_any(pool)) { /* they would have to revoke it at every try */
    mm__unlock(pool);
    return;
  }
  /* Also where a revocation is under way, or whoever began it was killed: this
   * participant changes nothing by its bias now. By compare-and-swap, since one may
   * begin if the slot is biased after all: its count must not come again. */
  uint32_t *biased = &cache->slot->biased;
  const uint32_t word = mm__load(biased);
  if (kind_of(word) != MM__BIASED)
    mm__cas(biased, word, (word & ~MM__BIAS_MASK) + MM__BIASED);
  if (cache->bias_again_after == 0) cache->bias_again_after = AGAIN_AFTER;
  cache->until_bias = cache->bias_again_after;
  if (cache->bias_again_after < AGAIN_AFTER_MOST) cache->bias_again_after *= 2;
  mm__unlock(pool);
}

void mm__bias_leave(mm_pool *pool) {
  uint32_t *biased = &pool->cache.slot->biased;
  const uint32_t word = mm__load(biased);
  if (kind_of(word) == MM__BIASED) mm__cas(biased, word, word - MM__BIASED);
}

/* ---- For others ---------------------------------------------------------- */

int mm__bias_has(const mm_pool *pool, uint32_t slot) {
  return kind_of(mm__load_acquire(&pool->slots[slot].biased)) != MM__NOT_BIASED;
}

int mm__bias_any(const mm_pool *pool) {
  const uint32_t limit = mm__participant_limit(pool);
  for (uint32_t slot = 0; slot < limit; slot++)
    if (slot != pool->slot && mm__bias_has(pool, slot)) return 1;
  return 0;
}

void mm__bias_revoke_all(mm_pool *pool) {
  const uint32_t limit = mm__participant_limit(pool);
  uint32_t revoked[MM_SLOTS_MAX];
  for (uint32_t slot = 0; slot < limit; slot++)
    revoked[slot] =
        slot != pool->slot ? begin_to_revoke(&pool->slots[slot].biased) : 0;
  mm__os_fence_all();
  for (uint32_t slot = 0; slot < limit; slot++)
    if (revoked[slot] != 0) end_revoking(&pool->slots[slot].biased, revoked[slot]);
}

static void revoke_one(mm__slot *slot) {
  const uint32_t revoked = begin_to_revoke(&slot->biased);
  if (revoked == 0) return;
  mm__os_fence_all();
  end_revoking(&slot->biased, revoked);
}

enum { UNTIED, IS_BIASED, IS_CLAIMED };

/* Makes an allocation LIVE that is TIED to another's slot, or says what is in the
 * way. Under the lock. */
static int untie(mm_pool *pool, uint64_t id, mm__slot **in_the_way) {
  const mm__heap *heap = &pool->heap;
  const uint32_t record = (uint32_t)(id & ((1ull << heap->index_bits) - 1));
  if (!mm__is_record(heap, record)) return UNTIED;
  uint64_t *place = &heap->table[record].state;
  const uint64_t state = mm__load_acquire(place);
  const uint64_t tag = mm__tag(state);
  const uint32_t slot = (uint32_t)(tag >> MM__SLOT_SHIFT);
  if (mm__likely(tag != mm__tied(slot)) || slot == pool->slot ||
      mm__generation(state) != id >> heap->index_bits)
    return UNTIED;
  if (slot < mm__participant_limit(pool)) {
    mm__slot *other = *in_the_way = &pool->slots[slot];
    if (mm__bias_has(pool, slot)) return IS_BIASED;
    /* It may have seen the bias before that was revoked. */
    if (mm__load_acquire(&other->claim) == record &&
        mm__participant_is_alive(pool, slot))
      return IS_CLAIMED;
  }
  mm__cas(place, state, state - tag + MM__LIVE); /* else it was faster */
  return UNTIED;
}

int mm__bias_lock(mm_pool *pool, uint64_t id) {
  uint64_t give_up = 0;
  for (;;) {
    const int status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
    if (mm__unlikely(status != MM_OK)) return status;
    mm__slot *other;
    const int found = untie(pool, id, &other);
    if (mm__likely(found == UNTIED)) return MM_OK;
    mm__unlock(pool);
    const uint64_t now = mm__os_now();
    if (give_up == 0) give_up = now + MM__LOCK_PATIENCE_MS * 1000000ull;
    if (now > give_up) return MM_E_BUSY;
    if (found == IS_BIASED)
      revoke_one(other);
    else
      mm__os_sleep(SLICE_NS);
  }
}
