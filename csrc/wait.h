/* wait.h - who goes first when room comes.
 *
 * Each participant has one wait cell in its slot; it shows its oldest request.
 * All cells change under the lock only, so a request that is shown and then
 * tried misses no room: whoever frees afterwards sees the cell.
 *
 * Rules, applied when a request is tried (mm__wait_turn):
 *   - An older request of another participant that fits goes first, unless it
 *     was told so PATIENCE ago and did not take.
 *   - An older one that does not fit may be passed PASSES_MAX times; then room
 *     is held back for it, unless nothing was freed for HOLD.
 *   - A cell that was not renewed for STALE, whose participant is dead, or that
 *     was withdrawn while the lock was busy, does not count.
 */
#ifndef MM_WAIT_H
#define MM_WAIT_H

#include "handle.h"

/* Whose turn it is. Under the lock. */
typedef struct mm__turn {
  uint64_t passed[MM__WAIT_WORDS]; /* cells that are passed if the try succeeds */
  uint32_t passed_words;           /* bit per word of `passed` that is in use */
} mm__turn;

/* 1 if somebody waits. Certain under the lock. */
int mm__wait_any(const mm_pool *pool);

/* MM_OK if the request with that ticket may go now, MM_E_QUEUED if not; *tell
 * is the slot to wake after unlocking, or MM__NOBODY. Under the lock. */
int mm__wait_turn(mm_pool *pool, uint64_t ticket, mm__turn *turn, uint32_t *tell);

/* A request was queued behind an older one: its participant can be told again.
 * Under the lock. */
void mm__wait_queued(mm_pool *pool);

/* The request with that ticket was tried; it succeeded or not. Under the lock. */
void mm__wait_tried(mm_pool *pool, uint64_t ticket, const mm__turn *turn,
                    int succeeded);

#define MM__NOBODY UINT32_MAX

/* Something was freed, and nobody is told: whoever sleeps sees it at its next
 * look. Under the lock. */
void mm__wait_count_free(mm_pool *pool);

/* Something was freed: chooses whom to wake after unlocking. Under the lock. */
uint32_t mm__wait_freed(mm_pool *pool);

/* Wakes a slot that one of the above chose. Without the lock. */
void mm__wait_wake(mm_pool *pool, uint32_t slot);

/* Wakes everybody, because the pool was destroyed. Without the lock. */
void mm__wait_wake_all(mm_pool *pool);

/* Withdraws what a slot shows. Under the lock. */
void mm__wait_clear(mm_pool *pool, uint32_t slot);

/* Makes the bits over the cells anew from the cells. Under the lock. */
void mm__wait_rebuild(mm_pool *pool);

/* NULL if the bits mirror the cells. Under the lock. */
const char *mm__wait_check(mm_pool *pool);

#endif
