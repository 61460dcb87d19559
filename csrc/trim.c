/* trim.c - giving the memory of free blocks back to the system.
 *
 * A block is marked under the lock, and loses its memory afterwards: whoever
 * wants it in between sees the mark, and waits for the right to commit, which
 * this call holds throughout. So no byte that somebody uses is ever given back,
 * and whoever is killed in the middle leaves a mark too many.
 */
#include "grow.h"
#include "shared.h"

#define RUNS 256u

/* Some blocks, under the lock: MM_OK; *count runs are to be given back. */
static int mark(mm_pool *pool, uint32_t *cursor, mm__run *runs, uint32_t *count) {
  *count = 0;
  const int status = *cursor == 0 ? mm__cache_lock_swept(pool)
                                  : mm__lock(pool, MM__LOCK_PATIENCE_MS);
  if (status != MM_OK) return status;
  *count = mm__heap_trim(&pool->heap, pool->geometry.page_size, cursor, runs, RUNS);
  mm__unlock(pool);
  return MM_OK;
}

static uint64_t committed(const mm_pool *pool) {
  mm__os_file description;
  return mm__os_describe(pool->file, &description) == 0 ? description.committed : 0;
}

int mm_pool_trim(mm_pool *pool, uint64_t *bytes) {
  *bytes = 0;
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  mm__growth growth = {0, 0, 0, 0};
  status = mm__grow_begin(pool, &growth, MM__LOCK_PATIENCE_MS);
  if (status != MM_OK) return status;
  const uint64_t before = committed(pool);
  uint32_t cursor = 0;
  do {
    mm__run runs[RUNS];
    uint32_t count;
    status = mark(pool, &cursor, runs, &count);
    for (uint32_t at = 0; at < count; at++) {
      mm__os_release(pool->file, pool->geometry.data_offset + runs[at].from,
                     runs[at].to - runs[at].from);
      /* Those who wait see that it gets on. */
      __atomic_fetch_add(&pool->header->grown, 1, __ATOMIC_RELAXED);
    }
  } while (status == MM_OK && cursor != 0);
  const uint64_t after = committed(pool);
  mm__grow_end(pool, &growth);
  if (after < before) *bytes = before - after;
  return status;
}
