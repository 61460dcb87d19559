/* calls.h - every function of managed_memory.h and managed_memory_ffi.h, called
 * on a damaged pool, and what they answer judged.
 *
 * Judged is: that the status is one that the header names for the function;
 * that a result lies inside of the data region; that listings end; and that a
 * call waits no longer than it may, in the world's time.
 */
#ifndef CALLS_H
#define CALLS_H

#include "scenes.h"

/* Makes them. `variant` chooses sizes, order and how the pool ends. `on_call`
 * is called before each. */
void calls_make(const scene *scene, uint64_t variant, void (*on_call)(void));

#endif
