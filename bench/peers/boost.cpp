/* boost.cpp - the same work on a managed_shared_memory of Boost.Interprocess,
 * the allocator in shared memory that a C++ programmer would pick.
 *
 *   zig-out/bench/boost [--rounds N] [MEASURE...]
 */
#include <boost/interprocess/managed_shared_memory.hpp>
#include <cstdint>
#include <string>
#include <unistd.h>

namespace ipc = boost::interprocess;

typedef void *bench_block;

static ipc::managed_shared_memory *segment;

static inline bench_block bench_alloc(std::size_t size) {
  return segment->allocate(size); // throws if there is no room
}

static inline void bench_free(bench_block block) { segment->deallocate(block); }

static inline void bench_join() {}
static inline void bench_leave() {}

static inline std::uint64_t bench_name(bench_block block) {
  return static_cast<std::uint64_t>(segment->get_handle_from_address(block));
}

static inline bench_block bench_named(std::uint64_t name) {
  return segment->get_address_from_handle(
      static_cast<ipc::managed_shared_memory::handle_t>(name));
}

#include "../native/handed.h"

static const std::size_t segment_size = 256u << 20;

int main(int argc, char **argv) {
  static const measure all[] = {
      {"pair", "ns", pair},
      {"batch", "ns", batch},
      {"churn", "ns", churn},
      PROCESSES_MEASURES,
      {"handed", "ns", handed},
  };
  const std::string name = "bench-boost-" + std::to_string(getpid());
  ipc::managed_shared_memory created(ipc::create_only, name.c_str(), segment_size);
  // The name goes at once: nothing is left behind, however this program ends.
  ipc::shared_memory_object::remove(name.c_str());
  segment = &created;
  return run_measures(all, sizeof all / sizeof *all, argc, argv);
}
