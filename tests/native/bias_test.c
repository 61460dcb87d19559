/* bias_test.c - slots that are biased towards their participants: these change
 * blocks by plain stores, and others notice nothing but a millisecond. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bias.h"
#include "block.h"
#include "cached_pool.h"
#include "shared.h"

static mm_pool *other;

static void open_for_two(void) {
  open_pool();
  other = attach_again(pool);
}

static void close_for_two(void) {
  must_be_empty();
  mm_pool_detach(other);
  close_pool();
}

/* Whether or not the system can fence: where nobody runs beside it, it need not. */
static void bias(mm_pool *of) {
  uint32_t *biased = &of->cache.slot->biased;
  CHECK_EQ(kind_of_bias(of), MM__NOT_BIASED);
  mm__store(biased, mm__load(biased) + MM__BIASED);
}

/* An allocation of a participant whose slot is biased. */
static mm_allocation tied_to(mm_pool *of) {
  fill_cache(of, 100, 1);
  bias(of);
  const mm_allocation made = must_alloc(of, 100);
  CHECK_EQ(mm__tag(state_of(&made)), mm__tied(of->slot));
  CHECK_EQ(of->cache.slot->claim, 0);
  return made;
}

static uint32_t record_of(const mm_allocation *made) {
  return (uint32_t)made->id & ((1u << pool->heap.index_bits) - 1);
}

/* ---- The participant itself ------------------------------------------------ */

static void what_it_makes_is_tied_and_its_own_to_free(void) {
  open_for_two();
  const mm_allocation made = tied_to(pool);
  mm_allocation found;
  CHECK_OK(mm_find(other, made.id, &found));
  CHECK(memcmp(&made, &found, sizeof made) == 0);
  CHECK_EQ(stats_of(pool).allocations, 1);
  CHECK_SOUND(mm__check(other));
  CHECK_OK(mm__lock(other, 0));
  CHECK_OK(mm_free(pool, made.id)); /* without the lock */
  CHECK_STATUS(mm_free(pool, made.id), MM_E_BUSY);
  mm__unlock(other);
  CHECK(is_cached_by(&made, pool));
  CHECK_EQ(pool->cache.slot->claim, 0);
  CHECK_STATUS(mm_free(pool, made.id), MM_E_STALE);
  CHECK_STATUS(mm_find(pool, made.id, &found), MM_E_STALE);
  CHECK_EQ(kind_of_bias(pool), MM__BIASED);
  close_for_two();
}

/* Its cache is full, or somebody waits: under the lock, and still its own. */
static void the_own_may_be_freed_under_the_lock(void) {
  open_for_two();
  const mm_allocation made = tied_to(pool), resized = must_alloc(pool, 64);
  *state_at(&resized) += mm__tied(pool->slot) - MM__LIVE;
  pool->cache.room = 0;
  CHECK_OK(mm_resize(pool, resized.id, 20));
  CHECK_EQ(mm__tag(state_of(&resized)), MM__LIVE);
  CHECK_OK(mm_free(pool, made.id));
  CHECK_EQ(mm__tag(state_of(&made)), MM__FREE);
  CHECK_OK(mm_free(pool, resized.id));
  CHECK_EQ(kind_of_bias(pool), MM__BIASED);
  close_for_two();
}

static void without_the_bias_it_goes_on(void) {
  open_for_two();
  const mm_allocation made = tied_to(pool);
  stats_of(other);
  CHECK_EQ(kind_of_bias(pool), MM__NOT_BIASED);
  CHECK_EQ(mm__tag(state_of(&made)), mm__tied(pool->slot));
  CHECK_OK(mm_free(pool, made.id));
  CHECK(is_cached_by(&made, pool));
  CHECK_EQ(pool->cache.slot->claim, 0);
  const mm_allocation again = must_alloc(pool, 100);
  CHECK_EQ(mm__tag(state_of(&again)), MM__LIVE);
  CHECK_EQ(again.offset, made.offset);
  CHECK_OK(mm_free(other, again.id));
  close_for_two();
}

static void what_was_taken_back_is_not_claimed_for_good(void) {
  open_for_two();
  fill_cache(pool, 64, 1);
  const uint32_t record = pool->cache.entries[0];
  stats_of(pool); /* it is free now */
  pool->cache.entries[0] = record; /* as if whoever did that had been killed there */
  bias(pool);
  CHECK_OK(mm_free(pool, must_alloc(pool, 64).id));
  CHECK_EQ(pool->cache.slot->claim, 0);
  close_for_two();
}

static void a_free_that_comes_too_late_claims_nothing(void) {
  open_for_two();
  const mm_allocation made = must_alloc(pool, 100);
  CHECK_OK(mm_free(other, made.id));
  bias(pool);
  CHECK_STATUS(mm_free(pool, made.id), MM_E_STALE);
  CHECK_EQ(pool->cache.slot->claim, 0);
  close_for_two();
}

/* ---- When it is given ------------------------------------------------------ */

static uint32_t can_be_biased(void) {
  return mm__os_join_fences(1) == 1 ? MM__BIASED : MM__NOT_BIASED;
}

static void make_and_free(mm_pool *freer, int count) {
  for (int at = 0; at < count; at++) CHECK_OK(mm_free(freer, must_alloc(pool, 64).id));
}

static void who_frees_much_of_its_own_is_biased(void) {
  open_for_two();
  const uint32_t can = can_be_biased();
  /* Each time after more of them. */
  static const int enough[] = {5000, 263000, 525000};
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(kind_of_bias(pool), MM__NOT_BIASED);
    make_and_free(pool, enough[round] - 1500);
    CHECK_EQ(kind_of_bias(pool), MM__NOT_BIASED);
    make_and_free(pool, 1500);
    CHECK_EQ(kind_of_bias(pool), can);
    CHECK_EQ(pool->cache.slot->claim, 0);
    stats_of(pool); /* nobody takes one's own away */
    CHECK_EQ(kind_of_bias(pool), can);
    CHECK_EQ(stats_of(other).allocations, 0);
  }
  close_for_two();
}

static void who_makes_what_others_free_is_not(void) {
  open_for_two();
  can_be_biased();
  make_and_free(other, 20000);
  CHECK_EQ(kind_of_bias(pool), MM__NOT_BIASED);
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  close_for_two();
}

static void not_while_somebody_waits(void) {
  open_for_two();
  can_be_biased();
  uint64_t ticket;
  fill_cache(pool, 100, 1);
  CHECK_OK(mm_wait_ticket(other, &ticket));
  CHECK_OK(mm_wait_show(other, ticket, SIZE, SIZE));
  pool->cache.until_bias = 0;
  CHECK_OK(mm_free(pool, must_alloc(pool, 100).id));
  CHECK_EQ(kind_of_bias(pool), MM__NOT_BIASED);
  CHECK_OK(mm_wait_show(other, 0, 0, 0));
  close_for_two();
}

/* Whoever began to revoke it may be dead. */
static void one_half_revoked_is_given_anew(void) {
  open_for_two();
  const uint32_t can = can_be_biased();
  fill_cache(pool, 100, 1);
  pool->cache.slot->biased = 5 * MM__BIAS_ONCE + MM__BIAS_REVOKED;
  pool->cache.until_bias = 0;
  const mm_allocation made = must_alloc(pool, 100);
  if (can == MM__BIASED) {
    CHECK_EQ(mm__tag(state_of(&made)), mm__tied(pool->slot));
    CHECK_EQ(pool->cache.slot->biased, 5 * MM__BIAS_ONCE + MM__BIASED);
  }
  CHECK_OK(mm_free(pool, made.id));
  close_for_two();
}

/* ---- Others ----------------------------------------------------------------- */

static void others_free_what_is_tied(void) {
  open_for_two();
  const mm_allocation made = tied_to(other);
  const uint32_t revoked = other->cache.slot->biased / MM__BIAS_ONCE;
  CHECK_OK(mm_free(pool, made.id));
  CHECK_STATUS(mm_free(other, made.id), MM_E_STALE);
  CHECK_STATUS(mm_free(pool, made.id), MM_E_STALE);
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  CHECK_EQ(other->cache.slot->biased / MM__BIAS_ONCE, revoked + 1);
  close_for_two();
}

static void others_adopt_and_resize_it(void) {
  open_for_two();
  mm_allocation made = tied_to(other), found;
  CHECK_OK(mm_resize(pool, made.id, 20));
  CHECK_OK(mm_find(other, made.id, &found));
  CHECK_EQ(found.size, 20);
  CHECK_OK(mm_free(other, made.id));
  stats_of(pool);
  made = tied_to(other);
  CHECK_OK(mm_adopt(pool, made.id));
  mm_pool_detach(other); /* the owner is another now: it stays */
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  CHECK_EQ(reclaimed.allocations, 0);
  CHECK_OK(mm_free(pool, made.id));
  other = attach_again(pool);
  close_for_two();
}

static void nobody_takes_what_another_is_about_to_free(void) {
  open_for_two();
  const mm_allocation made = tied_to(other);
  mm__slot *slot = other->cache.slot;
  slot->claim = record_of(&made); /* it was stopped there */
  CHECK_STATUS(mm_free(pool, made.id), MM_E_BUSY);
  CHECK_STATUS(mm_adopt(pool, made.id), MM_E_BUSY);
  CHECK_EQ(mm__tag(state_of(&made)), mm__tied(other->slot));
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  mm_allocation free_for_all = must_alloc(pool, 100); /* nobody holds the lock */
  CHECK_OK(mm_free(pool, free_for_all.id));
  slot->claim = 0;
  CHECK_OK(mm_free(pool, made.id));
  close_for_two();
}

static void what_they_take_by_their_bias_is_theirs(void) {
  open_for_two();
  fill_cache(other, 100, 4);
  bias(other);
  const uint32_t record = other->cache.entries[1];
  uint64_t *state = &pool->heap.table[record].state;
  mm__slot *slot = other->cache.slot;
  slot->claim = record; /* it was stopped there */
  CHECK_EQ(stats_of(pool).allocations, 1);
  CHECK_EQ(mm__tag(*state), mm__cached(other->slot));
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  CHECK_SOUND(mm__check(pool));
  /* It goes on, and makes the block an allocation. */
  *state += mm__tied(other->slot) - mm__tag(*state);
  other->cache.entries[1] = slot->claim = 0;
  CHECK_EQ(stats_of(pool).allocations, 1);
  CHECK_OK(mm_free(pool, mm__generation(*state) << pool->heap.index_bits | record));
  close_for_two();
}

static void who_detaches_leaves_no_bias(void) {
  open_for_two();
  const mm_allocation made = tied_to(other);
  const mm__slot *slot = &pool->slots[other->slot];
  mm_pool_detach(other);
  CHECK_EQ(slot->biased & MM__BIAS_MASK, MM__NOT_BIASED);
  CHECK_OK(mm_free(pool, made.id));
  other = attach_again(pool);
  close_for_two();
}

/* Tied to a slot, an allocation is that of whoever has the slot now. */
static void the_next_in_the_slot_frees_it_too(void) {
  open_for_two();
  const mm_allocation first = tied_to(other), second = must_alloc(pool, 100);
  *state_at(&second) += mm__tied(other->slot) - MM__LIVE;
  mm_pool_detach(other);
  other = attach_again(pool);
  bias(other);
  CHECK_OK(mm_free(other, first.id));
  CHECK(is_cached_by(&first, other));
  CHECK_EQ(kind_of_bias(other), MM__BIASED);
  mm_reclaimed reclaimed;
  mm_pool *third = attach_again(pool);
  CHECK_OK(mm_adopt(third, second.id));
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  *state_at(&second) += mm__tied(other->slot) - MM__LIVE;
  bias(other);
  mm_pool_detach(third);
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  CHECK_EQ(reclaimed.allocations, 1);
  CHECK_EQ(kind_of_bias(other), MM__NOT_BIASED);
  close_for_two();
}

/* ---- The dead ----------------------------------------------------------------- */

static mm_allocation of_the_dead;

static void tie_and_die(void *argument) {
  mm_pool *own = attach_again(pool);
  of_the_dead = tied_to(own);
  mm_allocation *told = argument;
  *told = of_the_dead;
  own->cache.slot->claim = record_of(&of_the_dead); /* it was about to free it */
  _exit(0);
}

static void what_the_dead_were_about_to_free_is_there(void) {
  open_for_two();
  mm_allocation *told = shared_memory(sizeof *told);
  finish_child(start_child(tie_and_die, told));
  CHECK_EQ(pool->slots[2].biased & MM__BIAS_MASK, MM__BIASED);
  mm_allocation found;
  CHECK_OK(mm_find(pool, told->id, &found));
  CHECK_OK(mm_free(pool, told->id));
  CHECK_STATUS(mm_free(other, told->id), MM_E_STALE);

  finish_child(start_child(tie_and_die, told));
  mm_pool *heir = attach_again(pool);
  CHECK_EQ(heir->slot, 2);
  CHECK_EQ(kind_of_bias(heir), MM__NOT_BIASED);
  CHECK_EQ(heir->cache.slot->claim, 0);
  CHECK_OK(mm_free(pool, told->id));
  mm_pool_detach(heir);
  close_for_two();
}

/* Whoever revokes it may be killed before it is done. */
static void a_bias_half_revoked_is_revoked_again(void) {
  open_for_two();
  fill_cache(other, 100, 4);
  mm__slot *slot = other->cache.slot;
  slot->biased = 5 * MM__BIAS_ONCE + MM__BIAS_REVOKED;
  const uint64_t taken = pool->header->heap.taken;
  const mm_allocation made = must_alloc(other, 100); /* by compare-and-swap */
  CHECK_EQ(pool->header->heap.taken, taken);
  CHECK_EQ(mm__tag(state_of(&made)), MM__LIVE);
  const uint64_t begun = mm__os_now();
  CHECK_EQ(stats_of(pool).allocations, 1);
  CHECK(can_be_biased() == MM__NOT_BIASED || mm__os_now() - begun >= 1000000);
  CHECK_EQ(slot->biased, 5 * MM__BIAS_ONCE + MM__NOT_BIASED);
  CHECK_OK(mm_free(other, made.id));
  close_for_two();
}

/* ---- Many at once --------------------------------------------------------------- */

static void *revoke_all(void *argument) {
  mm__bias_revoke_all(argument);
  return NULL;
}

/* Also one that somebody else began: who finishes it may have been killed. */
static void none_is_over_before_its_fence(void) {
  if (can_be_biased() == MM__NOT_BIASED) test_skip("the fence takes no time here");
  open_for_two();
  uint32_t *biased = &other->cache.slot->biased;
  for (uint32_t round = 0; round < 20; round++) {
    mm__store(biased, round % 2 != 0 ? MM__BIASED : MM__BIAS_REVOKED);
    const uint64_t begun = mm__os_now();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, revoke_all, pool) == 0);
    while ((mm__load(biased) & MM__BIAS_MASK) != MM__NOT_BIASED) continue;
    CHECK(mm__os_now() - begun >= 1000000);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  close_for_two();
}

/* Whoever comes late from the fence leaves what others have begun since. */
static void each_ends_its_own_revocation(void) {
  if (can_be_biased() == MM__NOT_BIASED) test_skip("the fence takes no time here");
  open_for_two();
  uint32_t *biased = &other->cache.slot->biased;
  const uint64_t begun = now_ms();
  for (int was_in_time = 0; !was_in_time;) {
    const uint32_t before = mm__load(biased);
    const uint32_t revoked = before + MM__BIAS_ONCE + MM__BIAS_REVOKED;
    CHECK_EQ(before & MM__BIAS_MASK, MM__NOT_BIASED);
    mm__store(biased, before + MM__BIASED);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, revoke_all, pool) == 0);
    while (mm__load(biased) == before + MM__BIASED) continue;
    /* Meanwhile another ends it, it is biased anew, and a third begins. */
    was_in_time = mm__cas(biased, revoked, revoked + MM__BIAS_ONCE);
    CHECK(pthread_join(thread, NULL) == 0);
    if (was_in_time) CHECK_EQ(mm__load(biased), revoked + MM__BIAS_ONCE);
    mm__store(biased, revoked - MM__BIAS_REVOKED + MM__BIAS_ONCE);
    CHECK(now_ms() - begun < 10000);
  }
  close_for_two();
}

static void *free_tied(void *argument) {
  CHECK_OK(mm_free(other, ((const mm_allocation *)argument)->id));
  return NULL;
}

static void nobody_waits_for_the_fence(void) {
  if (can_be_biased() == MM__NOT_BIASED) test_skip("the fence takes no time here");
  open_for_two();
  const uint64_t begun = now_ms();
  for (int was_in_time = 0; !was_in_time;) {
    mm_allocation made = tied_to(pool);
    uint32_t *biased = &pool->cache.slot->biased;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_tied, &made) == 0);
    while ((mm__load(biased) & MM__BIAS_MASK) == MM__BIASED) continue;
    const int status = mm__lock(pool, 0);
    was_in_time = (mm__load(biased) & MM__BIAS_MASK) == MM__BIAS_REVOKED;
    if (status == MM_OK) mm__unlock(pool);
    if (was_in_time) CHECK_OK(status);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(now_ms() - begun < 10000);
  }
  close_for_two();
}

#define THREADS 4
#define SHARED_IDS 64

static uint64_t ids[SHARED_IDS];
static uint64_t made_in_all, freed, refused, tied;

typedef struct racer {
  pthread_t thread;
  mm_pool *pool;
  uint64_t seed;
} racer;

/* All free what all have made, often the same at once, by their biases or not. */
static void *race(void *argument) {
  racer *self = argument;
  uint64_t made_here = 0, freed_here = 0, refused_here = 0, tied_here = 0;
  const uint64_t begun = now_ms();
  for (int round = 0; round < 40000 || refused_here == 0 || now_ms() - begun < 400; round++) {
    if (random_below(&self->seed, 300) == 0) self->pool->cache.until_bias = 0;
    uint64_t *place = &ids[random_below(&self->seed, SHARED_IDS)];
    const uint64_t id = mm__load(place);
    if (id == 0) {
      mm_allocation made;
      CHECK_OK(mm_alloc(self->pool, 64 + 64 * random_below(&self->seed, 3), 0, &made));
      made_here++;
      tied_here += mm__tag(state_of(&made)) != MM__LIVE;
      if (mm__cas(place, 0, made.id)) continue;
      CHECK_OK(mm_free(self->pool, made.id));
      freed_here++;
    } else {
      const int status = mm_free(self->pool, id);
      CHECK(status == MM_OK || status == MM_E_STALE);
      if (status == MM_OK) mm__cas(place, id, 0);
      freed_here += status == MM_OK;
      refused_here += status != MM_OK;
    }
  }
  __atomic_fetch_add(&made_in_all, made_here, __ATOMIC_RELAXED);
  __atomic_fetch_add(&freed, freed_here, __ATOMIC_RELAXED);
  __atomic_fetch_add(&refused, refused_here, __ATOMIC_RELAXED);
  __atomic_fetch_add(&tied, tied_here, __ATOMIC_RELAXED);
  return NULL;
}

static void of_two_that_free_one_succeeds(void) {
  open_for_two();
  racer racers[THREADS];
  for (uint64_t at = 0; at < THREADS; at++) {
    racers[at] = (racer){.pool = attach_again(pool), .seed = at + 1};
    CHECK(pthread_create(&racers[at].thread, NULL, race, &racers[at]) == 0);
  }
  for (int at = 0; at < THREADS; at++) CHECK(pthread_join(racers[at].thread, NULL) == 0);
  CHECK_EQ(made_in_all - freed, stats_of(pool).allocations);
  CHECK(refused != 0 && (tied != 0 || can_be_biased() == MM__NOT_BIASED));
  CHECK_SOUND(mm__check(pool));
  for (uint32_t at = 0; at < SHARED_IDS; at++)
    if (ids[at] != 0) mm_free(pool, ids[at]);
  for (int at = 0; at < THREADS; at++) mm_pool_detach(racers[at].pool);
  close_for_two();
}

typedef struct claimer {
  pthread_t thread;
  mm_pool *pool;
  uint32_t mark;
  uint32_t ends;
  uint64_t biased; /* how often it was */
} claimer;

/* Whoever has a block writes to it: it must be the only one. */
static void mark(const mm_pool *of, const mm_allocation *made, uint32_t mark) {
  uint32_t *place = (uint32_t *)(void *)(of->data + made->offset);
  mm__store(place, mark);
  for (volatile int pause = 0; pause < 20; pause = pause + 1) continue;
  CHECK_EQ(mm__load(place), mark);
}

/* Takes the block from its cache again and again, biased as soon as it can be. */
static void *claim_by_bias(void *argument) {
  claimer *self = argument;
  while (!mm__load_acquire(&self->ends)) {
    self->pool->cache.until_bias = 0;
    mm_allocation made;
    const int status = mm_alloc(self->pool, 64, 0, &made);
    if (status == MM_E_NO_ROOM) continue; /* the other has it all */
    CHECK_OK(status);
    mark(self->pool, &made, self->mark);
    self->biased += kind_of_bias(self->pool) == MM__BIASED;
    CHECK_OK(mm_free(self->pool, made.id));
  }
  return NULL;
}

/* All of the pool is one's or another's, to the last block. */
static void a_block_goes_to_one_whoever_is_biased(void) {
  open_for_two();
  claimer claimers[2];
  for (uint32_t at = 0; at < 2; at++) {
    claimers[at] = (claimer){.pool = attach_again(pool), .mark = at + 1};
    CHECK(pthread_create(&claimers[at].thread, NULL, claim_by_bias, &claimers[at]) == 0);
  }
  uint32_t taken = 0;
  for (const uint64_t begun = now_ms(); taken < 100 || now_ms() - begun < 300;) {
    mm_allocation made;
    const int status = mm_alloc(pool, SIZE - 64, 0, &made);
    CHECK(status == MM_OK || status == MM_E_NO_ROOM || status == MM_E_BUSY);
    if (status != MM_OK) continue;
    mark(pool, &made, 3);
    CHECK_OK(mm_free(pool, made.id));
    if (++taken % 50 == 0) CHECK_SOUND(mm__check(pool));
    CHECK(now_ms() - begun < 60000);
  }
  for (uint32_t at = 0; at < 2; at++) {
    mm__store_release(&claimers[at].ends, 1u);
    CHECK(pthread_join(claimers[at].thread, NULL) == 0);
    CHECK(claimers[at].biased != 0 || can_be_biased() == MM__NOT_BIASED);
    mm_pool_detach(claimers[at].pool);
  }
  close_for_two();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("bias: what it makes is tied, and its own to free",
            what_it_makes_is_tied_and_its_own_to_free);
  test_case("bias: the own may be freed under the lock", the_own_may_be_freed_under_the_lock);
  test_case("bias: without it a participant goes on", without_the_bias_it_goes_on);
  test_case("bias: what was taken back is not claimed for good",
            what_was_taken_back_is_not_claimed_for_good);
  test_case("bias: a free that comes too late claims nothing",
            a_free_that_comes_too_late_claims_nothing);
  test_case("bias: who frees much of its own has it", who_frees_much_of_its_own_is_biased);
  test_case("bias: who makes what others free has not", who_makes_what_others_free_is_not);
  test_case("bias: not while somebody waits", not_while_somebody_waits);
  test_case("bias: one half revoked is given anew", one_half_revoked_is_given_anew);
  test_case("bias: others free what is tied", others_free_what_is_tied);
  test_case("bias: others adopt and resize it", others_adopt_and_resize_it);
  test_case("bias: nobody takes what another is about to free",
            nobody_takes_what_another_is_about_to_free);
  test_case("bias: what they take by it is theirs", what_they_take_by_their_bias_is_theirs);
  test_case("bias: who detaches leaves none", who_detaches_leaves_no_bias);
  test_case("bias: the next in the slot frees what is tied, too",
            the_next_in_the_slot_frees_it_too);
  test_case("bias: what the dead were about to free is there",
            what_the_dead_were_about_to_free_is_there);
  test_case("bias: half revoked, it is revoked again", a_bias_half_revoked_is_revoked_again);
  test_case("bias: none is over before its fence", none_is_over_before_its_fence);
  test_case("bias: each ends its own revocation", each_ends_its_own_revocation);
  test_case("bias: nobody waits for the fence", nobody_waits_for_the_fence);
  test_case("bias: of two that free one succeeds", of_two_that_free_one_succeeds);
  test_case("bias: a block goes to one, whoever has it", a_block_goes_to_one_whoever_is_biased);
  return harness_end();
}
