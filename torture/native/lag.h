/* lag.h - how long the machine kept processes from running that could have run:
 * what a test of times must not take for slowness of what it tests. */
#ifndef LAG_H
#define LAG_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds that the threads of a process have waited for a processor since
 * they began; 0 where the kernel does not say. */
uint64_t lag_of(pid_t pid);

#endif
