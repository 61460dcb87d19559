/* processes_bench.c - several processes at work on one pool.
 *
 *   zig-out/bench/processes_bench [--rounds N] [MEASURE...]
 */
#define _GNU_SOURCE 1 /* for sched_getaffinity() */
#include "own_pool.h"

/* The first call on a handle after fork() attaches anew. */
static inline void bench_join(void) {}
static inline void bench_leave(void) { mm_pool_detach(pool); }
static inline uint64_t bench_name(bench_block id) { return id; }
static inline bench_block bench_named(uint64_t name) { return name; }

#include "handed.h"

int main(int argc, char **argv) {
  static const measure all[] = {PROCESSES_MEASURES, {"handed", "ns", handed}};
  pool = create_pool("processes", POOL_SIZE);
  const int code = run_measures(all, sizeof all / sizeof *all, argc, argv);
  mm_pool_detach(pool);
  return code;
}
