/* cache.c - see cache.h: the own cache. What anybody does with all of them is in
 * sweep.c. */
#include "cache.h"

#include <string.h>

#include "bias.h"
#include "bins.h"
#include "block.h"
#include "geometry.h"
#include "offers.h"
#include "wait.h"

#define BATCH_MAX 32u
#define TRIM 64u /* blocks given up at a time */

/* ---- The claim --------------------------------------------------------- */

/* Says which record is about to change: 1 if nobody else may change it meanwhile. */
static inline int claims_by_bias(mm__slot *slot, uint32_t record) {
  mm__store(&slot->claim, record);
  /* Whoever revokes the bias fences for both. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return (mm__load_acquire(&slot->biased) & MM__BIASED) != 0;
}

static inline void end_claim(mm__slot *slot) {
  mm__store_release(&slot->claim, 0u);
}

/* ---- Allocating --------------------------------------------------------- */

/* Becomes part of mm_alloc() when the library is linked, and so does freeing of
 * mm_free(). */
__attribute__((always_inline))
int mm__cache_alloc(mm_pool *pool, uint64_t size, uint64_t granules,
                    uint32_t type, mm_allocation *allocation) {
  mm__cache *cache = &pool->cache;
  const mm__heap *heap = &pool->heap;
  if (mm__unlikely(granules > cache->largest)) return MM__MISS;
  const uint32_t weight = mm__bin_weight_of((uint32_t)granules);
  mm__bin *bin = &cache->bins[mm__bin_of((uint32_t)granules)];
  uint32_t *entry = bin->top;
  if (mm__unlikely(entry == bin->base)) return MM__MISS;
  const uint32_t record = mm__load(--entry);
  if (mm__unlikely(record == 0 || !mm__is_record(heap, record))) return MM__MISS;

  mm__block *block = &heap->table[record];
  const int is_biased = claims_by_bias(cache->slot, record);
  const uint64_t state = mm__load_acquire(&block->state);
  const uint64_t offset = mm__load(&block->offset);
  const uint32_t has = mm__load(&block->granules);
  if (mm__unlikely(
          mm__tag(state) != cache->cached || has < granules || has > weight ||
          (offset & ((1ull << heap->granule_shift) - 1)) != 0 ||
          offset > heap->data_size - ((uint64_t)has << heap->granule_shift)))
    return MM__MISS;
  uint64_t tag = cache->tied;
  if (mm__unlikely(!is_biased)) {
    if (cache->until_bias == 0 ||
        !mm__cas(&block->state, state, state - MM__CACHED + MM__CLAIMED))
      return MM__MISS;
    tag = MM__LIVE;
  }
  bin->top = entry;
  cache->room += weight;
  const uint64_t generation = mm__generation(state);
  mm__fence_release(); /* whoever sees these sees that it is no longer LIVE */
  mm__store(&block->size, size);
  mm__store(&block->owner, pool->owner);
  mm__store(&block->type, type);
  mm__store_release(&block->state, /* truth: an allocation, its fields complete */
                    mm__state(generation, tag));
  mm__store_release(entry, 0u);
  end_claim(cache->slot);
  *allocation = (mm_allocation){
      .id = generation << heap->index_bits | record,
      .offset = offset,
      .size = size,
      .type = type,
  };
  return MM_OK;
}

/* Takes the uppermost entry off a bin, which leads to no block that the bin
 * promises: somebody took it back, or it was spoilt, or left behind by a sweep that
 * was killed. A block that is cached all the same goes back to the heap. 0 if the
 * lock is not to be had for that. */
static int drop(mm_pool *pool, mm__bin *bin, uint32_t weight) {
  uint32_t *entry = bin->top - 1;
  const uint32_t record = mm__load(entry);
  if (mm__is_record(&pool->heap, record)) {
    const uint64_t state = mm__load(&pool->heap.table[record].state);
    if (mm__tag(state) == pool->cache.cached) {
      if (mm__lock(pool, 0) != MM_OK) return 0;
      mm__cache_release(pool, record, state);
      mm__wait_count_free(pool);
      mm__unlock(pool);
    }
  }
  mm__store(entry, 0u);
  bin->top = entry;
  pool->cache.room += weight;
  return 1;
}

int mm__cache_alloc_thoroughly(mm_pool *pool, uint64_t size, uint64_t granules,
                               uint32_t type, mm_allocation *allocation) {
  mm__cache *cache = &pool->cache;
  if (granules > cache->largest) return MM__MISS;
  end_claim(cache->slot); /* of the miss */
  if (cache->until_bias == 0) mm__bias_seek(pool);
  mm__bin *bin = &cache->bins[mm__bin_of((uint32_t)granules)];
  while (bin->top != bin->base || mm__bin_descend(pool, bin)) {
    if (mm__cache_alloc(pool, size, granules, type, allocation) == MM_OK)
      return MM_OK;
    end_claim(cache->slot);
    if (!drop(pool, bin, mm__bin_weight_of((uint32_t)granules))) return MM__MISS;
  }
  return MM__MISS;
}

/* ---- Freeing ------------------------------------------------------------ */

int mm__cache_give_up(mm_pool *pool, uint32_t *entry) {
  const uint32_t record = mm__load(entry);
  if (record != 0 && mm__is_record(&pool->heap, record)) {
    const uint64_t state = mm__load(&pool->heap.table[record].state);
    if (mm__tag(state) == pool->cache.cached &&
        mm__cache_release(pool, record, state) == MM_E_CORRUPT)
      return MM_E_CORRUPT;
  }
  mm__store(entry, 0u);
  return MM_OK;
}

/* Takes the uppermost entry off a bin. MM_OK or MM_E_CORRUPT. */
static int give_up_top(mm_pool *pool, mm__bin *bin, uint32_t weight) {
  pool->cache.room += weight;
  return mm__cache_give_up(pool, --bin->top);
}

/* Somebody began to wait while a block went into the cache: takes it out again,
 * for them. MM_OK. */
static __attribute__((noinline)) int free_for_waiters(mm_pool *pool, mm__bin *bin,
                                                      uint32_t weight) {
  if (mm__lock(pool, MM__LOCK_PATIENCE_MS) != MM_OK) return MM_OK; /* they look here */
  give_up_top(pool, bin, weight);
  /* Also if a sweep was faster: whoever swept for figures tells nobody. */
  const uint32_t to_wake = mm__wait_freed(pool);
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return MM_OK;
}

/* After a free by compare-and-swap: that of an own block a bias would have spared.
 * What is loaded from here on is read after it. */
static inline void count_free(mm_pool *pool, const mm__block *block) {
  mm__cache *cache = &pool->cache;
  if (mm__load(&block->owner) == pool->owner && cache->until_bias != 0)
    cache->until_bias--;
  mm__fence_after_cas();
}

__attribute__((always_inline))
int mm__cache_free(mm_pool *pool, uint64_t id) {
  mm__cache *cache = &pool->cache;
  mm__heap *heap = &pool->heap;
  const uint32_t record = (uint32_t)(id & ((1ull << heap->index_bits) - 1));
  const uint64_t generation = id >> heap->index_bits;
  if (mm__unlikely(record == 0 || !mm__is_record(heap, record) ||
                   generation + 1 >= heap->generation_limit))
    return MM__MISS;
  mm__block *block = &heap->table[record];
  const uint64_t state = mm__load_acquire(&block->state);
  const int is_tied = state == mm__state(generation, cache->tied);
  if (mm__unlikely(!is_tied && state != mm__state(generation, MM__LIVE)))
    return MM__MISS;
  const uint32_t granules = mm__load(&block->granules);
  if (mm__unlikely(granules - 1u >= cache->largest)) return MM__MISS; /* 0, too */

  const uint32_t weight = mm__bin_weight_of(granules);
  mm__bin *bin = &cache->bins[mm__bin_of(granules)];
  uint32_t *entry = bin->top;
  if (mm__unlikely(weight > cache->room || entry == bin->end)) return MM__MISS;
  mm__store(entry, record); /* first: whoever takes over looks there */
  const uint64_t cached = mm__state(generation + 1, cache->cached);
  if (mm__likely(is_tied && claims_by_bias(cache->slot, record))) {
    mm__store_release(&block->state, cached); /* truth: free */
    end_claim(cache->slot);
  } else {
    end_claim(cache->slot); /* first: a sweep leaves out what is claimed */
    if (mm__unlikely(!mm__cas(&block->state, state, cached))) { /* truth: free */
      mm__store(entry, 0u);
      return MM__MISS;
    }
    count_free(pool, block);
  }
  bin->top = entry + 1;
  cache->room -= weight;
  if (mm__unlikely(mm__wait_any(pool))) return free_for_waiters(pool, bin, weight);
  return MM_OK;
}

int mm__cache_free_thoroughly(mm_pool *pool, uint64_t id) {
  mm__cache *cache = &pool->cache;
  mm__heap *heap = &pool->heap;
  mm__heap_begin(heap);
  const uint32_t record = (uint32_t)(id & ((1ull << heap->index_bits) - 1));
  if (record == 0 || !mm__is_record(heap, record)) return MM__MISS;
  const mm__block *block = &heap->table[record];
  if (!mm__is_live(mm__load_acquire(&block->state))) return MM__MISS;
  const uint32_t granules = mm__load(&block->granules);
  if (granules - 1u >= cache->largest) return MM__MISS;
  mm__bin *bin = &cache->bins[mm__bin_of(granules)];
  if (mm__bin_weight_of(granules) > cache->room ||
      (bin->top == bin->end && !mm__bin_ascend(pool, bin))) {
    cache->is_full = 1;
    return MM__MISS;
  }
  return mm__cache_free(pool, id);
}

/* ---- Under the lock ---------------------------------------------------- */

void mm__cache_refill(mm_pool *pool, uint64_t granules) {
  mm__cache *cache = &pool->cache;
  if (granules > cache->largest || mm__wait_any(pool)) return;
  const uint32_t number = mm__bin_of((uint32_t)granules);
  const uint32_t weight = mm__bin_weight(number);
  mm__bin *bin = &cache->bins[number];
  uint8_t *batch = &cache->batch[number];
  const uint32_t count = *batch;
  *batch = (uint8_t)(count == 0 ? 1 : count < BATCH_MAX ? 2 * count : BATCH_MAX);
  if (mm__offers_take(pool, number, count) != 0) return;
  for (uint32_t k = 0; k < count && weight <= cache->room / 4; k++) {
    if (bin->top == bin->end && !mm__bin_ascend(pool, bin)) return;
    if (mm__heap_take(&pool->heap, granules, cache->cached, bin->top) != MM_OK)
      return; /* no room; or what is wrong shows when it is needed */
    bin->top++;
    cache->room -= weight;
  }
}

/* Frees up to `count` blocks of one bin. MM_OK or MM_E_CORRUPT. */
static int empty_bin(mm_pool *pool, uint32_t number, uint32_t count) {
  mm__cache *cache = &pool->cache;
  mm__bin *bin = &cache->bins[number];
  const uint32_t weight = mm__bin_weight(number);
  cache->batch[number] = 0;
  while (count > 0 && (bin->top != bin->base || mm__bin_descend(pool, bin))) {
    if (mm__load(bin->top - 1) != 0) count--;
    if (give_up_top(pool, bin, weight) != MM_OK) return MM_E_CORRUPT;
  }
  return MM_OK;
}

/* Offers some chunks of one bin, or frees as many blocks. MM_OK or MM_E_CORRUPT. */
static int relieve_bin(mm_pool *pool, uint32_t number) {
  mm__bin *bin = &pool->cache.bins[number];
  for (uint32_t chunks = 0; chunks < TRIM / MM__CACHE_CHUNK; chunks++) {
    if (bin->top == bin->base && !mm__bin_descend(pool, bin)) break;
    if (mm__offers_make(pool, number)) continue;
    if (mm__offers_withdraw(pool) != MM_OK) return MM_E_CORRUPT;
    if (mm__offers_make(pool, number)) continue;
    const int status = empty_bin(pool, number, MM__CACHE_CHUNK);
    if (status != MM_OK) return status;
  }
  return MM_OK;
}

int mm__cache_trim(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  if (!cache->is_full) return MM_OK;
  cache->is_full = 0;
  mm__offers_collect(pool);
  for (uint32_t tried = 0; tried < MM__CACHE_BINS; tried++) {
    cache->victim = cache->victim + 1 < MM__CACHE_BINS ? cache->victim + 1 : 0;
    const mm__bin *bin = &cache->bins[cache->victim];
    if (bin->top == NULL) continue;
    const uint32_t room = cache->room;
    const int status = relieve_bin(pool, cache->victim);
    if (status != MM_OK || cache->room != room) return status;
  }
  return MM_OK;
}

/* ---- A participant's life ---------------------------------------------- */

void mm__cache_open(mm_pool *pool) {
  const mm__geometry *geometry = &pool->geometry;
  mm__cache *cache = &pool->cache;
  memset(cache, 0, sizeof *cache);
  cache->slot = &pool->slots[pool->slot];
  cache->tied = pool->heap.tied = MM__LIVE;
  if (geometry->cache_entries == 0) return;
  const uint64_t offset = geometry->caches_offset +
                          pool->slot * mm__geometry_cache_size(geometry);
  const uint32_t committed = mm__load(&cache->slot->cache_committed);
  /* Of the last participant here, which is dead: all that it stored is known. */
  const uint32_t word = mm__load(&cache->slot->biased) & ~MM__BIAS_MASK;
  mm__store_release(&cache->slot->biased, word + MM__BIAS_ONCE + MM__NOT_BIASED);
  end_claim(cache->slot);
  cache->until_bias = MM__BIAS_AFTER;
  cache->entries = (uint32_t *)(void *)((uint8_t *)pool->header + offset);
  cache->chunks = (committed < geometry->cache_entries ? committed
                                                       : geometry->cache_entries) /
                  MM__CACHE_CHUNK;
  cache->cached = mm__cached(pool->slot);
  cache->tied = pool->heap.tied = mm__tied(pool->slot);
  cache->offered_room = mm__offers_room(geometry->cache_granules);
  cache->room = geometry->cache_granules - cache->offered_room;
  cache->largest = geometry->cache_granules / 16;
  if (cache->largest > MM__CACHE_GRANULES_MAX)
    cache->largest = MM__CACHE_GRANULES_MAX;
  const uint64_t most = MM__CACHE_BYTES_EACH >> geometry->granule_shift;
  if (cache->largest > most) cache->largest = (uint32_t)most;
}

int mm__cache_is_empty(const mm_pool *pool) {
  return pool->cache.entries == NULL ||
         mm__load(&pool->cache.slot->cache_used) == 0;
}

int mm__cache_close(mm_pool *pool) {
  while (pool->cache.offered_count != 0)
    if (mm__offers_withdraw(pool) != MM_OK) return MM_E_CORRUPT;
  for (uint32_t bin = 0; bin < MM__CACHE_BINS; bin++) {
    if (pool->cache.bins[bin].top == NULL) continue;
    const int status = empty_bin(pool, bin, UINT32_MAX);
    if (status != MM_OK) return status;
  }
  mm__wait_count_free(pool);
  mm__bias_leave(pool);
  mm__store_release(&pool->cache.slot->cache_used, 0u);
  pool->cache.largest = 0;
  return MM_OK;
}
