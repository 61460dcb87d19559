/* index.c - see index.h. */
#include "index.h"

#include "block.h"

static uint32_t floor_log2(uint64_t value) {
  return 63u - (uint32_t)__builtin_clzll(value);
}

mm__class mm__index_class(uint64_t granules) {
  if (granules < MM__SECOND_LEVELS) return (mm__class){0, (uint32_t)granules};
  const uint32_t log = floor_log2(granules);
  return (mm__class){
      log - MM__SECOND_LEVEL_BITS + 1,
      (uint32_t)(granules >> (log - MM__SECOND_LEVEL_BITS)) &
          (MM__SECOND_LEVELS - 1),
  };
}

/* The smallest size whose class holds only blocks of at least `granules`. */
static uint64_t round_to_class(uint64_t granules) {
  if (granules < MM__SECOND_LEVELS) return granules;
  return granules +
         ((1ull << (floor_log2(granules) - MM__SECOND_LEVEL_BITS)) - 1);
}

void mm__index_clear(mm__heap *heap) {
  mm__index *index = &heap->shared->index;
  mm__store(&index->first, 0);
  for (uint32_t first = 0; first < MM__FIRST_LEVELS; first++) {
    mm__store(&index->second[first], 0);
    for (uint32_t second = 0; second < MM__SECOND_LEVELS; second++) {
      mm__store(&index->heads[first][second], 0);
      mm__store(&index->failed[first][second], UINT64_MAX);
    }
  }
}

void mm__index_insert(mm__heap *heap, uint32_t record, uint64_t granules) {
  mm__index *index = &heap->shared->index;
  const mm__class class = mm__index_class(granules);
  uint32_t *head = &index->heads[class.first][class.second];
  uint32_t old = mm__load(head);
  if (!mm__is_record(heap, old)) old = 0;

  mm__block *block = &heap->table[record];
  mm__store(&block->free_prev, 0);
  mm__store(&block->free_next, old);
  if (old != 0) mm__store(&heap->table[old].free_prev, record);
  mm__store(head, record);
  mm__store(&index->failed[class.first][class.second], UINT64_MAX);
  mm__store(&index->second[class.first],
            mm__load(&index->second[class.first]) | 1u << class.second);
  mm__store(&index->first, mm__load(&index->first) | 1ull << class.first);
}

/* Where a block stands in its list: the neighbours, and the word that leads to
 * it. 0 if they contradict each other. */
typedef struct place {
  uint32_t next;
  uint32_t prev;
  uint32_t *to_here;
} place;

static inline int find_place(mm__heap *heap, uint32_t record, uint32_t *head,
                             place *found) {
  mm__block *block = &heap->table[record];
  found->next = mm__load(&block->free_next);
  found->prev = mm__load(&block->free_prev);
  if (!mm__is_record(heap, found->next) || !mm__is_record(heap, found->prev))
    return 0;
  found->to_here =
      found->prev != 0 ? &heap->table[found->prev].free_next : head;
  return mm__likely(
      mm__load(found->to_here) == record &&
      (found->next == 0 ||
       mm__load(&heap->table[found->next].free_prev) == record));
}

static int remove_from(mm__heap *heap, uint32_t record, mm__class class) {
  mm__index *index = &heap->shared->index;
  place found;
  if (mm__unlikely(!find_place(heap, record,
                               &index->heads[class.first][class.second], &found)))
    return MM__INCONSISTENT;
  mm__store(found.to_here, found.next);
  if (found.next != 0) {
    mm__store(&heap->table[found.next].free_prev, found.prev);
  } else if (found.prev == 0) {
    const uint32_t second =
        mm__load(&index->second[class.first]) & ~(1u << class.second);
    mm__store(&index->second[class.first], second);
    if (second == 0)
      mm__store(&index->first, mm__load(&index->first) & ~(1ull << class.first));
  }
  return MM_OK;
}

int mm__index_remove(mm__heap *heap, uint32_t record, uint64_t granules) {
  const mm__class class = mm__index_class(granules);
  if (mm__unlikely(class.first >= MM__FIRST_LEVELS)) return MM__INCONSISTENT;
  return remove_from(heap, record, class);
}

int mm__index_replace(mm__heap *heap, uint32_t old, uint64_t old_granules,
                      uint32_t record, uint64_t granules) {
  const mm__class from = mm__index_class(old_granules);
  const mm__class to = mm__index_class(granules);
  if (mm__unlikely(from.first >= MM__FIRST_LEVELS ||
                   to.first >= MM__FIRST_LEVELS))
    return MM__INCONSISTENT;
  if (from.first != to.first || from.second != to.second) {
    const int status = remove_from(heap, old, from);
    if (mm__likely(status == MM_OK)) mm__index_insert(heap, record, granules);
    return status;
  }

  mm__index *index = &heap->shared->index;
  place found;
  if (mm__unlikely(!find_place(heap, old, &index->heads[to.first][to.second],
                               &found)))
    return MM__INCONSISTENT;
  if (record != old) {
    mm__block *block = &heap->table[record];
    mm__store(&block->free_next, found.next);
    mm__store(&block->free_prev, found.prev);
    mm__store(found.to_here, record);
    if (found.next != 0)
      mm__store(&heap->table[found.next].free_prev, record);
  }
  mm__store(&index->failed[to.first][to.second], UINT64_MAX);
  return MM_OK;
}

/* The first block of the smallest class that is not empty, from `class` on. */
static uint32_t first_from(const mm__index *index, mm__class class) {
  uint32_t second =
      mm__load(&index->second[class.first]) & (UINT32_MAX << class.second);
  if (second == 0) {
    const uint64_t first =
        class.first + 1 < 64
            ? mm__load(&index->first) & (UINT64_MAX << (class.first + 1))
            : 0;
    if (first == 0) return 0;
    class.first = (uint32_t)__builtin_ctzll(first);
    if (class.first >= MM__FIRST_LEVELS) return UINT32_MAX;
    second = mm__load(&index->second[class.first]);
    if (second == 0) return UINT32_MAX;
  }
  const uint32_t head =
      mm__load(&index->heads[class.first][__builtin_ctz(second)]);
  return head != 0 ? head : UINT32_MAX;
}

/* Looks through the class in which `granules` itself lies. */
static int find_in_class(mm__heap *heap, uint64_t granules, uint32_t effort,
                         uint32_t *record) {
  mm__index *index = &heap->shared->index;
  const mm__class class = mm__index_class(granules);
  uint64_t *failed = &index->failed[class.first][class.second];
  *record = 0;
  if (granules >= mm__load(failed)) return MM_OK;

  uint32_t at = mm__load(&index->heads[class.first][class.second]);
  for (uint32_t steps = 0; at != 0; steps++) {
    mm__bounds bounds;
    if (steps >= heap->limit || !mm__is_record(heap, at) ||
        !mm__is_free(heap, at) || !mm__block_bounds(heap, at, &bounds))
      return MM__INCONSISTENT;
    if (bounds.granules >= granules) {
      *record = at;
      return MM_OK;
    }
    if (steps >= effort) return MM_OK;
    at = mm__load(&heap->table[at].free_next);
  }
  mm__store(failed, granules);
  return MM_OK;
}

int mm__index_find(mm__heap *heap, uint64_t granules, uint32_t effort,
                   uint32_t *record) {
  const uint64_t rounded = round_to_class(granules);
  const mm__class class = mm__index_class(rounded);
  *record = 0;
  if (class.first < MM__FIRST_LEVELS) {
    const uint32_t found = first_from(&heap->shared->index, class);
    if (found != 0) {
      if (!mm__is_record(heap, found)) return MM__INCONSISTENT;
      *record = found;
      return MM_OK;
    }
  }
  if (rounded == granules || mm__index_class(granules).first >= MM__FIRST_LEVELS)
    return MM_OK;
  return find_in_class(heap, granules, effort, record);
}
