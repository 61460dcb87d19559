/* manifest_test.c - finding and listing what lives, without the lock. */
#include <string.h>

#include "harness.h"

#define SIZE 65536u
#define MOST 1024u

static mm_pool *pool;

/* Lists with a buffer of that many entries. */
static uint32_t list(int64_t type, size_t capacity, mm_allocation *entries) {
  uint64_t cursor = 0;
  uint32_t total = 0;
  mm_allocation page[MOST];
  for (;;) {
    size_t count = 99;
    CHECK_OK(mm_list(pool, &cursor, type, page, capacity, &count));
    CHECK(count <= capacity && total + count <= MOST);
    if (count == 0) return total;
    memcpy(entries + total, page, count * sizeof *page);
    total += (uint32_t)count;
  }
}

static uint64_t sum_of_free_blocks(size_t capacity, uint32_t *blocks) {
  uint64_t cursor = 0, sum = 0;
  uint64_t sizes[MOST];
  *blocks = 0;
  for (;;) {
    size_t count = 99;
    CHECK_OK(mm_list_free_blocks(pool, &cursor, sizes, capacity, &count));
    CHECK(count <= capacity);
    if (count == 0) return sum;
    for (size_t at = 0; at < count; at++) {
      CHECK(sizes[at] != 0 && sizes[at] % 64 == 0);
      sum += sizes[at];
    }
    *blocks += (uint32_t)count;
  }
}

/* ---- One ------------------------------------------------------------------ */

static void what_lives_is_found(void) {
  pool = new_pool(SIZE);
  for (uint32_t type = 0; type < 5; type++) {
    mm_allocation made, found;
    memset(&found, 0xff, sizeof found);
    const uint32_t exact = type == 4 ? UINT32_MAX : type;
    CHECK_OK(mm_alloc(pool, 100 * (uint64_t)type, exact, &made));
    CHECK_OK(mm_find(pool, made.id, &found));
    CHECK(memcmp(&made, &found, sizeof made) == 0);
    CHECK_EQ(found.type, exact);
    CHECK_EQ(found.size, 100 * (uint64_t)type);
    CHECK(mm_address(pool, &found) ==
          (void *)(uintptr_t)(mm_pool_describe(pool)->data + found.offset));
  }
  destroy_and_detach(pool);
}

static void what_does_not_live_is_stale(void) {
  pool = new_pool(SIZE);
  mm_allocation made = must_alloc(pool, 100), found;
  memset(&found, 0x55, sizeof found);
  const mm_allocation untouched = found;
  CHECK_STATUS(mm_find(pool, 0, &found), MM_E_STALE);
  CHECK_STATUS(mm_find(pool, UINT64_MAX, &found), MM_E_STALE);
  for (unsigned bit = 0; bit < 64; bit++)
    CHECK_STATUS(mm_find(pool, made.id ^ 1ull << bit, &found), MM_E_STALE);
  CHECK_OK(mm_free(pool, made.id));
  CHECK_STATUS(mm_find(pool, made.id, &found), MM_E_STALE);
  /* Its memory and its record are somebody else's now. */
  const mm_allocation heir = must_alloc(pool, 100);
  CHECK_EQ(heir.offset, made.offset);
  CHECK_STATUS(mm_find(pool, made.id, &found), MM_E_STALE);
  CHECK_STATUS(mm_free(pool, made.id), MM_E_STALE);
  CHECK(memcmp(&untouched, &found, sizeof found) == 0);
  destroy_and_detach(pool);
}

static void what_others_commit_is_found(void) {
  pool = new_pool(8u << 20);
  mm_pool *other = attach_again(pool);
  mm_allocation made[300], found;
  for (int at = 0; at < 300; at++) made[at] = must_alloc(pool, 10000);
  /* The other handle has not looked at the watermark since. */
  CHECK_OK(mm_find(other, made[299].id, &found));
  CHECK_EQ(found.offset, made[299].offset);
  for (int at = 0; at < 300; at++) CHECK_OK(mm_free(other, made[at].id));
  mm_pool_detach(other);
  destroy_and_detach(pool);
}

/* ---- Lists ----------------------------------------------------------------- */

static void an_empty_pool_lists_nothing(void) {
  pool = new_pool(SIZE);
  mm_allocation entries[MOST];
  uint32_t blocks;
  CHECK_EQ(list(MM_ANY_TYPE, 10, entries), 0);
  CHECK_EQ(sum_of_free_blocks(10, &blocks), SIZE);
  CHECK_EQ(blocks, 1);
  destroy_and_detach(pool);
}

static void arguments_are_checked(void) {
  pool = new_pool(SIZE);
  mm_allocation entry;
  uint64_t cursor = 0, size;
  size_t count = 9;
  CHECK_STATUS(mm_list(pool, &cursor, MM_ANY_TYPE, &entry, 0, &count), MM_E_INVALID);
  CHECK_EQ(count, 0);
  CHECK_STATUS(mm_list(pool, &cursor, -2, &entry, 1, &count), MM_E_INVALID);
  CHECK_STATUS(mm_list(pool, &cursor, 1ll << 32, &entry, 1, &count), MM_E_INVALID);
  CHECK_STATUS(mm_list_free_blocks(pool, &cursor, &size, 0, &count), MM_E_INVALID);
  cursor = UINT64_MAX; /* from nowhere */
  CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, &entry, 1, &count));
  CHECK_EQ(count, 0);
  destroy_and_detach(pool);
}

static void lists_are_complete_whatever_the_buffer(void) {
  pool = new_pool(SIZE);
  mm_allocation made[200], entries[MOST];
  for (uint32_t at = 0; at < 200; at++)
    CHECK_OK(mm_alloc(pool, at, at % 7, &made[at]));
  for (uint32_t at = 0; at < 200; at += 3) CHECK_OK(mm_free(pool, made[at].id));
  const size_t capacities[] = {1, 2, 7, 133, 134, 1000};
  for (int at = 0; at < 6; at++) {
    CHECK_EQ(list(MM_ANY_TYPE, capacities[at], entries), 133);
    uint32_t of_types = 0;
    for (int64_t type = 0; type < 7; type++) {
      const uint32_t count = list(type, capacities[at], entries);
      for (uint32_t entry = 0; entry < count; entry++) CHECK_EQ(entries[entry].type, type);
      of_types += count;
    }
    CHECK_EQ(of_types, 133);
    CHECK_EQ(list(8, capacities[at], entries), 0);
  }
  destroy_and_detach(pool);
}

static void counters_and_sizes_agree(void) {
  pool = new_pool(SIZE);
  uint64_t seed = 61;
  mm_allocation live[MOST];
  uint32_t count = 0, most = 0;
  for (int round = 0; round < 3000; round++) {
    if (random_below(&seed, 2) != 0) {
      if (mm_alloc(pool, random_below(&seed, 3000), 0, &live[count]) == MM_OK) count++;
    } else if (count > 0) {
      const uint32_t at = (uint32_t)random_below(&seed, count);
      CHECK_OK(mm_free(pool, live[at].id));
      live[at] = live[--count];
    }
    if (count > most) most = count;
    if (round % 50 != 0) continue;
    mm_pool_stats stats;
    uint32_t blocks;
    uint64_t used = 0;
    CHECK_OK(mm_pool_read_stats(pool, &stats));
    for (uint32_t at = 0; at < count; at++)
      used += live[at].size != 0 ? (live[at].size + 63) / 64 * 64 : 64;
    CHECK_EQ(stats.allocations, count);
    CHECK_EQ(stats.most_allocations, most);
    CHECK_EQ(stats.free_space, SIZE - used);
    CHECK_EQ(sum_of_free_blocks(1 + round % 5, &blocks), stats.free_space);
  }
  destroy_and_detach(pool);
}

static void what_was_never_used_counts_as_free(void) {
  /* 6 MiB, of which 2 are committed; the last block is free, then live. */
  pool = new_pool(6u << 20);
  uint32_t blocks;
  const mm_allocation half = must_alloc(pool, 1u << 20);
  CHECK_EQ(sum_of_free_blocks(3, &blocks), 5u << 20);
  CHECK_EQ(blocks, 1);
  const mm_allocation rest = must_alloc(pool, 1u << 20);
  CHECK_EQ(sum_of_free_blocks(3, &blocks), 4u << 20);
  CHECK_EQ(blocks, 1);
  CHECK_OK(mm_free(pool, half.id));
  CHECK_EQ(sum_of_free_blocks(1, &blocks), 5u << 20);
  CHECK_EQ(blocks, 2);
  CHECK_OK(mm_free(pool, rest.id));
  CHECK_EQ(sum_of_free_blocks(1, &blocks), 6u << 20);
  CHECK_EQ(blocks, 1);
  destroy_and_detach(pool);
}

/* ---- While others work ------------------------------------------------------ */

static void churn(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  mm_pool *own = attach_again(pool);
  for (;;) {
    mm_allocation made;
    const uint64_t size = random_below(&seed, 2000);
    /* The type follows from the size, so that a mixture would be seen. */
    if (mm_alloc(own, size, (uint32_t)size + 7, &made) != MM_OK) continue;
    mm_free(own, made.id);
  }
}

static void what_lives_throughout_appears_once(void) {
  pool = new_pool(SIZE);
  mm_allocation kept[20], entries[MOST];
  for (uint32_t at = 0; at < 20; at++) {
    must_alloc(pool, 300);
    CHECK_OK(mm_alloc(pool, at, at + 7, &kept[at]));
  }
  pid_t children[3];
  for (uintptr_t at = 0; at < 3; at++) children[at] = start_child(churn, (void *)(at + 71));
  const uint64_t end = now_ms() + 700;
  while (now_ms() < end) {
    const uint32_t count = list(MM_ANY_TYPE, 5, entries);
    uint32_t seen = 0;
    for (uint32_t at = 0; at < count; at++) {
      CHECK(entries[at].type == entries[at].size + 7 || entries[at].size == 300);
      for (int k = 0; k < 20; k++) seen += entries[at].id == kept[k].id;
    }
    CHECK_EQ(seen, 20);
    for (int k = 0; k < 20; k++) {
      mm_allocation found;
      CHECK_OK(mm_find(pool, kept[k].id, &found));
      CHECK_EQ(found.offset, kept[k].offset);
    }
  }
  for (int at = 0; at < 3; at++) kill_child(children[at]);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void spoilt_records_are_corrupt(void) {
  pool = new_pool(SIZE);
  mm_allocation made = must_alloc(pool, 100), found;
  const uint32_t record = (uint32_t)(made.id & ((1ull << pool->heap.index_bits) - 1));
  mm__block *block = &pool->heap.table[record];
  const mm__block good = *block;
  uint64_t cursor = 0;
  size_t count;
  const uint64_t offsets[] = {SIZE, SIZE + 64, UINT64_MAX, UINT64_MAX - 63, 1, 65};
  for (int at = 0; at < 6; at++) {
    block->offset = offsets[at];
    CHECK_STATUS(mm_find(pool, made.id, &found), MM_E_CORRUPT);
    cursor = 0;
    CHECK_STATUS(mm_list(pool, &cursor, MM_ANY_TYPE, &found, 1, &count), MM_E_CORRUPT);
    *block = good;
  }
  block->size = SIZE + 1;
  CHECK_STATUS(mm_find(pool, made.id, &found), MM_E_CORRUPT);
  *block = good;
  CHECK_OK(mm_find(pool, made.id, &found));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("find: what lives is found", what_lives_is_found);
  test_case("find: what does not live is stale", what_does_not_live_is_stale);
  test_case("find: what others have committed is found", what_others_commit_is_found);
  test_case("list: an empty pool", an_empty_pool_lists_nothing);
  test_case("list: arguments are checked", arguments_are_checked);
  test_case("list: complete, whatever the buffer", lists_are_complete_whatever_the_buffer);
  test_case("stats: counters and sizes agree", counters_and_sizes_agree);
  test_case("list: what was never used counts as free", what_was_never_used_counts_as_free);
  test_case("list, find: what lives throughout appears once, whole",
            what_lives_throughout_appears_once);
  test_case("find, list: spoilt records are corrupt", spoilt_records_are_corrupt);
  return harness_end();
}
