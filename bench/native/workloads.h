/* workloads.h - what every allocator is asked to do, so that all are measured
 * by the same code. Whoever includes it has defined
 *
 *   bench_block            what bench_alloc() returns and bench_free() takes
 *   bench_alloc(size)      allocates that many bytes, or ends the program
 *   bench_free(block)
 */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include "rounds.h"

#define BLOCK_SIZE 512u /* bytes */
#define BATCH 10000u

/* How much one round does, unless that takes too long. */
#ifndef PAIRS
#define PAIRS 200000u
#define BATCHES 10u
#define CHURN_STEPS 200000u
#endif

static bench_block live_blocks[BATCH];

/* Allocates and frees one block: ns per pair. */
static inline double pair(void) {
  const uint64_t start = now_ns();
  for (size_t i = 0; i < PAIRS; i++) bench_free(bench_alloc(BLOCK_SIZE));
  return per_operation(start, now_ns(), PAIRS);
}

/* 10,000 allocations, then 10,000 frees: ns per allocation and its free. */
static inline double batch(void) {
  const uint64_t start = now_ns();
  for (size_t i = 0; i < BATCHES; i++) {
    for (size_t k = 0; k < BATCH; k++) live_blocks[k] = bench_alloc(BLOCK_SIZE);
    for (size_t k = 0; k < BATCH; k++) bench_free(live_blocks[k]);
  }
  return per_operation(start, now_ns(), BATCHES * BATCH);
}

/* The same numbers in every program and round. */
static inline uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* 64 B to 8 KiB, each doubling as likely as the other. */
static inline size_t random_size(uint64_t *state) {
  const uint64_t least = 64ull << next_random(state) % 7;
  return (size_t)(least + next_random(state) % least);
}

/* 10,000 live; a random one is freed and another made: ns per exchange. */
static inline double churn(void) {
  uint64_t random = 88172645463325252u;
  for (size_t k = 0; k < BATCH; k++)
    live_blocks[k] = bench_alloc(random_size(&random));
  const uint64_t start = now_ns();
  for (size_t i = 0; i < CHURN_STEPS; i++) {
    bench_block *block = &live_blocks[next_random(&random) % BATCH];
    bench_free(*block);
    *block = bench_alloc(random_size(&random));
  }
  const uint64_t end = now_ns();
  for (size_t k = 0; k < BATCH; k++) bench_free(live_blocks[k]);
  return per_operation(start, end, CHURN_STEPS);
}

#endif
