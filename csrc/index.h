/* index.h - the free blocks by size (TLSF): which one fits, in constant time.
 *
 * Internal to the heap. The index is derived: it may be thrown away and made
 * anew. Contradictions in it are reported, never followed.
 */
#ifndef MM_INDEX_H
#define MM_INDEX_H

#include "heap.h"

/* The class of a size in granules. */
typedef struct mm__class {
  uint32_t first;
  uint32_t second;
} mm__class;

mm__class mm__index_class(uint64_t granules);

/* Empties the index. */
void mm__index_clear(mm__heap *heap);

/* Puts a FREE block of that size first in its class. */
void mm__index_insert(mm__heap *heap, uint32_t record, uint64_t granules);

/* Takes a block out: MM_OK or MM__INCONSISTENT (nothing changed). */
int mm__index_remove(mm__heap *heap, uint32_t record, uint64_t granules);

/* Takes a block out and puts another one in, at once where both are of one
 * class: MM_OK or MM__INCONSISTENT (nothing changed). They may be the same. */
int mm__index_replace(mm__heap *heap, uint32_t old, uint64_t old_granules,
                      uint32_t record, uint64_t granules);

/* Looks for a block of at least that size: MM_OK (*record 0: there is none) or
 * MM__INCONSISTENT. Looks at `effort` blocks at most in the one class where
 * some may be too small; with UINT32_MAX the answer is exact. */
int mm__index_find(mm__heap *heap, uint64_t granules, uint32_t effort,
                   uint32_t *record);

#endif
