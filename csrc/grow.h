/* grow.h - committing memory of the file, and putting it to use in the heap.
 *
 * The only place that knows both. Memory is committed outside of the pool's
 * lock, one participant at a time, and only beyond the heap's end: a kernel that
 * undoes a failed commit cannot undo what somebody else has put to use, and what
 * came too much can be released.
 */
#ifndef MM_GROW_H
#define MM_GROW_H

#include "handle.h"

/* Memory that was committed and is not in use yet. */
typedef struct mm__growth {
  int is_mine;        /* 1: this call holds the lock on MM__GROW_BYTE */
  uint64_t data_from; /* bytes from the start of the data region */
  uint64_t data_to;   /* 0: none */
  uint32_t records_to; /* 0: none */
} mm__growth;

/* Waits until nobody else commits. MM_OK; MM_E_BUSY when whoever does has not
 * got on for `patience_ms`; MM_E_SYSTEM. */
int mm__grow_begin(mm_pool *pool, mm__growth *growth, uint32_t patience_ms);

/* Gives back what was not put to use. */
void mm__grow_end(mm_pool *pool, mm__growth *growth);

/* Commit, between begin and end, without the pool's lock. 0 or a negative
 * errno; then nothing was committed. */
int mm__grow_data(mm_pool *pool, const mm__need *need, mm__growth *growth);
int mm__grow_records(mm_pool *pool, mm__growth *growth);

/* Puts to use what was committed; under the pool's lock. As
 * mm__heap_extend(). */
int mm__grow_use(mm_pool *pool, mm__growth *growth);

/* Commits memory for the first `bytes` of the data region and for `blocks` blocks,
 * and puts it to use; for a pool that nobody else has seen yet. 0 or a negative
 * errno; MM_E_BUSY, MM_E_CORRUPT are -EIO. */
int mm__grow_ahead(mm_pool *pool, uint64_t bytes, uint64_t blocks);

#endif
