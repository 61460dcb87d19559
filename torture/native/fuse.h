/* fuse.h - how a C worker dies or stops at a certain instruction of a call,
 * inside the lock or outside of it.
 *
 * Most of the library's work takes less time than a signal needs to reach another
 * processor: whoever aims from outside comes too late, and hits system calls only.
 * A worker whose fuse is lit runs its calls step by step, by the processor's trap
 * flag, and counts the instructions. Only x86-64 lets a process do that to itself;
 * elsewhere a fuse never burns.
 */
#ifndef FUSE_H
#define FUSE_H

#include "handle.h"

#if defined(__x86_64__)
#define FUSE_WORKS 1
#else
#define FUSE_WORKS 0
#endif

/* A fuse, as the board shows it: instructions << 8 | FUSE_OUTSIDE or 0 | signal;
 * 0: none. */
#define FUSE_SIGNAL_BITS 8
#define FUSE_OUTSIDE 0x80u /* counts the instructions outside of the lock */

/* From now on this process counts, for the lock of that handle. */
void fuse_set(const mm_pool *pool, uint64_t fuse);

/* Around calls: burns the fuse, if one is set. */
void fuse_light(void);
int fuse_shade(int status);

#define FUSED(call) (fuse_light(), fuse_shade(call))

#endif
