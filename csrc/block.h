/* block.h - reading one record of the block table.
 *
 * Internal to the heap and the manifest. Every function takes indexes that
 * were checked by mm__is_record().
 */
#ifndef MM_BLOCK_H
#define MM_BLOCK_H

#include "heap.h"
#include "shared.h"

static inline uint64_t mm__state(uint64_t generation, uint64_t tag) {
  return generation << MM__GENERATION_SHIFT | tag;
}

static inline uint64_t mm__tag(uint64_t state) { return state & MM__TAG_MASK; }

static inline uint64_t mm__generation(uint64_t state) {
  return state >> MM__GENERATION_SHIFT;
}

/* 1 if the index may be touched; record 0 included. */
static inline int mm__is_record(const mm__heap *heap, uint32_t index) {
  return mm__likely(index < heap->limit);
}

static inline int mm__is_free(const mm__heap *heap, uint32_t index) {
  return mm__tag(mm__load(&heap->table[index].state)) == MM__FREE;
}

static inline int mm__is_spent(const mm__heap *heap, uint32_t index) {
  return mm__generation(mm__load(&heap->table[index].state)) >=
         heap->generation_limit;
}

/* Sets *granules to the block's size; 0 if its bounds contradict themselves.
 * An empty block counts as such. */
static inline int mm__block_granules(const mm__heap *heap, uint32_t index,
                                     uint64_t *granules) {
  const mm__block *block = &heap->table[index];
  const uint32_t next = mm__load(&block->next);
  if (!mm__is_record(heap, next)) return 0;
  const uint64_t end = mm__load(&heap->table[next].offset);
  const uint64_t start = mm__load(&block->offset);
  if (mm__unlikely(start >= end || end > heap->data_size)) return 0;
  *granules = (end - start) >> heap->granule_shift;
  return mm__likely(*granules != 0);
}

#endif
