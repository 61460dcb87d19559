/* geometry_test.c - mm__geometry_*: where a pool's sections lie. */
#include "geometry.h"


#include "harness.h"

#define PAGE 4096u

static mm__geometry plan(uint64_t size, uint64_t granule, uint64_t most) {
  mm__geometry geometry;
  CHECK_OK(mm__geometry_plan(size, granule, most, PAGE, &geometry));
  return geometry;
}

static void sections_follow_each_other(void) {
  const uint64_t sizes[] = {1, 4096, 65536, 65537, 1u << 20, 1ull << 30, 1ull << 40};
  const uint64_t granules[] = {64, 128, 4096, 1u << 20};
  for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++)
    for (size_t granule = 0; granule < 4; granule++) {
      const mm__geometry g = plan(sizes[size], granules[granule], 0);
      CHECK(g.slots_offset >= sizeof(mm__header));
      CHECK(g.table_offset >= g.slots_offset + MM_SLOTS_MAX * sizeof(mm__slot));
      CHECK(g.data_offset >=
            g.table_offset + (uint64_t)g.table_capacity * sizeof(mm__block));
      CHECK_EQ(g.file_size, g.data_offset + g.data_size);
      CHECK(g.slots_offset % PAGE == 0 && g.table_offset % PAGE == 0);
      CHECK(g.data_offset % PAGE == 0 && g.data_size % PAGE == 0);
      CHECK(g.data_size >= sizes[size]);
      CHECK(g.data_size % granules[granule] == 0);
      CHECK(g.data_size - sizes[size] <
            (granules[granule] > PAGE ? granules[granule] : PAGE));
      CHECK(mm__geometry_is_valid(&g));
    }
}

static void every_granule_can_live(void) {
  const mm__geometry g = plan(65536, 64, 0);
  CHECK_EQ(g.max_allocations, 1024);
  CHECK(g.table_capacity > 1024);
}

static void a_limit_makes_the_table_small(void) {
  const mm__geometry g = plan(1u << 20, 64, 10);
  CHECK_EQ(g.max_allocations, 10);
  /* Ten live blocks, eleven free ones around them, the sentinel. */
  CHECK(g.table_capacity >= 22 && g.table_capacity < 64);
  /* A limit above what fits changes nothing but the limit. */
  const mm__geometry wide = plan(65536, 64, 1u << 20);
  CHECK_EQ(wide.max_allocations, 1u << 20);
  CHECK_EQ(wide.table_capacity, plan(65536, 64, 0).table_capacity);
}

static void huge_pools_run_out_of_records_not_of_bits(void) {
  const uint64_t sizes[] = {1ull << 37, 1ull << 38, 1ull << 40, 1ull << 50,
                            MM_SIZE_MAX - PAGE};
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    const mm__geometry g = plan(sizes[at], 64, 0);
    CHECK(g.table_capacity > 1u << 30);
    CHECK(g.max_allocations < g.table_capacity);
    CHECK(g.data_offset >
          g.table_offset + (uint64_t)(g.table_capacity - 1) * sizeof(mm__block));
    CHECK(mm__geometry_is_valid(&g));
  }
}

static void bad_numbers_are_refused(void) {
  mm__geometry g;
  CHECK_STATUS(mm__geometry_plan(0, 64, 0, PAGE, &g), MM_E_INVALID);
  CHECK_STATUS(mm__geometry_plan(MM_SIZE_MAX + 1, 64, 0, PAGE, &g), MM_E_INVALID);
  CHECK_STATUS(mm__geometry_plan(UINT64_MAX, 64, 0, PAGE, &g), MM_E_INVALID);
  const uint64_t granules[] = {0, 1, 32, 63, 65, 96, 1ull << 53, 1ull << 63, UINT64_MAX};
  for (size_t at = 0; at < sizeof granules / sizeof *granules; at++)
    CHECK_STATUS(mm__geometry_plan(4096, granules[at], 0, PAGE, &g), MM_E_INVALID);
  CHECK_STATUS(mm__geometry_plan(4096, 64, MM_SIZE_MAX + 1, PAGE, &g), MM_E_INVALID);
  const uint32_t pages[] = {0, 64, 2048, 4097, UINT32_MAX};
  for (size_t at = 0; at < sizeof pages / sizeof *pages; at++)
    CHECK_STATUS(mm__geometry_plan(4096, 64, 0, pages[at], &g), MM_E_INVALID);
}

static void every_changed_bit_is_noticed(void) {
  const mm__geometry good = plan(65536, 64, 0);
  unsigned noticed = 0;
  for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
    mm__geometry bad = good;
    ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    /* As many as there are blocks may be counted, in a pool without caches. */
    const int is_free_number =
        bit / 8 == offsetof(mm__geometry, is_counted);
    if (mm__geometry_is_valid(&bad))
      CHECK(is_free_number);
    else
      noticed++;
  }
  CHECK(noticed > 8 * (sizeof good - 8));
}

static void pages_of_all_sizes_work(void) {
  for (uint32_t page = 4096; page <= 1u << 16; page *= 2) {
    mm__geometry g;
    CHECK_OK(mm__geometry_plan(65536, 64, 0, page, &g));
    CHECK(g.slots_offset % page == 0 && g.table_offset % page == 0);
    CHECK(g.data_offset % page == 0 && g.data_size % page == 0);
    CHECK(mm__geometry_is_valid(&g));
  }
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("geometry: sections follow each other on whole pages",
            sections_follow_each_other);
  test_case("geometry: every granule can be an allocation", every_granule_can_live);
  test_case("geometry: a limit of allocations makes the table small",
            a_limit_makes_the_table_small);
  test_case("geometry: huge pools have as many records as an index can name",
            huge_pools_run_out_of_records_not_of_bits);
  test_case("geometry: numbers out of range are refused", bad_numbers_are_refused);
  test_case("geometry: a changed bit is noticed", every_changed_bit_is_noticed);
  test_case("geometry: pages of 4 to 64 KiB", pages_of_all_sizes_work);
  return harness_end();
}
