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

/* The tag of a block in the slot's cache, or about to leave it. */
static inline uint64_t mm__cached(uint32_t slot) {
  return (uint64_t)slot << MM__SLOT_SHIFT | MM__CACHED;
}

static inline uint64_t mm__claimed(uint32_t slot) {
  return (uint64_t)slot << MM__SLOT_SHIFT | MM__CLAIMED;
}

/* The tag of an allocation that was made while the slot was biased. */
static inline uint64_t mm__tied(uint32_t slot) {
  return (uint64_t)slot << MM__SLOT_SHIFT | MM__TIED;
}

/* The tag without its slot; 0 where there is none. */
static inline uint64_t mm__kind_with_slot(uint64_t tag) {
  return tag >> MM__SLOT_SHIFT < MM_SLOTS_MAX ? tag & ((1u << MM__SLOT_SHIFT) - 1)
                                              : 0;
}

/* 1 for an allocation, whoever may free it, also while its owner is changing. */
static inline int mm__is_live(uint64_t state) {
  const uint64_t tag = mm__tag(state);
  return mm__likely(tag == MM__LIVE) || mm__kind_with_slot(tag) == MM__TIED ||
         tag == MM__PINNED;
}

/* 1 if an allocation that was read in between was there all the time. */
static inline int mm__is_same_live(uint64_t before, uint64_t after) {
  return mm__likely(before == after) ||
         (mm__generation(before) == mm__generation(after) && mm__is_live(after));
}

/* 1 for a block on the chain that is not FREE. */
static inline int mm__is_taken(uint64_t state) {
  const uint64_t kind = mm__kind_with_slot(mm__tag(state));
  return mm__is_live(state) || kind == MM__CACHED || kind == MM__CLAIMED;
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

/* Where the memory of a FREE block from `start` to `end` ends: at `end`, or where
 * it was trimmed. */
static inline uint64_t mm__solid_end(const mm__heap *heap, uint32_t index,
                                     uint64_t start, uint64_t end) {
  const uint64_t trimmed = mm__load(&heap->table[index].trimmed);
  if (mm__likely(trimmed == 0) || trimmed - 1 >= end) return end;
  return trimmed - 1 < start ? start : trimmed - 1;
}

/* Before the FREE block `left` takes in its FREE successor: it shall not say that
 * there is more memory than there is. */
static inline void mm__merge_trimmed(mm__heap *heap, uint32_t left,
                                     uint32_t right) {
  const uint64_t of_left = mm__load(&heap->table[left].trimmed);
  const uint64_t of_right = mm__load(&heap->table[right].trimmed);
  if (mm__likely(of_left == of_right)) return;
  if (of_left == 0 || of_left - 1 >= mm__load(&heap->table[right].offset))
    mm__store_release(&heap->table[left].trimmed, of_right);
}

#endif
