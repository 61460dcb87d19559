/* handle.c - see handle.h: entering calls, and the lock with its recovery. */
#include "handle.h"

#include "participants.h"
#include "shared.h"
#include "wait.h"

int mm__is_open(const mm_pool *pool) {
  return mm__likely(mm__load(pool->fork_mark) != 0) &&
         mm__likely(mm__load_acquire(&pool->header->destroyed) == 0);
}

int mm__enter(mm_pool *pool) {
  if (mm__unlikely(mm__load(pool->fork_mark) == 0)) {
    const int status = mm__participant_rejoin(pool);
    if (status != MM_OK) return status;
  }
  if (mm__unlikely(mm__load_acquire(&pool->header->destroyed) != 0))
    return MM_E_DESTROYED;
  return MM_OK;
}

int mm__recover(mm_pool *pool) {
  mm__wait_rebuild(pool);
  const int status = mm__heap_rebuild(&pool->heap);
  mm__wait_count_free(pool); /* what the dead may not have counted */
  return status;
}

int mm__tried_again(mm_pool *pool, int status) {
  if (status != MM__INCONSISTENT) return status;
  mm__store(&pool->header->heap.damaged, 1u);
  return MM_E_CORRUPT;
}

int mm__lock(mm_pool *pool, uint32_t milliseconds) {
  mm__header *header = pool->header;
  const int status = mm__lock_take(&header->lock, &pool->lock_user, milliseconds);
  if (mm__unlikely(status == MM_E_BUSY)) return status;
  if (mm__unlikely(status == MM__TAKEN_OVER ||
                   mm__load(&header->heap.damaged) != 0)) {
    const int recovered = mm__recover(pool);
    if (recovered != MM_OK) {
      mm__lock_leave(&header->lock);
      return recovered;
    }
  }
  mm__heap_begin(&pool->heap);
  return MM_OK;
}

void mm__unlock(mm_pool *pool) { mm__lock_leave(&pool->header->lock); }

const char *mm__check(mm_pool *pool) {
  const int status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
  if (status != MM_OK) return mm_strerror(status);
  const char *broken = mm__heap_check(&pool->heap);
  if (broken == NULL) broken = mm__cache_check(pool);
  if (broken == NULL) broken = mm__wait_check(pool);
  mm__unlock(pool);
  return broken;
}
