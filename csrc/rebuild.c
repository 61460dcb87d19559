/* rebuild.c - recovery: everything derived, made anew from the chain alone.
 *
 * Run by whoever takes the lock over from a dead owner. Trusts only what heap.h
 * calls truth, and checks that. Its own stores to truth merge free neighbours,
 * one store each, so that it may be killed anywhere and run again.
 */
#include "block.h"
#include "heap.h"
#include "index.h"

/* `prev` of a record that the walk has not met. */
#define OFF_CHAIN UINT32_MAX

/* Walks the chain: merges free neighbours, sets `prev`, counts. */
static int walk(mm__heap *heap, uint64_t *taken, uint64_t *taken_bytes) {
  mm__block *table = heap->table;
  const uint64_t granule_mask = (1ull << heap->granule_shift) - 1;
  const uint64_t end = mm__load(&table[0].offset);
  if (end > heap->data_size || (end & granule_mask) != 0) return MM_E_CORRUPT;

  uint32_t last = 0; /* the block before `at` on the repaired chain */
  uint32_t at = mm__load(&table[0].next);
  uint64_t start = 0; /* where `at` must begin */
  for (uint32_t steps = 0; at != 0; steps++) {
    if (steps >= heap->limit || !mm__is_record(heap, at) ||
        mm__load(&table[at].prev) != OFF_CHAIN ||
        mm__load(&table[at].offset) != start)
      return MM_E_CORRUPT;
    const uint64_t state = mm__load_acquire(&table[at].state); /* its size, too */
    const uint64_t tag = mm__tag(state);
    const uint32_t next = mm__load(&table[at].next);
    if ((tag != MM__FREE && !mm__is_taken(state)) || !mm__is_record(heap, next))
      return MM_E_CORRUPT;
    const uint64_t stop = next != 0 ? mm__load(&table[next].offset) : end;
    const int is_empty = stop == start;
    if (stop < start || stop > end || (stop & granule_mask) != 0 ||
        (is_empty && (tag != MM__FREE || next != 0)))
      return MM_E_CORRUPT;

    if (tag == MM__FREE &&
        (is_empty || (last != 0 && mm__is_free(heap, last)))) {
      if (!is_empty) mm__merge_trimmed(heap, last, at);
      mm__store_release(&table[last].next, next); /* truth: merged, or gone */
    } else {
      if (tag != MM__FREE) {
        const uint32_t granules = mm__load(&table[at].granules);
        if ((granules != 0 && granules != (stop - start) >> heap->granule_shift) ||
            (mm__is_live(state) && mm__load(&table[at].size) > stop - start) ||
            mm__generation(state) >= heap->generation_limit)
          return MM_E_CORRUPT;
        /* Whoever changed its owner died; nobody else touches it meanwhile. */
        if (tag == MM__PINNED)
          mm__store_release(&table[at].state, state - MM__PINNED + MM__LIVE);
        if (mm__load(&table[at].trimmed) != 0) mm__store(&table[at].trimmed, 0u);
        *taken += 1;
        *taken_bytes += stop - start;
      }
      mm__store(&table[at].prev, last);
      last = at;
    }
    start = stop;
    at = next;
  }
  if (start != end) return MM_E_CORRUPT;
  mm__store(&table[0].prev, last);
  return MM_OK;
}

/* Puts all free blocks of the repaired chain into the index. */
static void index_chain(mm__heap *heap) {
  uint32_t at = mm__load(&heap->table[0].next);
  for (uint32_t steps = 0; at != 0 && steps < heap->limit; steps++) {
    mm__bounds bounds;
    if (!mm__is_record(heap, at)) return; /* changed by somebody hostile */
    if (mm__is_free(heap, at) && mm__block_bounds(heap, at, &bounds) &&
        bounds.next != 0 &&
        mm__index_class(bounds.granules).first < MM__FIRST_LEVELS)
      mm__index_insert(heap, at, bounds.granules);
    at = mm__load(&heap->table[at].next);
  }
}

/* Collects the records that are not on the chain. */
static void collect_unused(mm__heap *heap) {
  uint32_t head = 0;
  for (uint32_t record = heap->limit - 1; record > 0; record--) {
    mm__block *block = &heap->table[record];
    if (mm__load(&block->prev) != OFF_CHAIN) continue;
    const uint64_t state = mm__load(&block->state);
    uint64_t generation = mm__generation(state);
    if (mm__is_taken(state) && generation < heap->generation_limit) generation++;
    mm__store_release(&block->state, mm__state(generation, MM__UNUSED));
    if (generation >= heap->generation_limit) continue;
    mm__store(&block->free_next, head);
    head = record;
  }
  mm__store(&heap->shared->unused_head, head);
  mm__store(&heap->shared->records_fresh, heap->limit);
}

int mm__heap_rebuild(mm__heap *heap) {
  mm__heap_shared *shared = heap->shared;
  mm__store(&shared->damaged, 1u);
  mm__heap_begin(heap);
  if (heap->limit == 0) return MM_E_CORRUPT;
  for (uint32_t record = 1; record < heap->limit; record++)
    mm__store(&heap->table[record].prev, OFF_CHAIN);

  uint64_t taken = 0, taken_bytes = 0;
  const int status = walk(heap, &taken, &taken_bytes);
  if (status != MM_OK) return status;

  mm__index_clear(heap);
  index_chain(heap);
  collect_unused(heap);
  mm__store(&shared->taken, taken);
  mm__store(&shared->taken_bytes, taken_bytes);
  if (taken > mm__load(&shared->most_taken)) mm__store(&shared->most_taken, taken);
  mm__store(&shared->damaged, 0u);
  return MM_OK;
}
