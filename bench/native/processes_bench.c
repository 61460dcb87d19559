/* processes_bench.c - several processes at work on one pool.
 *
 *   zig-out/bench/processes_bench [--rounds N] [MEASURE...]
 */
#define _GNU_SOURCE 1 /* for sched_getaffinity() */
#include "own_pool.h"

/* Whether each process makes a pool for itself alone. */
static int shares_nothing;

/* The first call on a handle after fork() attaches anew. */
static inline void bench_join(void) {
  if (shares_nothing) pool = create_pool("own", POOL_SIZE);
}

static inline void bench_leave(void) { mm_pool_detach(pool); }
static inline uint64_t bench_name(bench_block id) { return id; }
static inline bench_block bench_named(uint64_t name) { return name; }

#include "handed.h"

static double alone(unsigned count) {
  shares_nothing = 1;
  const double time = together(count);
  shares_nothing = 0;
  return time;
}

static double alone_2(void) { return alone(2); }
static double alone_4(void) { return alone(4); }

int main(int argc, char **argv) {
  static const measure all[] = {PROCESSES_MEASURES,
                                {"alone-2", "ns", alone_2},
                                {"alone-4", "ns", alone_4},
                                {"handed", "ns", handed}};
  pool = create_pool("processes", POOL_SIZE);
  const int code = run_measures(all, sizeof all / sizeof *all, argc, argv);
  mm_pool_detach(pool);
  return code;
}
