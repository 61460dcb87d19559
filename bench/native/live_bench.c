/* live_bench.c - whether it matters how many allocations are live.
 *
 *   zig-out/bench/live_bench [--rounds N] [MEASURE...]
 */
#include "own_pool.h"
#include "workloads.h"

#define LIVE 10000000u
#define LIVE_SIZE 64u                       /* bytes of each */
#define LIVE_POOL_SIZE (LIVE * 64ull + POOL_SIZE) /* bytes */

static mm_pool *empty_pool, *full_pool;

/* A pair in an empty pool: ns. */
static double empty(void) {
  pool = empty_pool;
  return pair();
}

/* A pair beside 10 million live allocations: ns. */
static double live(void) {
  if (full_pool == NULL) {
    pool = full_pool = create_pool("live", LIVE_POOL_SIZE);
    for (size_t i = 0; i < LIVE; i++) bench_alloc(LIVE_SIZE);
  }
  pool = full_pool;
  return pair();
}

int main(int argc, char **argv) {
  static const measure all[] = {{"empty", "ns", empty}, {"live", "ns", live}};
  empty_pool = create_pool("empty", LIVE_POOL_SIZE);
  const int code = run_measures(all, sizeof all / sizeof *all, argc, argv);
  mm_pool_detach(empty_pool);
  if (full_pool != NULL) mm_pool_detach(full_pool);
  return code;
}
