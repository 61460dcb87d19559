/* scenarios.c - see scenarios.h: the operations themselves. */
#include "scenarios.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "bins.h"
#include "block.h"
#include "offers.h"
#include "shared.h"

#define SMALL_POOL 65536u
#define CACHED_POOL (256u << 10) /* the smallest that has caches */
#define LARGE_POOL (6u << 20)
#define STEP (2u << 20) /* by which a pool commits its data */

/* A free block of that size between two live ones. */
static void make_hole(scene *scene, uint64_t size) {
  scene_keep(scene, 1000);
  const mm_allocation hole = must_alloc(scene->pool, size);
  scene_keep(scene, 500);
  CHECK_OK(mm_free(scene->pool, hole.id));
}

static void prepare_some(scene *scene) {
  make_hole(scene, 2048);
  make_hole(scene, 1024);
}

/* Another participant that waits for `size` bytes. */
static void make_waiter(scene *scene, uint64_t size) {
  mm_pool *other = attach_again(scene->pool);
  uint64_t ticket = 0;
  CHECK_OK(mm_wait_ticket(other, &ticket));
  CHECK_OK(mm_wait_show(other, ticket, size, size));
  scene->others[scene->others_count++] = other;
}

/* A participant that was killed. */
static void attach_and_die(void *argument) {
  scene *scene = argument;
  attach_again(scene->pool);
  _Exit(0);
}

/* ---- Allocating --------------------------------------------------------- */

static int act_alloc(scene *scene, mm_pool *pool) {
  return mm_alloc(pool, scene->request, SCENE_TYPE, &scene->result->allocation);
}

static void prepare_exact(scene *scene) {
  make_hole(scene, 2048);
  scene->request = 2048;
}

static void prepare_split(scene *scene) {
  make_hole(scene, 4096);
  scene->request = 1000;
}

static void prepare_first(scene *scene) { scene->request = 100; }

static void prepare_whole(scene *scene) { scene->request = scene->scenario->size; }

static void prepare_refused(scene *scene) {
  for (int at = 0; at < 8; at++) make_hole(scene, 992 * 8);
  scene->request = SMALL_POOL / 2;
}

static void prepare_grow_behind_free(scene *scene) {
  scene_keep(scene, STEP / 2);
  scene->request = STEP;
}

static void prepare_grow_behind_live(scene *scene) {
  scene_keep(scene, STEP);
  scene->request = 1000;
}

/* The table's first page has 63 records besides the sentinel. */
#define FIRST_RECORDS 63

static void prepare_records(scene *scene) {
  for (int at = 0; at < FIRST_RECORDS - 1; at++) scene_keep(scene, 64);
  scene->request = 64;
}

static void prepare_grow_and_records(scene *scene) {
  for (int at = 0; at < FIRST_RECORDS - 1; at++) scene_keep(scene, 64);
  scene_keep(scene, STEP - 64 * (FIRST_RECORDS - 1));
  scene->request = 1000;
}

static void prepare_spent(scene *scene) {
  make_hole(scene, 2048);
  mm__heap *heap = &scene->pool->heap;
  for (uint32_t at = heap->table[0].next; at != 0; at = heap->table[at].next)
    if (mm__is_free(heap, at) && heap->table[at].next != 0)
      heap->table[at].state = mm__state(heap->generation_limit, MM__FREE);
  scene->request = 1000;
}

/* Fills the pool's file system but for so many bytes. */
static void leave(const scene *scene, uint64_t bytes) {
  char path[512];
  struct statfs status;
  scene_filler(scene, path);
  const int file = open(path, O_CREAT | O_RDWR, 0600);
  CHECK(file >= 0 && fstatfs(file, &status) == 0);
  const uint64_t free = (uint64_t)status.f_bfree * (uint64_t)status.f_bsize;
  CHECK(free > bytes && posix_fallocate(file, 0, (off_t)(free - bytes)) == 0);
  close(file);
}

/* There is no room for a step any more, but for the bare need. */
static void prepare_bare_need(scene *scene) {
  prepare_grow_behind_live(scene);
  leave(scene, 32768);
}

static void prepare_no_memory(scene *scene) {
  prepare_grow_behind_live(scene);
  leave(scene, 0);
}

/* ---- Freeing ------------------------------------------------------------ */

static int act_free(scene *scene, mm_pool *pool) {
  return mm_free(pool, scene->going[0].id);
}

/* Makes the allocation that the child will free. */
static void make_going(scene *scene, uint64_t size) {
  scene->going[scene->going_count++] = must_alloc(scene->pool, size);
}

/* Bit 0: the left neighbour is free, bit 1: the right one. */
static void prepare_neighbours(scene *scene, unsigned free) {
  scene_keep(scene, 100);
  const mm_allocation left = must_alloc(scene->pool, 640);
  make_going(scene, 700);
  const mm_allocation right = must_alloc(scene->pool, 720);
  scene_keep(scene, 100);
  if (free & 1)
    CHECK_OK(mm_free(scene->pool, left.id));
  else
    scene->kept[scene->kept_count++] = left;
  if (free & 2)
    CHECK_OK(mm_free(scene->pool, right.id));
  else
    scene->kept[scene->kept_count++] = right;
  for (uint32_t at = 0; at < scene->kept_count; at++)
    fill_tagged(scene->pool, &scene->kept[at]);
}

static void prepare_free_alone(scene *scene) { prepare_neighbours(scene, 0); }
static void prepare_free_left(scene *scene) { prepare_neighbours(scene, 1); }
static void prepare_free_right(scene *scene) { prepare_neighbours(scene, 2); }
static void prepare_free_both(scene *scene) { prepare_neighbours(scene, 3); }

static void prepare_free_last(scene *scene) {
  scene_keep(scene, 100);
  make_going(scene, SMALL_POOL - 128);
}

static void prepare_free_only(scene *scene) {
  make_going(scene, SMALL_POOL);
}

static void prepare_free_for_waiter(scene *scene) {
  scene_keep(scene, 100);
  make_going(scene, SMALL_POOL - 128);
  make_waiter(scene, 5000);
  mm_pool *waiter = scene->others[0];
  mm_allocation none;
  scene->waiter = waiter;
  scene->waiter_size = 5000;
  scene->waiter_ticket = mm__load(&waiter->slots[waiter->slot].ticket);
  scene->waiter_seen = mm_wait_begin(waiter);
  CHECK_STATUS(mm_wait_try(waiter, scene->waiter_ticket, 5000, 0, &none), MM_E_NO_ROOM);
}

static void prepare_free_for_second(scene *scene) {
  prepare_free_for_waiter(scene);
  scene->waiter_is_second = 1;
}

/* ---- Caches ------------------------------------------------------------- */

/* Puts `count` blocks of one size into the cache of a participant. */
static void cache(mm_pool *pool, uint64_t size, uint32_t count) {
  uint64_t ids[64];
  for (uint32_t at = 0; at < count; at++) ids[at] = must_alloc(pool, size).id;
  for (uint32_t at = 0; at < count; at++) CHECK_OK(mm_free(pool, ids[at]));
}

static void prepare_small(scene *scene) {
  scene_keep(scene, 1000);
  make_going(scene, 200);
  scene_keep(scene, 500);
  scene->request = 200;
}

static void prepare_small_alloc(scene *scene) {
  prepare_small(scene);
  scene->kept[scene->kept_count++] = scene->going[--scene->going_count];
  fill_tagged(scene->pool, &scene->kept[scene->kept_count - 1]);
}

static void prepare_small_kept(scene *scene) {
  prepare_small_alloc(scene);
  scene->request = SCENE_NO_REQUEST;
}

static void prepare_small_free(scene *scene) {
  prepare_small(scene);
  scene->request = SCENE_NO_REQUEST;
}

static void warm_one(scene *scene, mm_pool *pool) {
  (void)scene;
  cache(pool, 200, 1);
}

static void warm_two(scene *scene, mm_pool *pool) {
  (void)scene;
  cache(pool, 200, 2);
}

/* Nothing more goes into it until some of it is given up. */
static void warm_full(scene *scene, mm_pool *pool) {
  (void)scene;
  cache(pool, 256, 8);
  pool->cache.room = pool->cache.offered_room = 0;
}

/* The same, but it may offer some. */
static void warm_full_to_offer(scene *scene, mm_pool *pool) {
  warm_full(scene, pool);
  pool->cache.offered_room = 64;
}

/* The same, but it has offered enough already. */
static void warm_full_and_offered(scene *scene, mm_pool *pool) {
  (void)scene;
  pool->cache.offered_room = 64;
  cache(pool, 200, 6);
  CHECK_OK(mm__lock(pool, 0));
  CHECK(mm__offers_make(pool, mm__bin_of(4)));
  mm__unlock(pool);
  cache(pool, 128, 6);
  pool->cache.room = pool->cache.offered_room = 0;
}

/* It lacks blocks that others offer. */
static void warm_to_take(scene *scene, mm_pool *pool) {
  (void)scene;
  pool->cache.batch[mm__bin_of(4)] = 6;
}

/* It has missed often enough to take several at once, but has none. */
static void warm_swept(scene *scene, mm_pool *pool) {
  (void)scene;
  mm_pool_stats stats;
  for (int at = 0; at < 2; at++) {
    cache(pool, 200, 4);
    CHECK_OK(mm_pool_read_stats(pool, &stats));
  }
}

/* An entry in a bin that its block does not fit: as a killed sweep may leave. */
static void warm_misfit(scene *scene, mm_pool *pool) {
  (void)scene;
  mm_pool_stats stats;
  cache(pool, 200, 1);
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  cache(pool, 64, 1);
  uint32_t *entries = pool->cache.entries;
  const uint32_t small = entries[MM__CACHE_CHUNK];
  CHECK(small != 0 && entries[0] == 0);
  entries[0] = small;
}

static void warm_biased(scene *scene, mm_pool *pool) {
  warm_one(scene, pool);
  CHECK(bias_slot(pool));
}

static void warm_biased_misfit(scene *scene, mm_pool *pool) {
  warm_misfit(scene, pool);
  CHECK(bias_slot(pool));
}

/* An entry of a block that is free: as a killed sweep leaves it. */
static void warm_biased_stale(scene *scene, mm_pool *pool) {
  mm_pool_stats stats;
  warm_one(scene, pool);
  const uint32_t record = pool->cache.entries[0];
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  CHECK(record != 0 && pool->cache.entries[0] == 0);
  pool->cache.entries[0] = record;
  CHECK(bias_slot(pool));
}

/* The next one that it takes biases its slot. */
static void warm_to_be_biased(scene *scene, mm_pool *pool) {
  warm_one(scene, pool);
  pool->cache.until_bias = 0;
}

/* What others hold in their caches, and the dead. */
static void die_with_cache(void *argument) {
  scene *scene = argument;
  mm_pool *pool = attach_again(scene->pool);
  cache(pool, 100, 4);
  uint32_t *entries = pool->cache.entries;
  uint64_t *state = &pool->heap.table[entries[0]].state;
  *state = *state - MM__CACHED + MM__CLAIMED; /* it was about to allocate it */
  CHECK(bias_slot(pool));
  pool->cache.slot->claim = entries[2]; /* and this one later */
  entries[12] = scene->kept[0].id & ((1u << pool->heap.index_bits) - 1);
  _Exit(0);
}

static void prepare_cached_by_all(scene *scene) {
  scene_keep(scene, 1000);
  mm_pool *other = attach_again(scene->pool);
  scene->others[scene->others_count++] = other;
  cache(scene->pool, 130, 3);
  cache(other, 256, 3);
  CHECK(bias_slot(other));
  finish_child(start_child(die_with_cache, scene));
}

/* As if the participant in the slot had made it while that was biased. */
static void tie(const scene *scene, const mm_allocation *made, uint32_t slot) {
  uint64_t *state = &scene->pool->heap.table[made->id & ((1u << scene->pool->heap.index_bits) - 1)].state;
  *state += mm__tied(slot) - MM__LIVE;
}

/* Tied to the child's slot. */
static void prepare_tied_free(scene *scene) {
  prepare_small_free(scene);
  tie(scene, &scene->going[0], 1);
}

/* Tied to another's slot, which is biased. */
static void prepare_free_of_others(scene *scene) {
  prepare_small_free(scene);
  mm_pool *other = attach_again(scene->pool);
  scene->others[scene->others_count++] = other;
  tie(scene, &scene->going[0], other->slot);
  tie(scene, &scene->kept[1], other->slot);
  CHECK(bias_slot(other));
}

/* Tied to the slot of one who was killed while about to free it. */
static void die_with_claim(void *argument) {
  scene *scene = argument;
  mm_pool *pool = attach_again(scene->pool);
  CHECK(bias_slot(pool));
  pool->cache.slot->claim = (uint32_t)scene->going[0].id & ((1u << pool->heap.index_bits) - 1);
  _Exit(0);
}

static void prepare_free_of_the_dead(scene *scene) {
  prepare_small_free(scene);
  mm_pool *first = attach_again(scene->pool);
  finish_child(start_child(die_with_claim, scene));
  tie(scene, &scene->going[0], first->slot + 1);
  mm_pool_detach(first); /* the child takes its slot, not the dead one's */
}

static void prepare_adopt_of_others(scene *scene) {
  prepare_free_of_others(scene);
  scene->kept[scene->kept_count++] = scene->going[--scene->going_count];
  fill_tagged(scene->pool, &scene->kept[scene->kept_count - 1]);
}

static void warm_full_and_biased(scene *scene, mm_pool *pool) {
  warm_full(scene, pool);
  CHECK(bias_slot(pool));
}

static void prepare_waiter_before_tied_free(scene *scene) {
  prepare_small_free(scene);
  make_waiter(scene, CACHED_POOL);
  tie(scene, &scene->going[0], 2);
}

/* Another one offers blocks, the dead as well. */
static void die_offering(void *argument) {
  scene *scene = argument;
  mm_pool *pool = attach_again(scene->pool);
  warm_full_and_offered(scene, pool);
  _Exit(0);
}

static void prepare_offered(scene *scene) {
  prepare_small_alloc(scene);
  mm_pool *other = attach_again(scene->pool);
  scene->others[scene->others_count++] = other;
  warm_full_and_offered(scene, other);
  finish_child(start_child(die_offering, scene));
  CHECK_EQ(scene->pool->header->offers_made, 2);
}

static void prepare_whole_from_caches(scene *scene) {
  prepare_cached_by_all(scene);
  scene->request = CACHED_POOL - 1024;
}

static void prepare_waiter_before_free(scene *scene) {
  prepare_small_free(scene);
  make_waiter(scene, CACHED_POOL);
}

/* ---- Trimming ------------------------------------------------------------ */

/* A hole of a megabyte without its memory, between what must keep its own. */
static void prepare_trimmed(scene *scene) {
  uint64_t bytes;
  make_hole(scene, 1u << 20);
  scene_keep(scene, STEP - (1u << 20) - 2048);
  CHECK_OK(mm_pool_trim(scene->pool, &bytes));
  CHECK(bytes >= (1u << 20) - 2 * 4096);
}

static void prepare_trimmed_alloc(scene *scene) {
  prepare_trimmed(scene);
  scene->request = 300000;
}

/* One free neighbour was trimmed, the other was not. */
static void prepare_trimmed_free(scene *scene) {
  uint64_t bytes;
  scene_keep(scene, 100);
  const mm_allocation left = must_alloc(scene->pool, 100000);
  make_going(scene, 7000);
  const mm_allocation right = must_alloc(scene->pool, 100000);
  scene_keep(scene, 100);
  CHECK_OK(mm_free(scene->pool, right.id));
  CHECK_OK(mm_pool_trim(scene->pool, &bytes));
  CHECK_OK(mm_free(scene->pool, left.id));
}

static void prepare_trimmed_without_memory(scene *scene) {
  prepare_trimmed_alloc(scene);
  leave(scene, 0);
}

static int act_trim(scene *scene, mm_pool *pool) {
  (void)scene;
  uint64_t bytes;
  return mm_pool_trim(pool, &bytes);
}

static void prepare_to_trim(scene *scene) {
  make_hole(scene, 100000);
  make_hole(scene, 300);
  make_hole(scene, 50000);
}

/* ---- Owners ------------------------------------------------------------- */

/* A participant of the second slot dies; the first is free again for the child,
 * and so somebody else can take the dead one's while the child reclaims. */
static void prepare_left_by_the_dead(scene *scene) {
  scene_keep(scene, 1000);
  mm_pool *first = attach_again(scene->pool);
  mm_pool *dead = attach_again(scene->pool);
  while (scene->going_count < SCENE_GOING_MAX) {
    scene->going[scene->going_count++] = must_alloc(dead, 300);
    if (scene->going_count % 3 == 0) scene_keep(scene, 200);
  }
  mm_pool_detach(dead);
  mm_pool_detach(first);
}

static int act_reclaim(scene *scene, mm_pool *pool) {
  mm_reclaimed reclaimed;
  const int status = mm_reclaim(pool, &reclaimed);
  if (status == MM_OK) CHECK_EQ(reclaimed.allocations, scene->going_count);
  return status;
}

static int act_adopt(scene *scene, mm_pool *pool) {
  return mm_adopt(pool, scene->kept[1].id);
}

/* ---- Sizes -------------------------------------------------------------- */

/* One that may become larger, and bears its tags up to there. */
static void prepare_resize(scene *scene) {
  prepare_some(scene);
  scene->resized = scene->kept[0];
  scene->resized.size = 1020;
  fill_tagged(scene->pool, &scene->resized);
}

static int act_resize(scene *scene, mm_pool *pool) {
  return mm_resize(pool, scene->resized.id, scene->resized.size);
}

/* ---- Waiting ------------------------------------------------------------ */

static int act_blocking(scene *scene, mm_pool *pool) {
  return mm_alloc_blocking(pool, scene->request, SCENE_TYPE, 25,
                           &scene->result->allocation);
}

static int act_blocking_long(scene *scene, mm_pool *pool) {
  return mm_alloc_blocking(pool, scene->request, SCENE_TYPE, 5000,
                           &scene->result->allocation);
}

static void prepare_taken(scene *scene) {
  scene_keep(scene, 30000);
  scene_keep(scene, SMALL_POOL - 30016);
}

static void prepare_full(scene *scene) {
  prepare_taken(scene);
  scene->request = 1000;
}

static int free_the_last_kept(void *argument) {
  scene *scene = argument;
  /* Not asleep, but about to do something: it must be let go on. */
  if (scene_is_locked(scene)) return 0;
  const int status = mm_free(scene->pool, scene->kept[scene->kept_count - 1].id);
  if (status == MM_E_BUSY) return 0;
  CHECK_OK(status);
  scene->kept_count--;
  return 1;
}

static int act_show(scene *scene, mm_pool *pool) {
  (void)scene;
  uint64_t ticket;
  const int status = mm_wait_ticket(pool, &ticket);
  return status != MM_OK ? status : mm_wait_show(pool, ticket, 1000, 1000);
}

static int act_show_and_withdraw(scene *scene, mm_pool *pool) {
  const int status = act_show(scene, pool);
  return status != MM_OK ? status : mm_wait_show(pool, 0, 0, 0);
}

static void prepare_taken_with_waiter(scene *scene) {
  prepare_taken(scene);
  make_waiter(scene, 900);
}

static void prepare_full_with_waiter(scene *scene) {
  prepare_full(scene);
  make_waiter(scene, 900);
}

static int act_show_and_detach(scene *scene, mm_pool *pool) {
  const int status = act_show(scene, pool);
  mm_pool_detach(pool);
  return status;
}

/* ---- Reading ------------------------------------------------------------ */

/* What the child reads of an allocation that it knows must be right, also when
 * its record changes hands meanwhile. */
static void check_known(const scene *scene, const mm_allocation *read) {
  for (uint32_t at = 0; at < scene->kept_count; at++)
    if (scene->kept[at].id == read->id)
      CHECK(memcmp(&scene->kept[at], read, sizeof *read) == 0);
}

static int act_find(scene *scene, mm_pool *pool) {
  mm_allocation found;
  const int status = mm_find(pool, scene->kept[1].id, &found);
  if (status == MM_OK) check_known(scene, &found);
  return status;
}

static int act_list(scene *scene, mm_pool *pool) {
  mm_allocation entries[3];
  uint64_t cursor = 0;
  size_t count = 0;
  int status;
  do {
    status = mm_list(pool, &cursor, MM_ANY_TYPE, entries, 3, &count);
    for (size_t at = 0; at < count; at++) check_known(scene, &entries[at]);
  } while (status == MM_OK && count != 0);
  return status;
}

static int act_list_free_blocks(scene *scene, mm_pool *pool) {
  (void)scene;
  uint64_t sizes[3];
  uint64_t cursor = 0;
  size_t count = 0;
  int status;
  do {
    status = mm_list_free_blocks(pool, &cursor, sizes, 3, &count);
  } while (status == MM_OK && count != 0);
  return status;
}

static int act_read_stats(scene *scene, mm_pool *pool) {
  (void)scene;
  mm_pool_stats stats;
  return mm_pool_read_stats(pool, &stats);
}

/* ---- Coming and going ---------------------------------------------------- */

static int act_attach(scene *scene, mm_pool *pool) {
  return mm_pool_attach(scene->descriptor, scene->descriptor_length, &pool);
}

static void prepare_dead_slot(scene *scene) {
  prepare_some(scene);
  finish_child(start_child(attach_and_die, scene));
}

static void prepare_full_slot_page(scene *scene) {
  prepare_some(scene);
  while (scene->others_count < 31)
    scene->others[scene->others_count++] = attach_again(scene->pool);
}

static int act_detach(scene *scene, mm_pool *pool) {
  (void)scene;
  mm_pool_detach(pool);
  return MM_OK;
}

static int act_destroy(scene *scene, mm_pool *pool) {
  (void)scene;
  return mm_pool_destroy(pool);
}

static int act_remove(scene *scene, mm_pool *pool) {
  mm_pool_detach(pool);
  return mm_pool_remove(scene->name, NULL, 1);
}

static int act_list_pools(scene *scene, mm_pool *pool) {
  (void)pool;
  mm_pool_entry entry;
  size_t count = 0;
  const int status = mm_pool_probe(scene->name, scene->directory, &entry);
  return status != MM_OK ? status : mm_pool_list(scene->directory, &entry, 1, &count);
}

static void prepare_some_with_waiter(scene *scene) {
  prepare_some(scene);
  make_waiter(scene, SMALL_POOL);
}

static int act_create(scene *scene, mm_pool *pool) {
  const mm_pool_options options = {.size = scene->scenario->size, .name = scene->name, .uid = 9};
  return mm_pool_create(&options, &pool);
}

/* With memory for a megabyte in blocks, and for more records than one page has. */
static int act_create_with_memory(scene *scene, mm_pool *pool) {
  uint64_t sizes[100];
  for (uint32_t at = 0; at < 100; at++) sizes[at] = 10000;
  const mm_pool_options options = {.size = scene->scenario->size, .name = scene->name,
                                   .pre_allocate = sizes, .pre_allocate_count = 100};
  return mm_pool_create(&options, &pool);
}

static void prepare_nothing(scene *scene) { (void)scene; }

/* The name of a pool whose destroyer was killed. */
static void prepare_destroyed(scene *scene) {
  const mm_pool_options options = {.size = scene->scenario->size, .name = scene->name};
  mm_pool *pool = NULL;
  CHECK_OK(mm_pool_create(&options, &pool));
  mm__store(&pool->header->destroyed, 1u);
  mm_pool_detach(pool);
}

const scenario scenarios[] = {
    {"alloc exact", SMALL_POOL, prepare_exact, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc split", SMALL_POOL, prepare_split, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc first", SMALL_POOL, prepare_first, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc whole", SMALL_POOL, prepare_whole, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc refused", SMALL_POOL, prepare_refused, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc grow behind free", LARGE_POOL, prepare_grow_behind_free, act_alloc, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"alloc grow behind live", LARGE_POOL, prepare_grow_behind_live, act_alloc, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"alloc bare need", LARGE_POOL, prepare_bare_need, act_alloc, NULL, SCENE_ATTACHED,
     LARGE_POOL + (2u << 20), NULL},
    {"alloc without memory", LARGE_POOL, prepare_no_memory, act_alloc, NULL, SCENE_ATTACHED,
     LARGE_POOL + (2u << 20), NULL},
    {"alloc records", SMALL_POOL, prepare_records, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc grow and records", LARGE_POOL, prepare_grow_and_records, act_alloc, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"alloc spent", SMALL_POOL, prepare_spent, act_alloc, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc after fork", SMALL_POOL, prepare_split, act_alloc, NULL, SCENE_INHERITED, 0, NULL},
    {"free alone", SMALL_POOL, prepare_free_alone, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free merging left", SMALL_POOL, prepare_free_left, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free merging right", SMALL_POOL, prepare_free_right, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free merging both", SMALL_POOL, prepare_free_both, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free last", SMALL_POOL, prepare_free_last, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free only", SMALL_POOL, prepare_free_only, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free for a waiter", SMALL_POOL, prepare_free_for_waiter, act_free, NULL, SCENE_ATTACHED, 0, NULL},
    {"free and recover for a waiter", SMALL_POOL, prepare_free_for_second, act_free, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"cached alloc", CACHED_POOL, prepare_small_alloc, act_alloc, NULL, SCENE_ATTACHED, 0,
     warm_one},
    {"cached alloc of a swept block", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_swept},
    {"cached alloc of a misfit", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_misfit},
    {"cached alloc, biased", CACHED_POOL, prepare_small_alloc, act_alloc, NULL, SCENE_ATTACHED,
     0, warm_biased},
    {"cached alloc of a misfit, biased", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_biased_misfit},
    {"cached alloc of a freed block, biased", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_biased_stale},
    {"cached alloc that biases", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_to_be_biased},
    {"cached alloc after fork", CACHED_POOL, prepare_small_alloc, act_alloc, NULL,
     SCENE_INHERITED, 0, NULL},
    {"cached free", CACHED_POOL, prepare_small_free, act_free, NULL, SCENE_ATTACHED, 0,
     warm_two},
    {"cached free, first", CACHED_POOL, prepare_small_free, act_free, NULL, SCENE_ATTACHED, 0,
     NULL},
    {"cached free into a full cache", CACHED_POOL, prepare_small_free, act_free, NULL,
     SCENE_ATTACHED, 0, warm_full},
    {"cached free beside a waiter", CACHED_POOL, prepare_waiter_before_free, act_free, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"cached free that offers", CACHED_POOL, prepare_small_free, act_free, NULL,
     SCENE_ATTACHED, 0, warm_full_to_offer},
    {"cached free that withdraws", CACHED_POOL, prepare_small_free, act_free, NULL,
     SCENE_ATTACHED, 0, warm_full_and_offered},
    {"alloc that takes what is offered", CACHED_POOL, prepare_offered, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_to_take},
    {"detach with offers", CACHED_POOL, prepare_small_kept, act_detach, NULL, SCENE_ATTACHED,
     0, warm_full_and_offered},
    {"tied free", CACHED_POOL, prepare_tied_free, act_free, NULL, SCENE_ATTACHED, 0,
     warm_biased},
    {"tied free without a bias", CACHED_POOL, prepare_tied_free, act_free, NULL, SCENE_ATTACHED,
     0, warm_one},
    {"tied free into a full cache", CACHED_POOL, prepare_tied_free, act_free, NULL,
     SCENE_ATTACHED, 0, warm_full_and_biased},
    {"tied free beside a waiter", CACHED_POOL, prepare_waiter_before_tied_free, act_free, NULL,
     SCENE_ATTACHED, 0, warm_biased},
    {"free of what is tied to another", CACHED_POOL, prepare_free_of_others, act_free, NULL,
     SCENE_ATTACHED, 0, warm_two},
    {"free of what is tied to the dead", CACHED_POOL, prepare_free_of_the_dead, act_free, NULL,
     SCENE_ATTACHED, 0, warm_two},
    {"adopt what is tied to another", CACHED_POOL, prepare_adopt_of_others, act_adopt, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"alloc from all caches", CACHED_POOL, prepare_whole_from_caches, act_alloc, NULL,
     SCENE_ATTACHED, 0, warm_full},
    {"read stats with caches", CACHED_POOL, prepare_cached_by_all, act_read_stats, NULL,
     SCENE_ATTACHED, 0, warm_two},
    {"attach to a dead slot with a cache", CACHED_POOL, prepare_cached_by_all, act_attach, NULL,
     SCENE_DETACHED, 0, NULL},
    {"detach with a cache", CACHED_POOL, prepare_small_kept, act_detach, NULL, SCENE_ATTACHED,
     0, warm_two},
    {"trim", LARGE_POOL, prepare_to_trim, act_trim, NULL, SCENE_ATTACHED, 0, NULL},
    {"alloc what was trimmed", LARGE_POOL, prepare_trimmed_alloc, act_alloc, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"alloc what was trimmed, without memory", LARGE_POOL, prepare_trimmed_without_memory,
     act_alloc, NULL, SCENE_ATTACHED, LARGE_POOL + (2u << 20), NULL},
    {"free beside what was trimmed", LARGE_POOL, prepare_trimmed_free, act_free, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"reclaim", SMALL_POOL, prepare_left_by_the_dead, act_reclaim, NULL, SCENE_ATTACHED, 0, NULL},
    {"adopt", SMALL_POOL, prepare_some, act_adopt, NULL, SCENE_ATTACHED, 0, NULL},
    {"resize", SMALL_POOL, prepare_resize, act_resize, NULL, SCENE_ATTACHED, 0, NULL},
    {"blocking at once", SMALL_POOL, prepare_split, act_blocking, NULL, SCENE_ATTACHED, 0, NULL},
    {"blocking timeout", SMALL_POOL, prepare_full, act_blocking, NULL, SCENE_ATTACHED, 0, NULL},
    {"blocking woken", SMALL_POOL, prepare_full, act_blocking_long, free_the_last_kept,
     SCENE_ATTACHED, 0, NULL},
    {"blocking behind older", SMALL_POOL, prepare_full_with_waiter, act_blocking, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"wait show", SMALL_POOL, prepare_taken, act_show, NULL, SCENE_ATTACHED, 0, NULL},
    {"wait show and withdraw", SMALL_POOL, prepare_taken_with_waiter, act_show_and_withdraw,
     NULL, SCENE_ATTACHED, 0, NULL},
    {"find", SMALL_POOL, prepare_some, act_find, NULL, SCENE_ATTACHED, 0, NULL},
    {"list", SMALL_POOL, prepare_some, act_list, NULL, SCENE_ATTACHED, 0, NULL},
    {"list free blocks", SMALL_POOL, prepare_some, act_list_free_blocks, NULL, SCENE_ATTACHED, 0, NULL},
    {"read stats", SMALL_POOL, prepare_some, act_read_stats, NULL, SCENE_ATTACHED, 0, NULL},
    {"attach", SMALL_POOL, prepare_some, act_attach, NULL, SCENE_DETACHED, 0, NULL},
    {"attach to a dead slot", SMALL_POOL, prepare_dead_slot, act_attach, NULL, SCENE_DETACHED, 0, NULL},
    {"attach to a new slot page", SMALL_POOL, prepare_full_slot_page, act_attach, NULL,
     SCENE_DETACHED, 0, NULL},
    {"detach", SMALL_POOL, prepare_some, act_detach, NULL, SCENE_ATTACHED, 0, NULL},
    {"detach while waiting", SMALL_POOL, prepare_some, act_show_and_detach, NULL,
     SCENE_ATTACHED, 0, NULL},
    {"destroy", SMALL_POOL, prepare_some, act_destroy, NULL, SCENE_DESTROYS, 0, NULL},
    {"destroy with a waiter", SMALL_POOL, prepare_some_with_waiter, act_destroy, NULL,
     SCENE_DESTROYS, 0, NULL},
    {"remove by force", SMALL_POOL, prepare_some, act_remove, NULL, SCENE_DESTROYS, 0, NULL},
    {"probe and list", SMALL_POOL, prepare_some, act_list_pools, NULL, SCENE_ATTACHED,
     SCENE_ALONE, NULL},
    {"create", SMALL_POOL, prepare_nothing, act_create, NULL, SCENE_CREATES, 0, NULL},
    {"create with memory", LARGE_POOL, prepare_nothing, act_create_with_memory, NULL,
     SCENE_CREATES, 0, NULL},
    {"create over a destroyed pool", SMALL_POOL, prepare_destroyed, act_create, NULL,
     SCENE_CREATES, 0, NULL},
};

const scenario recover_by_lock = {.name = "recovery by the lock",
                                  .act = act_read_stats,
                                  .kind = SCENE_ATTACHED};
const scenario recover_by_attach = {.name = "recovery by attach",
                                    .act = act_attach,
                                    .kind = SCENE_DETACHED};

const uint32_t scenarios_count = sizeof scenarios / sizeof *scenarios;

const scenario *scenario_named(const char *name) {
  for (uint32_t at = 0; at < scenarios_count; at++)
    if (strcmp(scenarios[at].name, name) == 0) return &scenarios[at];
  test_fail(__FILE__, __LINE__, "there is no scenario \"%s\"", name);
}
