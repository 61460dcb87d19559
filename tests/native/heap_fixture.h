/* heap_fixture.h - a heap in plain memory, without a pool around it.
 *
 * Grows as a pool would, but by as much as a test says.
 */
#ifndef HEAP_FIXTURE_H
#define HEAP_FIXTURE_H

#include "heap.h"

typedef struct heap_fixture {
  mm__geometry geometry;
  mm__heap_shared *shared;
  mm__block *table;
  mm__heap heap;
  uint64_t step;         /* bytes by which the data grows at least; 0: the need */
  uint32_t record_step;  /* records by which the table grows */
  int data_ends;         /* 1: no more data can be committed */
  int records_end;       /* 1: no more records can be committed */
} heap_fixture;

#define GRANULE 64u

/* A heap of that many granules (a multiple of 64), nothing of it committed,
 * with `records` records committed. */
void heap_open(heap_fixture *fixture, uint64_t granules, uint64_t max_allocations,
               uint32_t records);
void heap_close(heap_fixture *fixture);

/* Commits all of the data region as one free block. */
void heap_commit_all(heap_fixture *fixture);

/* Allocates, and commits what the heap asks for: MM_OK and *id, or what the
 * heap says when nothing more can be committed. */
int heap_alloc(heap_fixture *fixture, uint64_t size, uint64_t *id);

/* As heap_alloc(), which must succeed, in granules. */
uint64_t heap_must_alloc(heap_fixture *fixture, uint64_t granules);

void heap_must_free(heap_fixture *fixture, uint64_t id);

/* The record of an id. */
mm__block *heap_block(heap_fixture *fixture, uint64_t id);
uint32_t heap_record(const heap_fixture *fixture, uint64_t id);

/* First granule, and granules, of the block of an id. */
uint64_t heap_start(heap_fixture *fixture, uint64_t id);
uint64_t heap_length(heap_fixture *fixture, uint64_t id);

/* Blocks on the chain, free ones, and the granules of the only free one (0 if
 * there is not exactly one). */
typedef struct heap_census {
  uint32_t blocks;
  uint32_t free;
  uint64_t only_free;
} heap_census;

heap_census heap_count(heap_fixture *fixture);

/* Fails the case unless every invariant holds. */
void heap_must_be_sound(heap_fixture *fixture);

#endif
