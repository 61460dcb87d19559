/* geometry.c - see geometry.h. */
#include "geometry.h"

#include <string.h>

/* Records beyond the blocks that fit: spent ones are never used again, and a
 * block of size 0 lives for a moment while the chain grows. */
#define SPARE_RECORDS 16u

#define RECORDS_MAX (UINT32_MAX - 64u)

/* One cache holds at most this share of the pool, and at most these bytes and
 * entries. Where that is less than a few blocks there are no caches. */
#define CACHE_SHARE 64u
#define CACHE_BYTES_MAX (16ull << 20)
#define CACHE_ENTRIES_MAX (1u << 14)
#define CACHE_ENTRIES_MIN 64u

static uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

static int is_power_of_two(uint64_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

static void plan_caches(mm__geometry *plan) {
  if (plan->is_counted) return;
  uint64_t bytes = plan->data_size / CACHE_SHARE;
  if (bytes > CACHE_BYTES_MAX) bytes = CACHE_BYTES_MAX;
  const uint64_t granules = bytes >> plan->granule_shift;
  if (granules < CACHE_ENTRIES_MIN) return;
  plan->cache_granules = (uint32_t)granules;
  plan->cache_entries = granules < CACHE_ENTRIES_MAX
                            ? 1u << (63 - __builtin_clzll(granules))
                            : CACHE_ENTRIES_MAX;
}

uint64_t mm__geometry_cache_size(const mm__geometry *geometry) {
  return round_up((uint64_t)geometry->cache_entries * sizeof(uint32_t),
                  geometry->page_size);
}

int mm__geometry_plan(uint64_t size, uint64_t granule, uint64_t max_allocations,
                      uint32_t page_size, mm__geometry *geometry) {
  if (size == 0 || size > MM_SIZE_MAX || max_allocations > MM_SIZE_MAX ||
      !is_power_of_two(page_size) || page_size < 4096 ||
      !is_power_of_two(granule) || granule < MM_MIN_BLOCK_SIZE ||
      granule > MM_SIZE_MAX)
    return MM_E_INVALID;

  mm__geometry plan;
  memset(&plan, 0, sizeof plan);
  plan.page_size = page_size;
  plan.granule_shift = (uint32_t)__builtin_ctzll(granule);
  plan.data_size = round_up(size, granule > page_size ? granule : page_size);

  uint64_t blocks = plan.data_size >> plan.granule_shift;
  plan.is_counted = max_allocations != 0;
  plan.max_allocations = max_allocations != 0 ? max_allocations : blocks;
  /* Between and around n live blocks lie at most n + 1 free ones. */
  if (max_allocations != 0 && max_allocations < blocks / 2)
    blocks = 2 * max_allocations + 1;
  if (blocks > RECORDS_MAX) blocks = RECORDS_MAX;
  if (max_allocations == 0) plan.max_allocations = blocks;
  plan.table_capacity = (uint32_t)blocks + 1 + SPARE_RECORDS;

  plan.slots_offset = round_up(sizeof(mm__header), page_size);
  plan_caches(&plan);
  plan.caches_offset =
      plan.slots_offset + round_up(MM_SLOTS_MAX * sizeof(mm__slot), page_size);
  plan.table_offset =
      plan.caches_offset + MM_SLOTS_MAX * mm__geometry_cache_size(&plan);
  plan.data_offset =
      plan.table_offset +
      round_up((uint64_t)plan.table_capacity * sizeof(mm__block), page_size);
  plan.file_size = plan.data_offset + plan.data_size;
  *geometry = plan;
  return MM_OK;
}

int mm__geometry_is_valid(const mm__geometry *geometry) {
  if (geometry->granule_shift > 53) return 0;
  mm__geometry plan;
  const uint64_t granule = 1ull << geometry->granule_shift;
  const uint64_t most = geometry->is_counted ? geometry->max_allocations : 0;
  if (mm__geometry_plan(geometry->data_size, granule, most, geometry->page_size,
                        &plan) != MM_OK)
    return 0;
  return memcmp(&plan, geometry, sizeof plan) == 0;
}

uint64_t mm__geometry_head(const mm__geometry *geometry) {
  return geometry->slots_offset + geometry->page_size;
}

uint32_t mm__geometry_index_bits(const mm__geometry *geometry) {
  return 32u - (uint32_t)__builtin_clz(geometry->table_capacity);
}
