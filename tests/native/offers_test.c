/* offers_test.c - blocks that go from the cache of one who frees to that of one who
 * allocates. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bins.h"
#include "block.h"
#include "cached_pool.h"
#include "offers.h"
#include "shared.h"

#define LARGE (16u << 20) /* caches hold 4096 granules, 1024 of them offered */
#define BLOCK 64u
#define MANY 9000u

static mm_pool *other;
static mm_allocation made[MANY];

static void open_for_two(void) {
  pool = new_pool(LARGE);
  other = attach_again(pool);
}

static void close_for_two(void) {
  mm_allocation whole;
  CHECK_SOUND(mm__check(pool));
  CHECK_OK(mm_alloc(pool, LARGE, 0, &whole));
  CHECK_OK(mm_free(pool, whole.id));
  CHECK_EQ(stats_of(pool).free_space, LARGE);
  mm_pool_detach(other);
  close_pool();
}

static void hand_over_of(mm_pool *maker, mm_pool *freer, uint32_t count, uint64_t size) {
  for (uint32_t at = 0; at < count; at++) made[at] = must_alloc(maker, size);
  for (uint32_t at = 0; at < count; at++) CHECK_OK(mm_free(freer, made[at].id));
}

/* One participant allocates, another frees: more than a cache holds. */
static void hand_over(mm_pool *maker, mm_pool *freer, uint32_t count) {
  hand_over_of(maker, freer, count, BLOCK);
}

static uint32_t count_of(uint64_t tag) {
  uint32_t count = 0;
  for (uint32_t record = 1; record < pool->heap.limit; record++)
    count += mm__tag(mm__load(&pool->heap.table[record].state)) == tag;
  return count;
}

/* Blocks that a participant offers and has not seen taken. */
static uint32_t offered_by(const mm_pool *of) {
  uint32_t count = 0;
  for (uint32_t at = 0; at < of->cache.offered_count; at++) {
    const uint32_t place = (of->cache.offered_first + at) % MM__OFFERED_MAX;
    const uint32_t *entries = mm__chunk(&of->cache, of->cache.offered[place].chunk);
    for (uint32_t entry = 0; entry < MM__CACHE_CHUNK; entry++)
      count += mm__load(&entries[entry]) != 0;
  }
  return count;
}

/* ---- What is offered --------------------------------------------------------- */

static void what_one_frees_another_takes(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  const uint32_t offered = offered_by(other);
  CHECK(offered >= 512);
  /* Nothing of it is merged and cut out again: the heap is as it was, but for one
   * block that each request without an answer takes. */
  const uint64_t taken = pool->header->heap.taken;
  for (uint32_t at = 0; at < 512; at++) made[at] = must_alloc(pool, BLOCK);
  CHECK(pool->header->heap.taken - taken <= 512 / 16);
  CHECK(offered_by(other) <= offered - 384);
  for (uint32_t at = 0; at < 512; at++)
    for (uint32_t before = 0; before < at; before++)
      CHECK(made[at].offset != made[before].offset);
  for (uint32_t at = 0; at < 512; at++) CHECK_OK(mm_free(pool, made[at].id));
  close_for_two();
}

static void one_takes_its_own_again(void) {
  open_for_two();
  hand_over(pool, pool, MANY);
  const uint32_t cached = count_of(mm__cached(pool->slot));
  CHECK(offered_by(pool) >= 512);
  const uint64_t taken = pool->header->heap.taken;
  for (uint32_t at = 0; at < cached; at++) made[at] = must_alloc(pool, BLOCK);
  CHECK(pool->header->heap.taken - taken <= 1024 / 16);
  CHECK(offered_by(pool) <= 64);
  CHECK_SOUND(mm__check(pool));
  for (uint32_t at = 0; at < cached; at++) CHECK_OK(mm_free(pool, made[at].id));
  close_for_two();
}

/* A quarter of the cache, and with the rest no more than all of it. */
static void no_more_than_the_cache_holds(void) {
  open_for_two();
  const uint32_t all = pool->geometry.cache_granules;
  for (uint32_t granules = 1; granules <= 8; granules *= 2)
    for (uint32_t round = 0; round < 3; round++) {
      hand_over_of(pool, other, MANY / granules, granules * BLOCK);
      stats_of(pool); /* nothing but what comes next */
      hand_over_of(pool, other, 2 * all / granules, granules * BLOCK);
      CHECK(offered_by(other) * granules <= mm__offers_room(all));
      CHECK(count_of(mm__cached(other->slot)) * granules <= all);
    }
  close_for_two();
}

static void what_nobody_wants_goes_to_the_heap(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  const uint32_t first = other->cache.offered_first;
  uint32_t old[MM__CACHE_CHUNK];
  const uint16_t chunk = other->cache.offered[first % MM__OFFERED_MAX].chunk;
  memcpy(old, mm__chunk(&other->cache, chunk), sizeof old);
  CHECK(old[0] != 0);
  CHECK_EQ(mm__tag(pool->heap.table[old[0]].state), mm__cached(other->slot));
  /* Of another size, so that nobody takes any. */
  static mm_allocation more[1500];
  for (uint32_t at = 0; at < 1500; at++) more[at] = must_alloc(pool, 2 * BLOCK);
  for (uint32_t at = 0; at < 1500; at++) CHECK_OK(mm_free(other, more[at].id));
  CHECK(other->cache.offered_first != first);
  for (uint32_t at = 0; at < MM__CACHE_CHUNK; at++)
    CHECK(mm__tag(pool->heap.table[old[at]].state) != mm__cached(other->slot));
  close_for_two();
}

static void what_is_offered_is_free(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  CHECK(offered_by(other) != 0);
  CHECK_EQ(stats_of(pool).free_space, LARGE);
  CHECK_EQ(offered_by(other), 0);
  /* The offers lead to nothing any more, and that does no harm. */
  hand_over(pool, other, MANY);
  close_for_two();
}

/* ---- Who offers ------------------------------------------------------------- */

/* Makes `pool` look for blocks of the size, as if it needed them often. */
static uint32_t look_for_offers(void) {
  CHECK_OK(mm__lock(pool, 0));
  const uint32_t taken = mm__offers_take(pool, mm__bin_of(1), 32);
  CHECK_SOUND(mm__cache_check(pool));
  mm__unlock(pool);
  return taken;
}

static void a_biased_slots_blocks_are_its_own(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  uint32_t *biased = &other->cache.slot->biased;
  *biased += MM__BIASED;
  CHECK_EQ(look_for_offers(), 0);
  *biased -= MM__BIASED;
  CHECK_EQ(look_for_offers(), 32);
  close_for_two();
}

static void who_is_biased_offers_nothing(void) {
  open_for_two();
  uint32_t *biased = &other->cache.slot->biased;
  for (uint32_t kind = MM__BIASED; kind <= MM__BIAS_REVOKED; kind++) {
    *biased = kind;
    hand_over(pool, other, MANY);
    CHECK_EQ(other->cache.offered_count, 0);
    CHECK_EQ(pool->header->offers_made, 0);
  }
  *biased = MM__NOT_BIASED;
  close_for_two();
}

static void who_has_no_room_leaves_the_offers(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  const uint32_t offered = offered_by(other), room = pool->cache.room;
  pool->cache.room = 3;
  CHECK_EQ(look_for_offers(), 0);
  pool->cache.room = 4;
  CHECK_EQ(look_for_offers(), 1);
  pool->cache.room = room - 1;
  CHECK_EQ(look_for_offers(), 32);
  CHECK_EQ(offered_by(other), offered - 33);
  close_for_two();
}

static void what_is_claimed_stays(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  const uint32_t oldest = other->cache.offered_first % MM__OFFERED_MAX;
  const uint32_t record =
      mm__chunk(&other->cache, other->cache.offered[oldest].chunk)[0];
  other->cache.slot->claim = record;
  CHECK(look_for_offers() != 0);
  while (look_for_offers() != 0) continue;
  CHECK_EQ(mm__tag(pool->heap.table[record].state), mm__cached(other->slot));
  CHECK_EQ(offered_by(other), 1);
  other->cache.slot->claim = 0;
  close_for_two();
}

static void who_detaches_takes_back_what_it_offered(void) {
  open_for_two();
  hand_over(pool, other, MANY);
  stats_of(pool); /* nothing in the cache of `pool` */
  hand_over(other, other, MANY);
  CHECK(offered_by(other) != 0);
  mm_pool_detach(other);
  CHECK_EQ(pool->header->heap.taken, 0);
  CHECK_EQ(look_for_offers(), 0);
  other = attach_again(pool);
  close_for_two();
}

static void offer_and_die(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  hand_over(own, own, MANY);
  CHECK(offered_by(own) != 0);
  _exit(0);
}

static void what_the_dead_offered_is_taken_too(void) {
  open_for_two();
  finish_child(start_child(offer_and_die, NULL));
  CHECK_EQ(look_for_offers(), 32);
  CHECK_SOUND(mm__check(pool));
  mm_pool *heir = attach_again(pool); /* and takes over the rest */
  CHECK_EQ(heir->slot, 2);
  CHECK_EQ(count_of(mm__cached(heir->slot)), 0);
  CHECK_EQ(look_for_offers(), 0);
  /* Its chunks have the numbers of those that are still named. */
  hand_over(heir, heir, MANY);
  CHECK_EQ(look_for_offers(), 32);
  mm_pool_detach(heir);
  close_for_two();
}

/* ---- Hints are hints ---------------------------------------------------------- */

static uint64_t committed(void) {
  mm__os_file description;
  CHECK(mm__os_describe(pool->file, &description) == 0);
  return description.committed;
}

/* Some words nearly right: of this bin, of a slot that is there, of a first chunk. */
static void no_word_does_harm(void) {
  open_for_two();
  uint64_t seed = 77;
  hand_over(pool, other, MANY);
  for (int round = 0; round < 300; round++) {
    for (uint32_t at = 0; at < MM__OFFERS; at++) {
      uint64_t word = random_next(&seed);
      if (word % 3 != 0) word = (word & ~(0x7ffull << 20)) | mm__bin_of(1) << 20;
      if (word % 5 != 0) word &= ~(0x3fcull << 10);
      if (word % 7 != 0) word &= ~0x380ull;
      pool->header->offers[at] = (uint32_t)word;
    }
    pool->header->offers_made = (uint32_t)random_next(&seed);
    pool->header->offered_bins[0] = UINT64_MAX;
    /* No hole is touched, not even to read it. */
    const uint64_t before = committed();
    look_for_offers();
    CHECK_EQ(committed(), before);
    hand_over(round % 2 != 0 ? pool : other, other, 100);
    CHECK_SOUND(mm__check(pool));
  }
  close_for_two();
}

static void blocks_of_another_size_stay(void) {
  open_for_two();
  hand_over_of(pool, other, MANY / 2, 2 * BLOCK);
  stats_of(pool);
  hand_over_of(other, other, MANY / 2, 2 * BLOCK);
  const uint32_t offered = offered_by(other);
  CHECK(offered != 0);
  mm__header *header = pool->header;
  for (uint32_t at = 0; at < MM__OFFERS; at++)
    header->offers[at] = (header->offers[at] & ~(0x7ffu << 20)) | mm__bin_of(1) << 20;
  header->offered_bins[0] = UINT64_MAX;
  CHECK_EQ(look_for_offers(), 0);
  CHECK_EQ(offered_by(other), offered);
  close_for_two();
}

/* ---- Many at once --------------------------------------------------------------- */

#define RING 512u
#define HANDED 200000u

typedef struct lane {
  mm_pool *maker;
  mm_pool *freer;
  uint64_t ids[RING];
  uint32_t sent;
  uint32_t freed;
} lane;

static uint64_t size_of(uint32_t at) { return BLOCK << (at / 3000 % 3); }

static void *make_all(void *argument) {
  lane *self = argument;
  for (uint32_t at = 0; at < HANDED; at++) {
    while (at - mm__load_acquire(&self->freed) >= RING) usleep(10);
    const mm_allocation one = must_alloc(self->maker, size_of(at));
    uint64_t *place = (uint64_t *)(void *)(self->maker->data + one.offset);
    mm__store(place, one.id);
    self->ids[at % RING] = one.id;
    mm__store_release(&self->sent, at + 1);
  }
  return NULL;
}

static void *free_all(void *argument) {
  lane *self = argument;
  for (uint32_t at = 0; at < HANDED; at++) {
    while (mm__load_acquire(&self->sent) <= at) usleep(10);
    const uint64_t id = self->ids[at % RING];
    mm_allocation found;
    CHECK_OK(mm_find(self->freer, id, &found));
    CHECK_EQ(mm__load((uint64_t *)(void *)(self->freer->data + found.offset)), id);
    CHECK_OK(mm_free(self->freer, id));
    mm__store_release(&self->freed, at + 1);
  }
  return NULL;
}

/* Two pairs and a third who sweeps now and then. */
static void each_block_is_one_allocation(void) {
  open_pool(); /* a small one, where caches are full at once */
  static lane lanes[2];
  pthread_t threads[4];
  memset(lanes, 0, sizeof lanes);
  for (int at = 0; at < 2; at++) {
    lanes[at].maker = attach_again(pool);
    lanes[at].freer = attach_again(pool);
    CHECK(pthread_create(&threads[2 * at], NULL, make_all, &lanes[at]) == 0);
    CHECK(pthread_create(&threads[2 * at + 1], NULL, free_all, &lanes[at]) == 0);
  }
  while (mm__load(&lanes[0].freed) < HANDED) {
    stats_of(pool);
    CHECK_SOUND(mm__check(pool));
    sleep_ms(3);
  }
  for (int at = 0; at < 4; at++) CHECK(pthread_join(threads[at], NULL) == 0);
  CHECK(pool->header->offers_made != 0);
  CHECK_SOUND(mm__check(pool));
  for (int at = 0; at < 2; at++) {
    mm_pool_detach(lanes[at].maker);
    mm_pool_detach(lanes[at].freer);
  }
  must_be_empty();
  close_pool();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("offers: what one frees another takes", what_one_frees_another_takes);
  test_case("offers: one takes its own again", one_takes_its_own_again);
  test_case("offers: no more than the cache holds", no_more_than_the_cache_holds);
  test_case("offers: what nobody wants goes to the heap", what_nobody_wants_goes_to_the_heap);
  test_case("offers: what is offered is free", what_is_offered_is_free);
  test_case("offers: a biased slot's blocks are its own", a_biased_slots_blocks_are_its_own);
  test_case("offers: who is biased offers nothing", who_is_biased_offers_nothing);
  test_case("offers: who has no room leaves them", who_has_no_room_leaves_the_offers);
  test_case("offers: what is claimed stays", what_is_claimed_stays);
  test_case("offers: who detaches takes back what it offered",
            who_detaches_takes_back_what_it_offered);
  test_case("offers: what the dead offered is taken, too", what_the_dead_offered_is_taken_too);
  test_case("offers: no word does harm", no_word_does_harm);
  test_case("offers: blocks of another size stay", blocks_of_another_size_stay);
  test_case("offers: each block is one allocation", each_block_is_one_allocation);
  return harness_end();
}
