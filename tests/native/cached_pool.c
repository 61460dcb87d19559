/* cached_pool.c - see cached_pool.h. */
#include "cached_pool.h"

#include "block.h"
#include "shared.h"

mm_pool *pool;

void open_pool(void) { pool = new_pool(SIZE); }

void close_pool(void) {
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

uint64_t *state_at(const mm_allocation *allocation) {
  const uint64_t mask = (1ull << pool->heap.index_bits) - 1;
  return &pool->heap.table[allocation->id & mask].state;
}

uint64_t state_of(const mm_allocation *allocation) {
  return mm__load(state_at(allocation));
}

int is_cached_by(const mm_allocation *allocation, const mm_pool *by) {
  return mm__tag(state_of(allocation)) == mm__cached(by->slot);
}

mm_pool_stats stats_of(mm_pool *of) {
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(of, &stats));
  return stats;
}

void fill_cache(mm_pool *of, uint64_t size, uint32_t count) {
  mm_allocation made[256];
  for (uint32_t at = 0; at < count; at++) made[at] = must_alloc(of, size);
  for (uint32_t at = 0; at < count; at++) CHECK_OK(mm_free(of, made[at].id));
  CHECK(is_cached_by(&made[0], of));
}

void must_be_empty(void) {
  mm_allocation whole;
  CHECK_OK(mm_alloc(pool, SIZE, 0, &whole));
  CHECK_OK(mm_free(pool, whole.id));
  CHECK_EQ(stats_of(pool).free_space, SIZE);
  CHECK_EQ(stats_of(pool).allocations, 0);
}

uint32_t kind_of_bias(const mm_pool *of) {
  return mm__load(&of->cache.slot->biased) & MM__BIAS_MASK;
}
