/* os_linux_libc.h - what the C libraries of Linux do not all have under one name.
 *
 * The library is loaded into processes of any of them: of glibc since 2.17, and
 * of musl. Whatever else os_linux.c calls has the same name and types in each.
 */
#ifndef MM_OS_LINUX_LIBC_H
#define MM_OS_LINUX_LIBC_H

#include <sys/stat.h>

/* fstatat() and fstat(), which glibc exports since 2.33 only. */
int mm__libc_fstatat(int directory, const char *path, struct stat *status, int flags);
int mm__libc_fstat(int file, struct stat *status);

/* pthread_atfork(), which glibc links into each library instead of exporting it. */
int mm__libc_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

#endif
