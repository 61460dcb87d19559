/* cached_pool.h - a pool whose participants have caches, and what lies in those. */
#ifndef CACHED_POOL_H
#define CACHED_POOL_H

#include "harness.h"

#define SIZE (1u << 20) /* caches hold 16 KiB, and blocks of up to 1 KiB */
#define CACHE_BYTES (SIZE / 64)
#define LARGEST 1024u

extern mm_pool *pool;

void open_pool(void);

/* Checks and removes the pool. */
void close_pool(void);

uint64_t *state_at(const mm_allocation *allocation);
uint64_t state_of(const mm_allocation *allocation);
int is_cached_by(const mm_allocation *allocation, const mm_pool *by);

mm_pool_stats stats_of(mm_pool *of);

/* Leaves `count` blocks in the cache of a participant. */
void fill_cache(mm_pool *of, uint64_t size, uint32_t count);

/* All of the pool can be had, and nobody has anything. */
void must_be_empty(void);

/* MM__NOT_BIASED, MM__BIASED or MM__BIAS_REVOKED. */
uint32_t kind_of_bias(const mm_pool *of);

#endif
