/* pool_memory_test.c - what the options of a pool say about its memory: blocks to
 * commit memory for, and the NUMA node that it comes from. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define MIB (1u << 20)

static uint64_t committed(const char *name) {
  char path[256];
  struct stat description;
  pool_path(name, path);
  CHECK(stat(path, &description) == 0);
  return (uint64_t)description.st_blocks * 512;
}

static void memory_is_there_from_the_start(void) {
  const char *name = unique_name();
  uint64_t sizes[102] = {4 * MIB, 3000, 0};
  for (int at = 3; at < 102; at++) sizes[at] = 8192;
  /* With a limit there are no caches, which would have memory of their own. */
  const mm_pool_options options = {.size = 64 * MIB, .name = name, .max_allocations = 200,
                                   .pre_allocate = sizes, .pre_allocate_count = 102};
  mm_pool *pool;
  CHECK_OK(mm_pool_create(&options, &pool));
  CHECK_SOUND(mm__check(pool));
  const uint64_t before = committed(name);
  CHECK(before >= 4 * MIB + 3072 + 64 + 99 * 8192 && before < 12 * MIB);
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  CHECK(stats.free_space == 64 * MIB && stats.most_allocations == 0);
  mm_allocation made[102];
  for (int at = 0; at < 102; at++) {
    made[at] = must_alloc(pool, sizes[at]);
    fill_tagged(pool, &made[at]);
  }
  CHECK_EQ(committed(name), before);
  for (int at = 0; at < 102; at++) CHECK_OK(mm_free(pool, made[at].id));
  made[0] = must_alloc(pool, 64 * MIB);
  CHECK(committed(name) > 64 * MIB);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void all_of_it_can_be_there(void) {
  const char *name = unique_name();
  const uint64_t all = 8 * MIB;
  const mm_pool_options options = {.size = all, .name = name, .max_allocations = 1,
                                   .pre_allocate = &all, .pre_allocate_count = 1};
  mm_pool *pool;
  CHECK_OK(mm_pool_create(&options, &pool));
  const uint64_t before = committed(name);
  must_alloc(pool, all);
  CHECK_EQ(committed(name), before);
  destroy_and_detach(pool);
}

static void what_cannot_be_there_is_refused(void) {
  const char *name = unique_name();
  const uint64_t too_much[] = {MIB, 64};
  const uint64_t huge[] = {UINT64_MAX, 64, UINT64_MAX};
  mm_pool_options options = {.size = MIB, .name = name, .pre_allocate = too_much,
                             .pre_allocate_count = 2};
  mm_pool *pool = NULL;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_TOO_LARGE);
  options.pre_allocate = huge;
  options.pre_allocate_count = 3;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_TOO_LARGE);
  options.pre_allocate = &too_much[1];
  options.pre_allocate_count = 1;
  CHECK_OK(mm_pool_create(&options, &pool));
  destroy_and_detach(pool);
  options.pre_allocate = NULL;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_INVALID);
  const uint64_t small[] = {64, 64};
  options.pre_allocate = small;
  options.pre_allocate_count = 2;
  options.max_allocations = 1;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_TOO_LARGE);
  CHECK(!pool_exists(name));
}

/* The policy that the kernel has for an address; -errno. */
static int policy_of(const void *address, unsigned long nodes[16]) {
  enum { MPOL_F_ADDR = 2 };
  int mode = -1;
  memset(nodes, 0, 16 * sizeof *nodes);
  return syscall(SYS_get_mempolicy, &mode, nodes, 16 * 64 + 1, address, MPOL_F_ADDR) == 0
             ? mode
             : -errno;
}

/* Another process, which did not ask for it, has it as well. */
static void see_the_policy(void *argument) {
  enum { MPOL_PREFERRED = 1 };
  unsigned long nodes[16];
  mm_pool *pool = attach_again(argument);
  const uint8_t *data = mm_ffi_data(pool);
  CHECK_EQ((uint64_t)policy_of(data, nodes), MPOL_PREFERRED);
  CHECK_EQ(nodes[0], 1);
  CHECK_EQ((uint64_t)policy_of(data + 8 * MIB - 1, nodes), MPOL_PREFERRED);
  const mm_allocation made = must_alloc(pool, 5 * MIB);
  fill_tagged(pool, &made);
  mm_pool_detach(pool);
}

static void the_node_is_the_files(void) {
  const char *name = unique_name();
  const mm_pool_options options = {.size = 8 * MIB, .name = name, .numa_node_plus_1 = 1};
  mm_pool *pool = NULL;
  const int status = mm_pool_create(&options, &pool);
  if (status == MM_E_SYSTEM(ENOSYS) || status == MM_E_SYSTEM(EPERM)) {
    printf("(no NUMA policies here: %s) ", mm_strerror(status));
    CHECK(!pool_exists(name));
    return;
  }
  CHECK_OK(status);
  finish_child(start_child(see_the_policy, pool));
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void without_a_node_the_policy_is_the_systems(void) {
  const mm_pool_options options = {.size = MIB, .name = unique_name()};
  mm_pool *pool = NULL;
  unsigned long nodes[16];
  CHECK_OK(mm_pool_create(&options, &pool));
  const int mode = policy_of(mm_ffi_data(pool), nodes);
  CHECK(mode == 0 || mode == -ENOSYS || mode == -EPERM);
  destroy_and_detach(pool);
}

static void a_node_that_is_not_there_is_refused(void) {
  const char *name = unique_name();
  mm_pool_options options = {
      .size = MIB, .name = name, .numa_node_plus_1 = MM_NUMA_NODE_MAX + 1};
  mm_pool *pool = NULL;
  const int error = mm_errno(mm_pool_create(&options, &pool));
  CHECK(error == EINVAL || error == ENOSYS || error == EPERM);
  options.numa_node_plus_1 = MM_NUMA_NODE_MAX + 2;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_INVALID);
  CHECK(!pool_exists(name));
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("pre_allocate: the memory is there from the start", memory_is_there_from_the_start);
  test_case("pre_allocate: all of the pool", all_of_it_can_be_there);
  test_case("pre_allocate: what cannot be is refused", what_cannot_be_there_is_refused);
  test_case("numa_node: preferred for all processes", the_node_is_the_files);
  test_case("numa_node: none unless asked for", without_a_node_the_policy_is_the_systems);
  test_case("numa_node: one that is not there", a_node_that_is_not_there_is_refused);
  return harness_end();
}
