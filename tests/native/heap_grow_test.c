/* heap_grow_test.c - mm__heap_extend() and what leads to it: growing the data, and
 * the table of records. */
#include "harness.h"
#include "heap_fixture.h"

static heap_fixture fixture;

static void close_sound(void) {
  heap_must_be_sound(&fixture);
  heap_close(&fixture);
}

static void check_census(uint32_t blocks, uint32_t free) {
  const heap_census census = heap_count(&fixture);
  CHECK_EQ(census.blocks, blocks);
  CHECK_EQ(census.free, free);
  heap_must_be_sound(&fixture);
}

/* ---- Growing ------------------------------------------------------------ */

static void the_first_allocation_commits_a_step(void) {
  heap_open(&fixture, 1024, 0, 64);
  fixture.step = 256 * GRANULE;
  CHECK_EQ(fixture.table[0].offset, 0);
  heap_must_be_sound(&fixture);
  heap_must_alloc(&fixture, 3);
  CHECK_EQ(fixture.table[0].offset, 256 * GRANULE);
  check_census(2, 1);
  close_sound();
}

static void free_blocks_are_used_before_new_memory(void) {
  heap_open(&fixture, 1024, 0, 64);
  fixture.step = 64 * GRANULE;
  const uint64_t id = heap_must_alloc(&fixture, 20);
  heap_must_alloc(&fixture, 44);
  heap_must_free(&fixture, id);
  for (int at = 0; at < 20; at++) heap_must_alloc(&fixture, 1);
  CHECK_EQ(fixture.table[0].offset, 64 * GRANULE);
  heap_must_alloc(&fixture, 1);
  CHECK_EQ(fixture.table[0].offset, 128 * GRANULE);
  close_sound();
}

static void the_last_free_block_grows(void) {
  heap_open(&fixture, 1024, 0, 64);
  fixture.step = 64 * GRANULE;
  heap_must_alloc(&fixture, 60);
  const uint64_t id = heap_must_alloc(&fixture, 10); /* 4 are free already */
  CHECK_EQ(heap_start(&fixture, id), 60);
  CHECK_EQ(fixture.table[0].offset, 128 * GRANULE);
  check_census(3, 1);
  close_sound();
}

static void it_grows_behind_a_live_block(void) {
  heap_open(&fixture, 1024, 0, 64);
  fixture.step = 64 * GRANULE;
  heap_must_alloc(&fixture, 64);
  check_census(1, 0);
  const uint64_t id = heap_must_alloc(&fixture, 10);
  CHECK_EQ(heap_start(&fixture, id), 64);
  check_census(3, 1);
  close_sound();
}

static void it_grows_by_the_bare_need(void) {
  heap_open(&fixture, 1024, 0, 64);
  heap_must_alloc(&fixture, 60);
  CHECK_EQ(fixture.table[0].offset, 60 * GRANULE);
  heap_must_alloc(&fixture, 10);
  CHECK_EQ(fixture.table[0].offset, 70 * GRANULE);
  check_census(2, 0);
  heap_must_alloc(&fixture, 1024 - 70);
  check_census(3, 0);
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(&fixture, 1, &id), MM_E_NO_ROOM);
  close_sound();
}

static void without_more_data_the_free_blocks_still_do(void) {
  heap_open(&fixture, 1024, 0, 64);
  fixture.step = 64 * GRANULE;
  const uint64_t id = heap_must_alloc(&fixture, 10);
  heap_must_alloc(&fixture, 54);
  heap_must_free(&fixture, id);
  fixture.data_ends = 1;
  uint64_t other = 0;
  CHECK_EQ(heap_alloc(&fixture, 11 * GRANULE, &other), MM_E_NO_ROOM);
  heap_must_alloc(&fixture, 10);
  CHECK_EQ(heap_alloc(&fixture, 1, &other), MM_E_NO_ROOM);
  close_sound();
}

static void extending_where_the_end_is_not_does_nothing(void) {
  heap_open(&fixture, 1024, 0, 64);
  mm__heap_begin(&fixture.heap);
  CHECK_EQ(mm__heap_extend(&fixture.heap, 0, 64 * GRANULE), MM_OK);
  /* Somebody else has been here; and numbers from nowhere. */
  CHECK_EQ(mm__heap_extend(&fixture.heap, 0, 64 * GRANULE), MM_OK);
  CHECK_EQ(mm__heap_extend(&fixture.heap, 128 * GRANULE, 192 * GRANULE), MM_OK);
  CHECK_EQ(mm__heap_extend(&fixture.heap, 0, 2048 * GRANULE), MM_OK);
  CHECK_EQ(fixture.table[0].offset, 64 * GRANULE);
  /* The end lies within what was committed: the rest of it is used. */
  CHECK_EQ(mm__heap_extend(&fixture.heap, 0, 128 * GRANULE), MM_OK);
  CHECK_EQ(fixture.table[0].offset, 128 * GRANULE);
  check_census(1, 1);
  close_sound();
}

static void records_are_committed_when_needed(void) {
  heap_open(&fixture, 1024, 0, 8);
  fixture.record_step = 8;
  heap_commit_all(&fixture);
  uint64_t ids[1024];
  for (int at = 0; at < 1024; at++) ids[at] = heap_must_alloc(&fixture, 1);
  CHECK(fixture.heap.limit >= 1025);
  check_census(1024, 0);
  for (int at = 0; at < 1024; at++) heap_must_free(&fixture, ids[at]);
  check_census(1, 1);
  close_sound();
}

static void without_a_record_for_the_rest_a_block_is_given_whole(void) {
  heap_open(&fixture, 64, 0, 4);
  heap_commit_all(&fixture); /* record 1 */
  fixture.records_end = 1;
  heap_must_alloc(&fixture, 1); /* 2 */
  const uint64_t id = heap_must_alloc(&fixture, 1); /* 3 */
  CHECK_EQ(heap_length(&fixture, id), 1);
  const uint64_t last = heap_must_alloc(&fixture, 1);
  CHECK_EQ(heap_length(&fixture, last), 62);
  CHECK_EQ(heap_block(&fixture, last)->size, GRANULE);
  CHECK_EQ(fixture.shared->taken_bytes, 64 * GRANULE);
  check_census(3, 0);
  heap_must_free(&fixture, last);
  CHECK_EQ(heap_count(&fixture).only_free, 62);
  close_sound();
}

static void without_a_record_it_does_not_grow(void) {
  heap_open(&fixture, 1024, 0, 3);
  fixture.step = 64 * GRANULE;
  fixture.records_end = 1;
  heap_must_alloc(&fixture, 32);
  heap_must_alloc(&fixture, 32); /* records 1 and 2; the last block is live */
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(&fixture, 1, &id), MM_E_NO_ROOM);
  check_census(2, 0);
  close_sound();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("heap: the first allocation commits a step", the_first_allocation_commits_a_step);
  test_case("heap: free blocks are used before new memory",
            free_blocks_are_used_before_new_memory);
  test_case("heap: the last free block grows", the_last_free_block_grows);
  test_case("heap: it grows behind a live block", it_grows_behind_a_live_block);
  test_case("heap: it grows by the bare need", it_grows_by_the_bare_need);
  test_case("heap: without more data the free blocks still do",
            without_more_data_the_free_blocks_still_do);
  test_case("heap: extending where the end is not does nothing",
            extending_where_the_end_is_not_does_nothing);
  test_case("heap: records are committed when needed", records_are_committed_when_needed);
  test_case("heap: without a record for the rest a block is given whole",
            without_a_record_for_the_rest_a_block_is_given_whole);
  test_case("heap: without a record it does not grow", without_a_record_it_does_not_grow);
  return harness_end();
}
