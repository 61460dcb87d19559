/* waiters.h - measures how long waiters wait after room came. */
#ifndef WAITERS_H
#define WAITERS_H

#include "warden.h"

/* Longest time from the room, or from the end of the last process that died
 * meanwhile, to the allocation; without what warden and waiters waited for a
 * processor. */
#define WAITERS_LIMIT_NS 100000000ull

/* Has some workers wait for a part of the reserve, frees it, and disturbs them:
 * waiters are killed, or whoever frees. */
void waiters_probe(warden *warden);

/* Has some workers wait, and destroys the pool. */
void waiters_probe_destroy(warden *warden);

/* At the end: were waiters woken, or did they only look for themselves? */
void waiters_judge(warden *warden);

#endif
