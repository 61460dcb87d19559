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

/* Where a block lies, each number read once and checked. */
typedef struct mm__bounds {
  uint64_t start;    /* bytes from the start of the data region */
  uint64_t granules; /* at least 1 */
  uint32_t next;     /* a record that may be touched; 0: the sentinel */
} mm__bounds;

/* Reads the bounds of a block; 0 if they contradict themselves, or the block is
 * empty. */
static inline int mm__block_bounds(const mm__heap *heap, uint32_t index,
                                   mm__bounds *bounds) {
  const mm__block *block = &heap->table[index];
  bounds->next = mm__load(&block->next);
  if (!mm__is_record(heap, bounds->next)) return 0;
  const uint64_t end = mm__load(&heap->table[bounds->next].offset);
  bounds->start = mm__load(&block->offset);
  if (mm__unlikely(bounds->start >= end || end > heap->data_size)) return 0;
  bounds->granules = (end - bounds->start) >> heap->granule_shift;
  return mm__likely(bounds->granules != 0);
}

#endif
