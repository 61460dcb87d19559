/* alloc_bench.c - what the C library costs, without JavaScript.
 *
 *   zig-out/bench/alloc_bench [--rounds N] [MEASURE...]
 */
#include "own_pool.h"
#include "workloads.h"

#define LISTED 100000u
#define PAGE 1024u /* entries that are listed at a time */
#define CREATIONS 50u

/* Looks up 10,000 live allocations: ns each. */
static double find(void) {
  const size_t repeats = 50;
  for (size_t k = 0; k < BATCH; k++) live_blocks[k] = bench_alloc(BLOCK_SIZE);
  mm_allocation allocation;
  const uint64_t start = now_ns();
  for (size_t i = 0; i < repeats; i++)
    for (size_t k = 0; k < BATCH; k++)
      need(mm_find(pool, live_blocks[k], &allocation));
  const uint64_t end = now_ns();
  for (size_t k = 0; k < BATCH; k++) bench_free(live_blocks[k]);
  return per_operation(start, end, repeats * BATCH);
}

/* Lists 100,000 live allocations: ns each. */
static double list(void) {
  static bench_block ids[LISTED];
  static mm_allocation entries[PAGE];
  for (size_t k = 0; k < LISTED; k++) ids[k] = bench_alloc(BLOCK_SIZE);
  const uint64_t start = now_ns();
  uint64_t cursor = 0;
  size_t count, total = 0;
  do {
    need(mm_list(pool, &cursor, MM_ANY_TYPE, entries, PAGE, &count));
    total += count;
  } while (count != 0);
  const uint64_t end = now_ns();
  for (size_t k = 0; k < LISTED; k++) bench_free(ids[k]);
  if (total != LISTED) {
    fprintf(stderr, "alloc_bench: listed %zu of %u\n", total, LISTED);
    exit(1);
  }
  return per_operation(start, end, LISTED);
}

/* Creates a pool of 1 GiB: us each, without its end. */
static double create(void) {
  uint64_t total = 0;
  for (size_t i = 0; i < CREATIONS; i++) {
    const uint64_t start = now_ns();
    mm_pool *created = create_pool("create", POOL_SIZE);
    total += now_ns() - start;
    mm_pool_detach(created);
  }
  return per_operation(0, total, CREATIONS) / 1000;
}

int main(int argc, char **argv) {
  static const measure all[] = {
      {"pair", "ns", pair}, {"batch", "ns", batch}, {"churn", "ns", churn},
      {"find", "ns", find}, {"list", "ns", list},   {"create", "us", create},
  };
  pool = create_pool("alloc", POOL_SIZE);
  const int code = run_measures(all, sizeof all / sizeof *all, argc, argv);
  mm_pool_detach(pool);
  return code;
}
