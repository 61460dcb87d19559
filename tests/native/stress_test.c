/* stress_test.c - processes allocate, fill, verify, pass on and free at random,
 * while their parent kills, stops and continues them at random.
 *
 *   stress_test [--seconds N] [--processes N] [--seed S]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "participants.h"
#include "shared.h"

#define SIZE (1u << 20)
#define PROCESSES_MAX 64u
#define HELD_MAX 40u
#define MAILBOXES 64u

static uint64_t seconds = 4;
static uint64_t processes = 6;
static uint64_t seed;

static mm_pool *pool;

/* Shared by all. */
typedef struct board {
  uint64_t mailboxes[MAILBOXES]; /* ids of filled allocations; 0: empty */
  uint64_t operations;
  uint64_t waited;               /* blocking calls that got room */
} board;

static board *on;

/* ---- A worker ----------------------------------------------------------------- */

typedef struct worker {
  uint64_t chance;
  mm_pool *pool;
  mm_allocation held[HELD_MAX];
  uint32_t count;
} worker;

static void hold(worker *self, const mm_allocation *allocation) {
  fill_tagged(self->pool, allocation);
  self->held[self->count++] = *allocation;
}

static void give_up(worker *self, uint32_t at) {
  check_tagged(self->pool, &self->held[at]);
  const int status = mm_free(self->pool, self->held[at].id);
  if (status == MM_E_BUSY) return; /* a peer was stopped for too long */
  CHECK_OK(status);
  self->held[at] = self->held[--self->count];
}

static void take(worker *self) {
  mm_allocation allocation;
  const uint64_t size =
      random_below(&self->chance, 1u << (4 + random_below(&self->chance, 12)));
  int status;
  if (random_below(&self->chance, 20) == 0) {
    status = mm_alloc_blocking(self->pool, size, 2, 5, &allocation);
    if (status == MM_OK) __atomic_fetch_add(&on->waited, 1, __ATOMIC_RELAXED);
    CHECK(status == MM_OK || status == MM_E_TIMEOUT);
  } else {
    status = mm_alloc(self->pool, size, 1, &allocation);
    CHECK(status == MM_OK || status == MM_E_NO_ROOM || status == MM_E_BUSY);
  }
  if (status == MM_OK) hold(self, &allocation);
}

/* Puts a filled allocation where anybody may take it. */
static void pass_on(worker *self) {
  const uint32_t at = (uint32_t)random_below(&self->chance, self->count);
  uint64_t *mailbox = &on->mailboxes[random_below(&self->chance, MAILBOXES)];
  if (mm__cas(mailbox, 0ull, self->held[at].id)) self->held[at] = self->held[--self->count];
}

static void pick_up(worker *self) {
  uint64_t *mailbox = &on->mailboxes[random_below(&self->chance, MAILBOXES)];
  const uint64_t id = __atomic_exchange_n(mailbox, 0, __ATOMIC_ACQ_REL);
  if (id == 0) return;
  mm_allocation found;
  CHECK_OK(mm_find(self->pool, id, &found));
  check_tagged(self->pool, &found);
  self->held[self->count++] = found;
}

static void look_around(worker *self) {
  mm_allocation entries[32];
  uint64_t cursor = 0, sizes[32];
  size_t count;
  do {
    CHECK_OK(mm_list(self->pool, &cursor, MM_ANY_TYPE, entries, 32, &count));
  } while (count != 0);
  cursor = 0;
  do {
    const int status = mm_list_free_blocks(self->pool, &cursor, sizes, 32, &count);
    CHECK(status == MM_OK || status == MM_E_BUSY);
  } while (count != 0);
}

/* Little else but the lock. */
static void hurry(worker *self) {
  mm_allocation made[4];
  for (int round = 0; round < 100; round++) {
    uint32_t count = 0;
    for (uint64_t at = 0; at < 4; at++)
      if (mm_alloc(self->pool, 64 * at, 3, &made[count]) == MM_OK) count++;
    while (count > 0) {
      const int status = mm_free(self->pool, made[--count].id);
      CHECK(status == MM_OK || status == MM_E_BUSY);
    }
  }
}

static void come_again(worker *self) {
  while (self->count > 0 && random_below(&self->chance, 4) != 0) give_up(self, self->count - 1);
  mm_pool *again = attach_again(self->pool);
  mm_pool_detach(self->pool);
  self->pool = again;
}

static void work(void *argument) {
  worker self = {.chance = (uintptr_t)argument, .pool = attach_again(pool)};
  for (;;) {
    const uint64_t what = random_below(&self.chance, 100);
    if (what < 20)
      hurry(&self);
    else if (what < 50 && self.count < HELD_MAX)
      take(&self);
    else if (what < 80 && self.count > 0)
      give_up(&self, (uint32_t)random_below(&self.chance, self.count));
    else if (what < 90 && self.count > 0)
      pass_on(&self);
    else if (what < 97 && self.count < HELD_MAX)
      pick_up(&self);
    else if (what < 99)
      look_around(&self);
    else
      come_again(&self);
    __atomic_fetch_add(&on->operations, 1, __ATOMIC_RELAXED);
  }
}

/* ---- Their parent ---------------------------------------------------------------- */

/* 1 if a child that stands still holds the lock. */
static int is_inside(pid_t child) {
  const uint64_t word = mm__load(&pool->header->lock);
  const uint32_t slot = mm__lock_slot(word);
  return word != 0 && slot < mm__participant_limit(pool) &&
         mm__load(&pool->slots[slot].pid) == (uint32_t)child &&
         mm__participant_is_alive(pool, slot);
}

/* What everybody left behind: verified where it was passed on, freed. */
static void clear_up(void) {
  for (uint32_t at = 0; at < MAILBOXES; at++) {
    mm_allocation found;
    if (on->mailboxes[at] == 0) continue;
    CHECK_OK(mm_find(pool, on->mailboxes[at], &found));
    check_tagged(pool, &found);
  }
  mm_allocation entries[64];
  uint64_t cursor = 0;
  size_t count;
  do {
    CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, entries, 64, &count));
    for (size_t at = 0; at < count; at++) CHECK_OK(mm_free(pool, entries[at].id));
  } while (count != 0);
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  CHECK_EQ(stats.allocations, 0);
  CHECK_EQ(stats.free_space, SIZE);
  CHECK_SOUND(mm__check(pool));
  must_alloc(pool, SIZE);
}

static void check_that_it_died_by_us(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) test_fail(__FILE__, __LINE__, "a worker has failed, see above");
  CHECK_EQ(WTERMSIG(status), SIGKILL);
}

static void stress(void) {
  pid_t children[PROCESSES_MAX];
  uint64_t chance = seed, kills = 0, inside = 0, stops = 0;
  CHECK(processes <= PROCESSES_MAX);
  pool = new_pool(SIZE);
  on = shared_memory(sizeof *on);
  test_context("--seed %llu", (unsigned long long)seed);
  for (uint64_t at = 0; at < processes; at++)
    children[at] = start_child(work, (void *)(uintptr_t)random_next(&chance));
  const uint64_t end = now_ms() + seconds * 1000;
  while (now_ms() < end) {
    usleep((useconds_t)random_below(&chance, 3000));
    const uint64_t at = random_below(&chance, processes);
    stop_child(children[at]);
    if (random_below(&chance, 4) == 0) {
      usleep((useconds_t)random_below(&chance, 20000));
      continue_child(children[at]);
      stops++;
      continue;
    }
    inside += is_inside(children[at]);
    CHECK(kill(children[at], SIGKILL) == 0);
    check_that_it_died_by_us(children[at]);
    kills++;
    if (random_below(&chance, 10) == 0) CHECK_SOUND(mm__check(pool));
    children[at] = start_child(work, (void *)(uintptr_t)random_next(&chance));
  }
  for (uint64_t at = 0; at < processes; at++) {
    CHECK(kill(children[at], SIGKILL) == 0);
    check_that_it_died_by_us(children[at]);
  }
  clear_up();
  destroy_and_detach(pool);
  printf("  %llu kills, %llu of them inside of the lock, %llu stops, %llu operations, %llu"
         " waits\n",
         (unsigned long long)kills, (unsigned long long)inside, (unsigned long long)stops,
         (unsigned long long)on->operations, (unsigned long long)on->waited);
}

int main(int argc, char **argv) {
  seed = now_ms();
  const test_option options[] = {{"--seconds", &seconds, 0},
                                 {"--processes", &processes, 0},
                                 {"--seed", &seed, 0},
                                 {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  printf("seed %llu\n", (unsigned long long)seed);
  test_case_within("stress: processes that are killed and stopped", stress,
                   (unsigned)seconds + 60);
  return harness_end();
}
