/* janitor.h - frees what the dead have left. */
#ifndef JANITOR_H
#define JANITOR_H

#include "warden.h"

/* Verifies the allocations whose owners are gone, and reclaims them. Of the dead
 * only one each may have been unfinished. */
void janitor_sweep(warden *warden);

/* When no worker holds anything any more: frees the rest, which was on its way
 * between workers, and must therefore be whole. */
void janitor_clear(warden *warden);

#endif
