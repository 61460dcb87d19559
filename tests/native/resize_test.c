/* resize_test.c - changing an allocation's size within its block. */
#include <string.h>

#include "harness.h"

#define SIZE (1u << 20)

static mm_pool *pool;

static void open_pool(uint64_t max_allocations) {
  const mm_pool_options options = {
      .size = SIZE, .name = unique_name(), .max_allocations = max_allocations};
  CHECK_OK(mm_pool_create(&options, &pool));
}

static void close_pool(void) {
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static uint64_t size_of(mm_pool *seen_from, uint64_t id) {
  mm_allocation found;
  CHECK_OK(mm_find(seen_from, id, &found));
  return found.size;
}

static void a_size_changes_up_to_the_block(void) {
  open_pool(0);
  const mm_allocation made = must_alloc(pool, 100);
  mm_pool *other = attach_again(pool);
  static const uint64_t sizes[] = {128, 0, 1, 127, 100};
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    CHECK_OK(mm_resize(pool, made.id, sizes[at]));
    CHECK_EQ(size_of(other, made.id), sizes[at]);
    CHECK_SOUND(mm__check(pool));
  }
  CHECK_STATUS(mm_resize(other, made.id, 129), MM_E_TOO_LARGE);
  CHECK_STATUS(mm_resize(other, made.id, UINT64_MAX), MM_E_TOO_LARGE);
  CHECK_EQ(size_of(pool, made.id), 100);
  mm_pool_detach(other);
  close_pool();
}

/* The block stays as large as it is, and so does what others have of the pool. */
static void the_block_stays(void) {
  open_pool(0);
  const mm_allocation made = must_alloc(pool, 10000);
  mm_allocation before = must_alloc(pool, 64);
  mm_pool_stats stats, later;
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  CHECK_OK(mm_resize(pool, made.id, 1));
  CHECK_OK(mm_pool_read_stats(pool, &later));
  CHECK(memcmp(&stats, &later, sizeof stats) == 0);
  fill_tagged(pool, &before);
  CHECK_OK(mm_resize(pool, made.id, 10048));
  mm_allocation all = made;
  all.size = 10048;
  fill_tagged(pool, &all);
  check_tagged(pool, &before);
  CHECK_OK(mm_free(pool, made.id));
  CHECK_OK(mm_free(pool, before.id));
  all = must_alloc(pool, SIZE);
  CHECK_OK(mm_resize(pool, all.id, 0));
  CHECK_STATUS(mm_alloc(pool, 1, 0, &before), MM_E_NO_ROOM);
  CHECK_OK(mm_resize(pool, all.id, SIZE));
  CHECK_OK(mm_free(pool, all.id));
  close_pool();
}

static void what_was_freed_is_not_resized(void) {
  for (uint64_t limit = 0; limit < 2; limit++) {
    open_pool(limit * 100); /* with a cache, and without */
    const mm_allocation made = must_alloc(pool, 100);
    CHECK_OK(mm_free(pool, made.id));
    CHECK_STATUS(mm_resize(pool, made.id, 50), MM_E_STALE);
    const mm_allocation again = must_alloc(pool, 100);
    CHECK_STATUS(mm_resize(pool, made.id, 50), MM_E_STALE);
    CHECK_EQ(size_of(pool, again.id), 100);
    CHECK_STATUS(mm_resize(pool, 0, 50), MM_E_STALE);
    CHECK_STATUS(mm_resize(pool, UINT64_MAX, 50), MM_E_STALE);
    close_pool();
  }
}

static void a_destroyed_pool_resizes_nothing(void) {
  open_pool(0);
  const mm_allocation made = must_alloc(pool, 100);
  CHECK_OK(mm_pool_destroy(pool));
  CHECK_STATUS(mm_resize(pool, made.id, 50), MM_E_DESTROYED);
  mm_pool_detach(pool);
}

/* Its owner and its type are what they were, and its owner may change it too. */
static void only_the_size_changes(void) {
  open_pool(0);
  mm_allocation made, found;
  CHECK_OK(mm_alloc(pool, 100, 77, &made));
  mm_owner owner, later;
  CHECK_OK(mm_owner_of(pool, made.id, &owner));
  mm_pool *other = attach_again(pool);
  CHECK_OK(mm_resize(other, made.id, 90));
  CHECK_OK(mm_owner_of(pool, made.id, &later));
  CHECK(memcmp(&owner, &later, sizeof owner) == 0);
  CHECK_OK(mm_find(pool, made.id, &found));
  CHECK(found.offset == made.offset && found.type == 77 && found.size == 90);
  CHECK_OK(mm_adopt(other, made.id));
  CHECK_EQ(size_of(pool, made.id), 90);
  mm_pool_detach(other);
  close_pool();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("resize: up to the end of the block", a_size_changes_up_to_the_block);
  test_case("resize: the block stays as it is", the_block_stays);
  test_case("resize: not of what was freed", what_was_freed_is_not_resized);
  test_case("resize: not in a destroyed pool", a_destroyed_pool_resizes_nothing);
  test_case("resize: changes nothing else", only_the_size_changes);
  return harness_end();
}
