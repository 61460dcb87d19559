/* inspect.c - looking into a pool from outside: see managed_memory.h.
 *
 * Everything is copied out of the file; nothing is mapped, locked or written, so
 * that looking disturbs nobody, and works where attaching would not: all slots
 * taken, the lock held by a stopped process, the index or the chain spoilt. The
 * chain is not followed: a taken record says by itself where its block lies.
 */
#include <errno.h>
#include <stdlib.h>

#include "block.h"
#include "geometry.h"
#include "names.h"
#include "participants.h"
#include "pool_file.h"

#define BATCH 256u /* records copied at a time */
#define LOOKS 4u   /* at a record that is changing, or contradicts itself */

struct mm_inspector {
  mm__birth birth;
  uint32_t index_bits;
  int file;
};

/* ---- Opening ----------------------------------------------------------- */

static int open_file(const char *name, const char *path, int *file) {
  if (name == NULL || !mm__name_is_valid(name)) return MM_E_NAME;
  if (path == NULL) path = MM__DEFAULT_DIRECTORY;
  if (!mm__directory_is_valid(path)) return MM_E_DIRECTORY;
  int directory;
  const int status = mm__file_directory(path, &directory);
  if (status != MM_OK) return status;
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(name, file_name);
  const int error = mm__os_open_for_reading(directory, file_name, file);
  mm__os_close(directory);
  return error == -ENOENT   ? MM_E_NOT_FOUND
         : error == -EINVAL ? MM_E_NOT_A_POOL
                            : mm__system_status(error);
}

int mm_inspect_open(const char *name, const char *directory,
                    mm_inspector **inspector) {
  *inspector = NULL;
  int file;
  int status = open_file(name, directory, &file);
  if (status != MM_OK) return status;
  mm__os_file description;
  mm__birth birth;
  status = mm__system_status(mm__os_describe(file, &description));
  if (status == MM_OK) status = mm__file_birth(file, &description, &birth);
  mm_inspector *made = status == MM_OK ? malloc(sizeof *made) : NULL;
  if (made == NULL) {
    mm__os_close(file);
    return status != MM_OK ? status : MM_E_SYSTEM(ENOMEM);
  }
  *made = (mm_inspector){
      .birth = birth,
      .index_bits = mm__geometry_index_bits(&birth.geometry),
      .file = file,
  };
  *inspector = made;
  return MM_OK;
}

void mm_inspect_close(mm_inspector *inspector) {
  if (inspector == NULL) return;
  mm__os_close(inspector->file);
  free(inspector);
}

/* ---- Reading ----------------------------------------------------------- */

static int read_at(const mm_inspector *inspector, uint64_t offset, void *bytes,
                   size_t length) {
  return mm__system_status(mm__os_read(inspector->file, bytes, length, offset));
}

#define READ_HEADER(inspector, field, place) \
  read_at((inspector), offsetof(mm__header, field), (place), sizeof *(place))

/* Records that may be read. */
static int read_limit(const mm_inspector *inspector, uint32_t *limit) {
  const int status = READ_HEADER(inspector, heap.records_committed, limit);
  const uint32_t capacity = inspector->birth.geometry.table_capacity;
  if (status == MM_OK && *limit > capacity) *limit = capacity;
  return status;
}

static int read_slot_count(const mm_inspector *inspector, uint32_t *count) {
  const int status = READ_HEADER(inspector, slots_committed, count);
  if (status == MM_OK && *count > MM_SLOTS_MAX) *count = MM_SLOTS_MAX;
  return status;
}

static uint64_t offset_of_record(const mm_inspector *inspector, uint64_t record) {
  return inspector->birth.geometry.table_offset + record * sizeof(mm__block);
}

/* The process that holds the pool's lock; 0: nobody. */
static int read_lock_holder(const mm_inspector *inspector, uint32_t *pid) {
  uint64_t word = 0;
  uint32_t count = 0;
  int status = READ_HEADER(inspector, lock, &word);
  if (status == MM_OK) status = read_slot_count(inspector, &count);
  *pid = 0;
  const uint32_t slot = mm__lock_slot(word);
  if (status != MM_OK || word == 0 || slot >= count) return status;
  return read_at(inspector,
                 mm__participant_offset(&inspector->birth.geometry, slot) +
                     offsetof(mm__slot, pid),
                 pid, sizeof *pid);
}

int mm_inspect_pool(mm_inspector *inspector, mm_pool_view *view) {
  const mm__birth *birth = &inspector->birth;
  const mm__geometry *geometry = &birth->geometry;
  mm__os_file description;
  uint64_t end = 0;
  *view = (mm_pool_view){
      .uid = birth->uid,
      .size = geometry->data_size,
      .min_block_size = 1ull << geometry->granule_shift,
      .max_allocations = geometry->max_allocations,
      .creator_start = birth->creator_start,
      .creator_pid = birth->creator_pid,
  };
  int status = mm__system_status(mm__os_describe(inspector->file, &description));
  if (status == MM_OK) status = mm__file_destroyed(inspector->file, &view->is_destroyed);
  if (status == MM_OK) status = read_limit(inspector, &view->records);
  if (status == MM_OK)
    status = READ_HEADER(inspector, heap.most_taken, &view->most_allocations);
  if (status == MM_OK) status = read_lock_holder(inspector, &view->lock_holder);
  if (status == MM_OK)
    status = read_at(inspector, offset_of_record(inspector, 0) + offsetof(mm__block, offset),
                     &end, sizeof end);
  if (status != MM_OK) return status;
  view->is_destroyed = view->is_destroyed != 0;
  if (view->records != 0) view->records--; /* the sentinel */
  view->end = end < geometry->data_size ? end : geometry->data_size;
  view->memory = description.committed;
  return MM_OK;
}

/* ---- Participants ------------------------------------------------------ */

int mm_inspect_participants(mm_inspector *inspector, mm_participant_view *entries,
                            size_t capacity, size_t *count) {
  *count = 0;
  uint32_t slots = 0;
  int status = read_slot_count(inspector, &slots);
  for (uint32_t index = 0; index < slots && status == MM_OK; index++) {
    const uint64_t offset =
        mm__participant_offset(&inspector->birth.geometry, index);
    if (mm__os_is_locked(inspector->file, offset, 1) != 1) continue;
    mm__slot slot;
    status = read_at(inspector, offset, &slot, sizeof slot);
    if (status == MM_OK && *count < capacity)
      entries[*count] = (mm_participant_view){
          .slot = index,
          .epoch = slot.epoch,
          .pid = slot.pid,
          .pid_namespace = slot.pid_namespace,
          .is_waiting = slot.ticket != 0,
          .passes = slot.ticket != 0 ? slot.passes : 0,
          .waiting_size = slot.ticket != 0 ? slot.size : 0,
      };
    *count += status == MM_OK;
  }
  return status;
}

/* ---- Records ----------------------------------------------------------- */

/* Bytes of a taken block. */
static uint64_t extent_of(const mm__geometry *geometry, const mm__block *block) {
  const uint64_t granule = 1ull << geometry->granule_shift;
  if (block->granules != 0)
    return (uint64_t)block->granules << geometry->granule_shift;
  if (block->size > MM_SIZE_MAX) return 0;
  const uint64_t least = block->size != 0 ? block->size : 1;
  return (least + granule - 1) & ~(granule - 1);
}

/* Says what a copied record means; 0 if it contradicts itself. */
static int interpret(const mm_inspector *inspector, const mm__block *block,
                     uint64_t record, mm_record_view *view) {
  const mm__geometry *geometry = &inspector->birth.geometry;
  const uint64_t generation = mm__generation(block->state);
  const uint64_t tag = mm__tag(block->state);
  *view = (mm_record_view){
      .frees = generation,
      .state = MM_RECORD_UNUSED,
      .owner_pid = mm__owner_pid(block->owner),
      .owner_slot = mm__owner_slot(block->owner),
      .owner_epoch = mm__owner_epoch(block->owner),
  };
  if (tag == MM__UNUSED) return 1;
  const int is_live = mm__is_live(block->state);
  view->state = is_live           ? MM_RECORD_LIVE
                : tag == MM__FREE ? MM_RECORD_FREE
                                  : MM_RECORD_CACHED;
  view->offset = block->offset;
  if (block->offset > geometry->data_size ||
      block->offset % (1ull << geometry->granule_shift) != 0)
    return 0;
  if (tag == MM__FREE) {
    if (block->trimmed > geometry->data_size) return 0;
    view->missing_from = block->trimmed;
    return 1;
  }
  if (!mm__is_taken(block->state)) return 0;
  view->extent = extent_of(geometry, block);
  if (view->extent == 0 || view->extent > geometry->data_size - block->offset)
    return 0;
  if (!is_live) return 1;
  view->id = generation << inspector->index_bits | record;
  view->size = block->size;
  view->type = block->type;
  return view->size <= view->extent;
}

/* 1 if nothing happened to the record from one copy to the next. A copy may hold
 * some fields as they were before a change and others as they were after it. */
static int is_unchanged(const mm__block *before, const mm__block *after) {
  return before->state == after->state && before->size == after->size &&
         before->owner == after->owner && before->type == after->type;
}

/* Looks again at a record that was changing while it was copied, or contradicts
 * itself. One that never comes to rest is shown as it was last seen. */
static int look_again(const mm_inspector *inspector, uint64_t record,
                      mm_record_view *view) {
  const uint64_t offset = offset_of_record(inspector, record);
  int is_sound = 0;
  for (uint32_t looks = 0; looks < LOOKS; looks++) {
    mm__block before, block;
    int status = read_at(inspector, offset, &before, sizeof before);
    if (status == MM_OK) status = read_at(inspector, offset, &block, sizeof block);
    if (status != MM_OK) return status;
    is_sound = interpret(inspector, &block, record, view);
    if (is_sound && is_unchanged(&before, &block)) return MM_OK;
  }
  if (!is_sound)
    *view = (mm_record_view){.state = MM_RECORD_SPOILT, .frees = view->frees};
  return MM_OK;
}

/* Copies some records twice. */
static int read_records(const mm_inspector *inspector, uint64_t first,
                        uint64_t count, mm__block *before, mm__block *blocks) {
  const uint64_t offset = offset_of_record(inspector, first);
  const size_t length = count * sizeof *blocks;
  const int status = read_at(inspector, offset, before, length);
  return status == MM_OK ? read_at(inspector, offset, blocks, length) : status;
}

int mm_inspect_records(mm_inspector *inspector, uint64_t *cursor,
                       mm_record_view *entries, size_t capacity, size_t *count) {
  *count = 0;
  if (capacity == 0) return MM_E_INVALID;
  uint32_t limit = 0;
  int status = read_limit(inspector, &limit);
  uint64_t record = *cursor != 0 ? *cursor : 1;
  while (status == MM_OK && record < limit && *count < capacity) {
    mm__block before[BATCH], blocks[BATCH];
    uint64_t some = limit - record;
    if (some > BATCH) some = BATCH;
    if (some > capacity - *count) some = capacity - *count;
    status = read_records(inspector, record, some, before, blocks);
    for (uint64_t at = 0; at < some && status == MM_OK; at++, record++) {
      mm_record_view *view = &entries[*count];
      if (!is_unchanged(&before[at], &blocks[at]) ||
          !interpret(inspector, &blocks[at], record, view))
        status = look_again(inspector, record, view);
      if (status == MM_OK) *count += 1;
    }
  }
  *cursor = record;
  return status;
}
