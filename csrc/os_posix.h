/* os_posix.h - what the os_*.c of POSIX systems share besides os.h. */
#ifndef MM_OS_POSIX_H
#define MM_OS_POSIX_H

#include <stdint.h>
#include <time.h>

struct timespec mm__posix_timespec(uint64_t nanoseconds);

/* Reads a UUID: 0, or -EIO if it has less than 32 hexadecimal digits. */
int mm__posix_identity(const char *text, uint8_t identity[16]);

/* Takes what open() answered: 0 and a descriptor above 2 in *result (0 to 2 are
 * what a program writes its output to), or a negative errno. */
int mm__posix_beyond_standard(int file, int *result);

/* pthread_atfork(), which each os_*.c has its own way to. */
int mm__posix_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

#endif
