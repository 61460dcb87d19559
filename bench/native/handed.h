/* handed.h - blocks that one process allocates and another frees. As for
 * processes.h, and whoever includes it has also defined
 *
 *   bench_name(block)   64 bits that another process understands
 *   bench_named(name)   the block there
 */
#ifndef BENCH_HANDED_H
#define BENCH_HANDED_H

#include "processes.h"

#define RING 1024u     /* blocks that are on their way at most */
#define TOGETHER 64u   /* of them are shown to the other process at a time, so
                          that the ring is not what is measured */
#define SPINS 200u     /* looks at the ring before others get the processor */

#ifndef HANDED
#define HANDED 204800u /* blocks of one round, a multiple of TOGETHER */
#endif

/* Names on their way from one process to the other. */
typedef struct ring {
  uint64_t ready; /* whether the freeing process has joined */
  char line_1[LINE - sizeof(uint64_t)];
  uint64_t sent; /* how many were put in, ever */
  char line_2[LINE - sizeof(uint64_t)];
  uint64_t taken; /* how many of them were freed */
  char line_3[LINE - sizeof(uint64_t)];
  uint64_t names[RING];
} ring;

static inline void await_more_than(const uint64_t *at, uint64_t value) {
  for (unsigned spins = 0; look(at) <= value; spins++)
    if (spins >= SPINS) sched_yield();
}

/* Keeps the calling process on one of the cores of a set, if that has several:
 * two that take turns on one core hand over nothing. */
static inline void stay_on(unsigned which, const cpu_set_t *cores) {
  if (CPU_COUNT(cores) < 2) return;
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, cores) || which-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) give_up("sched_setaffinity");
    return;
  }
}

static inline void free_all(ring *way) {
  bench_free(bench_alloc(BLOCK_SIZE));
  show(&way->ready, 1);
  for (uint64_t i = 0; i < HANDED;) {
    await_more_than(&way->sent, i);
    for (const uint64_t end = i + TOGETHER; i < end; i++)
      bench_free(bench_named(way->names[i % RING]));
    show(&way->taken, i);
  }
}

/* This process allocates, another frees, each on a core of its own: ns per block. */
static inline double handed(void) {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) give_up("sched_getaffinity");
  ring *way = (ring *)share(sizeof *way);
  if (fork_worker() == 0) {
    stay_on(1, &cores);
    free_all(way);
    end_worker();
  }
  while (look(&way->ready) == 0) {
    if (waitpid(-1, NULL, WNOHANG) > 0) {
      fprintf(stderr, "a process of the benchmark could not join\n");
      exit(1);
    }
    sched_yield();
  }
  stay_on(0, &cores);
  const uint64_t start = now_ns();
  for (uint64_t i = 0; i < HANDED;) {
    if (i >= RING) await_more_than(&way->taken, i - RING);
    for (const uint64_t end = i + TOGETHER; i < end; i++)
      way->names[i % RING] = bench_name(bench_alloc(BLOCK_SIZE));
    show(&way->sent, i);
  }
  await_more_than(&way->taken, HANDED - 1);
  const uint64_t end = now_ns();
  if (sched_setaffinity(0, sizeof cores, &cores) != 0) give_up("sched_setaffinity");
  wait_for_workers(1);
  munmap(way, sizeof *way);
  return per_operation(start, end, HANDED);
}

#endif
