/* grow.c - see grow.h. */
#include "grow.h"

#include <errno.h>

#include "participants.h"
#include "shared.h"

/* Data is committed in steps of this many bytes where the file system has
 * them, records in steps of this many pages. */
#define DATA_STEP (2ull << 20)
#define RECORD_PAGES 16u

/* A large commit goes in pieces, so that others see that it gets on. */
#define PIECE (32ull << 20)

#define LOOK_AGAIN_NS 100000u

static uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

int mm__grow_begin(mm_pool *pool, mm__growth *growth, uint32_t patience_ms) {
  uint32_t grown = mm__load(&pool->header->grown);
  uint64_t since = mm__os_now();
  for (;;) {
    if (!mm__participant_has_file(pool)) return MM_E_SYSTEM(EBADF);
    const int error = mm__os_lock_byte(pool->file, MM__GROW_BYTE);
    if (error == 0) break;
    if (error != -EAGAIN) return MM_E_SYSTEM(-error);
    const uint32_t now_grown = mm__load(&pool->header->grown);
    const uint64_t now = mm__os_now();
    if (now_grown != grown) {
      grown = now_grown;
      since = now;
    }
    if (now - since > patience_ms * 1000000ull) return MM_E_BUSY;
    mm__os_sleep(LOOK_AGAIN_NS);
  }
  growth->is_mine = 1;
  return MM_OK;
}

void mm__grow_end(mm_pool *pool, mm__growth *growth) {
  if (growth->data_to != 0)
    mm__os_release(pool->file, pool->geometry.data_offset + growth->data_from,
                   growth->data_to - growth->data_from);
  growth->data_to = 0;
  mm__os_unlock_byte(pool->file, MM__GROW_BYTE);
  growth->is_mine = 0;
}

/* Commits all of it, or nothing. */
static int commit(mm_pool *pool, uint64_t offset, uint64_t length) {
  for (uint64_t done = 0; done < length; done += PIECE) {
    const uint64_t piece = length - done < PIECE ? length - done : PIECE;
    const int error = mm__os_commit(pool->file, offset + done, piece);
    if (error != 0) {
      /* Beyond the heap's end, and nobody else commits: it is ours to release. */
      if (done != 0) mm__os_release(pool->file, offset, done);
      return error;
    }
    __atomic_fetch_add(&pool->header->grown, 1, __ATOMIC_RELAXED);
  }
  return 0;
}

int mm__grow_data(mm_pool *pool, const mm__need *need, mm__growth *growth) {
  const mm__geometry *geometry = &pool->geometry;
  const uint64_t granule = 1ull << geometry->granule_shift;
  const uint64_t unit =
      granule > geometry->page_size ? granule : geometry->page_size;
  const uint64_t offset = geometry->data_offset + need->from;
  const uint64_t least = round_up(need->least, unit);
  uint64_t to = round_up(need->least, DATA_STEP > unit ? DATA_STEP : unit);
  if (to > need->most) to = need->most;
  int error = commit(pool, offset, to - need->from);
  if (error != 0 && least < to) {
    to = least;
    error = commit(pool, offset, to - need->from);
  }
  if (error != 0) return error;
  growth->data_from = need->from;
  growth->data_to = to;
  return 0;
}

int mm__grow_records(mm_pool *pool, mm__growth *growth) {
  const mm__geometry *geometry = &pool->geometry;
  const uint32_t per_page = geometry->page_size / (uint32_t)sizeof(mm__block);
  if (pool->heap.limit >= geometry->table_capacity) return -ENOSPC;
  const uint64_t from = pool->heap.limit / per_page;
  const uint64_t all = (geometry->data_offset - geometry->table_offset) /
                       geometry->page_size;
  uint64_t pages = all - from < RECORD_PAGES ? all - from : RECORD_PAGES;
  const uint64_t offset = geometry->table_offset + from * geometry->page_size;
  int error = commit(pool, offset, pages * geometry->page_size);
  if (error != 0 && pages > 1) {
    pages = 1;
    error = commit(pool, offset, geometry->page_size);
  }
  if (error == 0) growth->records_to = (uint32_t)((from + pages) * per_page);
  return error;
}

int mm__grow_use(mm_pool *pool, mm__growth *growth) {
  if (growth->records_to != 0) {
    mm__heap_add_records(&pool->heap, growth->records_to);
    growth->records_to = 0;
  }
  if (growth->data_to == 0) return MM_OK;
  const int status =
      mm__heap_extend(&pool->heap, growth->data_from, growth->data_to);
  if (status == MM_OK) growth->data_to = 0;
  return status;
}

/* One step of mm__grow_ahead(): puts to use what was committed. */
static int use_now(mm_pool *pool, mm__growth *growth) {
  int status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
  if (status == MM_OK) {
    status = mm__grow_use(pool, growth);
    mm__unlock(pool);
  }
  return status == MM_OK ? 0 : -EIO;
}

int mm__grow_ahead(mm_pool *pool, uint64_t bytes, uint64_t blocks) {
  mm__growth growth = {0, 0, 0, 0};
  if (mm__grow_begin(pool, &growth, MM__LOCK_PATIENCE_MS) != MM_OK) return -EIO;
  int error = 0;
  /* Besides the sentinel's, and one for what is left over. */
  while (error == 0 && pool->heap.limit < pool->geometry.table_capacity &&
         pool->heap.limit < blocks + 2) {
    error = mm__grow_records(pool, &growth);
    if (error == 0) error = use_now(pool, &growth);
  }
  const mm__need need = {.from = 0, .least = bytes, .most = pool->geometry.data_size};
  if (error == 0 && bytes != 0) error = mm__grow_data(pool, &need, &growth);
  if (error == 0) error = use_now(pool, &growth);
  mm__grow_end(pool, &growth);
  return error;
}
