/* os_windows.c - os.h for Windows 10 and later: machine and memory. */
#include "os_windows.h"

#include <bcrypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Errors ------------------------------------------------------------ */

int mm__windows_errno(DWORD error) {
  switch (error) {
    case ERROR_SUCCESS: return 0;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH: return -ENOENT;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_PARAMETER: return -EINVAL;
    case ERROR_DIRECTORY: return -ENOTDIR;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return -EEXIST;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_DELETE_PENDING:
    case ERROR_PRIVILEGE_NOT_HELD: return -EACCES;
    case ERROR_LOCK_VIOLATION:
    case ERROR_IO_PENDING: return -EAGAIN;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_QUOTA_EXCEEDED: return -ENOSPC;
    case ERROR_FILE_TOO_LARGE: return -EFBIG;
    case ERROR_TOO_MANY_OPEN_FILES: return -EMFILE;
    case ERROR_INVALID_HANDLE: return -EBADF;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NO_SYSTEM_RESOURCES: return -ENOMEM;
    case ERROR_WRITE_PROTECT: return -EROFS;
    case ERROR_FILENAME_EXCED_RANGE: return -ENAMETOOLONG;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION: return -ENOTSUP;
    default: return -EIO;
  }
}

int mm__windows_last_errno(void) { return mm__windows_errno(GetLastError()); }

int mm__windows_status(NTSTATUS status) {
  return NT_SUCCESS(status) ? 0 : mm__windows_errno(RtlNtStatusToDosError(status));
}

/* ---- Machine ----------------------------------------------------------- */

uint32_t mm__os_page_size(void) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize;
}

uint32_t mm__os_process_id(void) { return GetCurrentProcessId(); }

uint32_t mm__os_process_namespace(void) { return 0; }

/* FILETIME counts steps of 100 ns since 1601. */
uint64_t mm__os_process_start(void) {
  FILETIME created, exited, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user))
    return 0;
  const uint64_t ticks = (uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime;
  return ticks / 10000 - 11644473600000u;
}

uint64_t mm__os_now(void) {
  LARGE_INTEGER per_second, now;
  QueryPerformanceFrequency(&per_second);
  QueryPerformanceCounter(&now);
  const uint64_t seconds = (uint64_t)(now.QuadPart / per_second.QuadPart);
  const uint64_t rest = (uint64_t)(now.QuadPart % per_second.QuadPart);
  return seconds * 1000000000u + rest * 1000000000u / (uint64_t)per_second.QuadPart;
}

void mm__os_sleep(uint64_t nanoseconds) {
  Sleep((DWORD)((nanoseconds + 999999u) / 1000000u));
}

int mm__os_prefer_node(void *address, uint64_t size, uint32_t node) {
  (void)address, (void)size, (void)node;
  return -ENOSYS;
}

/* Not getenv(), which knows the environment as it was at first. */
int mm__os_environment(const char *name, char *value, size_t size) {
  const DWORD length = GetEnvironmentVariableA(name, value, (DWORD)size);
  if (length >= size) return -ENOSPC;
  if (length == 0) return -ENOENT; /* or it is empty */
  return 0;
}

int mm__os_random(void *bytes, size_t length) {
  return mm__windows_status(BCryptGenRandom(NULL, bytes, (ULONG)length,
                                            BCRYPT_USE_SYSTEM_PREFERRED_RNG));
}

/* A number that is raised at every start of the system: KUSER_SHARED_DATA.BootId,
 * at the same address in every process. */
static uint32_t boot_id(void) {
  return *(const volatile uint32_t *)(uintptr_t)0x7ffe02c4u;
}

/* What was installed here, under which name it is known, and how often it was
 * started since. */
int mm__os_host_identity(uint8_t identity[16]) {
  struct {
    char guid[64];
    char name[256];
    uint32_t boot;
  } host;
  memset(&host, 0, sizeof host);
  DWORD size = sizeof host.guid;
  const LSTATUS error = RegGetValueA(
      HKEY_LOCAL_MACHINE, "SOFTWARE\\Microsoft\\Cryptography", "MachineGuid",
      RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY, NULL, host.guid, &size);
  if (error != ERROR_SUCCESS) return -EIO;
  size = sizeof host.name;
  if (!GetComputerNameExA(ComputerNamePhysicalDnsHostname, host.name, &size))
    return mm__windows_last_errno();
  host.boot = boot_id();
  /* FNV-1a, twice from different beginnings. */
  for (uint32_t half = 0; half < 2; half++) {
    uint64_t hash = 0xcbf29ce484222325ull + half;
    for (size_t at = 0; at < sizeof host; at++)
      hash = (hash ^ ((const uint8_t *)&host)[at]) * 0x100000001b3ull;
    memcpy(identity + 8 * half, &hash, 8);
  }
  return 0;
}

/* ---- Memory ------------------------------------------------------------ */

/* Whoever loaded this library may unload it under a call of another thread: keep
 * it for as long as the process lives. */
static void stay_loaded(void) {
  HMODULE self;
  GetModuleHandleExW(
      GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
      (LPCWSTR)(uintptr_t)stay_loaded, &self);
}

uint32_t *mm__os_fork_mark(void) {
  stay_loaded();
  uint32_t *mark = calloc(2, sizeof *mark);
  if (mark != NULL) *mark = 1;
  return mark;
}

void mm__os_fork_mark_free(uint32_t *mark) { free(mark); }
