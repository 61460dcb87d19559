/* pools.h - the pools that are tortured, one after the other, and the quiet one
 * that the board lies in. */
#ifndef POOLS_H
#define POOLS_H

#include "warden.h"

/* Makes the quiet pool and the board. */
void pools_make_board(warden *warden);

/* Makes the next pool, of a random kind, and tells the workers. */
void pools_make_next(warden *warden);

/* Takes the half that the warden keeps, so that it can be given to waiters. */
void pools_take_reserve(warden *warden);

/* Destroys everything, at the end. */
void pools_end(warden *warden);

#endif
