/* ffi.c - see managed_memory_ffi.h. */
#include <string.h>

#include "handle.h"

/* Callers read these in place. */
_Static_assert(sizeof(mm_ffi_results) == MM_FFI_RESULTS_SIZE, "as documented");
_Static_assert(sizeof(mm_pool_entry) == 1664, "as callers allot");
_Static_assert(sizeof(mm_descriptor) == 1288, "as callers allot");
_Static_assert(sizeof(mm_pool_view) == 80, "as callers allot");
_Static_assert(sizeof(mm_participant_view) == 32, "as callers allot");
_Static_assert(sizeof(mm_record_view) == 72, "as callers allot");

/* 1 if the double is a whole number from 0 to 2^53 - 1. */
static int to_whole(double number, uint64_t *whole) {
  if (!(number >= 0 && number <= (double)MM_SIZE_MAX)) return 0;
  /* By way of int64_t, whose conversions are one instruction each. */
  const int64_t integer = (int64_t)number;
  *whole = (uint64_t)integer;
  return (double)integer == number;
}

static uint64_t to_id(uint32_t low, uint32_t high) {
  return (uint64_t)high << 32 | low;
}

void *mm_ffi_results_of(mm_pool *pool) { return &pool->results; }

void *mm_ffi_data(const mm_pool *pool) { return pool->data; }

int mm_ffi_pool_create(double size, const char *name, uint64_t uid,
                       double min_block_size, double max_allocations,
                       uint32_t mode, const char *directory,
                       const uint64_t *pre_allocate, uint32_t pre_allocate_count,
                       uint32_t numa_node_plus_1, mm_pool **pool) {
  mm_pool_options options = {
      .name = name,
      .uid = uid,
      .mode = mode != 0 ? mode : MM_MODE_NONE,
      .directory = directory,
      .pre_allocate = pre_allocate,
      .pre_allocate_count = pre_allocate_count,
      .numa_node_plus_1 = numa_node_plus_1,
  };
  if (!to_whole(size, &options.size) ||
      !to_whole(min_block_size, &options.min_block_size) ||
      !to_whole(max_allocations, &options.max_allocations))
    return MM_E_INVALID;
  return mm_pool_create(&options, pool);
}

int mm_ffi_alloc(mm_pool *pool, double size, uint32_t type) {
  uint64_t bytes;
  if (!to_whole(size, &bytes)) return MM_E_INVALID;
  return mm_alloc(pool, bytes, type, &pool->results.allocation);
}

int mm_ffi_free(mm_pool *pool, uint32_t id_low, uint32_t id_high) {
  return mm_free(pool, to_id(id_low, id_high));
}

int mm_ffi_find(mm_pool *pool, uint32_t id_low, uint32_t id_high) {
  return mm_find(pool, to_id(id_low, id_high), &pool->results.allocation);
}

int mm_ffi_resize(mm_pool *pool, uint32_t id_low, uint32_t id_high,
                  double size) {
  uint64_t bytes;
  if (!to_whole(size, &bytes)) return MM_E_INVALID;
  return mm_resize(pool, to_id(id_low, id_high), bytes);
}

/* The address of bytes of the data region; NULL if they do not lie in there. */
static void *bytes_at(const mm_pool *pool, double offset, double size,
                      uint64_t *length) {
  uint64_t start;
  if (!to_whole(offset, &start) || !to_whole(size, length) ||
      start > pool->geometry.data_size ||
      *length > pool->geometry.data_size - start)
    return NULL;
  return pool->data + start;
}

int mm_ffi_hash(mm_pool *pool, double offset, double size) {
  uint64_t length;
  const void *bytes = bytes_at(pool, offset, size, &length);
  if (bytes == NULL) return MM_E_INVALID;
  pool->results.hash = mm_hash(bytes, length);
  return MM_OK;
}

int mm_ffi_clear(mm_pool *pool, double offset, double size) {
  uint64_t length;
  void *bytes = bytes_at(pool, offset, size, &length);
  if (bytes == NULL) return MM_E_INVALID;
  memset(bytes, 0, length);
  return MM_OK;
}

int mm_ffi_write(mm_pool *pool, double offset, double size, const void *source) {
  uint64_t length;
  void *bytes = bytes_at(pool, offset, size, &length);
  if (bytes == NULL || (source == NULL && length != 0)) return MM_E_INVALID;
  if (length != 0) memmove(bytes, source, length);
  return MM_OK;
}

int mm_ffi_copy(mm_pool *pool, double offset, double size, const mm_pool *from,
                double from_offset) {
  uint64_t length;
  void *bytes = bytes_at(pool, offset, size, &length);
  const void *source = bytes_at(from, from_offset, size, &length);
  if (bytes == NULL || source == NULL) return MM_E_INVALID;
  memmove(bytes, source, length);
  return MM_OK;
}

int mm_ffi_equals(const mm_pool *pool, double offset, double size,
                  const mm_pool *other, double other_offset) {
  uint64_t length;
  const void *bytes = bytes_at(pool, offset, size, &length);
  const void *others = bytes_at(other, other_offset, size, &length);
  if (bytes == NULL || others == NULL) return MM_E_INVALID;
  return memcmp(bytes, others, length) == 0;
}

int mm_ffi_read_stats(mm_pool *pool) {
  return mm_pool_read_stats(pool, &pool->results.stats);
}

int mm_ffi_owner_of(mm_pool *pool, uint32_t id_low, uint32_t id_high) {
  return mm_owner_of(pool, to_id(id_low, id_high), &pool->results.owner);
}

int mm_ffi_adopt(mm_pool *pool, uint32_t id_low, uint32_t id_high) {
  return mm_adopt(pool, to_id(id_low, id_high));
}

double mm_ffi_pool_trim(mm_pool *pool) {
  uint64_t bytes = 0;
  const int status = mm_pool_trim(pool, &bytes);
  return status == MM_OK ? (double)bytes : (double)status;
}

int mm_ffi_reclaim(mm_pool *pool) {
  return mm_reclaim(pool, &pool->results.reclaimed);
}

int mm_ffi_pool_list(const char *directory, void *entries, uint32_t capacity) {
  size_t count = 0;
  const int status = mm_pool_list(directory, entries, capacity, &count);
  if (status != MM_OK) return status;
  return count < INT32_MAX ? (int)count : INT32_MAX;
}

int mm_ffi_list(mm_pool *pool, uint32_t restart, double type, void *entries,
                uint32_t capacity) {
  if (entries == NULL || !(type >= -1 && type <= (double)UINT32_MAX))
    return MM_E_INVALID;
  mm_ffi_results *results = &pool->results;
  if (restart) results->cursor = 0;
  size_t count = 0;
  const int status = mm_list(pool, &results->cursor, (int64_t)type, entries,
                             capacity, &count);
  results->count = count;
  return status;
}

int mm_ffi_list_free_blocks(mm_pool *pool, uint32_t restart, void *sizes,
                            uint32_t capacity) {
  if (sizes == NULL) return MM_E_INVALID;
  mm_ffi_results *results = &pool->results;
  if (restart) results->cursor = 0;
  size_t count = 0;
  const int status =
      mm_list_free_blocks(pool, &results->cursor, sizes, capacity, &count);
  results->count = count;
  return status;
}

int mm_ffi_descriptor_read(const void *bytes, uint32_t length,
                           mm_descriptor *descriptor) {
  return mm_descriptor_read(bytes, length, descriptor);
}

int mm_ffi_default_pool(void *buffer, uint32_t capacity) {
  size_t length = 0;
  const int status = mm_default_pool(buffer, capacity, &length);
  return status == MM_OK ? (int)length : status;
}

int mm_ffi_pool_serialize(const mm_pool *pool, void *buffer, uint32_t capacity) {
  size_t length = 0;
  const int status = mm_pool_serialize(pool, buffer, capacity, &length);
  return status == MM_OK ? (int)length : status;
}

int mm_ffi_allocation_serialize(const mm_pool *pool, uint32_t id_low,
                                uint32_t id_high, uint32_t type, void *buffer,
                                uint32_t capacity) {
  const mm_allocation allocation = {.id = to_id(id_low, id_high), .type = type};
  size_t length = 0;
  const int status =
      mm_allocation_serialize(pool, &allocation, buffer, capacity, &length);
  return status == MM_OK ? (int)length : status;
}

int mm_ffi_wait_ticket(mm_pool *pool) {
  return mm_wait_ticket(pool, &pool->results.ticket);
}

int mm_ffi_wait_try(mm_pool *pool, double ticket, double size, uint32_t type) {
  uint64_t number, bytes;
  if (!to_whole(ticket, &number) || !to_whole(size, &bytes)) return MM_E_INVALID;
  return mm_wait_try(pool, number, bytes, type, &pool->results.allocation);
}

int mm_ffi_wait_show(mm_pool *pool, double ticket, double size,
                     double smallest) {
  uint64_t number, bytes, least;
  if (!to_whole(ticket, &number) || !to_whole(size, &bytes) ||
      !to_whole(smallest, &least))
    return MM_E_INVALID;
  return mm_wait_show(pool, number, bytes, least);
}
