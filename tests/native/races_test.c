/* races_test.c - threads that work on one pool through one mapping, for
 * ThreadSanitizer.
 *
 *   races_test [--milliseconds N] [--seed S]
 *
 * Each handle has a mapping of its own, and to a sanitizer the same bytes at two
 * addresses are two things: between handles it would see no race at all. So the
 * handles here borrow one mapping. What it can see then:
 *
 *   - an access to shared words that is not atomic, in any thread;
 *   - payload and a plain counter that pass from one thread to the next without
 *     an order that the library has made: by its lock, or by its taking a dead
 *     owner's lock over.
 *
 * Lookups without the lock read atomically even where they read what does not
 * belong together. That is checked by content: an allocation's type follows from
 * its size.
 */
#include <pthread.h>

#include "harness.h"
#include "shared.h"

#define SIZE (4u << 20)
#define THREADS 4
#define HELD_MAX 12u
#define MAILBOXES 16u
#define ROUND_MS 200u

static uint64_t milliseconds = 800;
static uint64_t seed;

/* Where a handle sees the pool. */
typedef struct view {
  mm__header *header;
  mm__slot *slots;
  uint8_t *data;
  mm__heap heap;
} view;

static mm_pool *pool;
static view lent;                     /* of `pool`, for all */
static unsigned char descriptor[MM_DESCRIPTOR_MAX]; /* of `pool` */
static size_t length;
static uint64_t counter;              /* plain: changes under the pool's lock */
static uint64_t mailboxes[MAILBOXES]; /* ids of filled allocations; 0: empty */

typedef struct worker {
  pthread_t thread;
  uint64_t chance;
  mm_pool *own;
  view own_view;       /* of the handle, as it was attached */
  mm_allocation held[HELD_MAX];
  uint32_t count;
  uint64_t operations;
  uint64_t counted;    /* its share of `counter` */
  uint64_t deaths;
} worker;

/* 1 if the call was made; 0 if the pool was destroyed, which ends a round. */
#define GOES_ON(call) goes_on(__LINE__, (call))

static int goes_on(int line, int status) {
  if (status == MM_E_DESTROYED) return 0;
  if (status != MM_OK) test_fail(__FILE__, line, "%d (%s)", status, mm_strerror(status));
  return 1;
}

/* ---- A handle on one mapping for all -------------------------------------------- */

static view view_of(const mm_pool *handle) {
  return (view){handle->header, handle->slots, handle->data, handle->heap};
}

/* The same entry in another mapping. */
static uint32_t *moved(uint32_t *entry, intptr_t distance) {
  return entry == NULL ? NULL : (uint32_t *)(void *)((uint8_t *)entry + distance);
}

static void look_through(mm_pool *handle, const view *view) {
  const intptr_t distance = (uint8_t *)view->header - (uint8_t *)handle->header;
  handle->cache.entries = moved(handle->cache.entries, distance);
  for (uint32_t at = 0; at < MM__CACHE_BINS; at++) {
    mm__bin *bin = &handle->cache.bins[at];
    *bin = (mm__bin){moved(bin->top, distance), moved(bin->base, distance),
                     moved(bin->end, distance)};
  }
  handle->header = view->header;
  handle->slots = view->slots;
  handle->data = view->data;
  handle->heap = view->heap;
}

static int come(worker *self) {
  const int status = mm_pool_attach(descriptor, length, &self->own);
  if (status == MM_E_NOT_FOUND || status == MM_E_DESTROYED) self->own = NULL;
  if (self->own == NULL) return 0;
  CHECK_OK(status);
  self->own_view = view_of(self->own);
  look_through(self->own, &lent);
  return 1;
}

static void count_under_the_lock(worker *self) {
  CHECK_OK(mm__lock(self->own, MM__LOCK_PATIENCE_MS));
  counter++;
  mm__unlock(self->own);
  self->counted++;
}

static void go(worker *self) {
  /* Whoever reclaims what is left here is behind this thread by the file's lock,
   * which no sanitizer knows: now it is by the pool's too. */
  count_under_the_lock(self);
  look_through(self->own, &self->own_view);
  mm_pool_detach(self->own);
}

/* Ends as a process does that is killed inside the lock: what is locked stays
 * locked, what is held stays held, and the kernel closes the file. */
static int die_inside(worker *self) {
  CHECK_OK(mm__lock(self->own, MM__LOCK_PATIENCE_MS));
  look_through(self->own, &self->own_view);
  mm__store(self->own->fork_mark, 0u); /* only closes and unmaps, now */
  mm_pool_detach(self->own);
  self->count = 0;
  self->deaths++;
  return come(self);
}

/* ---- What a thread does ----------------------------------------------------------- */

static uint32_t type_of(uint64_t size) { return (uint32_t)(size * 2654435761u); }

static void must_belong_together(const mm_allocation *found) {
  if (found->type != type_of(found->size))
    test_fail(__FILE__, __LINE__, "allocation %llx of %llu bytes has type %u, not %u",
              (unsigned long long)found->id, (unsigned long long)found->size, found->type,
              type_of(found->size));
}

static int take(worker *self) {
  const uint64_t size =
      random_below(&self->chance, 1ull << (4 + random_below(&self->chance, 15)));
  mm_allocation *made = &self->held[self->count];
  const int status =
      random_below(&self->chance, 8) == 0
          ? mm_alloc_blocking(self->own, size, type_of(size), 2, made)
          : mm_alloc(self->own, size, type_of(size), made);
  if (status == MM_E_NO_ROOM || status == MM_E_TIMEOUT) return 1;
  if (!GOES_ON(status)) return 0;
  fill_tagged(self->own, made);
  self->count++;
  return 1;
}

static int give(worker *self) {
  const uint32_t at = (uint32_t)random_below(&self->chance, self->count);
  mm_allocation found;
  if (!GOES_ON(mm_find(self->own, self->held[at].id, &found))) return 0;
  must_belong_together(&found);
  check_tagged(self->own, &found);
  if (!GOES_ON(mm_free(self->own, found.id))) return 0;
  self->held[at] = self->held[--self->count];
  return 1;
}

/* Passes an allocation on, for anybody to look at, to adopt and to free. */
static int pass_on(worker *self) {
  const uint32_t at = (uint32_t)random_below(&self->chance, self->count);
  uint64_t *mailbox = &mailboxes[random_below(&self->chance, MAILBOXES)];
  const uint64_t before =
      __atomic_exchange_n(mailbox, self->held[at].id, __ATOMIC_ACQ_REL);
  self->held[at] = self->held[--self->count];
  mm_allocation found;
  if (before == 0) return 1;
  int status = mm_adopt(self->own, before);
  if (status == MM_E_STALE) return 1; /* reclaimed */
  if (GOES_ON(status) && GOES_ON(mm_find(self->own, before, &found)))
    self->held[self->count++] = found;
  return status == MM_OK;
}

static int look_around(worker *self) {
  mm_allocation entries[16];
  uint64_t cursor = 0, sizes[16];
  size_t count;
  do {
    if (!GOES_ON(mm_list(self->own, &cursor, MM_ANY_TYPE, entries, 16, &count))) return 0;
    for (size_t at = 0; at < count; at++) must_belong_together(&entries[at]);
  } while (count != 0);
  const uint64_t id = mm__load(&mailboxes[random_below(&self->chance, MAILBOXES)]);
  mm_allocation found;
  mm_owner owner;
  int status = mm_find(self->own, id, &found);
  if (status == MM_OK) must_belong_together(&found);
  if (status == MM_OK) status = mm_owner_of(self->own, id, &owner);
  if (status != MM_E_STALE && !GOES_ON(status)) return 0;
  if (random_below(&self->chance, 8) != 0) return 1;
  mm_pool_stats stats;
  mm_reclaimed reclaimed;
  cursor = 0;
  do {
    status = mm_list_free_blocks(self->own, &cursor, sizes, 16, &count);
    if (!GOES_ON(status)) return 0;
  } while (count != 0);
  return GOES_ON(mm_pool_read_stats(self->own, &stats)) &&
         GOES_ON(mm_reclaim(self->own, &reclaimed));
}

static int do_something(worker *self) {
  const uint64_t what = random_below(&self->chance, 1000);
  if (what < 350 && self->count < HELD_MAX) return take(self);
  if (what < 650 && self->count > 0) return give(self);
  if (what < 750 && self->count > 0) return pass_on(self);
  if (what < 890) return look_around(self);
  if (what < 892) return die_inside(self);
  if (what < 900 && self->count == 0) {
    go(self);
    return come(self);
  }
  count_under_the_lock(self);
  return 1;
}

static void *work(void *argument) {
  worker *self = argument;
  if (come(self))
    while (do_something(self)) self->operations++;
  if (self->own != NULL) go(self);
  return NULL;
}

/* ---- Rounds ------------------------------------------------------------------------- */

typedef struct sums { uint64_t operations, counted, deaths; } sums;

/* A pool grows, is used by all, and is destroyed under them. */
static void make_a_round(uint64_t *chance, sums *sums) {
  worker workers[THREADS];
  pool = new_pool(SIZE);
  lent = view_of(pool);
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  for (uint32_t at = 0; at < MAILBOXES; at++) mailboxes[at] = 0;
  for (int at = 0; at < THREADS; at++) {
    workers[at] = (worker){.chance = random_next(chance)};
    CHECK(pthread_create(&workers[at].thread, NULL, work, &workers[at]) == 0);
  }
  sleep_ms(ROUND_MS);
  CHECK_SOUND(mm__check(pool));
  CHECK_OK(mm_pool_destroy(pool));
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_join(workers[at].thread, NULL) == 0);
    sums->operations += workers[at].operations;
    sums->counted += workers[at].counted;
    sums->deaths += workers[at].deaths;
  }
  CHECK_SOUND(mm__check(pool));
  mm_pool_detach(pool);
}

static void threads_on_one_mapping(void) {
  uint64_t chance = seed;
  sums sums = {0, 0, 0};
  test_context("--seed %llu", (unsigned long long)seed);
  const uint64_t end = now_ms() + milliseconds;
  do {
    make_a_round(&chance, &sums);
  } while (now_ms() < end);
  CHECK_EQ(counter, sums.counted);
  printf("  %llu operations, %llu of them under the lock alone, %llu deaths\n",
         (unsigned long long)sums.operations, (unsigned long long)sums.counted,
         (unsigned long long)sums.deaths);
  CHECK(sums.deaths > 0);
}

int main(int argc, char **argv) {
  seed = 101;
  const test_option options[] = {
      {"--milliseconds", &milliseconds, 0}, {"--seed", &seed, 0}, {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  test_case_within("races: threads on one mapping", threads_on_one_mapping,
                   (unsigned)(milliseconds / 1000) + 30);
  return harness_end();
}
