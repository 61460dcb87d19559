/* inspector.h - looks into a pool from inside: who holds the lock, and whether
 * every invariant holds. */
#ifndef INSPECTOR_H
#define INSPECTOR_H

#include <sys/types.h>

#include "handle.h"

/* The lock's word without the bit for sleepers; 0: free. */
uint64_t inspector_lock(const mm_pool *pool);

/* The process that a lock word names, or 0 if its slot has been taken since. */
pid_t inspector_holder(const mm_pool *pool, uint64_t word);

/* Takes the lock and leaves it, so that somebody has recovered the pool.
 * MM_OK, MM_E_BUSY, MM_E_CORRUPT. */
int inspector_settle(mm_pool *pool);

/* NULL if every invariant holds, else the one that does not. */
const char *inspector_check(mm_pool *pool);

#endif
