/* geometry.h - where a pool's sections lie, from what the user asked for.
 *
 * Knows numbers only. A pool that is attached is checked by computing its
 * geometry anew.
 */
#ifndef MM_GEOMETRY_H
#define MM_GEOMETRY_H

#include "layout.h"

/* Sets *geometry from a size in bytes (1 to MM_SIZE_MAX), a granule in bytes
 * and a limit of allocations (0: what fits). MM_OK or MM_E_INVALID. */
int mm__geometry_plan(uint64_t size, uint64_t granule, uint64_t max_allocations,
                      uint32_t page_size, mm__geometry *geometry);

/* 1 if the geometry is what mm__geometry_plan() makes of its own numbers. */
int mm__geometry_is_valid(const mm__geometry *geometry);

/* Bytes from the start of the file to the end of the first page of slots: what
 * must be committed, besides the first page of records, before first use. */
uint64_t mm__geometry_head(const mm__geometry *geometry);

/* Bytes of one slot's cache, whole pages; 0: the pool has no caches. */
uint64_t mm__geometry_cache_size(const mm__geometry *geometry);

/* Bits of an id that hold the record's index. */
uint32_t mm__geometry_index_bits(const mm__geometry *geometry);

#endif
