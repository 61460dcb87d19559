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
static int walk(mm__heap *heap, uint64_t *live, uint64_t *live_bytes) {
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
    const uint64_t state = mm__load(&table[at].state);
    const uint64_t tag = mm__tag(state);
    const uint32_t next = mm__load(&table[at].next);
    if ((tag != MM__FREE && tag != MM__LIVE) || !mm__is_record(heap, next))
      return MM_E_CORRUPT;
    const uint64_t stop = next != 0 ? mm__load(&table[next].offset) : end;
    const int is_empty = stop == start;
    if (stop < start || stop > end || (stop & granule_mask) != 0 ||
        (is_empty && (tag != MM__FREE || next != 0)))
      return MM_E_CORRUPT;

    if (tag == MM__FREE &&
        (is_empty || (last != 0 && mm__is_free(heap, last)))) {
      mm__store_release(&table[last].next, next); /* truth: merged, or gone */
    } else {
      if (tag == MM__LIVE) {
        if (mm__load(&table[at].size) > stop - start ||
            mm__generation(state) >= heap->generation_limit)
          return MM_E_CORRUPT;
        *live += 1;
        *live_bytes += stop - start;
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
    if (mm__tag(state) == MM__LIVE && generation < heap->generation_limit)
      generation++;
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

  uint64_t live = 0, live_bytes = 0;
  const int status = walk(heap, &live, &live_bytes);
  if (status != MM_OK) return status;

  mm__index_clear(heap);
  index_chain(heap);
  collect_unused(heap);
  mm__store(&shared->live, live);
  mm__store(&shared->live_bytes, live_bytes);
  if (live > mm__load(&shared->most_live)) mm__store(&shared->most_live, live);
  mm__store(&shared->damaged, 0u);
  return MM_OK;
}
