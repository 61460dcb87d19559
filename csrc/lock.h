/* lock.h - the pool's lock: one word that names its owner.
 *
 *   bit 0        somebody sleeps for it
 *   bits 1-16    the owner's slot + 1; 0 in the whole word: free
 *   bits 17-48   the owner's epoch
 *
 * A word that names a dead participant is taken over by compare-and-swap of
 * exactly that word; epochs keep a word from ever coming back. A living owner
 * is never robbed. Knows no heap: whoever takes over is told to recover.
 */
#ifndef MM_LOCK_H
#define MM_LOCK_H

#include <stdint.h>

/* What mm__lock_take() answers besides MM_OK and MM_E_BUSY. */
enum { MM__TAKEN_OVER = 1 };

/* Who takes the lock, and how to ask about others. */
typedef struct mm__lock_user {
  uint64_t word; /* mm__lock_word() of this participant */
  /* 1 if the participant in that slot lives, 0 if it is dead. */
  int (*is_alive)(void *context, uint32_t slot);
  void *context;
} mm__lock_user;

uint64_t mm__lock_word(uint32_t slot, uint32_t epoch);

/* The slot that a word names; any value for words that were spoilt. */
uint32_t mm__lock_slot(uint64_t word);

/* Takes the lock: MM_OK; MM__TAKEN_OVER (taken, but its owner died in the
 * middle of its work); MM_E_BUSY after `milliseconds`. */
int mm__lock_take(uint64_t *lock, const mm__lock_user *user,
                  uint32_t milliseconds);

/* Takes the lock over if it names `slot`, whatever the epoch: 1 if it did. For
 * the participant that has just taken that slot. */
int mm__lock_inherit(uint64_t *lock, uint64_t word, uint32_t slot);

void mm__lock_leave(uint64_t *lock);

#endif
