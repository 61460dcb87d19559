/* status.c - what the status codes mean, in words. */
#include <string.h>

#include "managed_memory.h"

#ifndef MM_BUILD_ID
#define MM_BUILD_ID ""
#endif

int mm_errno(int status) {
  return status < MM_E_SYSTEM_BASE ? MM_E_SYSTEM_BASE - status : 0;
}

const char *mm_strerror(int status) {
  /* strerror() keeps its texts for known numbers for ever. */
  if (mm_errno(status) != 0) return strerror(mm_errno(status));
  switch (status) {
    case MM_OK: return "success";
    case MM_E_INVALID: return "an argument is out of its range";
    case MM_E_NAME:
      return "a name has 1 to 200 characters out of A-Z, a-z, 0-9, '.', '_', '-'";
    case MM_E_DIRECTORY:
      return "the directory must be an absolute path, on Linux of a tmpfs";
    case MM_E_EXISTS: return "a pool of this name is already there";
    case MM_E_TOO_LARGE: return "more than can ever be held";
    case MM_E_NOT_FOUND: return "there is no pool of this name";
    case MM_E_REPLACED: return "another pool bears this name now";
    case MM_E_DESTROYED: return "the pool was destroyed";
    case MM_E_DESCRIPTOR: return "the descriptor is truncated or changed";
    case MM_E_NOT_LOCAL: return "the pool is on another host";
    case MM_E_NOT_A_POOL: return "the file is not a pool";
    case MM_E_VERSION: return "made by an incompatible release";
    case MM_E_NO_SLOT: return "all 1024 participant slots are taken";
    case MM_E_NO_ROOM: return "no free block is large enough";
    case MM_E_LIMIT: return "as many allocations as allowed are live";
    case MM_E_FS_FULL: return "the file system behind the pool is full";
    case MM_E_TIMEOUT: return "room did not come in time";
    case MM_E_QUEUED: return "an older request goes first";
    case MM_E_BUSY: return "a stopped process holds the pool's lock";
    case MM_E_CORRUPT: return "the pool's bytes contradict themselves";
    case MM_E_STALE: return "the allocation was freed";
    case MM_E_BUFFER: return "the buffer is too small";
    case MM_E_NO_PROC: return "/proc is not mounted";
    case MM_E_IN_USE: return "a living process is attached";
    case MM_E_NO_DEFAULT: return "the environment names no default pool";
    default: return "unknown status";
  }
}

uint32_t mm_abi_version(void) { return MM_ABI_VERSION; }

const char *mm_build_id(void) { return MM_BUILD_ID; }
