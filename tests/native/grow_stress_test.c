/* grow_stress_test.c - processes that make a pool grow at the same time, and are
 * killed while they do: where there is memory, and where there is not enough.
 *
 *   grow_stress_test [--milliseconds N] [--seed S]
 *
 * Memory that is committed in vain is given back to the file system: none of it
 * may ever be somebody's allocation.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define PROCESSES 4
#define HELD_MAX 400u

static uint64_t milliseconds = 2000;
static uint64_t seed;
static mm_pool *pool;

/* Fills what it can get, looks at all of it again and again, and frees some. */
static void grab(void *argument) {
  uint64_t chance = (uintptr_t)argument;
  mm_pool *own = attach_again(pool);
  mm_allocation held[HELD_MAX];
  uint32_t count = 0;
  for (int round = 0; round < 300; round++) {
    const uint64_t size = random_below(&chance, 1u << random_below(&chance, 19));
    const int status = count < HELD_MAX ? mm_alloc(own, size, 1, &held[count]) : MM_E_NO_ROOM;
    CHECK(status == MM_OK || status == MM_E_NO_ROOM || status == MM_E_FS_FULL ||
          status == MM_E_BUSY);
    if (status == MM_OK) fill_tagged(own, &held[count++]);
    if (status != MM_OK || random_below(&chance, 4) == 0) {
      for (uint32_t free = 0; free < 3 && count > 0; free++) {
        const uint32_t at = (uint32_t)random_below(&chance, count);
        check_tagged(own, &held[at]);
        CHECK_OK(mm_free(own, held[at].id));
        held[at] = held[--count];
      }
    }
    if (round % 50 == 0)
      for (uint32_t at = 0; at < count; at++) check_tagged(own, &held[at]);
  }
  for (uint32_t at = 0; at < count; at++) check_tagged(own, &held[at]);
  mm_pool_detach(own);
}

static void await_end(pid_t child, int was_killed) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status))
    CHECK(was_killed && WTERMSIG(status) == SIGKILL);
  else
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void free_all(void) {
  mm_allocation entries[64];
  uint64_t cursor = 0;
  size_t count;
  do {
    CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, entries, 64, &count));
    for (size_t at = 0; at < count; at++) CHECK_OK(mm_free(pool, entries[at].id));
  } while (count != 0);
}

static void grow_and_be_killed(const mm_pool_options *options, uint64_t takes) {
  uint64_t chance = seed, rounds = 0, killed = 0;
  test_context("--seed %llu", (unsigned long long)seed);
  const uint64_t end = now_ms() + milliseconds;
  while (now_ms() < end || rounds == 0) {
    pid_t children[PROCESSES];
    pool = new_pool_from(*options);
    for (int at = 0; at < PROCESSES; at++)
      children[at] = start_child(grab, (void *)(uintptr_t)random_next(&chance));
    const uint64_t victims = random_below(&chance, PROCESSES);
    for (uint64_t at = 0; at < victims; at++) {
      usleep((useconds_t)random_below(&chance, 4000));
      CHECK(kill(children[at], SIGKILL) == 0);
      killed++;
    }
    for (uint64_t at = 0; at < PROCESSES; at++) await_end(children[at], at < victims);
    CHECK_SOUND(mm__check(pool));
    free_all();
    const mm_allocation most = must_alloc(pool, takes);
    fill_tagged(pool, &most);
    check_tagged(pool, &most);
    destroy_and_detach(pool);
    rounds++;
  }
  printf("  %llu pools, %llu kills\n", (unsigned long long)rounds, (unsigned long long)killed);
}

static void with_memory(void) {
  const mm_pool_options options = {.size = 16u << 20};
  grow_and_be_killed(&options, 16u << 20);
}

/* The file system has 6 MiB; the pool would like 16. */
static void without_enough_memory(void) {
  const mm_pool_options options = {
      .size = 16u << 20, .min_block_size = 256, .directory = small_file_system(17u << 20)};
  mm_pool_options filler = options;
  filler.size = 11u << 20;
  mm_pool *other = new_pool_from(filler);
  must_alloc(other, 11u << 20);
  grow_and_be_killed(&options, 4u << 20);
  destroy_and_detach(other);
}

int main(int argc, char **argv) {
  seed = now_ms();
  const test_option options[] = {
      {"--milliseconds", &milliseconds, 0}, {"--seed", &seed, 0}, {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  const unsigned limit = (unsigned)(milliseconds / 1000) + 40;
  test_case_within("grow: many at once, some killed", with_memory, limit);
  test_case_within("grow: on a file system that is too small", without_enough_memory, limit);
  return harness_end();
}
