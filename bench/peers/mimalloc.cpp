/* mimalloc.cpp - the same work with mimalloc, an allocator of private memory:
 * what allocating costs where nothing is shared, and what the machine's cores
 * give together when processes have nothing to do with one another.
 *
 *   zig-out/bench/mimalloc [--rounds N] [MEASURE...]
 */
#include <cstdio>
#include <mimalloc.h>

typedef void *bench_block;

static inline bench_block bench_alloc(std::size_t size) { return mi_malloc(size); }
static inline void bench_free(bench_block block) { mi_free(block); }
static inline void bench_join() {}
static inline void bench_leave() {}

#include "../native/processes.h"

int main(int argc, char **argv) {
  static const measure all[] = {
      {"pair", "ns", pair},
      {"batch", "ns", batch},
      {"churn", "ns", churn},
      PROCESSES_MEASURES,
  };
  return run_measures(all, sizeof all / sizeof *all, argc, argv);
}
