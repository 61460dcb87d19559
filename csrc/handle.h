/* handle.h - struct mm_pool: one attachment, and the door to its shared parts.
 *
 * Everything in a handle is private to this process. Numbers that came from
 * the shared header were checked when the handle was made and are never read
 * from there again.
 */
#ifndef MM_HANDLE_H
#define MM_HANDLE_H

#include "cache.h"
#include "heap.h"
#include "lock.h"
#include "managed_memory_ffi.h"
#include "os.h"

/* Who unmaps: the handle's thread, or a parked call that still looks at it. */
enum {
  MM__NOT_PARKED = 0,
  MM__PARKED = 1,
  MM__ABANDONED = 2, /* detached meanwhile: the parked call frees the handle */
};

struct mm_pool {
  mm__header *header;
  mm__slot *slots;
  uint8_t *data;
  mm__heap heap;
  mm__cache cache;
  mm__geometry geometry;

  uint64_t owner;           /* mm__owner() of this participant, for records */
  mm__lock_user lock_user;
  uint32_t slot;
  uint32_t has_slot;        /* 1: took over all that the last one there had left */
  uint32_t *fork_mark;      /* 0 in a child that inherited the handle */
  int file;                 /* holds the lock on the slot's first byte; -1: none */
  mm__os_unshared unshared; /* `file`, which no child is to hold */
  mm__os_file identity;     /* of `file`, when it was opened */

  uint32_t *parked;         /* atomic: MM__NOT_PARKED .. MM__ABANDONED; beside
                               fork_mark: threads are not inherited */
  uint32_t keep_mapping;    /* 1: something outside points into the mapping */

  mm_pool_info info;
  uint8_t host[16];
  char name[MM_NAME_MAX + 1];
  char directory[MM_DIRECTORY_MAX + 1];
  mm_ffi_results results;
};

/* How long a call waits for a peer that stands still inside the lock. */
#define MM__LOCK_PATIENCE_MS 1000u
#define MM__WAITER_PATIENCE_MS 5u /* a waiter tries again anyway */

/* 1 if there is nothing to do before a call. */
int mm__is_open(const mm_pool *pool);

/* First thing in every call: attaches anew after fork(), and refuses when the
 * pool was destroyed. MM_OK, MM_E_DESTROYED, or why it could not attach. */
int mm__enter(mm_pool *pool);

/* Takes the lock, recovering the heap first where its last owner died. MM_OK,
 * MM_E_BUSY, MM_E_CORRUPT. */
int mm__lock(mm_pool *pool, uint32_t milliseconds);
void mm__unlock(mm_pool *pool);

/* Recovers the heap; for the lock's holder. MM_OK or MM_E_CORRUPT. */
int mm__recover(mm_pool *pool);

/* What came of trying again after mm__recover(), for the lock's holder: a heap
 * that contradicts itself even then is left to the next one, MM_E_CORRUPT. */
int mm__tried_again(mm_pool *pool, int status);

/* Checks every invariant, under the lock: NULL, or what is broken. For tests
 * and tools. */
const char *mm__check(mm_pool *pool);

#endif
