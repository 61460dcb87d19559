/* managed_memory_ffi.h - doors for callers whose numbers are doubles.
 *
 * A JavaScript engine passes a double or a 32-bit integer in a few nanoseconds
 * and a 64-bit integer in many. These functions take sizes as doubles and ids
 * as two halves, check them, and call managed_memory.h. Results that do not
 * fit an int lie in the handle's result area, which the caller reads in place.
 * No other logic lives here.
 *
 * A double that is not a whole number from 0 to 2^53 - 1 is MM_E_INVALID.
 */
#ifndef MANAGED_MEMORY_FFI_H
#define MANAGED_MEMORY_FFI_H

#include "managed_memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One per handle. All 64-bit fields are little-endian pairs of 32-bit words to
 * a caller that reads them so. */
typedef struct mm_ffi_results {
  mm_allocation allocation; /* byte 0: last alloc, find, wait_try */
  mm_pool_stats stats;      /* byte 32: last read_stats */
  uint64_t ticket;          /* byte 56: last wait_ticket */
  uint64_t count;           /* byte 64: entries of the last list, list_free_blocks */
  uint64_t cursor;          /* byte 72: where the next list, list_free_blocks goes on */
  mm_owner owner;           /* byte 80: last owner_of */
  mm_reclaimed reclaimed;   /* byte 88: last reclaim */
  uint64_t hash;            /* byte 104: last hash */
} mm_ffi_results;

#define MM_FFI_RESULTS_SIZE 112u

/* The handle's result area: MM_FFI_RESULTS_SIZE bytes, valid until detach. */
MM_API void *mm_ffi_results_of(mm_pool *pool);

/* The start of the data region, valid until detach. */
MM_API void *mm_ffi_data(const mm_pool *pool);

/* mm_pool_create(); writes the handle's address to *pool. An option that is
 * not given is 0 or NULL, but `mode` is taken as it is: 0 is no permission. */
MM_API int mm_ffi_pool_create(double size, const char *name, uint64_t uid,
                              double min_block_size, double max_allocations,
                              uint32_t mode, const char *directory,
                              const uint64_t *pre_allocate,
                              uint32_t pre_allocate_count,
                              uint32_t numa_node_plus_1, mm_pool **pool);

/* mm_alloc(); result in allocation. */
MM_API int mm_ffi_alloc(mm_pool *pool, double size, uint32_t type);

/* mm_free(). */
MM_API int mm_ffi_free(mm_pool *pool, uint32_t id_low, uint32_t id_high);

/* mm_find(); result in allocation. */
MM_API int mm_ffi_find(mm_pool *pool, uint32_t id_low, uint32_t id_high);

/* mm_resize(). */
MM_API int mm_ffi_resize(mm_pool *pool, uint32_t id_low, uint32_t id_high,
                         double size);

/* The bytes of allocations, by their offset in the data region: MM_OK, or
 * MM_E_INVALID if they do not lie in there, whereupon nothing was touched. That
 * they belong to somebody who wants it is for the caller to know. */

/* mm_hash(); result in hash. */
MM_API int mm_ffi_hash(mm_pool *pool, double offset, double size);

/* Makes them zero. */
MM_API int mm_ffi_clear(mm_pool *pool, double offset, double size);

/* Copies them from `source`, which has `size` bytes. */
MM_API int mm_ffi_write(mm_pool *pool, double offset, double size,
                        const void *source);

/* Copies them from another place, of this pool or of another one. */
MM_API int mm_ffi_copy(mm_pool *pool, double offset, double size,
                       const mm_pool *from, double from_offset);

/* 1 if they are the same as in another place, 0 if they are not. */
MM_API int mm_ffi_equals(const mm_pool *pool, double offset, double size,
                         const mm_pool *other, double other_offset);

/* mm_pool_read_stats(); result in stats. */
MM_API int mm_ffi_read_stats(mm_pool *pool);

/* mm_owner_of(); result in owner. */
MM_API int mm_ffi_owner_of(mm_pool *pool, uint32_t id_low, uint32_t id_high);

/* mm_adopt(). */
MM_API int mm_ffi_adopt(mm_pool *pool, uint32_t id_low, uint32_t id_high);

/* mm_pool_trim(): the bytes, or a status, which is negative. */
MM_API double mm_ffi_pool_trim(mm_pool *pool);

/* mm_reclaim(); result in reclaimed. */
MM_API int mm_ffi_reclaim(mm_pool *pool);

/* mm_pool_list(): how many pools there are, or a negative status. `entries` is
 * room for `capacity` of mm_pool_entry. */
MM_API int mm_ffi_pool_list(const char *directory, void *entries,
                            uint32_t capacity);

/* mm_list(): `type` is a type or -1, `entries` room for `capacity` of
 * mm_allocation; results in count and cursor. `restart` 1 starts at 0. */
MM_API int mm_ffi_list(mm_pool *pool, uint32_t restart, double type,
                       void *entries, uint32_t capacity);

/* mm_list_free_blocks(): `sizes` is room for `capacity` uint64_t. */
MM_API int mm_ffi_list_free_blocks(mm_pool *pool, uint32_t restart, void *sizes,
                                   uint32_t capacity);

/* mm_descriptor_read(). */
MM_API int mm_ffi_descriptor_read(const void *bytes, uint32_t length,
                                  mm_descriptor *descriptor);

/* mm_default_pool(): the length in bytes, or a negative status. */
MM_API int mm_ffi_default_pool(void *buffer, uint32_t capacity);

/* mm_pool_serialize(): the length in bytes, or a negative status. */
MM_API int mm_ffi_pool_serialize(const mm_pool *pool, void *buffer,
                                 uint32_t capacity);

/* mm_allocation_serialize(): the length in bytes, or a negative status. */
MM_API int mm_ffi_allocation_serialize(const mm_pool *pool, uint32_t id_low,
                                       uint32_t id_high, uint32_t type,
                                       void *buffer, uint32_t capacity);

/* mm_wait_ticket(); result in ticket. */
MM_API int mm_ffi_wait_ticket(mm_pool *pool);

/* mm_wait_try(); tickets count up from 1 and stay below 2^53; result in
 * allocation. */
MM_API int mm_ffi_wait_try(mm_pool *pool, double ticket, double size,
                           uint32_t type);

/* mm_wait_show(). */
MM_API int mm_ffi_wait_show(mm_pool *pool, double ticket, double size,
                            double smallest);

#ifdef __cplusplus
}
#endif

#endif
