/* registry.c - pools by name: looking at them without attaching, removing them.
 *
 * Everything is read from the file, nothing but the header is ever mapped, and
 * that only to mark a pool as destroyed.
 */
#include <errno.h>
#include <string.h>

#include "block.h"
#include "descriptor.h"
#include "geometry.h"
#include "names.h"
#include "participants.h"
#include "pool_file.h"
#include "shared.h"

/* ---- Looking ----------------------------------------------------------- */

/* Counts who is attached, and as how many processes. */
static void count_attached(int file, const mm__geometry *geometry,
                           mm_pool_entry *entry) {
  uint64_t processes[MM_SLOTS_MAX]; /* PID namespace << 32 | pid */
  if (mm__os_is_locked(file, geometry->slots_offset,
                       MM_SLOTS_MAX * sizeof(mm__slot)) == 0)
    return;
  uint32_t committed;
  if (mm__os_read(file, &committed, sizeof committed,
                  offsetof(mm__header, slots_committed)) != 0)
    return;
  for (uint32_t slot = 0; slot < committed && slot < MM_SLOTS_MAX; slot++) {
    const uint64_t offset = mm__participant_offset(geometry, slot);
    if (mm__os_is_locked(file, offset, 1) != 1) continue;
    entry->attachments++;
    mm__slot taken = {0};
    mm__os_read(file, &taken, sizeof taken, offset);
    const uint64_t process = (uint64_t)taken.pid_namespace << 32 | taken.pid;
    uint32_t known = 0;
    while (known < entry->processes && processes[known] != process) known++;
    if (known == entry->processes) processes[entry->processes++] = process;
  }
}

/* Bytes of the blocks in one slot's cache. */
static uint64_t cached_in(int file, const mm__geometry *geometry, uint32_t slot) {
  mm__slot owner;
  if (mm__os_read(file, &owner, sizeof owner,
                  mm__participant_offset(geometry, slot)) != 0)
    return 0;
  uint32_t used = owner.cache_used;
  if (used > owner.cache_committed) used = owner.cache_committed;
  if (used > geometry->cache_entries) used = geometry->cache_entries;
  const uint64_t offset =
      geometry->caches_offset + slot * mm__geometry_cache_size(geometry);
  uint64_t granules = 0;
  for (uint32_t at = 0; at < used; at += MM__CACHE_CHUNK) {
    uint32_t entries[MM__CACHE_CHUNK];
    if (mm__os_read(file, entries, sizeof entries,
                    offset + at * sizeof *entries) != 0)
      break;
    for (uint32_t k = 0; k < MM__CACHE_CHUNK; k++) {
      mm__block block;
      if (entries[k] != 0 && entries[k] < geometry->table_capacity &&
          mm__os_read(file, &block, sizeof block,
                      geometry->table_offset + entries[k] * sizeof block) == 0 &&
          mm__tag(block.state) == mm__cached(slot))
        granules += block.granules;
    }
  }
  return granules << geometry->granule_shift;
}

/* What is cached is free. */
static uint64_t subtract_cached(int file, const mm__geometry *geometry,
                                uint64_t taken) {
  uint32_t slots = 0;
  if (geometry->cache_entries == 0 || taken > geometry->data_size ||
      mm__os_read(file, &slots, sizeof slots,
                  offsetof(mm__header, slots_committed)) != 0)
    return taken;
  for (uint32_t slot = 0; slot < slots && slot < MM_SLOTS_MAX; slot++) {
    const uint64_t cached = cached_in(file, geometry, slot);
    taken = cached < taken ? taken - cached : 0;
  }
  return taken;
}

/* Fills in what an open file shows; is_pool stays 0 if that is nothing. */
static void look_into(int file, const char *directory, mm_pool_entry *entry) {
  mm__os_file description;
  mm__birth birth;
  uint32_t destroyed = 0;
  size_t length = 0;
  if (mm__os_describe(file, &description) != 0 ||
      mm__file_birth(file, &description, &birth) != MM_OK ||
      mm__file_destroyed(file, &destroyed) != MM_OK ||
      mm__os_read(file, &entry->used, sizeof entry->used,
                  offsetof(mm__header, heap.taken_bytes)) != 0)
    return;
  const mm__described pool = {
      .host = birth.host,
      .identity = birth.identity,
      .uid = birth.uid,
      .name = entry->name,
      .directory = directory,
  };
  if (mm__descriptor_write(&pool, NULL, entry->descriptor,
                           sizeof entry->descriptor, &length) != MM_OK)
    return;
  entry->is_pool = 1;
  entry->is_destroyed = destroyed != 0;
  entry->used = subtract_cached(file, &birth.geometry, entry->used);
  entry->size = birth.geometry.data_size;
  if (entry->used > entry->size) entry->used = entry->size; /* spoilt */
  entry->uid = birth.uid;
  entry->creator_pid = birth.creator_pid;
  entry->creator_start = birth.creator_start;
  entry->descriptor_length = (uint32_t)length;
  count_attached(file, &birth.geometry, entry);
}

/* MM_OK, MM_E_NOT_FOUND, MM_E_SYSTEM. */
static int look(int directory, const char *path, const char *name,
                mm_pool_entry *entry) {
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(name, file_name);
  memset(entry, 0, sizeof *entry);
  strcpy(entry->name, name);
  int file;
  const int error = mm__os_open_for_reading(directory, file_name, &file);
  if (error == -ENOENT) return MM_E_NOT_FOUND;
  if (error == -EINVAL) return MM_OK; /* it is there, and no file of ours */
  if (error != 0) return mm__system_status(error);
  look_into(file, path, entry);
  mm__os_close(file);
  return MM_OK;
}

/* Checks what a user named, and opens the directory. */
static int open_named(const char *name, const char **path, int *directory) {
  if (name != NULL && !mm__name_is_valid(name)) return MM_E_NAME;
  if (*path == NULL) *path = MM__DEFAULT_DIRECTORY;
  if (!mm__directory_is_valid(*path)) return MM_E_DIRECTORY;
  return mm__file_directory(*path, directory);
}

int mm_pool_probe(const char *name, const char *path, mm_pool_entry *entry) {
  if (name == NULL) return MM_E_NAME;
  int directory;
  int status = open_named(name, &path, &directory);
  if (status != MM_OK) return status;
  status = look(directory, path, name, entry);
  mm__os_close(directory);
  return status;
}

/* ---- Listing ----------------------------------------------------------- */

typedef struct listing {
  int directory;
  const char *path;
  mm_pool_entry *entries;
  size_t capacity;
  size_t count;
} listing;

static int list_one(void *context, const char *file_name) {
  listing *list = context;
  const char *name = file_name + sizeof MM__FILE_PREFIX - 1;
  if (!mm__name_is_valid(name)) return 0;
  mm_pool_entry spare;
  mm_pool_entry *entry =
      list->count < list->capacity ? &list->entries[list->count] : &spare;
  /* One that has gone meanwhile, or that we may not read, is none of ours. */
  if (look(list->directory, list->path, name, entry) == MM_OK) list->count++;
  return 0;
}

int mm_pool_list(const char *path, mm_pool_entry *entries, size_t capacity,
                 size_t *count) {
  listing list = {.entries = entries, .capacity = capacity};
  *count = 0;
  const int status = open_named(NULL, &path, &list.directory);
  if (status != MM_OK) return status;
  list.path = path;
  const int error =
      mm__os_each_name(list.directory, MM__FILE_PREFIX, list_one, &list);
  mm__os_close(list.directory);
  *count = list.count;
  return mm__system_status(error);
}

/* ---- Removing ---------------------------------------------------------- */

/* Ends the pool for all who are attached: their waiters see it within a slice. */
static int mark_destroyed(int file) {
  void *address;
  const int error = mm__os_map(file, sizeof(mm__header), &address);
  if (error != 0) return mm__system_status(error);
  mm__header *header = address;
  mm__store_release(&header->destroyed, 1u);
  mm__os_unmap(address, sizeof(mm__header));
  return MM_OK;
}

static int remove_file(int file, int directory, const char *file_name,
                       uint32_t force) {
  mm__os_file description;
  mm__birth birth;
  int status = mm__system_status(mm__os_describe(file, &description));
  if (status != MM_OK) return status;
  /* Wherever a pool's slots lie, also those of another release. */
  const uint64_t first = MM__GROW_BYTE + 1;
  if (!force && mm__os_is_locked(file, first, INT64_MAX - first) != 0)
    return MM_E_IN_USE;
  if (mm__file_birth(file, &description, &birth) == MM_OK) {
    status = mark_destroyed(file);
    if (status != MM_OK) return status;
  }
  return mm__file_unlink(file, directory, file_name);
}

int mm_pool_remove(const char *name, const char *path, uint32_t force) {
  if (name == NULL) return MM_E_NAME;
  int directory, file;
  int status = open_named(name, &path, &directory);
  if (status != MM_OK) return status;
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(name, file_name);
  const int error = mm__os_open(directory, file_name, &file);
  if (error == 0) {
    status = remove_file(file, directory, file_name, force);
    mm__os_close(file);
  } else {
    status = error == -ENOENT   ? MM_E_NOT_FOUND
             : error == -EINVAL ? MM_E_NOT_A_POOL
                                : mm__system_status(error);
  }
  mm__os_close(directory);
  return status;
}
