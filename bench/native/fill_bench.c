/* fill_bench.c - how full a pool can be after it was in use for long: keeps it
 * 90 % full with blocks of random sizes, and exchanges random ones for others
 * all the time; then allocates until that fails. One line of JSON.
 *
 *   zig-out/bench/fill_bench OPERATIONS
 */
#include "own_pool.h"
#include "workloads.h"

#define SIZE (256ull << 20) /* bytes of the pool */
#define GRANULE 64u         /* bytes that sizes are rounded up to */
#define FULL 0.9            /* share of the pool that is in use */
#define SAMPLES 30u
#define PAGE 1024u          /* free blocks that are listed at a time */

typedef struct held {
  bench_block id;
  uint64_t size; /* bytes that it takes */
} held;

static held all[SIZE / GRANULE];
static size_t count;      /* of `all` that are there */
static uint64_t used;     /* bytes that they take */
static uint64_t failures; /* allocations that were refused */
static double full;       /* share in use when the first one was */
static uint64_t random_state = 88172645463325252u;

/* Whether there was room. */
static int hold(size_t size) {
  mm_allocation allocation;
  const int status = mm_alloc(pool, size, MM_TYPE_DATA, &allocation);
  if (status == MM_E_NO_ROOM) return 0;
  need(status);
  const uint64_t taken = (size + GRANULE - 1) / GRANULE * GRANULE;
  all[count++] = (held){.id = allocation.id, .size = taken};
  used += taken;
  return 1;
}

static void drop_one(void) {
  held *one = &all[next_random(&random_state) % count];
  bench_free(one->id);
  used -= one->size;
  *one = all[--count];
}

static uint64_t free_space(void) {
  mm_pool_stats stats;
  need(mm_pool_read_stats(pool, &stats));
  return stats.free_space;
}

/* 1 - largest free block / free space: 0 if all that is free is in one piece. */
static double fragmentation(uint64_t *pieces) {
  static uint64_t sizes[PAGE];
  uint64_t cursor = 0, largest = 0, total = 0;
  size_t listed;
  *pieces = 0;
  do {
    need(mm_list_free_blocks(pool, &cursor, sizes, PAGE, &listed));
    for (size_t i = 0; i < listed; i++) {
      total += sizes[i];
      if (sizes[i] > largest) largest = sizes[i];
    }
    *pieces += listed;
  } while (listed != 0);
  return total == 0 ? 0 : 1 - (double)largest / (double)total;
}

static double share_in_use(uint64_t size) {
  return 1 - (double)free_space() / (double)size;
}

/* One allocation, and the frees that make room for it. */
static void exchange(uint64_t most, uint64_t pool_size) {
  const size_t size = random_size(&random_state);
  while (used + size > most) drop_one();
  if (!hold(size) && failures++ == 0) full = share_in_use(pool_size);
}

/* A moment of the run: how many operations it took to get there. */
static void print_sample(uint64_t operations, double ns_each, uint64_t size) {
  uint64_t pieces;
  const double split = fragmentation(&pieces);
  printf("{\"operations\":%llu,\"ns\":%.1f,\"used\":%.4f,\"fragmentation\":%.4f,"
         "\"freeBlocks\":%llu}",
         (unsigned long long)operations, ns_each, share_in_use(size), split,
         (unsigned long long)pieces);
}

int main(int argc, char **argv) {
  const uint64_t operations = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
  if (operations < SAMPLES) {
    fprintf(stderr, "usage: fill_bench OPERATIONS (at least %u)\n", SAMPLES);
    return 2;
  }
  pool = create_pool("fill", SIZE);
  const uint64_t size = mm_pool_describe(pool)->size;
  const uint64_t most = (uint64_t)((double)size * FULL);
  while (used + 8192 <= most && hold(random_size(&random_state))) {
  }

  printf("{\"samples\":[");
  uint64_t done = 0;
  for (uint64_t sample = 1; sample <= SAMPLES; sample++) {
    const uint64_t until = operations * sample / SAMPLES, from = done;
    const uint64_t start = now_ns();
    while (done < until) {
      exchange(most, size);
      done++;
    }
    const double each = per_operation(start, now_ns(), (size_t)(done - from));
    if (sample > 1) printf(",");
    print_sample(done, each, size);
  }
  while (hold(random_size(&random_state))) {
  }
  if (failures == 0) full = share_in_use(size);
  uint64_t pieces;
  const double split = fragmentation(&pieces);
  printf("],\"failures\":%llu,\"fullAtFirstFailure\":%.4f,"
         "\"fragmentationThen\":%.4f}\n",
         (unsigned long long)failures, full, split);
  mm_pool_detach(pool);
  return 0;
}
