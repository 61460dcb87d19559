/* heap_fixture.c - see heap_fixture.h. */
#include "heap_fixture.h"

#include <stdlib.h>

#include "block.h"
#include "geometry.h"
#include "harness.h"

void heap_open(heap_fixture *fixture, uint64_t granules, uint64_t max_allocations,
               uint32_t records) {
  *fixture = (heap_fixture){.record_step = 64};
  CHECK_OK(mm__geometry_plan(granules * GRANULE, GRANULE, max_allocations, 4096,
                             &fixture->geometry));
  CHECK_EQ(fixture->geometry.data_size, granules * GRANULE);
  fixture->shared = calloc(1, sizeof *fixture->shared);
  fixture->table =
      calloc(fixture->geometry.table_capacity, sizeof *fixture->table);
  CHECK(fixture->shared != NULL && fixture->table != NULL);
  mm__heap_view(&fixture->heap, fixture->shared, fixture->table,
                &fixture->geometry);
  const uint32_t capacity = fixture->geometry.table_capacity;
  mm__heap_format(&fixture->heap, records < capacity ? records : capacity);
}

void heap_close(heap_fixture *fixture) {
  free(fixture->shared);
  free(fixture->table);
}

static int extend(heap_fixture *fixture, uint64_t from, uint64_t to) {
  int status = mm__heap_extend(&fixture->heap, from, to);
  if (status == MM__NEED_RECORDS && !fixture->records_end) {
    mm__heap_add_records(&fixture->heap,
                         fixture->heap.limit + fixture->record_step);
    status = mm__heap_extend(&fixture->heap, from, to);
  }
  return status;
}

void heap_commit_all(heap_fixture *fixture) {
  mm__heap_begin(&fixture->heap);
  CHECK_EQ(extend(fixture, mm__load(&fixture->table[0].offset),
                  fixture->geometry.data_size),
           MM_OK);
}

int heap_alloc(heap_fixture *fixture, uint64_t size, uint64_t *id) {
  mm__heap *heap = &fixture->heap;
  mm__request request = {
      .size = size, .granules = mm__heap_granules(heap, size), .owner = 7, .type = 3};
  for (;;) {
    mm__need need = {0, 0, 0};
    mm_allocation allocation = {0};
    mm__heap_begin(heap);
    const int status = mm__heap_alloc(heap, &request, &allocation, &need);
    if (status == MM_OK) *id = allocation.id;
    if (status == MM__NEED_RECORDS) {
      if (fixture->records_end)
        request.no_records = 1;
      else
        mm__heap_add_records(heap, heap->limit + fixture->record_step);
    } else if (status == MM__NEED_DATA) {
      uint64_t to = need.least;
      if (fixture->step != 0)
        to = (to + fixture->step - 1) / fixture->step * fixture->step;
      if (to > need.most) to = need.most;
      if (fixture->data_ends || extend(fixture, need.from, to) != MM_OK)
        request.no_data = 1;
      request.filled_from = need.from;
      request.filled_to = to;
    } else {
      return status;
    }
  }
}

uint64_t heap_must_alloc(heap_fixture *fixture, uint64_t granules) {
  uint64_t id = 0;
  CHECK_EQ(heap_alloc(fixture, granules * GRANULE, &id), MM_OK);
  CHECK(id != 0);
  return id;
}

void heap_must_free(heap_fixture *fixture, uint64_t id) {
  mm__heap_begin(&fixture->heap);
  CHECK_EQ(mm__heap_free(&fixture->heap, id), MM_OK);
}

uint32_t heap_record(const heap_fixture *fixture, uint64_t id) {
  return (uint32_t)(id & ((1ull << fixture->heap.index_bits) - 1));
}

mm__block *heap_block(heap_fixture *fixture, uint64_t id) {
  return &fixture->table[heap_record(fixture, id)];
}

uint64_t heap_start(heap_fixture *fixture, uint64_t id) {
  return heap_block(fixture, id)->offset / GRANULE;
}

uint64_t heap_length(heap_fixture *fixture, uint64_t id) {
  const mm__block *block = heap_block(fixture, id);
  return (fixture->table[block->next].offset - block->offset) / GRANULE;
}

heap_census heap_count(heap_fixture *fixture) {
  heap_census census = {0, 0, 0};
  for (uint32_t at = fixture->table[0].next; at != 0; at = fixture->table[at].next) {
    const mm__block *block = &fixture->table[at];
    census.blocks++;
    if (mm__tag(block->state) != MM__FREE) continue;
    census.free++;
    census.only_free =
        census.free == 1
            ? (fixture->table[block->next].offset - block->offset) / GRANULE
            : 0;
  }
  return census;
}

void heap_must_be_sound(heap_fixture *fixture) {
  CHECK_SOUND(mm__heap_check(&fixture->heap));
}
