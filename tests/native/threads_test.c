/* threads_test.c - threads of one process: each with a handle of its own, and
 * two on one handle (its owner, and one that is parked).
 *
 *   threads_test [--milliseconds N] [--seed S]
 *
 * Made for AddressSanitizer, and of the last also for ThreadSanitizer, which sees
 * nothing between handles: see races_test.c.
 */
#include <pthread.h>

#include "harness.h"

#define SIZE (1u << 18)
#define THREADS 4

static uint64_t milliseconds = 800;
static uint64_t seed;
static mm_pool *pool;
static uint64_t ends_at;

typedef struct worker {
  pthread_t thread;
  uint64_t chance;
  uint64_t operations;
} worker;

static void run(void *(*body)(void *), worker workers[THREADS]) {
  ends_at = now_ms() + milliseconds;
  for (uint64_t at = 0; at < THREADS; at++) {
    workers[at] = (worker){.chance = seed + at};
    CHECK(pthread_create(&workers[at].thread, NULL, body, &workers[at]) == 0);
  }
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_join(workers[at].thread, NULL) == 0);
    CHECK(workers[at].operations > 10);
  }
}

/* ---- A handle each ---------------------------------------------------------------- */

static void list_all(mm_pool *own) {
  mm_allocation entries[16];
  uint64_t cursor = 0, sizes[16];
  size_t count;
  do {
    CHECK_OK(mm_list(own, &cursor, MM_ANY_TYPE, entries, 16, &count));
  } while (count != 0);
  cursor = 0;
  do {
    CHECK_OK(mm_list_free_blocks(own, &cursor, sizes, 16, &count));
  } while (count != 0);
}

static void *use_everything(void *argument) {
  worker *self = argument;
  mm_pool *own = attach_again(pool);
  mm_allocation held[30], found;
  uint32_t count = 0;
  while (now_ms() < ends_at) {
    const uint64_t what = random_below(&self->chance, 100);
    if (what < 45 && count < 30) {
      const uint64_t size = random_below(&self->chance, SIZE / 64);
      const int status = what < 5 ? mm_alloc_blocking(own, size, 1, 3, &held[count])
                                  : mm_alloc(own, size, 1, &held[count]);
      CHECK(status == MM_OK || status == MM_E_NO_ROOM || status == MM_E_TIMEOUT);
      if (status == MM_OK) fill_tagged(own, &held[count++]);
    } else if (what < 90 && count > 0) {
      const uint32_t at = (uint32_t)random_below(&self->chance, count);
      CHECK_OK(mm_find(own, held[at].id, &found));
      check_tagged(own, &found);
      CHECK_OK(mm_free(own, held[at].id));
      CHECK_STATUS(mm_free(own, held[at].id), MM_E_STALE);
      held[at] = held[--count];
    } else if (what < 97) {
      list_all(own);
    } else {
      mm_pool *again = attach_again(own);
      mm_pool_detach(own);
      own = again;
    }
    self->operations++;
  }
  while (count > 0) CHECK_OK(mm_free(own, held[--count].id));
  mm_pool_detach(own);
  return NULL;
}

static void threads_with_handles_of_their_own(void) {
  worker workers[THREADS];
  pool = new_pool(SIZE);
  run(use_everything, workers);
  CHECK_SOUND(mm__check(pool));
  must_alloc(pool, SIZE);
  destroy_and_detach(pool);
}

/* ---- Pools each --------------------------------------------------------------------- */

static const char *names[THREADS];

static void *create_and_destroy(void *argument) {
  worker *self = argument;
  const uint64_t number = self->chance - seed;
  while (now_ms() < ends_at) {
    const mm_pool_options options = {.size = 65536, .name = names[number]};
    mm_pool *own = NULL;
    CHECK_OK(mm_pool_create(&options, &own));
    mm_pool *again = attach_again(own);
    const mm_allocation made = must_alloc(again, 100);
    CHECK_OK(mm_free(own, made.id));
    mm_pool_entry entry;
    CHECK_OK(mm_pool_probe(names[number], NULL, &entry));
    CHECK_EQ(entry.attachments, 2);
    mm_pool_detach(again);
    destroy_and_detach(own);
    self->operations++;
  }
  return NULL;
}

static void threads_with_pools_of_their_own(void) {
  worker workers[THREADS];
  for (int at = 0; at < THREADS; at++) names[at] = unique_name();
  run(create_and_destroy, workers);
}

/* ---- Two threads on one handle -------------------------------------------------------- */

typedef struct parked {
  mm_pool *handle;
  uint32_t seen;
} parked;

static void *park(void *argument) {
  parked *parked = argument;
  const int status = mm_park(parked->handle, parked->seen, 20);
  CHECK(status == MM_OK || status == MM_E_TIMEOUT || status == MM_E_DESTROYED);
  return NULL;
}

/* Waits for room as an event loop does: passes here, sleep on another thread,
 * and now and then it detaches under the parked call. */
static void *wait_like_a_loop(void *argument) {
  worker *self = argument;
  mm_pool *own = attach_again(pool);
  while (now_ms() < ends_at) {
    uint64_t ticket;
    mm_allocation made;
    CHECK_OK(mm_wait_ticket(own, &ticket));
    const uint64_t size = 1 + random_below(&self->chance, SIZE / 3);
    for (int pass = 0; pass < 10; pass++) {
      int status = mm_wait_show(own, ticket, size, size);
      CHECK(status == MM_OK || status == MM_E_BUSY);
      parked parked = {own, mm_wait_begin(own)};
      status = mm_wait_try(own, ticket, size, 1, &made);
      if (status == MM_OK) {
        fill_tagged(own, &made);
        check_tagged(own, &made);
        CHECK_OK(mm_free(own, made.id));
        break;
      }
      pthread_t thread;
      mm_park_prepare(own);
      CHECK(pthread_create(&thread, NULL, park, &parked) == 0);
      /* The handle goes on in the meantime. */
      if (mm_alloc(own, 100, 2, &made) == MM_OK) CHECK_OK(mm_free(own, made.id));
      if (random_below(&self->chance, 4) == 0) mm_unpark(own);
      if (random_below(&self->chance, 8) == 0) {
        mm_pool *again = attach_again(own);
        mm_pool_detach(own);
        own = again;
        pass = 10;
      }
      CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(mm_wait_show(own, 0, 0, 0) != MM_E_CORRUPT);
    self->operations++;
  }
  mm_pool_detach(own);
  return NULL;
}

static void one_works_while_another_is_parked(void) {
  worker workers[THREADS];
  pool = new_pool(SIZE);
  must_alloc(pool, SIZE / 4);
  run(wait_like_a_loop, workers);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  seed = 101;
  const test_option options[] = {
      {"--milliseconds", &milliseconds, 0}, {"--seed", &seed, 0}, {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  const unsigned limit = (unsigned)(milliseconds / 1000) + 30;
  test_case_within("threads: a handle each", threads_with_handles_of_their_own, limit);
  test_case_within("threads: pools of their own", threads_with_pools_of_their_own, limit);
  test_case_within("threads: one works while another is parked",
                   one_works_while_another_is_parked, limit);
  return harness_end();
}
