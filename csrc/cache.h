/* cache.h - blocks that a participant keeps for its next allocations.
 *
 * A small block that is freed is not merged at once: it becomes CACHED, by one
 * compare-and-swap and without the lock, and waits in a stack of its size for
 * the next request. What is cached counts as free: under the lock anyone may take
 * it back, whoever holds it, and does so before a request is refused and before
 * figures are read.
 *
 * Every record that is CACHED or CLAIMED by a slot stands in an entry of that
 * slot's part of the section `caches` (layout.h): entries are written first, and
 * cleared last. So nothing is lost when a participant dies; its stacks, which
 * only order the entries, are private. Whoever takes a cached block back clears
 * its entry, and the stack's owner skips it.
 *
 *   C1  A record that is CACHED or CLAIMED by a slot stands in one of the slot's
 *       entries, below cache_used.
 *
 * So a participant takes a block out by compare-and-swap, too, CLAIMED, then LIVE,
 * unless its slot is biased towards it: see bias.h.
 *
 * While somebody waits for room (wait.h) nothing is put into a cache: whoever
 * waits has first shown so, then looked through all caches; whoever frees has
 * first cached the block, then looks whether somebody waits.
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include "layout.h"

/* Bins: a size of its own below 64 granules, then 32 per doubling. */
#define MM__CACHE_GRANULES_MAX 512u
#define MM__CACHE_BYTES_EACH (32u << 10) /* of the largest block */
#define MM__CACHE_BINS 161u
#define MM__CACHE_CHUNKS_MAX 1024u

#define MM__OFFERED_MAX 64u /* chunks of one participant */

/* A chunk that is offered to others. */
typedef struct mm__offered {
  uint16_t chunk;
  uint32_t weight; /* granules of its blocks */
} mm__offered;

/* A stack of entries, in chunks. */
typedef struct mm__bin {
  uint32_t *top;  /* the first entry above what it holds; NULL: it never held any */
  uint32_t *base; /* of the highest chunk */
  uint32_t *end;  /* of the highest chunk */
} mm__bin;

/* One participant's view of its own cache. */
typedef struct mm__cache {
  uint32_t largest;  /* granules of the largest block that is cached; 0: none is */
  uint32_t room;     /* granules that may still be put in */
  uint64_t cached;   /* tag of a block in it */
  uint64_t tied;     /* tag of an allocation that is made while the slot is biased */
  uint32_t *entries; /* shared */
  uint32_t chunks;   /* that may be used: they are committed */
  uint32_t fresh;    /* chunks from here on hold nothing */
  uint32_t spare_count;
  uint32_t victim;   /* the bin that gives up blocks next */
  uint32_t until_bias; /* frees of own blocks by compare-and-swap until it is sought */
  uint32_t bias_again_after; /* and the next time; 0: it was not biased yet */
  mm__slot *slot;    /* shared */
  uint8_t is_full;   /* a block was turned away */
  uint8_t is_worth_a_wait; /* that the slot be biased */
  mm__bin bins[MM__CACHE_BINS];
  mm__offered offered[MM__OFFERED_MAX]; /* a ring: see offers.h */
  uint32_t offered_first;
  uint32_t offered_count;
  uint32_t offered_room; /* granules that may still be offered */
  uint8_t batch[MM__CACHE_BINS];         /* how many to take at the next miss */
  uint16_t below[MM__CACHE_CHUNKS_MAX];  /* the next lower chunk of the same bin */
  uint16_t spare[MM__CACHE_CHUNKS_MAX];  /* chunks below `fresh` that hold nothing */
} mm__cache;

/* The cache had no answer: take the lock. */
#define MM__MISS 1

/* An allocation from the own cache, without the lock, if there is nothing else to
 * do for it: MM_OK or MM__MISS. */
int mm__cache_alloc(mm_pool *pool, uint64_t size, uint64_t granules,
                    uint32_t type, mm_allocation *allocation);

/* After a miss: the same, whatever there is to do. MM_OK or MM__MISS. */
int mm__cache_alloc_thoroughly(mm_pool *pool, uint64_t size, uint64_t granules,
                               uint32_t type, mm_allocation *allocation);

/* Frees into the own cache, without the lock, if there is nothing else to do for
 * it: MM_OK or MM__MISS. */
int mm__cache_free(mm_pool *pool, uint64_t id);

/* After a miss: the same, whatever there is to do. MM_OK or MM__MISS. */
int mm__cache_free_thoroughly(mm_pool *pool, uint64_t id);

/* After a request that the cache could not serve: takes more blocks of the size,
 * the more the oftener that happens. Under the lock. */
void mm__cache_refill(mm_pool *pool, uint64_t granules);

/* After a block that the cache had no room for: offers or gives up some. Under the lock.
 * MM_OK or MM_E_CORRUPT. */
int mm__cache_trim(mm_pool *pool);

/* A slot's entries, the numbers read once and checked. */
typedef struct mm__entries {
  uint32_t *first;
  uint32_t count;
} mm__entries;

mm__entries mm__cache_entries(const mm_pool *pool, uint32_t slot);

/* Clears an entry of the own cache, its block, if it is still there, going back to
 * the heap. Under the lock. MM_OK or MM_E_CORRUPT. */
int mm__cache_give_up(mm_pool *pool, uint32_t *entry);

/* Frees a block of a cache if it has that state, and recovers if the heap turns
 * out to contradict itself. Under the lock. MM_OK, MM_E_STALE or MM_E_CORRUPT. */
int mm__cache_release(mm_pool *pool, uint32_t record, uint64_t state);

/* Frees what is in all caches, and what the dead have claimed; adds to *released
 * how many blocks that were. Under the lock. MM_OK, MM_E_CORRUPT, or MM__IS_BIASED
 * before anything was done: try again after mm__bias_revoke_all(). */
int mm__cache_sweep(mm_pool *pool, uint64_t *released);

/* Takes the lock, and sweeps. MM_OK, or what mm__lock() answers; MM_E_BUSY also
 * where bias follows upon bias. */
int mm__cache_lock_swept(mm_pool *pool);

/* 1 if there is an entry in any cache. Without the lock, and beside the handle's
 * own thread. */
int mm__cache_any(const mm_pool *pool);

/* A cache for the slot that the pool has just taken. */
void mm__cache_open(mm_pool *pool);

/* Takes back what the last participant in the slot left. Under the lock. MM_OK or
 * MM_E_CORRUPT. */
int mm__cache_inherit(mm_pool *pool);

/* 1 if there is nothing to give back before the slot is left. */
int mm__cache_is_empty(const mm_pool *pool);

/* Gives everything back. Under the lock. MM_OK or MM_E_CORRUPT. */
int mm__cache_close(mm_pool *pool);

/* NULL if C1 holds, else what does not. Under the lock. */
const char *mm__cache_check(mm_pool *pool);

#endif
