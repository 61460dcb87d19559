/* allocate.h - allocating and freeing in a pool: heap, growth, waiters.
 *
 * Brings together the heap, which knows no files, and the file, which knows no
 * heap: commits memory outside of the lock, then uses it under the lock.
 */
#ifndef MM_ALLOCATE_H
#define MM_ALLOCATE_H

#include "handle.h"

/* For calls that do not queue. */
#define MM__NO_TICKET 0u

/* As mm_alloc(); with a ticket, only if no older request goes first. */
int mm__allocate(mm_pool *pool, uint64_t size, uint32_t type, uint64_t ticket,
                 uint32_t patience_ms, mm_allocation *allocation);

/* As mm_free(), if the allocation still belongs to `owner`; else MM_E_STALE. */
int mm__free_owned(mm_pool *pool, uint64_t id, uint64_t owner);

#endif
