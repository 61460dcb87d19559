/* audit.h - now and then everyone gives everything back, and the pool must be
 * as new. */
#ifndef AUDIT_H
#define AUDIT_H

#include "warden.h"

/* Probes the waiters, has everyone free everything, checks for leaks and broken
 * invariants, sometimes destroys the pool and makes another; then the play goes
 * on. */
void audit_all(warden *warden);

#endif
