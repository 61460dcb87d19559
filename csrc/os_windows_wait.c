/* os_windows_wait.c - os.h for Windows: mappings, and sleeping on words in them.
 *
 * WaitOnAddress() does not reach another process. A word that somebody sleeps on
 * has a semaphore instead, whose name says which file it lies in and where. It
 * exists as long as somebody sleeps.
 */
#include "os_windows.h"

#include <stdio.h>
#include <stdlib.h>

/* Sleepers that are woken at once; the others look for themselves soon. */
#define WAKE_MAX 16

#define NAME_SIZE 80

/* ---- Mappings ---------------------------------------------------------- */

typedef struct mapping {
  uint8_t *address;
  uint64_t size;
  mm__os_file file;
  struct mapping *next;
} mapping;

static SRWLOCK mappings_lock = SRWLOCK_INIT;
static mapping *mappings;

int mm__os_map(int file, uint64_t size, void **address) {
  mapping *made = malloc(sizeof *made);
  if (made == NULL) return mm__windows_errno(ERROR_OUTOFMEMORY);
  int error = mm__os_describe(file, &made->file);
  const HANDLE section =
      error != 0 ? NULL
                 : CreateFileMappingW(mm__windows_handle(file), NULL, PAGE_READWRITE,
                                      (DWORD)(size >> 32), (DWORD)size, NULL);
  if (error == 0 && section == NULL) error = mm__windows_last_errno();
  if (error == 0) {
    made->address = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, size);
    if (made->address == NULL) error = mm__windows_last_errno();
    CloseHandle(section);
  }
  if (error != 0) {
    free(made);
    return error;
  }
  made->size = size;
  *address = made->address;
  AcquireSRWLockExclusive(&mappings_lock);
  made->next = mappings;
  mappings = made;
  ReleaseSRWLockExclusive(&mappings_lock);
  return 0;
}

void mm__os_unmap(void *address, uint64_t size) {
  (void)size;
  AcquireSRWLockExclusive(&mappings_lock);
  mapping **at = &mappings;
  while ((*at)->address != address) at = &(*at)->next;
  mapping *gone = *at;
  *at = gone->next;
  ReleaseSRWLockExclusive(&mappings_lock);
  UnmapViewOfFile(gone->address);
  free(gone);
}

/* ---- Ordering the memory of others: the system has no way to --------------- */

int mm__os_join_fences(int at_any_cost) {
  (void)at_any_cost;
  return -ENOSYS;
}

void mm__os_fence_all(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* ---- Sleeping on a word ------------------------------------------------ */

static void name_of(const uint32_t *word, WCHAR name[NAME_SIZE]) {
  const uint8_t *place = (const uint8_t *)word;
  /* In memory of this process only, where there is no mapping. */
  mm__os_file file = {.inode = mm__os_process_id()};
  uint64_t offset = (uint64_t)(uintptr_t)word;
  AcquireSRWLockShared(&mappings_lock);
  for (const mapping *at = mappings; at != NULL; at = at->next)
    if (place >= at->address && place < at->address + at->size) {
      file = at->file;
      offset = (uint64_t)(place - at->address);
      break;
    }
  ReleaseSRWLockShared(&mappings_lock);
  swprintf(name, NAME_SIZE, L"Global\\managed-memory-%llx-%llx-%llx",
           (unsigned long long)file.device, (unsigned long long)file.inode,
           (unsigned long long)offset);
}

void mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds) {
  WCHAR name[NAME_SIZE];
  name_of(word, name);
  const HANDLE semaphore = CreateSemaphoreW(NULL, 0, LONG_MAX, name);
  if (semaphore == NULL) {
    /* Another user's, who does not let us: look often. */
    Sleep(1);
    return;
  }
  /* Whoever changes the word from here on finds the semaphore. */
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected)
    WaitForSingleObject(semaphore, (DWORD)((nanoseconds + 999999u) / 1000000u));
  CloseHandle(semaphore);
}

void mm__os_wake(uint32_t *word, uint32_t count) {
  WCHAR name[NAME_SIZE];
  name_of(word, name);
  /* The change of the word comes before the look for sleepers. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const HANDLE semaphore = OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, 0, name);
  if (semaphore == NULL) return; /* nobody sleeps */
  ReleaseSemaphore(semaphore, (LONG)(count < WAKE_MAX ? count : WAKE_MAX), NULL);
  CloseHandle(semaphore);
}
