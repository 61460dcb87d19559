/* own_pool.h - a pool of this library for a benchmark, and the three words of
 * workloads.h said with it.
 */
#ifndef BENCH_OWN_POOL_H
#define BENCH_OWN_POOL_H

#include <unistd.h>

#include "managed_memory.h"
#include "rounds.h"

#define POOL_SIZE (1ull << 30) /* bytes */

typedef uint64_t bench_block;

/* Where bench_alloc() and bench_free() work. */
static mm_pool *pool;

static inline void need(int status) {
  if (status == MM_OK) return;
  fprintf(stderr, "the benchmark failed: %s\n", mm_strerror(status));
  exit(1);
}

static inline bench_block bench_alloc(size_t size) {
  mm_allocation allocation;
  need(mm_alloc(pool, size, MM_TYPE_DATA, &allocation));
  return allocation.id;
}

static inline void bench_free(bench_block id) { need(mm_free(pool, id)); }

/* A pool whose name is gone as soon as it is there: nothing is left behind,
 * however this program ends. */
static inline mm_pool *create_pool(const char *purpose, uint64_t size) {
  char name[MM_NAME_MAX + 1];
  snprintf(name, sizeof name, "bench-%s-%ld-%llu", purpose, (long)getpid(),
           (unsigned long long)now_ns());
  const mm_pool_options options = {.size = size, .name = name};
  mm_pool *created;
  need(mm_pool_create(&options, &created));
  char path[MM_NAME_MAX + 64];
  snprintf(path, sizeof path, "/dev/shm/managed-memory.%s", name);
  unlink(path);
  return created;
}

#endif
