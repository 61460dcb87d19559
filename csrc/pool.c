/* pool.c - a pool's life: create, attach, detach, destroy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "geometry.h"
#include "grow.h"
#include "handle.h"
#include "names.h"
#include "participants.h"
#include "pool_file.h"
#include "shared.h"
#include "wait.h"

/* ---- Handles ----------------------------------------------------------- */

static mm_pool *handle_new(const char *name, const char *directory) {
  mm_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->file = -1;
  pool->slot = UINT32_MAX;
  strcpy(pool->name, name);
  strcpy(pool->directory, directory);
  pool->fork_mark = mm__os_fork_mark();
  if (pool->fork_mark == NULL) {
    free(pool);
    return NULL;
  }
  pool->parked = pool->fork_mark + 1;
  return pool;
}

/* Unmaps and frees; the slot must have been given back. */
static void handle_free(mm_pool *pool) {
  if (pool->header != NULL && !pool->keep_mapping)
    mm__os_unmap(pool->header, pool->geometry.file_size);
  mm__os_fork_mark_free(pool->fork_mark);
  free(pool);
}

/* Gives up a handle that was not handed out. */
static void handle_discard(mm_pool *pool) {
  if (pool->slot != UINT32_MAX)
    mm__participant_leave(pool);
  else if (pool->file >= 0)
    mm__participant_close(pool);
  handle_free(pool);
}

/* Maps the pool's file through `mapped`, and opens it once more for the locks:
 * a mapping pins its description, and with it the locks, even in a child. */
static int handle_open(mm_pool *pool, int mapped, const mm__geometry *geometry) {
  int error = mm__participant_open(pool, mapped);
  if (error == 0) error = mm__os_describe(pool->file, &pool->identity);
  void *address = NULL;
  if (error == 0) error = mm__os_map(mapped, geometry->file_size, &address);
  if (error != 0) return mm__system_status(error);
  uint8_t *base = address;
  pool->geometry = *geometry;
  pool->header = address;
  pool->slots = (mm__slot *)(void *)(base + geometry->slots_offset);
  pool->data = base + geometry->data_offset;
  mm__heap_view(&pool->heap, &pool->header->heap,
                (mm__block *)(void *)(base + geometry->table_offset), geometry);
  pool->info.size = geometry->data_size;
  pool->info.min_block_size = 1ull << geometry->granule_shift;
  pool->info.max_allocations = geometry->max_allocations;
  pool->info.data = (uint64_t)(uintptr_t)pool->data;
  pool->info.name = pool->name;
  pool->info.directory = pool->directory;
  return MM_OK;
}

const mm_pool_info *mm_pool_describe(const mm_pool *pool) { return &pool->info; }

/* ---- Create ------------------------------------------------------------ */

static void format(mm_pool *pool, const mm_pool_options *options) {
  mm__header *header = pool->header;
  const uint32_t page = pool->geometry.page_size;
  mm__birth *birth = &header->birth;
  birth->magic = MM__MAGIC;
  birth->layout_version = MM__LAYOUT_VERSION;
  birth->header_size = sizeof(mm__header);
  birth->geometry = pool->geometry;
  birth->uid = options->uid;
  memcpy(birth->identity, pool->info.identity, sizeof birth->identity);
  memcpy(birth->host, pool->host, sizeof birth->host);
  birth->creator_pid = mm__os_process_id();
  birth->creator_start = mm__os_process_start();
  header->slots_committed = page / (uint32_t)sizeof(mm__slot);
  const uint32_t records = page / (uint32_t)sizeof(mm__block);
  mm__heap_format(&pool->heap, records < pool->geometry.table_capacity
                                   ? records
                                   : pool->geometry.table_capacity);
}

/* Bytes that blocks of these sizes take together; UINT64_MAX: more than there are. */
static uint64_t blocks_size(const mm_pool_options *options,
                            const mm__geometry *geometry) {
  const uint64_t granule = 1ull << geometry->granule_shift;
  uint64_t total = 0;
  for (size_t at = 0; at < options->pre_allocate_count; at++) {
    const uint64_t size = options->pre_allocate[at];
    if (size > geometry->data_size) return UINT64_MAX;
    const uint64_t block = size != 0 ? (size + granule - 1) / granule * granule : granule;
    if (block > geometry->data_size - total) return UINT64_MAX;
    total += block;
  }
  return total;
}

/* Does what the options say of the pool's memory. */
static int prepare_memory(mm_pool *pool, const mm_pool_options *options) {
  if (options->pre_allocate_count == 0) return MM_OK;
  if (options->pre_allocate_count > pool->geometry.max_allocations)
    return MM_E_TOO_LARGE;
  const uint64_t bytes = blocks_size(options, &pool->geometry);
  if (bytes == UINT64_MAX) return MM_E_TOO_LARGE;
  const int error = mm__grow_ahead(pool, bytes, options->pre_allocate_count);
  return error == -ENOSPC || error == -EDQUOT || error == -ENOMEM
             ? MM_E_FS_FULL
             : mm__system_status(error);
}

/* Makes the whole pool in a file without a name, and then gives it its name. */
static int create_in(int directory, const mm_pool_options *options,
                     const mm__geometry *geometry, mm_pool *pool) {
  uint64_t capacity;
  const uint64_t head = mm__geometry_head(geometry);
  const uint64_t page = geometry->page_size;
  int error = mm__os_capacity(directory, &capacity);
  if (error != 0) return mm__system_status(error);
  if (geometry->data_size > capacity ||
      head + page > capacity - geometry->data_size)
    return MM_E_TOO_LARGE;

  int mapped;
  error = mm__os_create_unnamed(directory, geometry->file_size, &mapped);
  if (error != 0) return mm__system_status(error);
  error = mm__os_commit(mapped, 0, head);
  if (error == 0) error = mm__os_commit(mapped, geometry->table_offset, page);
  int status = mm__system_status(error);
  if (status == MM_OK) status = handle_open(pool, mapped, geometry);
  if (status == MM_OK && options->numa_node_plus_1 != 0)
    status = mm__system_status(mm__os_prefer_node(
        pool->header, geometry->file_size, options->numa_node_plus_1 - 1));
  if (status == MM_OK) {
    format(pool, options);
    status = mm__participant_join(pool);
  }
  if (status == MM_OK) status = prepare_memory(pool, options);
  if (status == MM_OK) {
    char file_name[MM__FILE_NAME_SIZE];
    mm__file_name(options->name, file_name);
    const uint32_t mode = options->mode == 0 ? 0600u : options->mode & 0777u;
    error = mm__os_publish(pool->file, directory, file_name, mode);
    if (error == -EEXIST && mm__file_finish_destroyed(directory, file_name))
      error = mm__os_publish(pool->file, directory, file_name, mode);
    if (error == -EEXIST)
      status = MM_E_EXISTS;
    else if (error == -ENOENT)
      status = MM_E_NO_PROC;
    else
      status = mm__system_status(error);
  }
  mm__os_close(mapped);
  return status;
}

int mm_pool_create(const mm_pool_options *options, mm_pool **result) {
  if (options->name == NULL || !mm__name_is_valid(options->name))
    return MM_E_NAME;
  const char *path = options->directory != NULL ? options->directory
                                                : MM__DEFAULT_DIRECTORY;
  if (!mm__directory_is_valid(path)) return MM_E_DIRECTORY;
  if (options->mode > 0777 && options->mode != MM_MODE_NONE)
    return MM_E_INVALID;
  if (options->numa_node_plus_1 > MM_NUMA_NODE_MAX + 1 ||
      (options->pre_allocate == NULL && options->pre_allocate_count != 0))
    return MM_E_INVALID;
  mm__geometry geometry;
  int status = mm__geometry_plan(
      options->size,
      options->min_block_size != 0 ? options->min_block_size : MM_MIN_BLOCK_SIZE,
      options->max_allocations, mm__os_page_size(), &geometry);
  if (status != MM_OK) return status;

  mm_pool *pool = handle_new(options->name, path);
  if (pool == NULL) return MM_E_SYSTEM(ENOMEM);
  pool->info.uid = options->uid;
  const int error = mm__os_random(pool->info.identity, sizeof pool->info.identity);
  status = error == 0 ? mm_host_identity(pool->host) : mm__system_status(error);
  int directory = -1;
  if (status == MM_OK) status = mm__file_directory(path, &directory);
  if (status == MM_OK) {
    status = create_in(directory, options, &geometry, pool);
    mm__os_close(directory);
  }
  if (status == MM_OK)
    *result = pool;
  else
    handle_discard(pool);
  return status;
}

/* ---- Attach ------------------------------------------------------------ */

/* Attaches to an open file, if it is the pool that the descriptor names. */
static int attach_to(int file, const mm_descriptor *descriptor, mm_pool *pool) {
  mm__os_file description;
  mm__birth birth;
  uint32_t destroyed = 0;
  int status = mm__system_status(mm__os_describe(file, &description));
  if (status == MM_OK) status = mm__file_birth(file, &description, &birth);
  if (status != MM_OK) return status;
  if (memcmp(birth.identity, descriptor->identity, 16) != 0)
    return MM_E_REPLACED;
  status = mm__file_destroyed(file, &destroyed);
  if (status == MM_OK && destroyed != 0) status = MM_E_DESTROYED;
  if (status != MM_OK) return status;

  memcpy(pool->info.identity, birth.identity, 16);
  memcpy(pool->host, birth.host, 16);
  pool->info.uid = birth.uid;
  status = handle_open(pool, file, &birth.geometry);
  if (status == MM_OK) status = mm__participant_join(pool);
  if (status != MM_OK) return status;

  /* It may have been destroyed before our slot could be seen. */
  if (mm__load_acquire(&pool->header->destroyed) != 0) return MM_E_DESTROYED;
  status = mm__system_status(mm__os_describe(pool->file, &description));
  if (status == MM_OK && description.links == 0) status = MM_E_NOT_FOUND;
  return status;
}

int mm_pool_attach(const void *bytes, size_t length, mm_pool **result) {
  mm_descriptor descriptor;
  int status = mm_descriptor_read(bytes, length, &descriptor);
  if (status != MM_OK) return status;
  uint8_t host[16];
  status = mm_host_identity(host);
  if (status != MM_OK) return status;
  if (memcmp(host, descriptor.host, sizeof host) != 0) return MM_E_NOT_LOCAL;

  int directory, file = -1;
  status = mm__file_directory(descriptor.directory, &directory);
  if (status == MM_E_SYSTEM(ENOENT)) return MM_E_NOT_FOUND;
  if (status != MM_OK) return status;
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(descriptor.name, file_name);
  const int error = mm__os_open(directory, file_name, &file);
  mm__os_close(directory);
  if (error == -ENOENT) return MM_E_NOT_FOUND;
  if (error == -EINVAL) return MM_E_NOT_A_POOL;
  if (error != 0) return mm__system_status(error);

  mm_pool *pool = handle_new(descriptor.name, descriptor.directory);
  status = pool != NULL ? attach_to(file, &descriptor, pool) : MM_E_SYSTEM(ENOMEM);
  mm__os_close(file);
  if (status == MM_OK)
    *result = pool;
  else if (pool != NULL)
    handle_discard(pool);
  return status;
}

/* ---- Detach ------------------------------------------------------------ */

static void detach(mm_pool *pool, uint32_t keep_mapping) {
  if (pool == NULL) return;
  pool->keep_mapping = keep_mapping;
  /* A parked call returns now, also one that has not begun to sleep. */
  if (mm__load(pool->parked) == MM__PARKED) mm_unpark(pool);
  if (mm__load(pool->fork_mark) == 0)
    mm__participant_close(pool); /* a child that never attached: the slot is the parent's */
  else
    mm__participant_leave(pool);
  if (__atomic_exchange_n(pool->parked, (uint32_t)MM__ABANDONED,
                          __ATOMIC_ACQ_REL) != MM__PARKED)
    handle_free(pool); /* else the parked call does */
}

void mm_pool_detach(mm_pool *pool) { detach(pool, 0); }

void mm_pool_detach_keep_mapping(mm_pool *pool) { detach(pool, 1); }

/* ---- Parking ----------------------------------------------------------- */

void mm_park_prepare(mm_pool *pool) {
  mm__store(pool->parked, (uint32_t)MM__PARKED);
}

int mm_park(mm_pool *pool, uint32_t seen, uint32_t timeout_ms) {
  const int status = mm_wait(pool, seen, timeout_ms);
  if (!mm__cas(pool->parked, (uint32_t)MM__PARKED, (uint32_t)MM__NOT_PARKED))
    handle_free(pool); /* detached meanwhile */
  return status;
}

/* ---- Destroy ----------------------------------------------------------- */

int mm_pool_destroy(mm_pool *pool) {
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  if (!mm__cas(&pool->header->destroyed, 0u, 1u)) return MM_E_DESTROYED;
  mm__wait_wake_all(pool);

  int directory;
  status = mm__file_directory(pool->directory, &directory);
  if (status != MM_OK) return status;
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(pool->name, file_name);
  status = mm__file_unlink(pool->file, directory, file_name);
  mm__os_close(directory);
  return status;
}
