/* trim_test.c - giving the memory of free blocks back, and having it again. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define MIB (1u << 20)
#define SIZE (64u * MIB)

static mm_pool *pool;

static uint64_t committed(void) {
  struct stat status;
  CHECK(fstat(pool->file, &status) == 0);
  return (uint64_t)status.st_blocks * 512;
}

static uint64_t trim(void) {
  uint64_t bytes = 1;
  const uint64_t before = committed();
  CHECK_OK(mm_pool_trim(pool, &bytes));
  CHECK_EQ(bytes, before - committed());
  CHECK_SOUND(mm__check(pool));
  return bytes;
}

static void fill(const mm_allocation *allocation, int value) {
  memset(mm_address(pool, allocation), value, allocation->size);
}

static void must_hold(const mm_allocation *allocation, uint8_t value) {
  const uint8_t *bytes = mm_address(pool, allocation);
  for (uint64_t at = 0; at < allocation->size; at += 511) CHECK_EQ(bytes[at], value);
  CHECK_EQ(bytes[allocation->size - 1], value);
}

static void free_blocks_lose_their_memory(void) {
  pool = new_pool(SIZE);
  const mm_allocation first = must_alloc(pool, 10 * MIB), kept = must_alloc(pool, 5000),
                      second = must_alloc(pool, 10 * MIB), last = must_alloc(pool, 5000);
  fill(&first, 1);
  fill(&kept, 2);
  fill(&second, 3);
  fill(&last, 4);
  CHECK(trim() < 2 * MIB); /* at most what was committed for the next ones */
  CHECK_EQ(trim(), 0);
  CHECK_OK(mm_free(pool, first.id));
  const uint64_t bytes = trim();
  CHECK(bytes > 10 * MIB - 2 * 4096 && bytes <= 10 * MIB);
  must_hold(&kept, 2);
  must_hold(&second, 3);
  CHECK_OK(mm_free(pool, second.id));
  CHECK(trim() > 10 * MIB - 2 * 4096);
  must_hold(&kept, 2);
  must_hold(&last, 4);
  CHECK_EQ(trim(), 0);
  /* And have it again. */
  const mm_allocation again = must_alloc(pool, 10 * MIB);
  fill(&again, 5);
  must_hold(&kept, 2);
  CHECK_OK(mm_free(pool, kept.id));
  CHECK_OK(mm_free(pool, last.id));
  CHECK_OK(mm_free(pool, again.id));
  CHECK(trim() != 0);
  const mm_allocation whole = must_alloc(pool, SIZE);
  fill(&whole, 6);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void what_is_cached_is_trimmed(void) {
  pool = new_pool(SIZE);
  mm_allocation made[1000];
  for (int at = 0; at < 1000; at++) made[at] = must_alloc(pool, 8192);
  for (int at = 0; at < 1000; at++) CHECK_OK(mm_free(pool, made[at].id));
  CHECK(pool->header->heap.taken != 0);
  CHECK(trim() >= 1000 * 8192);
  destroy_and_detach(pool);
}

static void every_size_can_be_had_again(void) {
  pool = new_pool(SIZE);
  uint64_t seed = 3;
  mm_allocation live[64];
  memset(live, 0, sizeof live);
  for (int round = 0; round < 6000; round++) {
    const uint32_t at = (uint32_t)random_below(&seed, 64);
    if (live[at].id != 0) {
      check_tagged(pool, &live[at]);
      CHECK_OK(mm_free(pool, live[at].id));
      live[at].id = 0;
    } else {
      live[at] = must_alloc(pool, 1 + random_below(&seed, random_below(&seed, 2) ? 900000 : 9000));
      fill_tagged(pool, &live[at]);
    }
    if (random_below(&seed, 50) == 0) {
      uint64_t bytes;
      CHECK_OK(mm_pool_trim(pool, &bytes));
    }
    if (round % 200 == 0) CHECK_SOUND(mm__check(pool));
  }
  for (int at = 0; at < 64; at++)
    if (live[at].id != 0) check_tagged(pool, &live[at]);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

/* Fills the file system but for so many bytes. */
static void fill_up(const char *directory, const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  const int file = open(path, O_CREAT | O_RDWR, 0600);
  CHECK(file >= 0);
  char page[4096] = {1};
  while (write(file, page, sizeof page) == sizeof page) continue;
  close(file);
}

static void others_may_take_the_memory(void) {
  const char *directory = small_file_system(16 * MIB);
  pool = new_pool_from((mm_pool_options){.size = 12 * MIB, .directory = directory});
  const mm_allocation first = must_alloc(pool, 4 * MIB), kept = must_alloc(pool, 100000),
                      second = must_alloc(pool, 4 * MIB);
  fill(&kept, 7);
  CHECK_OK(mm_free(pool, first.id));
  CHECK(trim() != 0);
  fill_up(directory, "filler");
  mm_allocation none;
  CHECK_STATUS(mm_alloc(pool, 3 * MIB, 0, &none), MM_E_FS_FULL);
  CHECK_STATUS(mm_alloc(pool, 100000, 0, &none), MM_E_FS_FULL);
  /* What was not trimmed can be had: here a block that was freed since. */
  CHECK_OK(mm_free(pool, second.id));
  const mm_allocation again = must_alloc(pool, 3 * MIB);
  fill(&again, 8);
  must_hold(&kept, 7);
  char filler[512];
  snprintf(filler, sizeof filler, "%s/filler", directory);
  unlink(filler);
  const mm_allocation back = must_alloc(pool, 3 * MIB);
  fill(&back, 9);
  must_hold(&again, 8);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

/* ---- Beside others --------------------------------------------------------- */

static uint32_t ends;

static void *trim_again_and_again(void *argument) {
  mm_pool *own = argument;
  while (!mm__load_acquire(&ends)) {
    uint64_t bytes;
    CHECK_OK(mm_pool_trim(own, &bytes));
  }
  return NULL;
}

static void others_go_on_meanwhile(void) {
  pool = new_pool(SIZE);
  mm_pool *other = attach_again(pool);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, trim_again_and_again, other) == 0);
  uint64_t seed = 4;
  mm_allocation live[32];
  memset(live, 0, sizeof live);
  const uint64_t ends_at = now_ms() + 1500;
  while (now_ms() < ends_at) {
    const uint32_t at = (uint32_t)random_below(&seed, 32);
    if (live[at].id != 0) {
      check_tagged(pool, &live[at]);
      CHECK_OK(mm_free(pool, live[at].id));
    }
    live[at] = must_alloc(pool, 1 + random_below(&seed, 200000));
    fill_tagged(pool, &live[at]);
  }
  mm__store_release(&ends, 1u);
  CHECK(pthread_join(thread, NULL) == 0);
  mm_pool_detach(other);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("trim: free blocks lose their memory", free_blocks_lose_their_memory);
  test_case("trim: what is cached is trimmed", what_is_cached_is_trimmed);
  test_case("trim: every size can be had again", every_size_can_be_had_again);
  test_case("trim: others may take the memory", others_may_take_the_memory);
  test_case("trim: others go on meanwhile", others_go_on_meanwhile);
  return harness_end();
}
