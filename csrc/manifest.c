/* manifest.c - finding and listing allocations, without the lock.
 *
 * A record is read like this: state, fields, state again. If both states are
 * live and of one generation, the fields belong to it. Since a record's index never
 * changes while its allocation lives, a scan over the indexes meets everything
 * that lives throughout exactly once.
 */
#include "block.h"
#include "handle.h"

/* Reads the record: MM_OK, MM_E_STALE (it is not live), MM_E_CORRUPT. */
static int read_record(mm_pool *pool, uint32_t record,
                       mm_allocation *allocation) {
  const mm__heap *heap = &pool->heap;
  const mm__block *block = &heap->table[record];
  const uint64_t state = mm__load_acquire(&block->state);
  if (!mm__is_live(state)) return MM_E_STALE;
  allocation->offset = mm__load(&block->offset);
  allocation->size = mm__load(&block->size);
  allocation->type = mm__load(&block->type);
  allocation->reserved = 0;
  allocation->id = mm__generation(state) << heap->index_bits | record;
  mm__fence_acquire();
  if (!mm__is_same_live(state, mm__load(&block->state))) return MM_E_STALE;
  if (mm__unlikely(allocation->offset > heap->data_size ||
                   allocation->size > heap->data_size - allocation->offset ||
                   allocation->offset % (1ull << heap->granule_shift) != 0 ||
                   mm__generation(state) >= heap->generation_limit))
    return MM_E_CORRUPT;
  return MM_OK;
}

int mm_find(mm_pool *pool, uint64_t id, mm_allocation *allocation) {
  int status = mm__enter(pool);
  if (mm__unlikely(status != MM_OK)) return status;
  mm__heap *heap = &pool->heap;
  const uint32_t record = (uint32_t)(id & ((1ull << heap->index_bits) - 1));
  if (!mm__is_record(heap, record)) mm__heap_begin(heap);
  if (record == 0 || !mm__is_record(heap, record)) return MM_E_STALE;
  mm_allocation found;
  status = read_record(pool, record, &found);
  if (status == MM_OK && found.id != id) status = MM_E_STALE;
  if (status == MM_OK) *allocation = found;
  return status;
}

void *mm_address(const mm_pool *pool, const mm_allocation *allocation) {
  return pool->data + allocation->offset;
}

int mm_list(mm_pool *pool, uint64_t *cursor, int64_t type,
            mm_allocation *entries, size_t capacity, size_t *count) {
  *count = 0;
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  if (capacity == 0 || type < MM_ANY_TYPE || type > UINT32_MAX)
    return MM_E_INVALID;
  mm__heap_begin(&pool->heap);
  uint64_t record = *cursor != 0 ? *cursor : 1;
  for (; record < pool->heap.limit && *count < capacity; record++) {
    mm_allocation *entry = &entries[*count];
    status = read_record(pool, (uint32_t)record, entry);
    if (status == MM_E_CORRUPT) return status;
    if (status == MM_OK && (type == MM_ANY_TYPE || entry->type == type))
      *count += 1;
  }
  *cursor = record;
  return MM_OK;
}

/* ---- Free blocks ------------------------------------------------------- */

/* The cursor once the records are through, and once all is. */
#define CURSOR_TAIL (UINT64_MAX - 1)
#define CURSOR_END UINT64_MAX

/* The size in bytes of a FREE block, the last one with what was not committed
 * yet; 0 if the record is no FREE block. */
static uint64_t free_size(const mm__heap *heap, uint32_t record) {
  const mm__block *block = &heap->table[record];
  const uint64_t state = mm__load_acquire(&block->state);
  if (mm__tag(state) != MM__FREE) return 0;
  const uint64_t start = mm__load(&block->offset);
  const uint32_t next = mm__load(&block->next);
  if (!mm__is_record(heap, next)) return 0;
  const uint64_t end =
      next != 0 ? mm__load(&heap->table[next].offset) : heap->data_size;
  mm__fence_acquire();
  if (mm__load(&block->state) != state) return 0;
  return start < end && end <= heap->data_size ? end - start : 0;
}

/* What was not committed yet, where the last block is not FREE. */
static uint64_t tail_size(const mm__heap *heap) {
  const uint64_t end = mm__load(&heap->table[0].offset);
  const uint32_t last = mm__load(&heap->table[0].prev);
  if (end > heap->data_size || !mm__is_record(heap, last) ||
      (last != 0 && mm__is_free(heap, last)))
    return 0;
  return heap->data_size - end;
}

int mm_list_free_blocks(mm_pool *pool, uint64_t *cursor, uint64_t *sizes,
                        size_t capacity, size_t *count) {
  *count = 0;
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  if (capacity == 0) return MM_E_INVALID;
  mm__heap *heap = &pool->heap;
  if (*cursor == 0) {
    /* Whoever died in the middle of a merge is recovered from first; and what
     * is cached is merged. */
    status = mm__cache_lock_swept(pool);
    if (status != MM_OK) return status;
    mm__unlock(pool);
    *cursor = 1;
  }
  mm__heap_begin(heap);
  while (*cursor < heap->limit && *count < capacity) {
    const uint64_t size = free_size(heap, (uint32_t)*cursor);
    if (size != 0) sizes[(*count)++] = size;
    *cursor += 1;
  }
  if (*cursor >= heap->limit && *cursor < CURSOR_TAIL) *cursor = CURSOR_TAIL;
  if (*cursor == CURSOR_TAIL && *count < capacity) {
    const uint64_t size = tail_size(heap);
    if (size != 0) sizes[(*count)++] = size;
    *cursor = CURSOR_END;
  }
  return MM_OK;
}

int mm_pool_read_stats(mm_pool *pool, mm_pool_stats *stats) {
  int status = mm__enter(pool);
  if (status == MM_OK) status = mm__cache_lock_swept(pool);
  if (status != MM_OK) return status;
  const mm__heap_shared *shared = pool->heap.shared;
  const uint64_t taken_bytes = mm__load(&shared->taken_bytes);
  stats->free_space = taken_bytes < pool->geometry.data_size
                          ? pool->geometry.data_size - taken_bytes
                          : 0;
  stats->allocations = mm__load(&shared->taken);
  stats->most_allocations = mm__load(&shared->most_taken);
  mm__unlock(pool);
  return MM_OK;
}
