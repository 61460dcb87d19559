/* heap_test.c - mm__heap_*: taking blocks from the chain and giving them back. */

#include "block.h"
#include "harness.h"
#include "heap_fixture.h"

/* Most tests: 64 granules, all committed, room for many records. */
static heap_fixture fixture;

static void open_small(void) {
  heap_open(&fixture, 64, 0, 64);
  heap_commit_all(&fixture);
}

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

/* ---- Allocating --------------------------------------------------------- */

static void an_empty_heap_is_one_free_block(void) {
  open_small();
  check_census(1, 1);
  CHECK_EQ(heap_count(&fixture).only_free, 64);
  close_sound();
}

static void a_block_is_split(void) {
  open_small();
  const uint64_t id = heap_must_alloc(&fixture, 10);
  CHECK_EQ(heap_start(&fixture, id), 0);
  CHECK_EQ(heap_length(&fixture, id), 10);
  check_census(2, 1);
  CHECK_EQ(heap_count(&fixture).only_free, 54);
  close_sound();
}

static void an_exact_block_is_not_split(void) {
  open_small();
  heap_must_alloc(&fixture, 10);
  const uint64_t hole = heap_must_alloc(&fixture, 7);
  heap_must_alloc(&fixture, 10);
  const uint64_t start = heap_start(&fixture, hole);
  const uint32_t record = heap_record(&fixture, hole);
  heap_must_free(&fixture, hole);
  check_census(4, 2);
  const uint64_t again = heap_must_alloc(&fixture, 7);
  CHECK_EQ(heap_start(&fixture, again), start);
  CHECK_EQ(heap_record(&fixture, again), record);
  CHECK(again != hole);
  check_census(4, 1);
  close_sound();
}

static void the_fields_say_what_was_asked_for(void) {
  open_small();
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(&fixture, 100, &id), MM_OK);
  const mm__block *block = heap_block(&fixture, id);
  CHECK_EQ(block->size, 100);
  CHECK_EQ(block->owner, 7);
  CHECK_EQ(block->type, 3);
  CHECK_EQ(heap_length(&fixture, id), 2);
  CHECK_EQ(mm__tag(block->state), MM__LIVE);
  close_sound();
}

static void a_size_of_zero_takes_a_granule(void) {
  open_small();
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(&fixture, 0, &id), MM_OK);
  CHECK_EQ(heap_length(&fixture, id), 1);
  CHECK_EQ(heap_block(&fixture, id)->size, 0);
  CHECK_EQ(fixture.shared->taken, 1);
  heap_must_free(&fixture, id);
  close_sound();
}

static void the_whole_can_be_taken_and_no_more(void) {
  open_small();
  uint64_t id = 0, other = 0;
  CHECK_EQ(heap_alloc(&fixture, 64 * GRANULE + 1, &other), MM_E_NO_ROOM);
  CHECK_EQ(heap_alloc(&fixture, 64 * GRANULE, &id), MM_OK);
  CHECK_EQ(heap_alloc(&fixture, 0, &other), MM_E_NO_ROOM);
  CHECK_EQ(fixture.shared->taken_bytes, 64 * GRANULE);
  check_census(1, 0);
  heap_must_free(&fixture, id);
  close_sound();
}

static void a_free_block_of_the_size_is_always_found(void) {
  /* 992 to 1007 granules share a class. The only block that fits stands behind
   * many of that class that do not, further than a short search looks. */
  heap_open(&fixture, 1u << 17, 0, 4096);
  heap_commit_all(&fixture);
  uint64_t holes[120], fences[120];
  for (int at = 0; at < 120; at++) {
    holes[at] = heap_must_alloc(&fixture, at == 0 ? 1003 : 992);
    fences[at] = heap_must_alloc(&fixture, 1);
  }
  uint64_t rest = 0;
  const uint64_t granules = fixture.heap.data_size / GRANULE;
  CHECK_EQ(heap_alloc(&fixture, (granules - 1003 - 119 * 992 - 120) * GRANULE, &rest),
           MM_OK);
  for (int at = 0; at < 120; at++) heap_must_free(&fixture, holes[at]);
  heap_must_be_sound(&fixture);
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(&fixture, 1004 * GRANULE, &id), MM_E_NO_ROOM);
  for (uint64_t wanted = 1003; wanted > 992; wanted--) {
    id = heap_must_alloc(&fixture, wanted);
    CHECK_EQ(heap_start(&fixture, id), 0);
    heap_must_free(&fixture, id);
  }
  for (int at = 0; at < 120; at++) heap_must_free(&fixture, fences[at]);
  heap_must_free(&fixture, rest);
  CHECK_EQ(heap_count(&fixture).only_free, granules);
  close_sound();
}

static void what_failed_succeeds_after_a_free(void) {
  open_small();
  uint64_t ids[64], id = 0;
  for (int at = 0; at < 64; at++) ids[at] = heap_must_alloc(&fixture, 1);
  heap_must_free(&fixture, ids[10]);
  heap_must_free(&fixture, ids[12]);
  CHECK_EQ(heap_alloc(&fixture, 2 * GRANULE, &id), MM_E_NO_ROOM);
  CHECK_EQ(heap_alloc(&fixture, 3 * GRANULE, &id), MM_E_NO_ROOM);
  heap_must_be_sound(&fixture);
  heap_must_free(&fixture, ids[11]);
  CHECK_EQ(heap_alloc(&fixture, 3 * GRANULE, &id), MM_OK);
  CHECK_EQ(heap_start(&fixture, id), 10);
  close_sound();
}

static void the_limit_is_kept(void) {
  heap_open(&fixture, 64, 3, 64);
  heap_commit_all(&fixture);
  uint64_t ids[3], id = 0;
  for (int at = 0; at < 3; at++) ids[at] = heap_must_alloc(&fixture, 1);
  CHECK_EQ(heap_alloc(&fixture, 1, &id), MM_E_LIMIT);
  CHECK(!mm__heap_fits(&fixture.heap, 1));
  heap_must_free(&fixture, ids[1]);
  CHECK(mm__heap_fits(&fixture.heap, 1));
  heap_must_alloc(&fixture, 1);
  CHECK_EQ(heap_alloc(&fixture, 1, &id), MM_E_LIMIT);
  CHECK_EQ(fixture.shared->most_taken, 3);
  close_sound();
}

/* ---- Freeing ------------------------------------------------------------ */

/* Three blocks and a fence; frees `before` of them (bit 0: the left, bit 1: the
 * right neighbour), then the middle one. */
static void free_in_the_middle(unsigned before, uint32_t blocks, uint32_t free) {
  open_small();
  const uint64_t left = heap_must_alloc(&fixture, 5);
  const uint64_t middle = heap_must_alloc(&fixture, 6);
  const uint64_t right = heap_must_alloc(&fixture, 7);
  heap_must_alloc(&fixture, 46);
  check_census(4, 0);
  if (before & 1) heap_must_free(&fixture, left);
  if (before & 2) heap_must_free(&fixture, right);
  heap_must_free(&fixture, middle);
  check_census(blocks, free);
  const uint64_t merged = 6 + (before & 1 ? 5 : 0) + (before & 2 ? 7 : 0);
  CHECK_EQ(heap_count(&fixture).only_free, merged);
  /* The merged block can be had in one piece. */
  const uint64_t again = heap_must_alloc(&fixture, merged);
  CHECK_EQ(heap_start(&fixture, again), before & 1 ? 0 : 5);
  close_sound();
}

static void free_between_live_blocks(void) { free_in_the_middle(0, 4, 1); }
static void free_merges_with_the_left(void) { free_in_the_middle(1, 3, 1); }
static void free_merges_with_the_right(void) { free_in_the_middle(2, 3, 1); }
static void free_merges_with_both(void) { free_in_the_middle(3, 2, 1); }

static void the_last_free_makes_the_heap_whole(void) {
  open_small();
  uint64_t ids[64];
  for (int at = 0; at < 64; at++) ids[at] = heap_must_alloc(&fixture, 1);
  /* Every second, then the rest, backwards. */
  for (int at = 0; at < 64; at += 2) heap_must_free(&fixture, ids[at]);
  check_census(64, 32);
  for (int at = 63; at > 0; at -= 2) heap_must_free(&fixture, ids[at]);
  check_census(1, 1);
  CHECK_EQ(fixture.shared->taken, 0);
  CHECK_EQ(fixture.shared->taken_bytes, 0);
  CHECK_EQ(fixture.shared->most_taken, 64);
  heap_must_alloc(&fixture, 64);
  close_sound();
}

static void stale_and_forged_ids_free_nothing(void) {
  open_small();
  const uint64_t id = heap_must_alloc(&fixture, 1);
  const uint64_t gone = heap_must_alloc(&fixture, 1);
  heap_must_free(&fixture, gone);
  CHECK_EQ(mm__heap_free(&fixture.heap, gone), MM_E_STALE);
  CHECK_EQ(mm__heap_free(&fixture.heap, 0), MM_E_STALE);
  CHECK_EQ(mm__heap_free(&fixture.heap, UINT64_MAX), MM_E_STALE);
  for (unsigned bit = 0; bit < 64; bit++)
    CHECK_EQ(mm__heap_free(&fixture.heap, id ^ 1ull << bit), MM_E_STALE);
  CHECK_EQ(fixture.shared->taken, 1);
  heap_must_free(&fixture, id);
  close_sound();
}

static void ids_never_come_back(void) {
  open_small();
  uint64_t last = 0;
  for (int round = 0; round < 1000; round++) {
    const uint64_t id = heap_must_alloc(&fixture, 1);
    CHECK(id > last); /* one record, whose generation rises */
    last = id;
    heap_must_free(&fixture, id);
  }
  close_sound();
}

/* ---- Spent generations -------------------------------------------------- */

static void a_spent_record_is_replaced(void) {
  open_small();
  const uint64_t limit = fixture.heap.generation_limit;
  heap_must_alloc(&fixture, 1);
  const uint64_t middle = heap_must_alloc(&fixture, 1);
  heap_must_alloc(&fixture, 1);
  const uint32_t record = heap_record(&fixture, middle);
  fixture.table[record].state = mm__state(limit - 1, MM__LIVE);
  const uint64_t last_id = (limit - 1) << fixture.heap.index_bits | record;
  heap_must_free(&fixture, last_id);
  heap_must_be_sound(&fixture); /* on the chain, FREE and spent */
  const uint64_t again = heap_must_alloc(&fixture, 1);
  CHECK_EQ(heap_start(&fixture, again), 1);
  CHECK(heap_record(&fixture, again) != record);
  CHECK_EQ(mm__tag(fixture.table[record].state), MM__UNUSED);
  heap_must_be_sound(&fixture);
  CHECK_EQ(mm__heap_free(&fixture.heap, last_id), MM_E_STALE);
  for (int round = 0; round < 61; round++)
    CHECK(heap_record(&fixture, heap_must_alloc(&fixture, 1)) != record);
  close_sound();
}

static void a_spent_record_that_is_merged_away_is_lost(void) {
  open_small();
  const uint64_t limit = fixture.heap.generation_limit;
  const uint64_t left = heap_must_alloc(&fixture, 1);
  const uint64_t middle = heap_must_alloc(&fixture, 1);
  const uint32_t record = heap_record(&fixture, middle);
  fixture.table[record].state = mm__state(limit - 1, MM__LIVE);
  heap_must_free(&fixture, left);
  heap_must_free(&fixture, (limit - 1) << fixture.heap.index_bits | record);
  check_census(1, 1);
  CHECK_EQ(mm__tag(fixture.table[record].state), MM__UNUSED);
  for (int round = 0; round < 64; round++)
    CHECK(heap_record(&fixture, heap_must_alloc(&fixture, 1)) != record);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  close_sound();
}

static void a_spent_block_is_split_too(void) {
  open_small();
  const uint32_t record = fixture.table[0].next;
  fixture.table[record].state = mm__state(fixture.heap.generation_limit, MM__FREE);
  heap_must_be_sound(&fixture);
  const uint64_t id = heap_must_alloc(&fixture, 10);
  CHECK(heap_record(&fixture, id) != record);
  CHECK_EQ(heap_start(&fixture, id), 0);
  CHECK_EQ(heap_count(&fixture).only_free, 54);
  close_sound();
}

static void every_id_fits_64_bits_up_to_the_limit(void) {
  open_small();
  const uint64_t limit = fixture.heap.generation_limit;
  const uint32_t record = fixture.table[0].next;
  fixture.table[record].state = mm__state(limit - 3, MM__FREE);
  uint64_t last = 0;
  for (int round = 0; round < 3; round++) {
    const uint64_t id = heap_must_alloc(&fixture, 64);
    CHECK_EQ(heap_record(&fixture, id), record);
    CHECK(id > last);
    last = id;
    heap_must_free(&fixture, id);
  }
  CHECK(mm__is_spent(&fixture.heap, record));
  CHECK(heap_record(&fixture, heap_must_alloc(&fixture, 64)) != record);
  close_sound();
}

/* ---- Lies in the index -------------------------------------------------- */

static void a_lying_index_is_noticed_and_rebuilt(void) {
  open_small();
  const uint64_t left = heap_must_alloc(&fixture, 4);
  const uint64_t right = heap_must_alloc(&fixture, 4);
  uint64_t id = 0;
  heap_block(&fixture, right)->prev = 0;
  CHECK_EQ(mm__heap_free(&fixture.heap, right), MM__INCONSISTENT);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  heap_must_free(&fixture, left);
  /* The freed block's neighbour is in no list: done, but to be rebuilt. */
  heap_block(&fixture, left)->free_prev = 5;
  CHECK_EQ(mm__heap_free(&fixture.heap, right), MM__DONE_REBUILD);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  check_census(1, 1);
  fixture.shared->unused_head = fixture.table[0].next; /* it is FREE */
  CHECK_EQ(heap_alloc(&fixture, 1, &id), MM__INCONSISTENT);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  heap_must_alloc(&fixture, 64);
  close_sound();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("heap: empty, it is one free block", an_empty_heap_is_one_free_block);
  test_case("heap: a block that is too large is split", a_block_is_split);
  test_case("heap: a block of the exact size is not", an_exact_block_is_not_split);
  test_case("heap: the record says what was asked for", the_fields_say_what_was_asked_for);
  test_case("heap: a size of 0 takes a granule", a_size_of_zero_takes_a_granule);
  test_case("heap: the whole can be taken, and no more", the_whole_can_be_taken_and_no_more);
  test_case("heap: where a free block of the size exists, it is found",
            a_free_block_of_the_size_is_always_found);
  test_case("heap: what failed succeeds after a free", what_failed_succeeds_after_a_free);
  test_case("heap: max_allocations is kept", the_limit_is_kept);
  test_case("heap: a free between live blocks", free_between_live_blocks);
  test_case("heap: a free merges with the left neighbour", free_merges_with_the_left);
  test_case("heap: a free merges with the right neighbour", free_merges_with_the_right);
  test_case("heap: a free merges with both neighbours", free_merges_with_both);
  test_case("heap: after all is freed it is whole", the_last_free_makes_the_heap_whole);
  test_case("heap: stale and forged ids free nothing", stale_and_forged_ids_free_nothing);
  test_case("heap: ids never come back", ids_never_come_back);
  test_case("heap: a spent record is replaced", a_spent_record_is_replaced);
  test_case("heap: a spent record that is merged away is lost",
            a_spent_record_that_is_merged_away_is_lost);
  test_case("heap: a spent block is split too", a_spent_block_is_split_too);
  test_case("heap: ids fit 64 bits up to the last generation",
            every_id_fits_64_bits_up_to_the_limit);
  test_case("heap: a lying index is noticed, and rebuilt", a_lying_index_is_noticed_and_rebuilt);
  return harness_end();
}
