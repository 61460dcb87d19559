/* participants.h - who is attached, and whether they live.
 *
 * A participant holds a file lock on its slot's first byte, through a file
 * descriptor of its own that is never mapped. The kernel drops the lock when
 * the process dies, whatever the PID namespace. Asking about one's own slot
 * would always answer "free": one's own slot is alive by definition.
 */
#ifndef MM_PARTICIPANTS_H
#define MM_PARTICIPANTS_H

#include "handle.h"

/* Opens pool->file: the file that `mapped` leads to, for locks. 0 or a negative
 * errno. */
int mm__participant_open(mm_pool *pool, int mapped);

/* Closes pool->file, and with it go its locks. */
void mm__participant_close(mm_pool *pool);

/* Takes a slot through pool->file, and takes back what its last holder left.
 * MM_OK, MM_E_NO_SLOT, MM_E_FS_FULL, MM_E_BUSY, MM_E_CORRUPT, MM_E_SYSTEM. */
int mm__participant_join(mm_pool *pool);

/* Gives the slot back and closes pool->file. */
void mm__participant_leave(mm_pool *pool);

/* In a child after fork(): lets go of the parent's slot and takes one of its
 * own. As mm__participant_join(). */
int mm__participant_rejoin(mm_pool *pool);

/* 1 if the slot's participant lives, 0 if it is dead or nobody has it. In
 * doubt, 1. */
int mm__participant_is_alive(mm_pool *pool, uint32_t slot);

/* 1 if pool->file still leads to the pool's file: nobody else has closed it. */
int mm__participant_has_file(const mm_pool *pool);

/* Slots that may be touched. */
uint32_t mm__participant_limit(const mm_pool *pool);

/* Where a slot lies in the file. */
uint64_t mm__participant_offset(const mm__geometry *geometry, uint32_t slot);

#endif
