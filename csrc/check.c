/* check.c - mm__heap_check(): every invariant of heap.h, read off the heap.
 *
 * For tests and tools. Changes nothing. Written apart from the code that it
 * checks, from the invariants alone.
 */
#include "block.h"
#include "heap.h"
#include "index.h"

typedef struct counts {
  uint64_t on_chain; /* records, without the sentinel */
  uint64_t free;
  uint64_t taken;
  uint64_t taken_bytes;
} counts;

static const char *check_chain(const mm__heap *heap, counts *found) {
  const mm__block *table = heap->table;
  const uint64_t granule = 1ull << heap->granule_shift;
  uint64_t end = mm__load(&table[0].offset);
  uint64_t start = 0;
  uint32_t last = 0;
  if (end > heap->data_size || end % granule != 0)
    return "T2: the sentinel lies outside of the data region";
  for (uint32_t at = mm__load(&table[0].next); at != 0;
       at = mm__load(&table[at].next)) {
    if (!mm__is_record(heap, at)) return "T1: a record is beyond the watermark";
    if (++found->on_chain >= heap->limit) return "T1: the chain is a loop";
    const uint64_t state = mm__load_acquire(&table[at].state);
    const uint32_t next = mm__load(&table[at].next);
    if (!mm__is_record(heap, next)) return "T1: a record is beyond the watermark";
    const uint64_t stop = mm__load(&table[next].offset);
    if (mm__load(&table[at].offset) != start)
      return "T2: a block does not begin where its predecessor ends";
    if (stop <= start) return "T2, D1: offsets do not rise, or a block is empty";
    if (stop > end || stop % granule != 0)
      return "T2: a block ends outside of what is committed";
    if (mm__load(&table[at].prev) != last) return "D1: prev does not mirror next";
    if (mm__is_taken(state)) {
      const uint32_t granules = mm__load(&table[at].granules);
      if (granules != 0 && granules != (stop - start) / granule)
        return "T4: a taken block is not as large as it says";
      if (mm__load(&table[at].trimmed) != 0)
        return "T6: a taken block was trimmed";
      if (mm__is_live(state) && mm__load(&table[at].size) > stop - start)
        return "T4: an allocation is larger than its block";
      if (mm__generation(state) >= heap->generation_limit)
        return "T5: a spent record is taken";
      found->taken++;
      found->taken_bytes += stop - start;
    } else if (mm__tag(state) == MM__FREE) {
      if (last != 0 && mm__is_free(heap, last))
        return "D1: two neighbours are free";
      found->free++;
    } else {
      return "T3: a record on the chain is neither free nor taken";
    }
    start = stop;
    last = at;
  }
  if (start != end) return "T2: the chain does not end at the sentinel";
  if (mm__load(&table[0].prev) != last) return "D1: prev does not mirror next";
  return NULL;
}

static const char *check_index(const mm__heap *heap, const counts *found) {
  const mm__index *index = &heap->shared->index;
  uint64_t listed = 0;
  for (uint32_t first = 0; first < MM__FIRST_LEVELS; first++) {
    const uint32_t bits = mm__load(&index->second[first]);
    if ((mm__load(&index->first) >> first & 1) != (bits != 0))
      return "D2: the first bitmap does not mirror the second";
    for (uint32_t second = 0; second < MM__SECOND_LEVELS; second++) {
      const uint32_t head = mm__load(&index->heads[first][second]);
      const uint64_t failed = mm__load(&index->failed[first][second]);
      if ((bits >> second & 1) != (head != 0))
        return "D2: a bitmap does not say whether a list is empty";
      uint32_t prev = 0;
      for (uint32_t at = head; at != 0;
           at = mm__load(&heap->table[at].free_next)) {
        mm__bounds bounds;
        if (!mm__is_record(heap, at) || ++listed > found->free)
          return "D2: a list holds what is not a free block";
        if (!mm__is_free(heap, at) || !mm__block_bounds(heap, at, &bounds))
          return "D2: a list holds what is not a free block";
        if (bounds.next == 0) return "D2: the last block is in a list";
        const mm__class class = mm__index_class(bounds.granules);
        if (class.first != first || class.second != second)
          return "D2: a block is in the list of another class";
        if (bounds.granules >= failed) return "D5: a block fits what failed";
        if (mm__load(&heap->table[at].free_prev) != prev)
          return "D2: free_prev does not mirror free_next";
        prev = at;
      }
    }
  }
  if (mm__load(&index->first) >> MM__FIRST_LEVELS != 0)
    return "D2: the first bitmap has a bit too many";
  const uint32_t last = mm__load(&heap->table[0].prev);
  if (!mm__is_record(heap, last)) return "D1: prev does not mirror next";
  if (last != 0 && mm__is_free(heap, last)) listed++;
  if (listed != found->free) return "D2: a free block is in no list";
  return NULL;
}

static const char *check_records(const mm__heap *heap, const counts *found) {
  const mm__heap_shared *shared = heap->shared;
  const uint32_t fresh = mm__load(&shared->records_fresh);
  if (fresh == 0 || fresh > heap->limit)
    return "D3: records_fresh lies beyond the watermark";
  uint64_t unused = 0, free = 0, taken = 0, spent = 0;
  for (uint32_t record = 1; record < fresh; record++) {
    const uint64_t state = mm__load(&heap->table[record].state);
    if (mm__tag(state) == MM__FREE)
      free++;
    else if (mm__is_taken(state))
      taken++;
    else if (mm__tag(state) != MM__UNUSED)
      return "T3: a record has an unknown state";
    else if (mm__is_spent(heap, record))
      spent++;
    else
      unused++;
  }
  for (uint32_t record = fresh; record < heap->limit; record++)
    if (mm__tag(mm__load(&heap->table[record].state)) != MM__UNUSED)
      return "D3: a fresh record is in use";
  if (taken != found->taken) return "T3: a record off the chain is taken";
  if (free != found->free) return "D3: a record off the chain is free";

  uint64_t listed = 0;
  for (uint32_t at = mm__load(&shared->unused_head); at != 0;
       at = mm__load(&heap->table[at].free_next)) {
    if (!mm__is_record(heap, at) || at >= fresh || ++listed > unused)
      return "D3: the list of unused records holds something else";
    if (mm__tag(mm__load(&heap->table[at].state)) != MM__UNUSED ||
        mm__is_spent(heap, at))
      return "D3: the list of unused records holds something else";
  }
  if (listed != unused) return "D3: an unused record is in no list";
  if (found->on_chain + unused + spent != (uint64_t)fresh - 1)
    return "D3: a record is lost";
  return NULL;
}

const char *mm__heap_check(mm__heap *heap) {
  mm__heap_begin(heap);
  const mm__heap_shared *shared = heap->shared;
  if (mm__load(&shared->damaged) != 0) return "the index is marked as damaged";
  counts found = {0, 0, 0, 0};
  const char *broken = check_chain(heap, &found);
  if (broken == NULL) broken = check_index(heap, &found);
  if (broken == NULL) broken = check_records(heap, &found);
  if (broken != NULL) return broken;
  if (mm__load(&shared->taken) != found.taken) return "D4: taken is wrong";
  if (mm__load(&shared->taken_bytes) != found.taken_bytes)
    return "D4: taken_bytes is wrong";
  if (mm__load(&shared->most_taken) < found.taken) return "D4: most_taken is wrong";
  return NULL;
}
