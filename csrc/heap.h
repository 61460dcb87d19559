/* heap.h - blocks, their chain, and the index over the free ones.
 *
 * Works on memory that it is given; knows no processes, no lock, no files. All
 * functions must be called by the holder of the pool's lock, after
 * mm__heap_begin(). Meanwhile blocks that are taken may change their state, not
 * their place: allocations become CACHED, and CACHED ones allocations (cache.h).
 *
 * Invariants that hold after every single store to truth (so after a kill):
 *
 *   T1  Following `next` from record 0 leads back to it over records below
 *       records_committed, each at most once.
 *   T2  Offsets rise strictly along the chain, from 0 to the sentinel's; only
 *       a FREE block before the sentinel may be empty.
 *   T3  A record on the chain is FREE or taken; one off the chain is not taken.
 *   T4  A taken block is exactly `granules` large, where that is not 0; a LIVE
 *       one at least as large as its `size`, and its fields were complete before
 *       it became LIVE.
 *   T5  No (record, generation) is LIVE twice.
 *   T6  All memory of taken blocks is there, and that of FREE ones up to where
 *       they were trimmed.
 *
 * Invariants that hold as well whenever the lock is free (mm__heap_check()):
 *
 *   D1  `prev` mirrors `next`; no two neighbours are FREE; no block is empty.
 *   D2  Each FREE block but the last of the chain is in the list of its size
 *       class, and nothing else is; the bitmaps say which lists are not empty.
 *       (The last one is taken when no other fits, and grows most often.)
 *   D3  Each record off the chain is below records_fresh and in the list of
 *       unused records, or at or above it, or spent.
 *   D4  taken, taken_bytes count the taken blocks; most_taken >= taken.
 *   D5  No block of a class is as large as the class's `failed`.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "layout.h"

/* What heap functions answer besides mm_status. Never seen by users. */
enum {
  MM__NEED_DATA = 1,    /* commit more of the data region, then try again */
  MM__NEED_RECORDS = 2, /* commit more records, then try again */
  MM__INCONSISTENT = 3, /* the index lies; nothing was changed: rebuild, try again */
  MM__DONE_REBUILD = 4, /* done, but the index is not to be used: rebuild */
  MM__IS_BIASED = 5,    /* see mm__cache_sweep(); nothing was changed */
};

/* One process's view of a heap: numbers that were checked at attach. */
typedef struct mm__heap {
  mm__heap_shared *shared;
  mm__block *table;
  uint64_t data_size;        /* bytes */
  uint64_t max_allocations;
  uint64_t generation_limit; /* a record that reached it is spent */
  uint32_t capacity;         /* records */
  uint32_t limit;            /* records that may be touched now; see heap_begin */
  uint32_t granule_shift;
  uint32_t index_bits;
  uint64_t tied; /* the tag of allocations that only this participant may touch */
} mm__heap;

typedef struct mm__request {
  uint64_t size;     /* bytes asked for */
  uint64_t granules; /* at least 1 */
  uint64_t owner;    /* for the record */
  uint32_t type;     /* for the record */
  uint32_t no_data;    /* 1: more data cannot be committed */
  uint32_t no_records; /* 1: more records cannot be committed */
  uint64_t filled_from; /* data that was just committed; bytes */
  uint64_t filled_to;   /* 0: none */
} mm__request;

/* With MM__NEED_DATA: what to commit. */
typedef struct mm__need {
  uint64_t from;  /* data: first byte to commit */
  uint64_t least; /* data: the end that suffices */
  uint64_t most;  /* data: the end beyond which it is of no use */
} mm__need;

void mm__heap_view(mm__heap *heap, mm__heap_shared *shared, mm__block *table,
                   const mm__geometry *geometry);

/* Fills zeroed shared memory with an empty heap of `committed` records. */
void mm__heap_format(mm__heap *heap, uint32_t committed);

/* Reads the watermark; call it first in every critical section. */
void mm__heap_begin(mm__heap *heap);

/* Granules for a size in bytes. */
uint64_t mm__heap_granules(const mm__heap *heap, uint64_t size);

/* Allocates: MM_OK, MM_E_NO_ROOM, MM_E_LIMIT, MM__NEED_DATA (*need says what),
 * MM__NEED_RECORDS, MM__INCONSISTENT. */
int mm__heap_alloc(mm__heap *heap, const mm__request *request,
                   mm_allocation *allocation, mm__need *need);

/* Takes a FREE block of `granules`, exactly, into a cache: writes its record to
 * *entry, and then gives it the tag. MM_OK; MM_E_NO_ROOM or MM_E_LIMIT, also
 * where more could be committed; MM__INCONSISTENT. */
int mm__heap_take(mm__heap *heap, uint64_t granules, uint64_t tag,
                  uint32_t *entry);

/* Frees a taken block that no allocation is, if it has exactly this state: MM_OK,
 * MM_E_STALE, MM__INCONSISTENT, MM__DONE_REBUILD. */
int mm__heap_release(mm__heap *heap, uint32_t record, uint64_t state);

/* Frees: MM_OK, MM_E_STALE, MM__INCONSISTENT, MM__DONE_REBUILD. */
int mm__heap_free(mm__heap *heap, uint64_t id);

/* Makes `owner` the owner: MM_OK or MM_E_STALE. */
int mm__heap_adopt(mm__heap *heap, uint64_t id, uint64_t owner);

/* Makes `size` the allocation's size, if its block has room for that: MM_OK,
 * MM_E_STALE, MM_E_TOO_LARGE, MM__INCONSISTENT. */
int mm__heap_resize(mm__heap *heap, uint64_t id, uint64_t size);

/* 1 if the allocation lives and belongs to `owner`. */
int mm__heap_belongs_to(mm__heap *heap, uint64_t id, uint64_t owner);

/* 1 if an allocation of that many granules would succeed now, as far as the
 * heap can know. */
int mm__heap_fits(mm__heap *heap, uint64_t granules);

/* A run of bytes of the data region, whole pages. */
typedef struct mm__run {
  uint64_t from;
  uint64_t to;
} mm__run;

/* Marks whole pages in FREE blocks as trimmed: they may be given back once the
 * lock is left. Looks at some records from *cursor on, and sets *cursor to 0 when
 * there are no more. Answers how many runs it found, `capacity` at most. */
uint32_t mm__heap_trim(mm__heap *heap, uint64_t page, uint32_t *cursor,
                       mm__run *runs, uint32_t capacity);

/* Puts [from, to) to use, where it is still the end: MM_OK, MM__NEED_RECORDS,
 * MM__INCONSISTENT. Both are whole granules. */
int mm__heap_extend(mm__heap *heap, uint64_t from, uint64_t to);

/* Puts committed records up to `to` to use. */
void mm__heap_add_records(mm__heap *heap, uint32_t to);

/* Makes everything derived anew from the chain alone, and merges what a killed
 * process left unmerged. May be killed and called again. MM_OK, or
 * MM_E_CORRUPT if the chain itself is broken. */
int mm__heap_rebuild(mm__heap *heap);

/* NULL if every invariant above holds, else the one that does not. Reads the
 * whole heap. */
const char *mm__heap_check(mm__heap *heap);

#endif
