/* allocate.c - see allocate.h; and mm_alloc(), mm_free(). */
#include "allocate.h"

#include <errno.h>

#include "block.h"
#include "wait.h"

/* Data is committed in steps of this many bytes where the file system has
 * them, records in steps of this many pages. */
#define DATA_STEP (2ull << 20)
#define RECORD_PAGES 16u

/* How often one call commits memory that others then take. */
#define ROUNDS_MAX 10000

/* ---- Growing ----------------------------------------------------------- */

/* Memory that was committed and is not in use yet. */
typedef struct growth {
  uint64_t data_from; /* bytes from the start of the data region */
  uint64_t data_to;   /* 0: none */
  uint32_t records_to;
} growth;

static uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

/* Commits data up to the next step, or just what is needed. */
static int commit_data(mm_pool *pool, const mm__need *need, growth *grown) {
  const mm__geometry *geometry = &pool->geometry;
  const uint64_t granule = 1ull << geometry->granule_shift;
  const uint64_t unit =
      granule > geometry->page_size ? granule : geometry->page_size;
  uint64_t to = round_up(need->least, DATA_STEP > unit ? DATA_STEP : unit);
  if (to > geometry->data_size) to = geometry->data_size;
  /* The page in which the end lies may be committed already: it stays. */
  const uint64_t from = need->from / unit * unit;
  int error =
      mm__os_commit(pool->file, geometry->data_offset + from, to - from);
  if (error != 0) {
    to = round_up(need->least, unit);
    error = mm__os_commit(pool->file, geometry->data_offset + from, to - from);
  }
  if (error != 0) return error;
  grown->data_from = need->from;
  grown->data_to = to;
  return 0;
}

static int commit_records(mm_pool *pool, growth *grown) {
  const mm__geometry *geometry = &pool->geometry;
  const uint32_t per_page = geometry->page_size / (uint32_t)sizeof(mm__block);
  const uint64_t from =
      (uint64_t)pool->heap.limit * sizeof(mm__block) / geometry->page_size;
  const uint64_t all = (geometry->data_offset - geometry->table_offset) /
                       geometry->page_size;
  if (from >= all) return -ENOSPC;
  uint64_t pages = all - from < RECORD_PAGES ? all - from : RECORD_PAGES;
  const uint64_t offset = geometry->table_offset + from * geometry->page_size;
  int error = mm__os_commit(pool->file, offset, pages * geometry->page_size);
  if (error != 0) {
    pages = 1;
    error = mm__os_commit(pool->file, offset, geometry->page_size);
  }
  if (error == 0) grown->records_to = (uint32_t)((from + pages) * per_page);
  return error;
}

/* Puts to use, under the lock, what was committed without it. */
static int use_growth(mm_pool *pool, growth *grown) {
  if (grown->records_to != 0) {
    mm__heap_add_records(&pool->heap, grown->records_to);
    grown->records_to = 0;
  }
  if (grown->data_to == 0) return MM_OK;
  const int status =
      mm__heap_extend(&pool->heap, grown->data_from, grown->data_to);
  if (status == MM_OK) grown->data_to = 0;
  return status;
}

/* ---- Allocating -------------------------------------------------------- */

/* Everything that happens under the lock, once. */
static int attempt(mm_pool *pool, const mm__request *request, uint64_t ticket,
                   growth *grown, mm_allocation *allocation, mm__need *need,
                   uint32_t *to_wake) {
  mm__turn turn = {.passed_words = 0};
  const int queues = ticket != MM__NO_TICKET && mm__wait_any(pool);
  if (mm__unlikely(queues)) {
    const int status = mm__wait_turn(pool, ticket, &turn, to_wake);
    if (status != MM_OK) {
      mm__wait_queued(pool);
      return status;
    }
  }
  int status = use_growth(pool, grown);
  uint32_t record = 0;
  if (mm__likely(status == MM_OK))
    status = mm__heap_alloc(&pool->heap, request, &record, need);
  if (mm__likely(status == MM_OK)) {
    const mm__block *block = &pool->heap.table[record];
    allocation->id = mm__heap_id(&pool->heap, record);
    allocation->offset = mm__load(&block->offset);
    allocation->size = request->size;
    allocation->type = request->type;
    allocation->reserved = 0;
  }
  if (mm__unlikely(queues) && status <= 0)
    mm__wait_tried(pool, ticket, &turn, status == MM_OK);
  return status;
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
  growth grown = {0, 0, 0};
  int rebuilt = 0;
  int system_error = 0;
  for (int round = 0;; round++) {
    /* Others take what we commit, again and again; or the pool is spoilt. */
    if (mm__unlikely(round == ROUNDS_MAX)) return MM_E_BUSY;
    mm__need need = {0, 0};
    uint32_t to_wake = MM__NOBODY;
    status = mm__lock(pool, patience_ms);
    if (mm__unlikely(status != MM_OK)) return status;
    status = attempt(pool, &request, ticket, &grown, allocation, &need, &to_wake);
    if (mm__unlikely(status == MM__INCONSISTENT)) {
      const int recovered = rebuilt ? MM_E_CORRUPT : mm__recover(pool);
      rebuilt = 1;
      if (recovered == MM_OK) {
        mm__unlock(pool);
        continue;
      }
      mm__store(&pool->header->heap.damaged, 1u);
      status = recovered;
    }
    mm__unlock(pool);
    mm__wait_wake(pool, to_wake);
    if (mm__likely(status <= 0)) break;

    const int error = status == MM__NEED_DATA ? commit_data(pool, &need, &grown)
                                              : commit_records(pool, &grown);
    if (error != 0) {
      /* Without it, what is free already may still do. */
      system_error = error;
      if (status == MM__NEED_DATA) {
        request.no_data = 1;
      } else {
        request.no_records = 1;
        if (grown.data_to != 0) request.no_data = 1;
        grown.data_to = 0;
      }
    }
  }
  if (status != MM_E_NO_ROOM || system_error == 0) return status;
  /* ENOMEM: the memory that the system allows this process's group. */
  return system_error == -ENOSPC || system_error == -EDQUOT ||
                 system_error == -ENOMEM
             ? MM_E_FS_FULL
             : MM_E_SYSTEM(-system_error);
}

int mm_alloc(mm_pool *pool, uint64_t size, uint32_t type,
             mm_allocation *allocation) {
  return mm__allocate(pool, size, type, MM__NO_TICKET, MM__LOCK_PATIENCE_MS,
                      allocation);
}

/* ---- Freeing ----------------------------------------------------------- */

int mm_free(mm_pool *pool, uint64_t id) {
  int status = mm__enter(pool);
  if (mm__unlikely(status != MM_OK)) return status;
  status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
  if (mm__unlikely(status != MM_OK)) return status;

  status = mm__heap_free(&pool->heap, id);
  if (mm__unlikely(status == MM__INCONSISTENT)) {
    status = mm__recover(pool);
    if (status == MM_OK) status = mm__heap_free(&pool->heap, id);
    if (status == MM__INCONSISTENT) {
      mm__store(&pool->header->heap.damaged, 1u);
      status = MM_E_CORRUPT;
    }
  }
  if (mm__unlikely(status == MM__DONE_REBUILD)) status = mm__recover(pool);
  const uint32_t to_wake =
      mm__likely(status == MM_OK) ? mm__wait_freed(pool) : MM__NOBODY;
  mm__unlock(pool);
  mm__wait_wake(pool, to_wake);
  return status;
}
