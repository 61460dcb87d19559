/* killing.h - who is killed and when, and how the others recover. */
#ifndef KILLING_H
#define KILLING_H

#include "warden.h"

/* Kills one worker at random and starts another in its place. */
void killing_one(warden *warden);

/* Stops one worker at random, for a moment. */
void killing_stop_one(warden *warden);

/* Stops one worker inside the lock until the others have lost their patience. */
void killing_block_all(warden *warden);

/* Has the pool recovered, and takes down how long after `since` it was whole.
 * Nobody may be stopped. */
void killing_recover(warden *warden, uint64_t since);

#endif
