/* os_windows.h - what the os_windows*.c share besides os.h.
 *
 * A "descriptor" is the value of a HANDLE: Windows keeps those to 32 bits, so that
 * programs of 32 and of 64 bits can hand them to each other.
 */
#ifndef MM_OS_WINDOWS_H
#define MM_OS_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0a00
#include <windows.h>
#include <winternl.h>

#include "os.h"

static inline HANDLE mm__windows_handle(int file) { return (HANDLE)(intptr_t)file; }
static inline int mm__windows_descriptor(HANDLE handle) { return (int)(intptr_t)handle; }

/* The negative errno for an error of Win32, and for GetLastError(). */
int mm__windows_errno(DWORD error);
int mm__windows_last_errno(void);

/* The negative errno for a status of the NT API; 0 for success. */
int mm__windows_status(NTSTATUS status);

#endif
