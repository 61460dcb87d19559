/* os_linux_libc.c - see os_linux_libc.h. */
#define _GNU_SOURCE
#include "os_linux_libc.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's structure is that of the C libraries where pointers have 64 bits. */
_Static_assert(sizeof(void *) == 8, "struct stat is the kernel's");

int mm__libc_fstatat(int directory, const char *path, struct stat *status, int flags) {
  return (int)syscall(SYS_newfstatat, directory, path, status, flags);
}

int mm__libc_fstat(int file, struct stat *status) {
  return (int)syscall(SYS_fstat, file, status);
}

/* glibc has the first, musl the second: the one that is missing is NULL. */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
    __attribute__((weak));
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void))
    __attribute__((weak));

int mm__libc_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  /* Without a library to forget the handlers with: this one is never unloaded. */
  if (__register_atfork != NULL)
    return __register_atfork(prepare, parent, child, NULL);
  if (pthread_atfork != NULL) return pthread_atfork(prepare, parent, child);
  return ENOSYS;
}
