/* cache_test.c - the caches of participants: what they hold counts as free, is
 * anyone's to take back, and nothing of it is lost or given twice. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "cached_pool.h"
#include "shared.h"
#include "wait.h"

/* ---- The own cache ------------------------------------------------------- */

static void a_freed_block_is_used_again_without_the_lock(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  const mm_allocation first = must_alloc(pool, 300);
  const mm_allocation uncached = must_alloc(pool, LARGEST + 1);
  CHECK_OK(mm__lock(other, 0));
  CHECK_OK(mm_free(pool, first.id));
  CHECK(is_cached_by(&first, pool));
  CHECK_STATUS(mm_free(pool, uncached.id), MM_E_BUSY);
  const mm_allocation again = must_alloc(pool, 310); /* of the same granules */
  CHECK_EQ(again.offset, first.offset);
  CHECK(again.id != first.id);
  mm__unlock(other);
  mm_pool_detach(other);
  close_pool();
}

static void an_id_ends_with_its_free(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  mm_allocation found;
  const mm_allocation first = must_alloc(pool, 64);
  CHECK_OK(mm_free(other, first.id));
  CHECK(is_cached_by(&first, other));
  CHECK_STATUS(mm_free(pool, first.id), MM_E_STALE);
  CHECK_STATUS(mm_free(other, first.id), MM_E_STALE);
  CHECK_STATUS(mm_find(pool, first.id, &found), MM_E_STALE);
  CHECK_STATUS(mm_adopt(pool, first.id), MM_E_STALE);
  const mm_allocation second = must_alloc(other, 64);
  CHECK_EQ(second.offset, first.offset);
  CHECK_STATUS(mm_free(pool, first.id), MM_E_STALE);
  CHECK_OK(mm_find(pool, second.id, &found));
  CHECK_EQ(found.type, second.type);
  mm_pool_detach(other);
  close_pool();
}

static void every_size_comes_back_as_it_was_asked_for(void) {
  pool = new_pool(1u << 26);
  uint64_t seed = 5;
  for (int round = 0; round < 20000; round++) {
    const uint64_t size = random_below(&seed, 40000);
    const mm_allocation made = must_alloc(pool, size);
    CHECK_EQ(made.size, size);
    const uint32_t granules = pool->heap.table[made.id & ((1u << pool->heap.index_bits) - 1)].granules;
    CHECK(granules >= mm__heap_granules(&pool->heap, size));
    /* At most 1/32 more than asked for. */
    CHECK((granules - 1) * 64 <= size + size / 32);
    CHECK_OK(mm_free(pool, made.id));
  }
  close_pool();
}

static void a_cache_holds_its_share_and_no_more(void) {
  open_pool();
  static mm_allocation made[2 * CACHE_BYTES / 64];
  const uint32_t count = sizeof made / sizeof *made;
  for (uint32_t at = 0; at < count; at++) made[at] = must_alloc(pool, 64);
  uint32_t cached = 0;
  for (uint32_t at = 0; at < count; at++) CHECK_OK(mm_free(pool, made[at].id));
  for (uint32_t at = 0; at < count; at++) cached += (uint32_t)is_cached_by(&made[at], pool);
  CHECK(cached > 0 && cached <= CACHE_BYTES / 64);
  must_be_empty();
  close_pool();
}

static void a_full_cache_gives_some_up(void) {
  open_pool();
  static mm_allocation made[CACHE_BYTES / 64 + 8];
  const uint32_t count = sizeof made / sizeof *made;
  for (uint32_t at = 0; at < count; at++) made[at] = must_alloc(pool, 64);
  uint32_t at = 0;
  do {
    CHECK_OK(mm_free(pool, made[at].id));
  } while (is_cached_by(&made[at], pool) && ++at < count - 1);
  CHECK(at < count - 1);
  CHECK_OK(mm_free(pool, made[at + 1].id)); /* there is room again */
  CHECK(is_cached_by(&made[at + 1], pool));
  for (at += 2; at < count; at++) CHECK_OK(mm_free(pool, made[at].id));
  must_be_empty();
  close_pool();
}

static void a_spoilt_block_stays_until_the_lock_is_to_be_had(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  fill_cache(pool, 64, 1);
  uint32_t *granules = &pool->heap.table[pool->cache.entries[0]].granules;
  mm_allocation made;
  *granules = 7;
  CHECK_OK(mm__lock(other, 0));
  CHECK_STATUS(mm_alloc(pool, 64, 0, &made), MM_E_BUSY);
  mm__unlock(other);
  CHECK_SOUND(mm__cache_check(pool));
  CHECK_OK(mm_alloc(pool, 64, 0, &made));
  CHECK_OK(mm_free(pool, made.id));
  must_be_empty();
  mm_pool_detach(other);
  close_pool();
}

static void only_who_allocates_often_gets_more_at_once(void) {
  open_pool();
  must_alloc(pool, 64);
  CHECK_EQ(stats_of(pool).most_allocations, 1);
  for (int at = 0; at < 100; at++) must_alloc(pool, 64);
  CHECK(stats_of(pool).most_allocations < 101 + 32);
  CHECK_EQ(stats_of(pool).allocations, 101);
  close_pool();
}

static void a_pool_with_a_limit_has_no_caches(void) {
  pool = new_pool_from((mm_pool_options){.size = SIZE, .max_allocations = 3});
  CHECK_EQ(pool->geometry.cache_entries, 0);
  for (int round = 0; round < 3; round++) {
    mm_allocation made[4];
    for (int at = 0; at < 3; at++) made[at] = must_alloc(pool, 64 << at);
    CHECK_STATUS(mm_alloc(pool, 64, 0, &made[3]), MM_E_LIMIT);
    for (int at = 0; at < 3; at++) CHECK_OK(mm_free(pool, made[at].id));
  }
  CHECK_EQ(stats_of(pool).most_allocations, 3);
  close_pool();
}

static void small_pools_have_no_caches(void) {
  for (uint64_t size = 1; size <= 1u << 18; size *= 2) {
    pool = new_pool(size);
    CHECK_EQ(pool->geometry.cache_entries != 0, size >= 1u << 18);
    const mm_allocation made = must_alloc(pool, 1);
    CHECK_OK(mm_free(pool, made.id));
    CHECK_EQ(stats_of(pool).free_space, mm_pool_describe(pool)->size);
    close_pool();
  }
}

/* ---- Others' caches ------------------------------------------------------- */

static void what_is_cached_is_free(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  const mm_allocation kept = must_alloc(pool, 100);
  for (int round = 0; round < 3; round++) {
    fill_cache(pool, 64, 20);
    fill_cache(other, 500, 8);
    CHECK_EQ(stats_of(other).free_space, SIZE - 128);
    CHECK_EQ(stats_of(pool).allocations, 1);
    fill_cache(other, 200, 10);
    uint64_t sizes[64], cursor = 0, sum = 0;
    size_t count;
    do {
      CHECK_OK(mm_list_free_blocks(pool, &cursor, sizes, 64, &count));
      for (size_t at = 0; at < count; at++) sum += sizes[at];
    } while (count != 0);
    CHECK_EQ(sum, SIZE - 128);
    fill_cache(pool, 64, 5);
    mm_pool_entry entry;
    CHECK_OK(mm_pool_probe(mm_pool_describe(pool)->name, NULL, &entry));
    CHECK_EQ(entry.used, 128);
  }
  CHECK_OK(mm_free(other, kept.id));
  mm_pool_detach(other);
  close_pool();
}

static void no_cache_makes_a_request_fail(void) {
  open_pool();
  mm_pool *others[8];
  for (uint32_t at = 0; at < 8; at++) others[at] = attach_again(pool);
  for (int round = 0; round < 5; round++) {
    for (uint32_t at = 0; at < 8; at++) fill_cache(others[at], 64 * (at + 1), 16);
    CHECK_SOUND(mm__check(pool));
    must_be_empty();
    CHECK_SOUND(mm__check(pool));
  }
  for (uint32_t at = 0; at < 8; at++) mm_pool_detach(others[at]);
  close_pool();
}

static void a_stopped_participant_keeps_nothing(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  fill_cache(other, 128, 30);
  must_be_empty(); /* `other` does nothing meanwhile */
  /* It goes on, although all that it remembers is gone. */
  fill_cache(other, 128, 30);
  CHECK_SOUND(mm__check(other));
  mm_pool_detach(other);
  must_be_empty();
  close_pool();
}

static void detaching_gives_everything_back(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  fill_cache(other, 128, 30);
  const uint32_t slot = other->slot;
  mm_pool_detach(other);
  CHECK_EQ(pool->slots[slot].occupied, 0);
  CHECK_EQ(pool->slots[slot].cache_used, 0);
  CHECK_EQ(pool->header->heap.taken, 0);
  close_pool();
}

/* ---- The dead -------------------------------------------------------------- */

/* Where a participant stands when it dies, or is stopped. */
enum { DOING_NOTHING, CLAIMING, CLAIMING_BIASED, WAYS };

static void cache_and_die(void *argument) {
  mm_pool *own = attach_again(pool);
  fill_cache(own, 100, 20);
  uint32_t *entries = own->cache.entries;
  if ((uintptr_t)argument == CLAIMING)
    pool->heap.table[entries[3]].state += MM__CLAIMED - MM__CACHED;
  if ((uintptr_t)argument == CLAIMING_BIASED) {
    bias_slot(own);
    own->cache.slot->claim = entries[3];
  }
  _exit(0);
}

static void the_caches_of_the_dead_are_free(void) {
  open_pool();
  for (uintptr_t way = DOING_NOTHING; way < WAYS; way++) {
    finish_child(start_child(cache_and_die, (void *)way));
    CHECK(pool->header->heap.taken != 0);
    must_be_empty();
    finish_child(start_child(cache_and_die, (void *)way));
    mm_pool *heir = attach_again(pool); /* in the same slot */
    CHECK_EQ(heir->slot, 1);
    CHECK_EQ(kind_of_bias(heir), MM__NOT_BIASED);
    CHECK_EQ(heir->cache.slot->claim, 0);
    CHECK_EQ(pool->header->heap.taken, 0);
    mm_pool_detach(heir);
  }
  close_pool();
}

/* An heir that cannot take over leaves all of it to the next one. */
static void an_heir_may_fail(void) {
  open_pool();
  finish_child(start_child(cache_and_die, (void *)DOING_NOTHING));
  const uint64_t taken = pool->header->heap.taken;
  const uint32_t used = pool->slots[1].cache_used;
  CHECK(taken != 0 && used != 0);

  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  mm_pool *heir = NULL;
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  uint32_t *next = &pool->heap.table[pool->heap.table[0].next].next;
  const uint32_t right = *next;
  *next = pool->heap.table[0].next; /* a chain that leads nowhere */
  CHECK_STATUS(mm_pool_attach(descriptor, length, &heir), MM_E_CORRUPT);
  *next = right;
  CHECK_EQ(pool->slots[1].occupied, 1);
  CHECK_EQ(pool->slots[1].cache_used, used);
  CHECK_SOUND(mm__check(pool));
  must_be_empty();
  close_pool();
}

/* The same, when the lock is not to be had in time, and then is. */
static void an_heir_may_be_too_late(void) {
  open_pool();
  mm_pool *heir = attach_again(pool);
  fill_cache(heir, 100, 20);
  const uint32_t used = pool->slots[1].cache_used;
  mm__cache_open(heir); /* what is there it has not taken over */
  heir->has_slot = 0;
  mm_pool_detach(heir);
  CHECK_EQ(pool->slots[1].occupied, 1);
  CHECK_EQ(pool->slots[1].cache_used, used);
  CHECK_SOUND(mm__check(pool));
  must_be_empty();
  close_pool();
}

static void what_the_living_claim_is_theirs(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  const mm_allocation made = must_alloc(other, 100);
  CHECK_OK(mm_free(other, made.id));
  uint64_t *state = &pool->heap.table[other->cache.entries[0]].state;
  *state += MM__CLAIMED - MM__CACHED;
  CHECK_EQ(stats_of(pool).allocations, 1);
  CHECK_EQ(mm__tag(*state), mm__claimed(other->slot));
  *state -= MM__CLAIMED - MM__CACHED;
  CHECK_EQ(stats_of(pool).allocations, 0);
  mm_pool_detach(other);
  close_pool();
}

static void allocate_in_child(void *argument) {
  (void)argument;
  CHECK_SOUND(mm__check(pool));
  fill_cache(pool, 100, 20); /* through the inherited handle */
  CHECK_EQ(pool->slot, 1);
  mm_pool_detach(pool);
  _exit(0);
}

static void a_child_does_not_inherit_the_cache(void) {
  open_pool();
  fill_cache(pool, 100, 20);
  finish_child(start_child(allocate_in_child, NULL));
  CHECK_SOUND(mm__check(pool));
  must_be_empty();
  close_pool();
}

/* ---- Waiters --------------------------------------------------------------- */

typedef struct waiter {
  mm_pool *pool;
  uint64_t size;
  uint32_t served;
  uint32_t ends;
} waiter;

static void *wait_for_room(void *argument) {
  waiter *self = argument;
  mm_allocation made;
  CHECK_OK(mm_alloc_blocking(self->pool, self->size, 0, 5000, &made));
  mm__store_release(&self->served, 1u);
  CHECK_OK(mm_free(self->pool, made.id));
  return NULL;
}

static void await_waiters(void) {
  while (!mm__wait_any(pool)) sleep_ms(1);
}

static void nothing_is_cached_while_somebody_waits(void) {
  open_pool();
  waiter waiter = {.pool = attach_again(pool), .size = SIZE};
  const mm_allocation first = must_alloc(pool, 100), last = must_alloc(pool, 100);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_for_room, &waiter) == 0);
  await_waiters();
  CHECK_OK(mm_free(pool, first.id));
  CHECK_EQ(mm__tag(state_of(&first)), MM__FREE);
  CHECK_EQ(waiter.served, 0);
  CHECK_OK(mm_free(pool, last.id));
  CHECK(pthread_join(thread, NULL) == 0);
  mm_pool_detach(waiter.pool);
  close_pool();
}

/* Frees the last block again and again while the other begins to wait. */
static void *free_while_they_begin(void *argument) {
  waiter *self = argument;
  while (!mm__load_acquire(&self->ends)) {
    mm_allocation made;
    const int status = mm_alloc(self->pool, 100, 0, &made);
    if (status == MM_E_NO_ROOM) continue; /* the other has it all */
    CHECK_OK(status);
    for (volatile int pause = 0; pause < 300; pause = pause + 1) continue;
    CHECK_OK(mm_free(self->pool, made.id));
    for (volatile int pause = 0; pause < 3000; pause = pause + 1) continue;
  }
  return NULL;
}

static void a_free_just_before_the_wait_is_found(void) {
  open_pool();
  waiter freer = {.pool = attach_again(pool)};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, free_while_they_begin, &freer) == 0);
  uint64_t longest = 0;
  for (int round = 0; round < 2000; round++) {
    mm_allocation made;
    const uint64_t begun = now_ms();
    const int status = mm_alloc_blocking(pool, SIZE, 0, 1000, &made);
    CHECK_OK(status);
    if (now_ms() - begun > longest) longest = now_ms() - begun;
    CHECK_OK(mm_free(pool, made.id));
  }
  CHECK(longest <= 100);
  mm__store_release(&freer.ends, 1u);
  CHECK(pthread_join(thread, NULL) == 0);
  mm_pool_detach(freer.pool);
  close_pool();
}

static mm_allocation to_free;

/* Caches a block although somebody waits, as one does who looked just before,
 * and dies before it looks again. */
static void free_and_die(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  const uint32_t words = pool->header->waiting_words;
  mm__store(&pool->header->waiting_words, 0u);
  CHECK_OK(mm_free(own, to_free.id));
  mm__store(&pool->header->waiting_words, words);
  CHECK(is_cached_by(&to_free, own));
  _exit(0);
}

static void die_before_it_looks(int has_heir) {
  open_pool();
  waiter waiter = {.pool = attach_again(pool), .size = SIZE};
  to_free = must_alloc(pool, 100);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_for_room, &waiter) == 0);
  await_waiters();
  sleep_ms(60);
  finish_child(start_child(free_and_die, NULL));
  const uint64_t died = now_ms();
  mm_pool *heir = has_heir ? attach_again(pool) : NULL;
  while (!mm__load_acquire(&waiter.served)) CHECK(now_ms() - died <= 100);
  CHECK(pthread_join(thread, NULL) == 0);
  if (has_heir) mm_pool_detach(heir);
  mm_pool_detach(waiter.pool);
  close_pool();
}

static void a_freer_may_die_before_it_looks(void) { die_before_it_looks(0); }

/* Whoever takes its slot frees what lay in its cache; mostly before the waiter
 * looks. */
static void and_have_an_heir(void) {
  for (int round = 0; round < 6; round++) die_before_it_looks(1);
}

/* ---- Many at once ------------------------------------------------------------ */

#define THREADS 4
#define SHARED_IDS 64

static uint64_t ids[SHARED_IDS];
static uint64_t freed, refused, made_in_all;

typedef struct racer {
  pthread_t thread;
  mm_pool *pool;
  uint64_t seed;
} racer;

/* All free what all have made, often the same at once. */
static void *race(void *argument) {
  racer *self = argument;
  uint64_t made_here = 0, freed_here = 0, refused_here = 0;
  for (int round = 0; round < 60000 || (mm__load(&refused) == 0 && refused_here == 0); round++) {
    uint64_t *place = &ids[random_below(&self->seed, SHARED_IDS)];
    const uint64_t id = mm__load(place);
    if (id == 0) {
      mm_allocation made;
      CHECK_OK(mm_alloc(self->pool, 64 + random_below(&self->seed, 400), 0, &made));
      made_here++;
      if (mm__cas(place, 0, made.id)) continue;
      CHECK_OK(mm_free(self->pool, made.id));
      freed_here++;
    } else {
      mm_allocation found;
      const int status = mm_find(self->pool, id, &found);
      if (status == MM_OK && random_below(&self->seed, 20) == 0) {
        const int adopted = mm_adopt(self->pool, id);
        CHECK(adopted == MM_OK || adopted == MM_E_STALE);
      }
      const int status_of_free = mm_free(self->pool, id);
      CHECK(status_of_free == MM_OK || status_of_free == MM_E_STALE);
      if (status_of_free == MM_OK) mm__cas(place, id, 0);
      freed_here += status_of_free == MM_OK;
      refused_here += status_of_free != MM_OK;
    }
  }
  __atomic_fetch_add(&made_in_all, made_here, __ATOMIC_RELAXED);
  __atomic_fetch_add(&freed, freed_here, __ATOMIC_RELAXED);
  __atomic_fetch_add(&refused, refused_here, __ATOMIC_RELAXED);
  return NULL;
}

static void of_two_that_free_one_succeeds(void) {
  open_pool();
  racer racers[THREADS];
  for (uint64_t at = 0; at < THREADS; at++) {
    racers[at] = (racer){.pool = attach_again(pool), .seed = at};
    CHECK(pthread_create(&racers[at].thread, NULL, race, &racers[at]) == 0);
  }
  for (int sweeps = 0; sweeps < 2000; sweeps++) {
    stats_of(pool);
    if (sweeps % 50 == 0) CHECK_SOUND(mm__check(pool));
  }
  for (int at = 0; at < THREADS; at++) CHECK(pthread_join(racers[at].thread, NULL) == 0);
  const uint64_t live = stats_of(pool).allocations;
  CHECK_EQ(made_in_all - freed, live);
  CHECK(refused != 0);
  for (int at = 0; at < THREADS; at++) mm_pool_detach(racers[at].pool);
  close_pool();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("cache: a freed block is used again without the lock",
            a_freed_block_is_used_again_without_the_lock);
  test_case("cache: an id ends with its free", an_id_ends_with_its_free);
  test_case("cache: every size comes back as it was asked for",
            every_size_comes_back_as_it_was_asked_for);
  test_case("cache: it holds its share and no more", a_cache_holds_its_share_and_no_more);
  test_case("cache: when it is full it gives some up", a_full_cache_gives_some_up);
  test_case("cache: a spoilt block stays until the lock is to be had",
            a_spoilt_block_stays_until_the_lock_is_to_be_had);
  test_case("cache: only who allocates often gets more at once",
            only_who_allocates_often_gets_more_at_once);
  test_case("cache: a pool with a limit has none", a_pool_with_a_limit_has_no_caches);
  test_case("cache: small pools have none", small_pools_have_no_caches);
  test_case("cache: what is cached is free", what_is_cached_is_free);
  test_case("cache: none makes a request fail", no_cache_makes_a_request_fail);
  test_case("cache: a stopped participant keeps nothing", a_stopped_participant_keeps_nothing);
  test_case("cache: detaching gives everything back", detaching_gives_everything_back);
  test_case("cache: those of the dead are free", the_caches_of_the_dead_are_free);
  test_case("cache: an heir may fail", an_heir_may_fail);
  test_case("cache: an heir may be too late", an_heir_may_be_too_late);
  test_case("cache: what the living claim is theirs", what_the_living_claim_is_theirs);
  test_case("cache: a child does not inherit it", a_child_does_not_inherit_the_cache);
  test_case("cache: nothing is cached while somebody waits",
            nothing_is_cached_while_somebody_waits);
  test_case_timed("cache: a free just before the wait is found",
                  a_free_just_before_the_wait_is_found);
  test_case_timed("cache: a freer may die before it looks", a_freer_may_die_before_it_looks);
  test_case_timed("cache: a freer may die before it looks, and have an heir", and_have_an_heir);
  test_case("cache: of two that free one succeeds", of_two_that_free_one_succeeds);
  return harness_end();
}
