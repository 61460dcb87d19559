/* heap.c - see heap.h: taking blocks from the chain and giving them back. */
#include "heap.h"

#include "block.h"
#include "geometry.h"
#include "index.h"

/* How many blocks to look at before new memory is preferred to a search. */
#define FIND_EFFORT 32u

void mm__heap_view(mm__heap *heap, mm__heap_shared *shared, mm__block *table,
                   const mm__geometry *geometry) {
  const uint32_t index_bits = mm__geometry_index_bits(geometry);
  const uint64_t by_id = UINT64_MAX >> index_bits;
  *heap = (mm__heap){
      .shared = shared,
      .table = table,
      .data_size = geometry->data_size,
      .max_allocations = geometry->max_allocations,
      .generation_limit = by_id < MM__GENERATION_MAX ? by_id : MM__GENERATION_MAX,
      .capacity = geometry->table_capacity,
      .granule_shift = geometry->granule_shift,
      .index_bits = index_bits,
      .tied = MM__LIVE,
  };
}

void mm__heap_format(mm__heap *heap, uint32_t committed) {
  mm__store(&heap->shared->records_committed, committed);
  mm__store(&heap->shared->records_fresh, 1u);
  mm__heap_begin(heap);
  mm__index_clear(heap);
}

void mm__heap_begin(mm__heap *heap) {
  const uint32_t committed = mm__load_acquire(&heap->shared->records_committed);
  heap->limit = committed < heap->capacity ? committed : heap->capacity;
}

uint64_t mm__heap_granules(const mm__heap *heap, uint64_t size) {
  const uint64_t granules =
      (size + (1ull << heap->granule_shift) - 1) >> heap->granule_shift;
  return granules != 0 ? granules : 1;
}

/* ---- Records ----------------------------------------------------------- */

static int has_unused(const mm__heap *heap) {
  return mm__load(&heap->shared->unused_head) != 0 ||
         mm__load(&heap->shared->records_fresh) < heap->limit;
}

/* An unused record, or 0 with *status MM__INCONSISTENT or MM_E_NO_ROOM. */
static uint32_t take_unused(mm__heap *heap, int *status) {
  mm__heap_shared *shared = heap->shared;
  const uint32_t head = mm__load(&shared->unused_head);
  if (head != 0) {
    if (!mm__is_record(heap, head) ||
        mm__tag(mm__load(&heap->table[head].state)) != MM__UNUSED) {
      *status = MM__INCONSISTENT;
      return 0;
    }
    const uint32_t next = mm__load(&heap->table[head].free_next);
    mm__store(&shared->unused_head, next);
    if (mm__is_record(heap, next)) mm__fetch_to_write(&heap->table[next]);
    return head;
  }
  const uint32_t fresh = mm__load(&shared->records_fresh);
  if (fresh == heap->limit) {
    *status = MM_E_NO_ROOM;
    return 0;
  }
  if (fresh == 0 || fresh > heap->limit ||
      mm__tag(mm__load(&heap->table[fresh].state)) != MM__UNUSED) {
    *status = MM__INCONSISTENT;
    return 0;
  }
  mm__store(&shared->records_fresh, fresh + 1);
  return fresh;
}

/* A record that has left the chain. A spent one is never used again. */
static void give_unused(mm__heap *heap, uint32_t record) {
  mm__block *block = &heap->table[record];
  const uint64_t generation = mm__generation(mm__load(&block->state));
  mm__store_release(&block->state, mm__state(generation, MM__UNUSED));
  if (generation >= heap->generation_limit) return;
  mm__store(&block->free_next, mm__load(&heap->shared->unused_head));
  mm__store(&heap->shared->unused_head, record);
}

/* Makes an unused record a FREE block of its own, not linked yet. */
static void fill_free(mm__heap *heap, uint32_t record, uint64_t offset,
                      uint32_t next, uint32_t prev, uint64_t trimmed) {
  mm__block *block = &heap->table[record];
  mm__fence_release(); /* as in make_live() */
  mm__store(&block->offset, offset);
  mm__store(&block->next, next);
  mm__store(&block->prev, prev);
  mm__store(&block->trimmed, trimmed);
  mm__store_release(
      &block->state,
      mm__state(mm__generation(mm__load(&block->state)), MM__FREE));
}

/* ---- Allocating -------------------------------------------------------- */

/* Puts a fresh record in the place of a spent one: one store to `next`. */
static int replace_spent(mm__heap *heap, uint32_t *record,
                         const mm__bounds *bounds) {
  const uint32_t spent = *record;
  const uint32_t prev = mm__load(&heap->table[spent].prev);
  if (!mm__is_record(heap, prev) || mm__load(&heap->table[prev].next) != spent)
    return MM__INCONSISTENT;
  int status = MM_OK;
  const uint32_t fresh = take_unused(heap, &status);
  if (fresh == 0) return status;
  fill_free(heap, fresh, bounds->start, bounds->next, prev,
            mm__load(&heap->table[spent].trimmed));
  if (bounds->next != 0) {
    status = mm__index_replace(heap, spent, bounds->granules, fresh,
                               bounds->granules);
    if (status != MM_OK) return status; /* the rebuild collects `fresh` */
  }
  mm__store_release(&heap->table[prev].next, fresh); /* truth: `spent` is out */
  mm__store(&heap->table[bounds->next].prev, fresh);
  give_unused(heap, spent);
  *record = fresh;
  return MM_OK;
}

/* Cuts a FREE block down to `granules` and takes it out of the index; the rest
 * becomes a FREE block in its place. */
static int split(mm__heap *heap, uint32_t record, const mm__bounds *bounds,
                 uint64_t granules) {
  int status = MM_OK;
  const uint32_t rest = take_unused(heap, &status);
  if (mm__unlikely(rest == 0)) return status;
  fill_free(heap, rest, bounds->start + (granules << heap->granule_shift),
            bounds->next, record, mm__load(&heap->table[record].trimmed));
  if (bounds->next != 0) {
    status = mm__index_replace(heap, record, bounds->granules, rest,
                               bounds->granules - granules);
    if (mm__unlikely(status != MM_OK)) return status; /* the rebuild collects `rest` */
  }
  mm__store_release(&heap->table[record].next, rest); /* truth: two FREE blocks */
  mm__store(&heap->table[bounds->next].prev, rest);
  return MM_OK;
}

/* Gives a FREE block that is out of the index its tag, as the last of its fields. */
static void make_taken(mm__heap *heap, uint32_t record, uint64_t granules,
                       uint64_t generation, uint64_t tag) {
  mm__heap_shared *shared = heap->shared;
  mm__block *block = &heap->table[record];
  mm__store(&block->granules, granules <= UINT32_MAX ? (uint32_t)granules : 0);
  mm__store(&block->trimmed, 0u);
  mm__store_release(&block->state, mm__state(generation, tag)); /* truth: taken */

  const uint64_t taken = mm__load(&shared->taken) + 1;
  mm__store(&shared->taken, taken);
  mm__store(&shared->taken_bytes,
            mm__load(&shared->taken_bytes) + (granules << heap->granule_shift));
  if (taken > mm__load(&shared->most_taken)) mm__store(&shared->most_taken, taken);
}

/* Makes a FREE block that is out of the index an allocation; answers its id. */
static uint64_t make_live(mm__heap *heap, uint32_t record, uint64_t granules,
                          const mm__request *request) {
  mm__block *block = &heap->table[record];
  const uint64_t generation = mm__generation(mm__load(&block->state));
  /* Readers without the lock: whoever sees a new field sees that the state is
   * no longer the old LIVE. */
  mm__fence_release();
  mm__store(&block->size, request->size);
  mm__store(&block->owner, request->owner);
  mm__store(&block->type, request->type);
  make_taken(heap, record, granules, generation, MM__LIVE);
  return generation << heap->index_bits | record;
}

/* The last block if it is FREE, else 0; its granules; and how many it would have
 * if everything were committed. MM_OK or MM__INCONSISTENT. */
static int find_last(const mm__heap *heap, uint32_t *record, uint64_t *granules,
                     uint64_t *possible) {
  const uint64_t end = mm__load(&heap->table[0].offset);
  const uint32_t last = mm__load(&heap->table[0].prev);
  if (mm__unlikely(end > heap->data_size || !mm__is_record(heap, last)))
    return MM__INCONSISTENT;
  *record = 0;
  *granules = 0;
  if (last != 0 && mm__is_free(heap, last)) {
    mm__bounds bounds;
    if (mm__unlikely(!mm__block_bounds(heap, last, &bounds)))
      return MM__INCONSISTENT;
    *record = last;
    *granules = bounds.granules;
  }
  *possible = *granules + ((heap->data_size - end) >> heap->granule_shift);
  return MM_OK;
}

/* Finds a FREE block that fits, the last one only if no other does; or says
 * what to commit. */
static int find(mm__heap *heap, const mm__request *request, uint32_t *record,
                mm__need *need) {
  int status =
      mm__index_find(heap, request->granules, FIND_EFFORT, record);
  if (status != MM_OK || *record != 0) return status;

  uint64_t granules, possible;
  status = find_last(heap, record, &granules, &possible);
  if (mm__unlikely(status != MM_OK)) return status;
  if (mm__likely(granules >= request->granules)) return MM_OK;
  if (possible >= request->granules && !request->no_data) {
    need->from = mm__load(&heap->table[0].offset);
    need->least =
        need->from + ((request->granules - granules) << heap->granule_shift);
    need->most = heap->data_size;
    return MM__NEED_DATA;
  }
  status = mm__index_find(heap, request->granules, UINT32_MAX, record);
  if (status == MM_OK && *record == 0) return MM_E_NO_ROOM;
  return status;
}

/* A FREE block for a request, cut to its size and out of the index. */
typedef struct cut {
  uint64_t start;    /* bytes from the start of the data region */
  uint64_t granules; /* at least the request's */
  uint32_t record;
} cut;

/* 1 if the front of a FREE block, as large as the request, has its memory; or it
 * has now, since what was missing was just committed. Else *need says what is
 * missing. */
static int is_solid(mm__heap *heap, const mm__request *request, uint32_t record,
                    const mm__bounds *bounds, mm__need *need) {
  const uint64_t end = bounds->start + (bounds->granules << heap->granule_shift);
  const uint64_t least =
      bounds->start + (request->granules << heap->granule_shift);
  uint64_t solid = mm__solid_end(heap, record, bounds->start, end);
  if (mm__likely(solid >= least)) return 1;
  if (request->filled_from <= solid && request->filled_to > solid) {
    solid = request->filled_to < end ? request->filled_to : end;
    mm__store_release(&heap->table[record].trimmed, solid < end ? solid + 1 : 0);
  }
  *need = (mm__need){.from = solid, .least = least, .most = end};
  return solid >= least;
}

/* Cuts a request out of a FREE block. MM__NEED_DATA where that was trimmed. */
static int cut_from(mm__heap *heap, const mm__request *request, uint32_t record,
                    cut *found, mm__need *need) {
  int status = MM_OK;
  mm__bounds bounds;
  if (mm__unlikely(!mm__is_free(heap, record) ||
                   !mm__block_bounds(heap, record, &bounds) ||
                   bounds.granules < request->granules ||
                   bounds.start % (1ull << heap->granule_shift) != 0 ||
                   mm__load(&heap->table[bounds.next].prev) != record))
    return MM__INCONSISTENT;
  if (mm__unlikely(!is_solid(heap, request, record, &bounds, need)))
    return MM__NEED_DATA;

  const int is_spent = mm__is_spent(heap, record);
  const int is_larger = bounds.granules > request->granules;
  if (mm__unlikely((is_spent || is_larger) && !has_unused(heap)) &&
      !request->no_records && heap->limit < heap->capacity)
    return MM__NEED_RECORDS;

  if (mm__unlikely(is_spent)) {
    status = replace_spent(heap, &record, &bounds);
    if (status != MM_OK) return status;
  }
  uint64_t granules = request->granules;
  status = is_larger ? split(heap, record, &bounds, granules) : MM_E_NO_ROOM;
  if (mm__unlikely(status == MM_E_NO_ROOM)) {
    /* It fits exactly, or there is no record for the rest: it is given whole. */
    granules = bounds.granules;
    status = bounds.next != 0 ? mm__index_remove(heap, record, granules) : MM_OK;
  }
  *found = (cut){.start = bounds.start, .granules = granules, .record = record};
  return status;
}

static int cut_out(mm__heap *heap, const mm__request *request, cut *found,
                   mm__need *need) {
  if (mm__load(&heap->shared->taken) >= heap->max_allocations) return MM_E_LIMIT;
  uint32_t record;
  const int status = find(heap, request, &record, need);
  if (mm__unlikely(status != MM_OK)) return status;
  return cut_from(heap, request, record, found, need);
}

/* Looks for a block that can be used as it is, where what was trimmed cannot be
 * committed again. MM_E_NO_ROOM: there is none. */
static int cut_solid(mm__heap *heap, const mm__request *request, cut *found) {
  mm__need need;
  uint32_t at = mm__load(&heap->table[0].next);
  for (uint32_t steps = 0; at != 0; steps++) {
    mm__bounds bounds;
    if (steps >= heap->limit || !mm__is_record(heap, at) ||
        !mm__block_bounds(heap, at, &bounds))
      return MM__INCONSISTENT;
    if (mm__is_free(heap, at) && bounds.granules >= request->granules &&
        is_solid(heap, request, at, &bounds, &need))
      return cut_from(heap, request, at, found, &need);
    at = bounds.next;
  }
  return MM_E_NO_ROOM;
}

int mm__heap_alloc(mm__heap *heap, const mm__request *request,
                   mm_allocation *allocation, mm__need *need) {
  cut found;
  int status = cut_out(heap, request, &found, need);
  if (mm__unlikely(status == MM__NEED_DATA && request->no_data))
    status = cut_solid(heap, request, &found);
  if (mm__unlikely(status != MM_OK)) return status;
  *allocation = (mm_allocation){
      .id = make_live(heap, found.record, found.granules, request),
      .offset = found.start,
      .size = request->size,
      .type = request->type,
  };
  return MM_OK;
}

int mm__heap_take(mm__heap *heap, uint64_t granules, uint64_t tag,
                  uint32_t *entry) {
  const mm__request request = {.granules = granules, .no_data = 1, .no_records = 1};
  mm__need need;
  cut found;
  const int status = cut_out(heap, &request, &found, &need);
  if (status == MM__NEED_DATA) return MM_E_NO_ROOM;
  if (status != MM_OK) return status;
  mm__store_release(entry, found.record); /* first: whoever recovers looks there */
  const uint64_t state = mm__load(&heap->table[found.record].state);
  make_taken(heap, found.record, found.granules, mm__generation(state), tag);
  return MM_OK;
}

int mm__heap_fits(mm__heap *heap, uint64_t granules) {
  if (mm__load(&heap->shared->taken) >= heap->max_allocations) return 0;
  uint32_t record;
  if (mm__index_find(heap, granules, UINT32_MAX, &record) == MM_OK && record != 0)
    return 1;
  uint64_t free_granules, possible;
  return find_last(heap, &record, &free_granules, &possible) == MM_OK &&
         possible >= granules;
}

/* ---- Freeing ----------------------------------------------------------- */

/* Lets `left` end where `record`, its successor, ended: one store. */
static void merge_into(mm__heap *heap, uint32_t left, uint32_t record,
                       uint32_t next) {
  mm__merge_trimmed(heap, left, record);
  mm__store_release(&heap->table[left].next, next); /* truth: merged */
  mm__store(&heap->table[next].prev, left);
  give_unused(heap, record);
}

/* The record of an allocation and its state, LIVE or TIED to the own slot; 0: there
 * is none of that id. */
static uint32_t live_record(const mm__heap *heap, uint64_t id, uint64_t *state) {
  const uint32_t record = (uint32_t)(id & ((1ull << heap->index_bits) - 1));
  const uint64_t generation = id >> heap->index_bits;
  if (record == 0 || !mm__is_record(heap, record) ||
      generation >= heap->generation_limit)
    return 0;
  *state = mm__load(&heap->table[record].state);
  return *state == mm__state(generation, MM__LIVE) ||
                 *state == mm__state(generation, heap->tied)
             ? record
             : 0;
}

/* Pins an allocation: nobody can free it, and so nobody can have it anew, until it
 * is unpinned. 0 if it is not live any more. */
static int pin(mm__block *block, uint64_t state) {
  return mm__cas(&block->state, state, state - mm__tag(state) + MM__PINNED);
}

static void unpin(mm__block *block, uint64_t state) {
  mm__store_release(&block->state, state - mm__tag(state) + MM__LIVE);
}

int mm__heap_adopt(mm__heap *heap, uint64_t id, uint64_t owner) {
  uint64_t state;
  const uint32_t record = live_record(heap, id, &state);
  if (record == 0) return MM_E_STALE;
  mm__block *block = &heap->table[record];
  if (!pin(block, state)) return MM_E_STALE;
  mm__store_release(&block->owner, owner); /* truth: adopted */
  unpin(block, state);
  return MM_OK;
}

int mm__heap_resize(mm__heap *heap, uint64_t id, uint64_t size) {
  uint64_t state;
  const uint32_t record = live_record(heap, id, &state);
  if (record == 0) return MM_E_STALE;
  mm__bounds bounds;
  if (mm__unlikely(!mm__block_bounds(heap, record, &bounds)))
    return MM__INCONSISTENT;
  if (size > bounds.granules << heap->granule_shift) return MM_E_TOO_LARGE;
  mm__block *block = &heap->table[record];
  if (!pin(block, state)) return MM_E_STALE;
  mm__store_release(&block->size, size); /* truth: resized */
  unpin(block, state);
  return MM_OK;
}

int mm__heap_belongs_to(mm__heap *heap, uint64_t id, uint64_t owner) {
  uint64_t state;
  const uint32_t record = live_record(heap, id, &state);
  return record != 0 && mm__load(&heap->table[record].owner) == owner;
}

/* Makes a taken block FREE, if it still has that state, and merges it. */
static int release(mm__heap *heap, uint32_t record, uint64_t from, uint64_t to) {
  mm__heap_shared *shared = heap->shared;
  mm__bounds bounds;
  const uint32_t prev = mm__load(&heap->table[record].prev);
  if (mm__unlikely(!mm__block_bounds(heap, record, &bounds) ||
                   !mm__is_record(heap, prev) || bounds.next == record ||
                   prev == record ||
                   mm__load(&heap->table[prev].next) != record ||
                   mm__load(&heap->table[bounds.next].prev) != record))
    return MM__INCONSISTENT;

  if (!mm__cas(&heap->table[record].state, from, to)) /* truth: free */
    return MM_E_STALE;
  mm__store(&shared->taken, mm__load(&shared->taken) - 1);
  mm__store(&shared->taken_bytes, mm__load(&shared->taken_bytes) -
                                     (bounds.granules << heap->granule_shift));

  /* Merge with the neighbours; what stands in the index is replaced there. */
  uint64_t granules = bounds.granules;
  uint32_t next = bounds.next;
  uint32_t merged = 0;  /* the successor, if it was FREE */
  uint32_t indexed = 0; /* the record that stands in the index for the block */
  uint64_t indexed_granules = 0;
  mm__bounds other;
  if (next != 0 && mm__is_free(heap, next)) {
    if (!mm__block_bounds(heap, next, &other)) return MM__DONE_REBUILD;
    merged = next;
    if (other.next != 0) indexed = next;
    indexed_granules = other.granules;
    granules += other.granules;
    next = other.next;
  }
  const uint32_t freed = record;
  if (prev != 0 && mm__is_free(heap, prev)) {
    if (!mm__block_bounds(heap, prev, &other) ||
        (indexed != 0 &&
         mm__index_remove(heap, indexed, indexed_granules) != MM_OK))
      return MM__DONE_REBUILD;
    indexed = prev;
    indexed_granules = other.granules;
    granules += other.granules;
    record = prev;
  }
  int status = MM_OK;
  if (indexed == 0) {
    if (next != 0) mm__index_insert(heap, record, granules);
  } else if (next != 0) {
    status = mm__index_replace(heap, indexed, indexed_granules, record, granules);
  } else {
    status = mm__index_remove(heap, indexed, indexed_granules);
  }
  if (mm__unlikely(status != MM_OK)) return MM__DONE_REBUILD;
  if (merged != 0) merge_into(heap, freed, merged, next);
  if (record != freed) merge_into(heap, record, freed, next);
  return MM_OK;
}

int mm__heap_free(mm__heap *heap, uint64_t id) {
  uint64_t state;
  const uint32_t record = live_record(heap, id, &state);
  if (record == 0) return MM_E_STALE;
  return release(heap, record, state,
                 mm__state(mm__generation(state) + 1, MM__FREE));
}

int mm__heap_release(mm__heap *heap, uint32_t record, uint64_t state) {
  return release(heap, record, state,
                 mm__state(mm__generation(state), MM__FREE));
}

/* ---- Trimming ---------------------------------------------------------- */

#define TRIM_RECORDS 4096u /* looked at under the lock at a time */

uint32_t mm__heap_trim(mm__heap *heap, uint64_t page, uint32_t *cursor,
                       mm__run *runs, uint32_t capacity) {
  uint32_t count = 0;
  uint32_t record = *cursor;
  for (uint32_t seen = 0; seen < TRIM_RECORDS && count < capacity; seen++) {
    if (++record >= heap->limit) {
      *cursor = 0;
      return count;
    }
    mm__bounds bounds;
    if (!mm__is_free(heap, record) || !mm__block_bounds(heap, record, &bounds))
      continue;
    const uint64_t end = bounds.start + (bounds.granules << heap->granule_shift);
    const uint64_t from = (bounds.start + page - 1) / page * page;
    const uint64_t to = end / page * page;
    if (from >= to) continue;
    mm__store_release(&heap->table[record].trimmed, from + 1); /* truth: first */
    runs[count++] = (mm__run){.from = from, .to = to};
  }
  *cursor = record;
  return count;
}

/* ---- Growing ----------------------------------------------------------- */

int mm__heap_extend(mm__heap *heap, uint64_t from, uint64_t to) {
  mm__block *sentinel = &heap->table[0];
  const uint64_t end = mm__load(&sentinel->offset);
  /* The end is not where it was: whoever moved it spoilt the pool, or knows. */
  if (end < from || end >= to || to > heap->data_size) return MM_OK;

  const uint32_t last = mm__load(&sentinel->prev);
  if (!mm__is_record(heap, last)) return MM__INCONSISTENT;
  if (mm__load(&heap->table[last].next) != 0) return MM__INCONSISTENT;
  if (last == 0 || !mm__is_free(heap, last)) {
    int status = MM_OK;
    const uint32_t empty = take_unused(heap, &status);
    if (empty == 0)
      return status == MM__INCONSISTENT ? status : MM__NEED_RECORDS;
    fill_free(heap, empty, end, 0, last, 0);
    mm__store_release(&heap->table[last].next, empty); /* truth: an empty block */
    mm__store(&sentinel->prev, empty);
  }
  mm__store_release(&sentinel->offset, to); /* truth: the last block is larger */
  return MM_OK;
}

void mm__heap_add_records(mm__heap *heap, uint32_t to) {
  if (to > heap->capacity) to = heap->capacity;
  if (to <= heap->limit) return;
  mm__store_release(&heap->shared->records_committed, to); /* they are zero */
  heap->limit = to;
}
