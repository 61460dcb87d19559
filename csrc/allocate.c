/* allocate.c - see allocate.h; and mm_alloc(), mm_free(). */
#include "allocate.h"

#include <errno.h>

#include "bias.h"
#include "grow.h"
#include "shared.h"
#include "wait.h"

/* How often one call commits memory that others then take. */
#define ROUNDS_MAX 10000

/* Everything that happens under the lock, once. */
static int attempt(mm_pool *pool, const mm__request *request, uint64_t ticket,
                   mm__growth *growth, mm_allocation *allocation, mm__need *need,
                   uint32_t *to_wake) {
  mm__turn turn; /* large, and hardly ever used: not filled in here */
  const int queues = ticket != MM__NO_TICKET && mm__wait_any(pool);
  if (mm__unlikely(queues)) {
    const int status = mm__wait_turn(pool, ticket, &turn, to_wake);
    if (status != MM_OK) {
      mm__wait_queued(pool);
      return status;
    }
  }
  int status = mm__grow_use(pool, growth);
  if (mm__likely(status == MM_OK))
    status = mm__heap_alloc(&pool->heap, request, allocation, need);
  if (mm__likely(status == MM_OK)) {
    mm__cache_refill(pool, request->granules);
  } else if (status == MM_E_NO_ROOM || status == MM_E_LIMIT) {
    /* Before saying no: what all caches hold. */
    const int refused = status;
    uint64_t released = 0;
    status = mm__cache_sweep(pool, &released);
    if (status == MM_OK)
      status = released != 0
                   ? mm__heap_alloc(&pool->heap, request, allocation, need)
                   : refused;
    if (released != 0 && mm__wait_any(pool)) *to_wake = mm__wait_freed(pool);
  }
  if (mm__unlikely(queues) && status <= 0)
    mm__wait_tried(pool, ticket, &turn, status == MM_OK);
  return status;
}

/* One round under the lock. Above 0: what to do before the next. */
static int locked_attempt(mm_pool *pool, const mm__request *request,
                          uint64_t ticket, uint32_t patience_ms,
                          mm__growth *growth, mm_allocation *allocation,
                          mm__need *need) {
  uint32_t to_wake = MM__NOBODY;
  int status = mm__lock(pool, patience_ms);
  if (mm__unlikely(status != MM_OK)) return status;
  status = attempt(pool, request, ticket, growth, allocation, need, &to_wake);
  if (mm__unlikely(status == MM__INCONSISTENT)) {
    status = mm__recover(pool);
    if (status == MM_OK)
      status = mm__tried_again(pool, attempt(pool, request, ticket, growth,
                                             allocation, need, &to_wake));
  }
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return status;
}

/* Commits what a round asked for. Where that cannot be had, the next round does
 * without: what is free already may still do. 0 or a negative errno. */
static int grow(mm_pool *pool, int what, const mm__need *need,
                mm__growth *growth, mm__request *request) {
  const int error = what == MM__NEED_DATA ? mm__grow_data(pool, need, growth)
                                          : mm__grow_records(pool, growth);
  if (error == 0) {
    request->filled_from = growth->data_from;
    request->filled_to = growth->data_to;
    return 0;
  }
  if (what == MM__NEED_DATA || growth->data_to != 0) request->no_data = 1;
  if (what == MM__NEED_RECORDS) request->no_records = 1;
  growth->data_to = 0;
  return error;
}

int mm__allocate(mm_pool *pool, uint64_t size, uint32_t type, uint64_t ticket,
                 uint32_t patience_ms, mm_allocation *allocation) {
  int status = mm__enter(pool);
  if (mm__unlikely(status != MM_OK)) return status;
  if (mm__unlikely(size > pool->geometry.data_size)) return MM_E_TOO_LARGE;
  mm__request request = {
      .size = size,
      .granules = mm__heap_granules(&pool->heap, size),
      .owner = pool->owner,
      .type = type,
  };
  mm__growth growth = {0, 0, 0, 0};
  int error = 0;
  int revoked = 0;
  for (int round = 0; round < ROUNDS_MAX; round++) {
    mm__need need = {0, 0, 0};
    status = locked_attempt(pool, &request, ticket, patience_ms, &growth,
                            allocation, &need);
    if (mm__likely(status <= 0)) break;
    if (status == MM__IS_BIASED) {
      if (++revoked > MM__BIAS_ROUNDS_MAX) break;
      mm__bias_revoke_all(pool);
      continue;
    }
    if (!growth.is_mine) {
      /* Somebody else may have grown the pool meanwhile: look again. */
      status = mm__grow_begin(pool, &growth, patience_ms);
      if (status != MM_OK) return status;
      continue;
    }
    const int failed = grow(pool, status, &need, &growth, &request);
    if (failed != 0) error = failed;
  }
  if (mm__unlikely(growth.is_mine)) mm__grow_end(pool, &growth);
  if (mm__unlikely(status > 0)) return MM_E_BUSY; /* others took it, every time */
  if (mm__likely(status != MM_E_NO_ROOM || error == 0)) return status;
  /* ENOMEM: the memory that the system allows this process's group. */
  return error == -ENOSPC || error == -EDQUOT || error == -ENOMEM
             ? MM_E_FS_FULL
             : MM_E_SYSTEM(-error);
}

static __attribute__((noinline)) int alloc_slowly(mm_pool *pool, uint64_t size,
                                                  uint32_t type,
                                                  mm_allocation *allocation) {
  const int status = mm__enter(pool);
  if (mm__unlikely(status != MM_OK)) return status;
  if (size <= pool->geometry.data_size &&
      mm__cache_alloc_thoroughly(pool, size, mm__heap_granules(&pool->heap, size),
                                 type, allocation) == MM_OK)
    return MM_OK;
  return mm__allocate(pool, size, type, MM__NO_TICKET, MM__LOCK_PATIENCE_MS,
                      allocation);
}

/* As short as can be: no call, and nothing to be put away for one. */
int mm_alloc(mm_pool *pool, uint64_t size, uint32_t type,
             mm_allocation *allocation) {
  if (mm__likely(mm__is_open(pool) && size <= pool->geometry.data_size &&
                 mm__cache_alloc(pool, size, mm__heap_granules(&pool->heap, size),
                                 type, allocation) == MM_OK))
    return MM_OK;
  return alloc_slowly(pool, size, type, allocation);
}

/* ---- Freeing ----------------------------------------------------------- */

/* For the lock's holder; *to_wake is the slot to wake afterwards. */
static int locked_free(mm_pool *pool, uint64_t id, uint32_t *to_wake) {
  int status = mm__heap_free(&pool->heap, id);
  if (mm__unlikely(status == MM__INCONSISTENT)) {
    status = mm__recover(pool);
    if (status == MM_OK)
      status = mm__tried_again(pool, mm__heap_free(&pool->heap, id));
  }
  if (mm__unlikely(status == MM__DONE_REBUILD)) status = mm__recover(pool);
  if (mm__likely(status == MM_OK)) status = mm__cache_trim(pool);
  *to_wake = mm__likely(status == MM_OK) ? mm__wait_freed(pool) : MM__NOBODY;
  return status;
}

static __attribute__((noinline)) int free_slowly(mm_pool *pool, uint64_t id) {
  int status = mm__enter(pool);
  if (mm__unlikely(status != MM_OK)) return status;
  if (mm__cache_free_thoroughly(pool, id) == MM_OK) return MM_OK;
  status = mm__bias_lock(pool, id);
  if (mm__unlikely(status != MM_OK)) return status;
  uint32_t to_wake;
  status = locked_free(pool, id, &to_wake);
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return status;
}

int mm_free(mm_pool *pool, uint64_t id) {
  if (mm__likely(mm__is_open(pool) && mm__cache_free(pool, id) == MM_OK))
    return MM_OK;
  return free_slowly(pool, id);
}

int mm__free_owned(mm_pool *pool, uint64_t id, uint64_t owner) {
  int status = mm__bias_lock(pool, id);
  if (status != MM_OK) return status;
  uint32_t to_wake = MM__NOBODY;
  status = mm__heap_belongs_to(&pool->heap, id, owner)
               ? locked_free(pool, id, &to_wake)
               : MM_E_STALE;
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return status;
}
