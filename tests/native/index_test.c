/* index_test.c - mm__index_*: which free block fits. */
#include "index.h"

#include <string.h>

#include "block.h"
#include "harness.h"
#include "heap_fixture.h"

#define BLOCKS 400u

/* Free blocks side by side, of the given sizes in granules; records from 1 on.
 * (On a real chain neighbours would be merged: the index does not care.) */
static void lay_out(heap_fixture *fixture, const uint64_t *granules, uint32_t count) {
  heap_open(fixture, 1u << 20, 0, count + 1);
  uint64_t offset = 0;
  for (uint32_t at = 0; at < count; at++) {
    mm__block *block = &fixture->table[at + 1];
    block->state = mm__state(0, MM__FREE);
    block->offset = offset;
    block->next = at + 1 < count ? at + 2 : 0;
    offset += granules[at] * GRANULE;
  }
  fixture->table[0].next = 1;
  fixture->table[0].offset = offset;
  CHECK(offset <= fixture->geometry.data_size);
}

static void insert_all(heap_fixture *fixture, const uint64_t *granules, uint32_t count) {
  for (uint32_t at = 0; at < count; at++)
    mm__index_insert(&fixture->heap, at + 1, granules[at]);
}

static void random_sizes(uint64_t *seed, uint64_t *granules) {
  for (uint32_t at = 0; at < BLOCKS; at++)
    granules[at] = 1 + random_below(seed, 1u << random_below(seed, 12));
}

/* Whether a bit of the bitmaps says that a class has a block. */
static int has_bit(const heap_fixture *fixture, mm__class class) {
  const mm__index *index = &fixture->shared->index;
  return (index->first >> class.first & 1) != 0 &&
         (index->second[class.first] >> class.second & 1) != 0;
}

static void classes_rise_with_sizes(void) {
  mm__class last = mm__index_class(1);
  uint64_t smallest = 1;
  for (uint64_t granules = 1; granules < 1u << 20; granules++) {
    const mm__class class = mm__index_class(granules);
    CHECK(class.first < MM__FIRST_LEVELS && class.second < MM__SECOND_LEVELS);
    if (class.first != last.first || class.second != last.second) {
      CHECK(class.first * MM__SECOND_LEVELS + class.second ==
            last.first * MM__SECOND_LEVELS + last.second + 1);
      last = class;
      smallest = granules;
    }
    CHECK((granules - smallest) * MM__SECOND_LEVELS < (smallest | 1) + MM__SECOND_LEVELS);
  }
  /* The largest block that a pool can have has a class. */
  CHECK(mm__index_class((MM_SIZE_MAX + 1) / GRANULE).first < MM__FIRST_LEVELS);
}

static void small_sizes_have_classes_of_their_own(void) {
  for (uint64_t granules = 1; granules < 2 * MM__SECOND_LEVELS; granules++) {
    const mm__class one = mm__index_class(granules);
    const mm__class next = mm__index_class(granules + 1);
    CHECK(one.first != next.first || one.second != next.second ||
          granules == 2 * MM__SECOND_LEVELS - 1);
  }
}

static void find_agrees_with_a_search_of_all(void) {
  uint64_t seed = 11;
  for (int round = 0; round < 40; round++) {
    uint64_t granules[BLOCKS];
    char is_in[BLOCKS];
    heap_fixture fixture;
    random_sizes(&seed, granules);
    lay_out(&fixture, granules, BLOCKS);
    insert_all(&fixture, granules, BLOCKS);
    memset(is_in, 1, sizeof is_in);
    for (uint32_t left = BLOCKS; left > 0; left--) {
      const uint64_t wanted = 1 + random_below(&seed, 1u << random_below(&seed, 13));
      int exists = 0;
      for (uint32_t at = 0; at < BLOCKS; at++)
        exists |= is_in[at] && granules[at] >= wanted;
      uint32_t found = 0;
      CHECK_OK(mm__index_find(&fixture.heap, wanted, UINT32_MAX, &found));
      CHECK_EQ(found != 0, exists);
      if (found != 0) CHECK(is_in[found - 1] && granules[found - 1] >= wanted);

      uint32_t victim = found != 0 ? found - 1 : (uint32_t)random_below(&seed, BLOCKS);
      while (!is_in[victim]) victim = (victim + 1) % BLOCKS;
      CHECK_OK(mm__index_remove(&fixture.heap, victim + 1, granules[victim]));
      is_in[victim] = 0;
    }
    CHECK_EQ(fixture.shared->index.first, 0);
    heap_close(&fixture);
  }
}

static void a_good_fit_wastes_little(void) {
  /* Where a larger class has a block, the one found is of the next class that
   * has one, so at most a step of the classes too large. */
  uint64_t granules[64];
  heap_fixture fixture;
  for (uint32_t at = 0; at < 64; at++) granules[at] = 100 + 8 * at;
  lay_out(&fixture, granules, 64);
  insert_all(&fixture, granules, 64);
  for (uint64_t wanted = 100; wanted < 600; wanted++) {
    uint32_t found = 0;
    CHECK_OK(mm__index_find(&fixture.heap, wanted, UINT32_MAX, &found));
    CHECK(found != 0 && granules[found - 1] >= wanted);
    CHECK(granules[found - 1] - wanted <= 8 + wanted / 8);
  }
  heap_close(&fixture);
}

/* 992 to 1007 granules share a class; 1000 is the middle of it. */
#define SMALL 992u
#define MIDDLE 1000u
#define LARGE 1007u

static void the_own_class_is_searched(void) {
  uint64_t granules[100];
  heap_fixture fixture;
  for (uint32_t at = 0; at < 100; at++) granules[at] = SMALL;
  granules[0] = LARGE;
  CHECK_EQ(mm__index_class(SMALL).second, mm__index_class(LARGE).second);
  lay_out(&fixture, granules, 100);
  insert_all(&fixture, granules, 100);
  uint32_t found = 0;
  CHECK_OK(mm__index_find(&fixture.heap, MIDDLE, 8, &found));
  CHECK_EQ(found, 0);
  CHECK_OK(mm__index_find(&fixture.heap, MIDDLE, UINT32_MAX, &found));
  CHECK_EQ(found, 1);
  heap_close(&fixture);
}

static void what_failed_is_remembered_until_the_next_insertion(void) {
  uint64_t granules[3] = {SMALL, SMALL, LARGE};
  heap_fixture fixture;
  lay_out(&fixture, granules, 3);
  const mm__class class = mm__index_class(SMALL);
  const uint64_t *failed = &fixture.shared->index.failed[class.first][class.second];
  insert_all(&fixture, granules, 2);
  uint32_t found = 9;
  CHECK_OK(mm__index_find(&fixture.heap, MIDDLE, UINT32_MAX, &found));
  CHECK_EQ(found, 0);
  CHECK_EQ(*failed, MIDDLE);
  CHECK_OK(mm__index_find(&fixture.heap, MIDDLE - 3, UINT32_MAX, &found));
  CHECK_EQ(found, 0);
  CHECK_EQ(*failed, MIDDLE - 3);
  /* A smaller size of the class is still found. */
  CHECK_OK(mm__index_find(&fixture.heap, SMALL, UINT32_MAX, &found));
  CHECK(found != 0);
  mm__index_insert(&fixture.heap, 3, granules[2]);
  CHECK_OK(mm__index_find(&fixture.heap, MIDDLE, UINT32_MAX, &found));
  CHECK_EQ(found, 3);
  heap_close(&fixture);
}

static void bits_follow_the_lists(void) {
  uint64_t granules[4] = {5, 5, 40, 5000};
  heap_fixture fixture;
  lay_out(&fixture, granules, 4);
  insert_all(&fixture, granules, 4);
  for (uint32_t at = 0; at < 4; at++) CHECK(has_bit(&fixture, mm__index_class(granules[at])));
  CHECK_OK(mm__index_remove(&fixture.heap, 1, 5));
  CHECK(has_bit(&fixture, mm__index_class(5)));
  CHECK_OK(mm__index_remove(&fixture.heap, 2, 5));
  CHECK(!has_bit(&fixture, mm__index_class(5)));
  CHECK(has_bit(&fixture, mm__index_class(40)));
  CHECK_OK(mm__index_remove(&fixture.heap, 4, 5000));
  CHECK_OK(mm__index_remove(&fixture.heap, 3, 40));
  CHECK_EQ(fixture.shared->index.first, 0);
  heap_close(&fixture);
}

static void removing_what_is_not_there_changes_nothing(void) {
  uint64_t granules[3] = {5, 5, 5};
  heap_fixture fixture;
  lay_out(&fixture, granules, 3);
  insert_all(&fixture, granules, 2);
  const mm__index before = fixture.shared->index;
  CHECK_EQ(mm__index_remove(&fixture.heap, 3, 5), MM__INCONSISTENT);
  CHECK_EQ(mm__index_remove(&fixture.heap, 2, 6), MM__INCONSISTENT);
  CHECK_EQ(mm__index_remove(&fixture.heap, 1, UINT64_MAX), MM__INCONSISTENT);
  CHECK(memcmp(&before, &fixture.shared->index, sizeof before) == 0);
  heap_close(&fixture);
}

static void spoilt_lists_are_reported_not_followed(void) {
  uint64_t granules[3] = {SMALL, SMALL, SMALL};
  heap_fixture fixture;
  uint32_t found;
  const mm__class class = mm__index_class(SMALL);

  lay_out(&fixture, granules, 3);
  insert_all(&fixture, granules, 3);
  fixture.table[1].free_next = 3; /* a loop */
  CHECK_EQ(mm__index_find(&fixture.heap, MIDDLE, UINT32_MAX, &found), MM__INCONSISTENT);
  fixture.table[1].free_next = 12345678; /* far outside */
  CHECK_EQ(mm__index_find(&fixture.heap, MIDDLE, UINT32_MAX, &found), MM__INCONSISTENT);
  fixture.shared->index.heads[class.first][class.second] = 12345678;
  CHECK_EQ(mm__index_find(&fixture.heap, 10, UINT32_MAX, &found), MM__INCONSISTENT);
  fixture.shared->index.heads[class.first][class.second] = 0; /* the bits lie */
  CHECK_EQ(mm__index_find(&fixture.heap, 10, UINT32_MAX, &found), MM__INCONSISTENT);
  fixture.shared->index.second[class.first] = 0;
  CHECK_EQ(mm__index_find(&fixture.heap, 10, UINT32_MAX, &found), MM__INCONSISTENT);
  fixture.shared->index.first = 1ull << 63;
  CHECK_EQ(mm__index_find(&fixture.heap, 10, UINT32_MAX, &found), MM__INCONSISTENT);
  mm__index_clear(&fixture.heap);
  CHECK_OK(mm__index_find(&fixture.heap, 10, UINT32_MAX, &found));
  CHECK_EQ(found, 0);
  heap_close(&fixture);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("index: classes rise with sizes and are narrow", classes_rise_with_sizes);
  test_case("index: small sizes have classes of their own",
            small_sizes_have_classes_of_their_own);
  test_case("index: find agrees with a search of all blocks",
            find_agrees_with_a_search_of_all);
  test_case("index: what is found is hardly larger than asked for",
            a_good_fit_wastes_little);
  test_case("index: the request's own class is searched", the_own_class_is_searched);
  test_case("index: what failed is remembered until the next insertion",
            what_failed_is_remembered_until_the_next_insertion);
  test_case("index: the bitmaps follow the lists", bits_follow_the_lists);
  test_case("index: removing what is not there changes nothing",
            removing_what_is_not_there_changes_nothing);
  test_case("index: spoilt lists are reported, not followed",
            spoilt_lists_are_reported_not_followed);
  return harness_end();
}
