/* bins.c - see bins.h. */
#include "bins.h"

#include "geometry.h"
#include "participants.h"

#define NO_CHUNK UINT16_MAX

static uint16_t top_chunk(const mm__cache *cache, const mm__bin *bin) {
  return (uint16_t)((uint64_t)(bin->base - cache->entries) / MM__CACHE_CHUNK);
}

static void stand_on(mm__cache *cache, mm__bin *bin, uint16_t chunk) {
  bin->base = mm__chunk(cache, chunk);
  bin->end = bin->base + MM__CACHE_CHUNK;
}

/* Commits one more page of entries; 0 where there is none. */
static int commit_page(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  const uint32_t page = pool->geometry.page_size;
  const uint32_t entries = cache->chunks * MM__CACHE_CHUNK;
  if (entries >= pool->geometry.cache_entries) return 0;
  const uint64_t offset =
      pool->geometry.caches_offset +
      pool->slot * mm__geometry_cache_size(&pool->geometry) +
      (uint64_t)entries * sizeof(uint32_t);
  if (!mm__participant_has_file(pool) ||
      mm__os_commit(pool->file, offset, page) != 0)
    return 0;
  cache->chunks += page / (uint32_t)sizeof(uint32_t) / MM__CACHE_CHUNK;
  mm__store_release(&cache->slot->cache_committed,
                    cache->chunks * MM__CACHE_CHUNK);
  return 1;
}

int mm__bin_ascend(mm_pool *pool, mm__bin *bin) {
  mm__cache *cache = &pool->cache;
  uint16_t chunk;
  if (cache->spare_count != 0) {
    chunk = cache->spare[--cache->spare_count];
  } else {
    if (cache->fresh == pool->geometry.cache_entries / MM__CACHE_CHUNK ||
        (cache->fresh == cache->chunks && !commit_page(pool)))
      return 0;
    chunk = (uint16_t)cache->fresh++;
    mm__store_release(&cache->slot->cache_used,
                      cache->fresh * MM__CACHE_CHUNK);
  }
  cache->below[chunk] = bin->top != NULL ? top_chunk(cache, bin) : NO_CHUNK;
  stand_on(cache, bin, chunk);
  bin->top = bin->base;
  return 1;
}

uint16_t mm__bin_detach(mm_pool *pool, mm__bin *bin) {
  mm__cache *cache = &pool->cache;
  const uint16_t chunk = top_chunk(cache, bin);
  const uint16_t below = cache->below[chunk];
  if (below == NO_CHUNK) {
    *bin = (mm__bin){NULL, NULL, NULL};
  } else {
    stand_on(cache, bin, below);
    bin->top = bin->end;
  }
  return chunk;
}

int mm__bin_descend(mm_pool *pool, mm__bin *bin) {
  mm__cache *cache = &pool->cache;
  if (bin->top == NULL || cache->below[top_chunk(cache, bin)] == NO_CHUNK)
    return 0; /* the last chunk is kept for the next block */
  mm__chunk_spare(pool, mm__bin_detach(pool, bin));
  return 1;
}

void mm__chunk_spare(mm_pool *pool, uint16_t chunk) {
  pool->cache.spare[pool->cache.spare_count++] = chunk;
}
