/* offers.c - see offers.h. */
#include "offers.h"

#include "bias.h"
#include "bins.h"
#include "block.h"
#include "participants.h"

/* ---- One offer ----------------------------------------------------------- */

typedef struct offer {
  uint32_t slot;
  uint32_t chunk;
  uint32_t bin;
} offer;

static uint32_t packed(offer of) {
  return 1u << 31 | of.bin << 20 | of.slot << 10 | of.chunk;
}

static offer unpacked(uint32_t word) {
  return (offer){.slot = word >> 10 & (MM_SLOTS_MAX - 1),
                 .chunk = word & (MM__CACHE_CHUNKS_MAX - 1),
                 .bin = word >> 20 & 0x7ff};
}

_Static_assert(MM_SLOTS_MAX == 1 << 10 && MM__CACHE_CHUNKS_MAX == 1 << 10 &&
                   MM__CACHE_BINS < 1 << 11,
               "an offer is one word");
_Static_assert(MM__CACHE_BINS <= 64 * MM__OFFERED_BINS, "each bin has a bit");

/* ---- Who offers ---------------------------------------------------------- */

static int is_empty(const uint32_t *entries) {
  for (uint32_t at = 0; at < MM__CACHE_CHUNK; at++)
    if (mm__load(&entries[at]) != 0) return 0;
  return 1;
}

static mm__offered *oldest(mm__cache *cache) {
  return &cache->offered[cache->offered_first % MM__OFFERED_MAX];
}

/* The chunk is empty. */
static void forget_oldest(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  const mm__offered *of = oldest(cache);
  mm__chunk_spare(pool, of->chunk);
  cache->offered_room += of->weight;
  cache->offered_first++;
  cache->offered_count--;
}

void mm__offers_collect(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  while (cache->offered_count != 0 &&
         is_empty(mm__chunk(cache, oldest(cache)->chunk)))
    forget_oldest(pool);
}

int mm__offers_make(mm_pool *pool, uint32_t number) {
  mm__cache *cache = &pool->cache;
  mm__header *header = pool->header;
  mm__bin *bin = &cache->bins[number];
  const uint32_t weight =
      (uint32_t)(bin->top - bin->base) * mm__bin_weight(number);
  if (cache->offered_count == MM__OFFERED_MAX || weight > cache->offered_room ||
      mm__bias_has(pool, pool->slot))
    return 0;
  const uint16_t chunk = mm__bin_detach(pool, bin);
  const uint32_t at = cache->offered_first + cache->offered_count;
  cache->offered[at % MM__OFFERED_MAX] = (mm__offered){chunk, weight};
  cache->offered_count++;
  cache->offered_room -= weight;
  cache->room += weight;
  const uint32_t place = mm__load(&header->offers_made);
  mm__store(&header->offers[place % MM__OFFERS],
            packed((offer){pool->slot, chunk, number}));
  mm__store(&header->offers_made, place + 1);
  uint64_t *word = &header->offered_bins[number / 64];
  mm__store(word, mm__load(word) | 1ull << (number % 64));
  return 1;
}

int mm__offers_withdraw(mm_pool *pool) {
  mm__cache *cache = &pool->cache;
  if (cache->offered_count == 0) return MM_OK;
  uint32_t *entries = mm__chunk(cache, oldest(cache)->chunk);
  for (uint32_t at = 0; at < MM__CACHE_CHUNK; at++)
    if (mm__cache_give_up(pool, &entries[at]) != MM_OK) return MM_E_CORRUPT;
  forget_oldest(pool);
  return MM_OK;
}

/* ---- Who takes ------------------------------------------------------------ */

/* 1 if the own chunk is not in a stack again since it was offered. */
static int is_offered(const mm__cache *cache, uint32_t chunk) {
  for (uint32_t at = 0; at < cache->offered_count; at++)
    if (cache->offered[(cache->offered_first + at) % MM__OFFERED_MAX].chunk == chunk)
      return 1;
  return 0;
}

/* The entries of an offer, or NULL if there is nothing to be had. */
static uint32_t *entries_of(mm_pool *pool, offer of) {
  if (of.slot == pool->slot && !is_offered(&pool->cache, of.chunk)) return NULL;
  const mm__entries all = of.slot < mm__participant_limit(pool)
                              ? mm__cache_entries(pool, of.slot)
                              : (mm__entries){NULL, 0};
  const uint32_t first = of.chunk * MM__CACHE_CHUNK;
  return first + MM__CACHE_CHUNK <= all.count ? all.first + first : NULL;
}

/* Has the records fetched, all at once: another core has them. */
static void fetch(const mm__heap *heap, const uint32_t *entries) {
  for (uint32_t at = 0; at < MM__CACHE_CHUNK; at++) {
    const uint32_t record = mm__load(&entries[at]);
    if (mm__is_record(heap, record)) mm__fetch_to_write(&heap->table[record]);
  }
}

/* Takes one block into a bin with room for an entry: 1, or 0 if it is not there any
 * more. If the offer is an old one its entry may just be changing. */
static int take(mm_pool *pool, offer of, uint32_t *entry) {
  mm__heap *heap = &pool->heap;
  mm__bin *bin = &pool->cache.bins[of.bin];
  const uint32_t record = mm__load(entry);
  if (record == 0 || !mm__is_record(heap, record) || entry == bin->top ||
      (of.slot != pool->slot && record == mm__load(&pool->slots[of.slot].claim)))
    return 0;
  mm__block *block = &heap->table[record];
  const uint64_t state = mm__load_acquire(&block->state);
  const uint32_t granules = mm__load(&block->granules);
  if (mm__tag(state) != mm__cached(of.slot) ||
      granules - 1u >= pool->cache.largest || mm__bin_of(granules) != of.bin)
    return 0;
  mm__store_release(bin->top, record); /* first: whoever recovers looks there */
  if (of.slot != pool->slot &&
      !mm__cas(&block->state, state,
               state - mm__cached(of.slot) + pool->cache.cached)) {
    mm__store(bin->top, 0u);
    return 0;
  }
  mm__cas(entry, record, 0u);
  bin->top++;
  pool->cache.room -= mm__bin_weight(of.bin);
  return 1;
}

static int has_room(mm_pool *pool, uint32_t number) {
  mm__bin *bin = &pool->cache.bins[number];
  return mm__bin_weight(number) <= pool->cache.room / 4 &&
         (bin->top != bin->end || mm__bin_ascend(pool, bin));
}

/* Takes up to `count` blocks of one offer. */
static uint32_t take_from(mm_pool *pool, offer of, uint32_t *entries,
                          uint32_t count) {
  uint32_t taken = 0;
  fetch(&pool->heap, entries);
  for (uint32_t at = 0;
       at < MM__CACHE_CHUNK && taken < count && has_room(pool, of.bin); at++)
    taken += (uint32_t)take(pool, of, &entries[at]);
  return taken;
}

uint32_t mm__offers_take(mm_pool *pool, uint32_t bin, uint32_t count) {
  mm__header *header = pool->header;
  uint64_t *bins = &header->offered_bins[bin / 64];
  const uint64_t bit = 1ull << (bin % 64);
  if ((mm__load(bins) & bit) == 0) return 0;
  const uint32_t first = mm__load(&header->offers_made); /* the oldest one's place */
  uint32_t taken = 0, left = 0;
  for (uint32_t at = 0; at < MM__OFFERS && taken < count; at++) {
    uint32_t *place = &header->offers[(first + at) % MM__OFFERS];
    const uint32_t word = mm__load(place);
    const offer of = unpacked(word);
    if (word == 0 || of.bin != bin) continue;
    uint32_t *entries = entries_of(pool, of);
    if (entries != NULL && of.slot != pool->slot && mm__bias_has(pool, of.slot)) {
      left++; /* it may lose its bias */
      continue;
    }
    if (entries != NULL) taken += take_from(pool, of, entries, count - taken);
    if (taken < count && !has_room(pool, bin)) return taken;
    if (taken < count || is_empty(entries)) mm__store(place, 0u);
  }
  if (taken < count && left == 0) mm__store(bins, mm__load(bins) & ~bit);
  return taken;
}
