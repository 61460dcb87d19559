/* dragon.cpp - the same work on a memory pool of Dragon HPC, by the C library
 * that comes with its Python package.
 *
 *   zig-out/bench/dragon [--rounds N] [MEASURE...]
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dragon/managed_memory.h>
#include <string>
#include <unistd.h>

typedef dragonMemoryDescr_t bench_block;

static dragonMemoryPoolDescr_t pool;

static inline void need(dragonError_t status) {
  if (status == DRAGON_SUCCESS) return;
  std::fprintf(stderr, "dragon: error %d\n", static_cast<int>(status));
  std::exit(1);
}

static inline bench_block bench_alloc(std::size_t size) {
  bench_block block;
  need(dragon_memory_alloc(&block, &pool, size));
  return block;
}

static inline void bench_free(bench_block block) { need(dragon_memory_free(&block)); }

/* A child uses what it has from its parent: the pool's name is gone. */
static inline void bench_join() {}
static inline void bench_leave() {}

static inline std::uint64_t bench_name(bench_block block) {
  std::uint64_t id;
  need(dragon_memory_id(&block, &id));
  need(dragon_memory_detach(&block));
  return id;
}

static inline bench_block bench_named(std::uint64_t id) {
  bench_block block;
  need(dragon_memory_from_id(&pool, id, &block));
  return block;
}

/* Dragon needs microseconds where others need nanoseconds. */
#define PAIRS 20000u
#define BATCHES 1u
#define CHURN_STEPS 20000u
#define HANDED 20480u

#include "../native/handed.h"

static const std::size_t pool_size = 256u << 20;

int main(int argc, char **argv) {
  static const measure all[] = {
      {"pair", "ns", pair},
      {"batch", "ns", batch},
      {"churn", "ns", churn},
      PROCESSES_MEASURES,
      {"handed", "ns", handed},
  };
  const std::string name = "bench-dragon-" + std::to_string(getpid());
  const dragonM_UID_t uid = static_cast<dragonM_UID_t>(getpid());
  need(dragon_memory_pool_create(&pool, pool_size, name.c_str(), uid, nullptr));
  // The names go at once: nothing is left behind, however this program ends.
  for (const char *part : {"D", "M"})
    unlink(("/dev/shm/D" + name + part).c_str());
  return run_measures(all, sizeof all / sizeof *all, argc, argv);
}
