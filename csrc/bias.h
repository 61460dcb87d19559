/* bias.h - leaving a slot's blocks to its participant, who then changes them by
 * plain stores.
 *
 * What lies in a cache anyone may take back, and an allocation anyone may free: that
 * takes a compare-and-swap of everybody. But hardly ever does another come for the
 * blocks that a participant keeps, and for those that it made. So a slot may be
 * biased towards its participant. What that allocates meanwhile from its cache is
 * TIED to the slot, instead of LIVE. Before it takes a block out of its cache, or
 * frees a TIED one into it, it names the record in `claim`, and sees that the slot
 * is still biased; then it goes on by plain stores, and clears `claim`.
 *
 * Others revoke the bias first, and have every processor that runs a participant
 * order its memory (mm__os_fence_all()), which costs them a millisecond, and nobody
 * else. From then on the participant either has shown its claim, or sees that it
 * has no bias any more.
 *
 *   C2  While a slot is biased, or that is being revoked, nobody but its
 *       participant changes the state of a block that is CACHED by it or TIED to it.
 *   C3  While it is not, all may, by compare-and-swap: its participant at any time,
 *       others under the lock, but not the record in `claim` while the participant
 *       lives.
 *
 * A participant gives the bias to itself, and under the lock: so whoever holds that
 * and finds none can rely on it. It is revoked without the lock, so that nobody
 * waits for the fence: BIASED, REVOKED, fence, NOT_BIASED. Whoever is killed in the
 * middle leaves it REVOKED, and the next one fences, too. The word counts how often
 * it was revoked, lest one who comes late ends the revocation of another.
 */
#ifndef MM_BIAS_H
#define MM_BIAS_H

#include "handle.h"

/* After so many frees of own blocks by compare-and-swap a slot is worth a bias. */
#define MM__BIAS_AFTER 4096u

/* How often somebody revokes a bias and finds another the next moment. Each is given
 * half as soon as the last one. */
#define MM__BIAS_ROUNDS_MAX 100

/* Biases the slot towards its participant, which must show no claim, if that costs
 * nobody much, and nobody waits. Without the lock. */
void mm__bias_seek(mm_pool *pool);

/* Ends the own bias, if nobody else is about to. */
void mm__bias_leave(mm_pool *pool);

/* 1 if blocks of that slot are its participant's alone. Under the lock. */
int mm__bias_has(const mm_pool *pool, uint32_t slot);

/* 1 if another's slot is not to be touched: revoke that, and try again. Under the
 * lock. */
int mm__bias_any(const mm_pool *pool);

/* Revokes the bias of all slots but the own. Without the lock: takes a
 * millisecond. */
void mm__bias_revoke_all(mm_pool *pool);

/* Takes the lock, the allocation being LIVE or TIED to the own slot, if it is one.
 * MM_OK; what mm__lock() answers; MM_E_BUSY also where another that stands still is
 * about to free it. */
int mm__bias_lock(mm_pool *pool, uint64_t id);

#endif
