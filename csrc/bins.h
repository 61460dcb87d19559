/* bins.h - the stacks of one participant's cache: one for each size, of entries in
 * chunks. See cache.h. */
#ifndef MM_BINS_H
#define MM_BINS_H

#include "handle.h"
#include "shared.h"

static inline uint32_t mm__bin_shift(uint32_t granules) {
  return 26u - (uint32_t)__builtin_clz(granules); /* log2 - 5 */
}

static inline uint32_t mm__bin_of(uint32_t granules) {
  if (mm__likely(granules < 64)) return granules;
  const uint32_t shift = mm__bin_shift(granules);
  return (shift << 5) + (granules >> shift);
}

/* The largest size of the bin in which `granules` lie: what each of its blocks
 * counts as. */
static inline uint32_t mm__bin_weight_of(uint32_t granules) {
  if (mm__likely(granules < 64)) return granules;
  return granules | ((1u << mm__bin_shift(granules)) - 1);
}

/* The same, by the bin's number. */
static inline uint32_t mm__bin_weight(uint32_t number) {
  if (number < 64) return number;
  return mm__bin_weight_of((32 + (number & 31)) << ((number >> 5) - 1));
}

static inline uint32_t *mm__chunk(const mm__cache *cache, uint32_t chunk) {
  return cache->entries + chunk * MM__CACHE_CHUNK;
}

/* Puts an empty chunk on top of a bin that is full; 0 where there is none. */
int mm__bin_ascend(mm_pool *pool, mm__bin *bin);

/* Takes the empty chunk off the top of a bin; 0 if the bin is empty now. */
int mm__bin_descend(mm_pool *pool, mm__bin *bin);

/* Takes the chunk off the top of a bin that has one, whatever it holds. */
uint16_t mm__bin_detach(mm_pool *pool, mm__bin *bin);

/* A chunk that holds nothing, and is in no bin: for the next that needs one. */
void mm__chunk_spare(mm_pool *pool, uint16_t chunk);

#endif
