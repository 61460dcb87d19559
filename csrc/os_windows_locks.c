/* os_windows_locks.c - os.h for Windows: locks on bytes of a file.
 *
 * They go with the handle, at the latest with the process. While one is held, no
 * other handle may read or write the byte, and nobody can ask for a lock without
 * taking one. So they lie far beyond the end of the file; and whoever asks takes a
 * shared lock for a moment, by which whoever wants the byte can tell them from its
 * holder.
 */
#include "os_windows.h"

#include <errno.h>

#define LOCKS_BEGIN (1ull << 62)
#define TRIES 1000

/* Numbers of the NT API have a sign: a range ends where it still fits. */
static uint64_t within(uint64_t offset, uint64_t length) {
  return length < LOCKS_BEGIN - offset ? length : LOCKS_BEGIN - offset;
}

static int take(int file, uint64_t offset, uint64_t length, DWORD flags) {
  const uint64_t from = LOCKS_BEGIN + offset;
  OVERLAPPED place = {.Offset = (DWORD)from, .OffsetHigh = (DWORD)(from >> 32)};
  length = within(offset, length);
  if (LockFileEx(mm__windows_handle(file), flags | LOCKFILE_FAIL_IMMEDIATELY, 0,
                 (DWORD)length, (DWORD)(length >> 32), &place))
    return 0;
  return mm__windows_last_errno();
}

static void leave(int file, uint64_t offset, uint64_t length) {
  const uint64_t from = LOCKS_BEGIN + offset;
  OVERLAPPED place = {.Offset = (DWORD)from, .OffsetHigh = (DWORD)(from >> 32)};
  length = within(offset, length);
  UnlockFileEx(mm__windows_handle(file), 0, (DWORD)length, (DWORD)(length >> 32),
               &place);
}

int mm__os_lock_byte(int file, uint64_t offset) {
  for (int tries = 0; tries < TRIES; tries++) {
    const int error = take(file, offset, 1, LOCKFILE_EXCLUSIVE_LOCK);
    if (error != -EAGAIN) return error;
    const int held = mm__os_is_locked(file, offset, 1);
    if (held != 0) return held < 0 ? held : -EAGAIN;
    SwitchToThread(); /* somebody only asked */
  }
  return -EAGAIN;
}

void mm__os_unlock_byte(int file, uint64_t offset) { leave(file, offset, 1); }

int mm__os_is_locked(int file, uint64_t offset, uint64_t length) {
  const int error = take(file, offset, length, 0);
  if (error == -EAGAIN) return 1;
  if (error != 0) return error;
  leave(file, offset, length);
  return 0;
}
