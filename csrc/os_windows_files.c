/* os_windows_files.c - os.h for Windows: files, by names in an open directory.
 *
 * Windows has no files without a name. One that is being made, and one whose name
 * was taken away while it was in use, has a name that begins with HIDDEN. Its
 * maker holds the lock on MAKING_BYTE; what nobody makes or needs any more is
 * removed when the next file is made in that directory.
 */
#include "os_windows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <winioctl.h>

#define HIDDEN ".managed-memory-"
#define MAKING_BYTE ((1ull << 62) - 1) /* no pool is that large */
#define NAME_SIZE 300

/* Of ntifs.h, which is not for programs; the numbers are documented. */
#define RENAME_INFORMATION 10
#define DISPOSITION_INFORMATION 13
#define DISPOSITION_INFORMATION_EX 64
#define DISPOSITION_DELETE 0x1u
#define DISPOSITION_POSIX 0x2u
#define FS_DEVICE_INFORMATION 4
#define FS_FULL_SIZE_INFORMATION 7
#define REMOTE_DEVICE 0x10u
#define NAMES_INFORMATION 12

/* winternl.h leaves this one out. */
NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID,
                                    PIO_STATUS_BLOCK, PVOID, ULONG,
                                    FILE_INFORMATION_CLASS, BOOLEAN, PUNICODE_STRING,
                                    BOOLEAN);

/* ---- Names ------------------------------------------------------------- */

/* A name in UTF-16, as the NT API takes it. */
typedef struct wide_name {
  WCHAR text[NAME_SIZE];
  UNICODE_STRING string;
} wide_name;

static int widen(const char *name, wide_name *wide) {
  const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1,
                                         wide->text, NAME_SIZE);
  if (length == 0) return mm__windows_last_errno();
  wide->string = (UNICODE_STRING){
      .Length = (USHORT)((length - 1) * (int)sizeof(WCHAR)),
      .MaximumLength = sizeof wide->text,
      .Buffer = wide->text,
  };
  return 0;
}

/* Opens or makes what has a name in the directory; reparse points themselves, not
 * where they lead. */
static int open_in(int directory, const char *name, ACCESS_MASK access,
                   ULONG disposition, int *file) {
  wide_name wide;
  const int error = widen(name, &wide);
  if (error != 0) return error;
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &wide.string, OBJ_CASE_INSENSITIVE,
                             mm__windows_handle(directory), NULL);
  IO_STATUS_BLOCK io;
  HANDLE handle;
  const NTSTATUS status = NtCreateFile(
      &handle, access | FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &io, NULL,
      /* Kept in memory as long as there is enough of it. */
      FILE_ATTRIBUTE_TEMPORARY,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, disposition,
      FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_REPARSE_POINT,
      NULL, 0);
  if (status == (NTSTATUS)0xC00000BA /* STATUS_FILE_IS_A_DIRECTORY */) return -EINVAL;
  if (!NT_SUCCESS(status)) return mm__windows_status(status);
  *file = mm__windows_descriptor(handle);
  return 0;
}

#define READ_WRITE (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)

static int rename_to(int file, int directory, const char *name) {
  wide_name wide;
  const int error = widen(name, &wide);
  if (error != 0) return error;
  struct {
    BOOLEAN replace;
    HANDLE root;
    ULONG length;
    WCHAR text[NAME_SIZE];
  } request = {.root = mm__windows_handle(directory), .length = wide.string.Length};
  memcpy(request.text, wide.text, wide.string.Length);
  IO_STATUS_BLOCK io;
  return mm__windows_status(NtSetInformationFile(mm__windows_handle(file), &io, &request,
                                                 sizeof request, RENAME_INFORMATION));
}

static int hidden_name(char name[NAME_SIZE]) {
  uint64_t number;
  const int error = mm__os_random(&number, sizeof number);
  snprintf(name, NAME_SIZE, HIDDEN "%016llx", (unsigned long long)number);
  return error;
}

/* ---- Removing ---------------------------------------------------------- */

/* Takes the name away at once, also from a file that is mapped. Only NTFS of
 * Windows 10 and later can. */
static int delete_now(int file) {
  ULONG flags = DISPOSITION_DELETE | DISPOSITION_POSIX;
  IO_STATUS_BLOCK io;
  return mm__windows_status(NtSetInformationFile(mm__windows_handle(file), &io, &flags,
                                                 sizeof flags,
                                                 DISPOSITION_INFORMATION_EX));
}

/* Takes the name away when the last handle is closed; fails if it is mapped. */
static int delete_later(int file) {
  BOOLEAN yes = 1;
  IO_STATUS_BLOCK io;
  return mm__windows_status(NtSetInformationFile(mm__windows_handle(file), &io, &yes,
                                                 sizeof yes, DISPOSITION_INFORMATION));
}

/* Opens the name once more, to remove it, if it still leads to the file. 1: it
 * does; 0: it does not; or a negative errno. */
static int open_same(int file, int directory, const char *name, int *named) {
  mm__os_file ours, theirs;
  int error = mm__os_describe(file, &ours);
  if (error != 0) return error;
  error = open_in(directory, name, DELETE, FILE_OPEN, named);
  if (error != 0) return error == -ENOENT ? 0 : error;
  error = mm__os_describe(*named, &theirs);
  if (error == 0 && ours.device == theirs.device && ours.inode == theirs.inode)
    return 1;
  mm__os_close(*named);
  return error;
}

/* Removes what another process left behind under a hidden name. */
static int sweep_one(void *context, const char *name) {
  const int directory = *(const int *)context;
  int file, named;
  if (open_in(directory, name, READ_WRITE, FILE_OPEN, &file) != 0) return 0;
  /* Its maker may have given it another name before it let go of the lock. */
  if (mm__os_lock_byte(file, MAKING_BYTE) == 0 &&
      open_same(file, directory, name, &named) == 1) {
    if (delete_now(named) != 0) delete_later(named);
    mm__os_close(named);
  }
  mm__os_close(file);
  return 0;
}

int mm__os_unlink(int file, int directory, const char *name) {
  int named;
  const int found = open_same(file, directory, name, &named);
  if (found != 1) return found;
  int error = 0;
  if (delete_now(named) != 0) {
    char hidden[NAME_SIZE];
    error = hidden_name(hidden);
    if (error == 0) error = rename_to(named, directory, hidden);
    if (error == 0) delete_later(named); /* else whoever sweeps does it */
  }
  mm__os_close(named);
  return error;
}

/* ---- Directories ------------------------------------------------------- */

const char *mm__os_default_directory(void) {
  static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  static char path[4 * MAX_PATH];
  BOOL is_first;
  InitOnceBeginInitialize(&once, 0, &is_first, NULL);
  if (is_first) {
    WCHAR wide[MAX_PATH + 2] = L"";
    GetTempPathW(MAX_PATH + 2, wide);
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL);
    /* Without the separator that it ends in, but for that of a drive. */
    const size_t length = strlen(path);
    if (length > 3 && path[length - 1] == '\\') path[length - 1] = 0;
    InitOnceComplete(&once, 0, NULL);
  }
  return path;
}

int mm__os_default_is_common(void) { return 0; }

static int is_separator(char c) { return c == '\\' || c == '/'; }

int mm__os_is_absolute(const char *path) {
  const int is_letter = (path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z';
  if (is_letter && path[1] == ':') return is_separator(path[2]);
  return is_separator(path[0]) && is_separator(path[1]);
}

int mm__os_open_directory(const char *path, int *directory) {
  WCHAR wide[1024];
  if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, 1024) == 0)
    return -ENAMETOOLONG;
  const HANDLE handle = CreateFileW(
      wide, FILE_LIST_DIRECTORY | FILE_TRAVERSE | SYNCHRONIZE,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
      FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (handle == INVALID_HANDLE_VALUE) return mm__windows_last_errno();
  BY_HANDLE_FILE_INFORMATION information;
  struct {
    DWORD type;
    ULONG characteristics;
  } device = {0, 0};
  IO_STATUS_BLOCK io;
  int error = 0;
  if (!GetFileInformationByHandle(handle, &information))
    error = mm__windows_last_errno();
  else if ((information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
    error = -ENOTDIR;
  else
    error = mm__windows_status(NtQueryVolumeInformationFile(
        handle, &io, &device, sizeof device, FS_DEVICE_INFORMATION));
  /* On a file server, mappings of two hosts differ. */
  if (error == 0 && (device.characteristics & REMOTE_DEVICE) != 0) error = -ENOTSUP;
  if (error == 0)
    *directory = mm__windows_descriptor(handle);
  else
    CloseHandle(handle);
  return error;
}

int mm__os_capacity(int directory, uint64_t *bytes) {
  struct {
    LARGE_INTEGER units, free_to_us, free;
    ULONG sectors_per_unit, bytes_per_sector;
  } size;
  IO_STATUS_BLOCK io;
  const int error = mm__windows_status(
      NtQueryVolumeInformationFile(mm__windows_handle(directory), &io, &size,
                                   sizeof size, FS_FULL_SIZE_INFORMATION));
  if (error != 0) return error;
  *bytes = (uint64_t)size.units.QuadPart * size.sectors_per_unit * size.bytes_per_sector;
  return 0;
}

typedef struct names_information {
  ULONG next;
  ULONG index;
  ULONG length;
  WCHAR text[1];
} names_information;

int mm__os_each_name(int directory, const char *prefix,
                     int (*visit)(void *context, const char *name), void *context) {
  char mask[NAME_SIZE];
  wide_name wide;
  snprintf(mask, sizeof mask, "%s*", prefix);
  int answer = widen(mask, &wide);
  if (answer != 0) return answer;
  /* A handle of its own: each has one position, and keeps its first mask. */
  const HANDLE readable =
      ReOpenFile(mm__windows_handle(directory), FILE_LIST_DIRECTORY | SYNCHRONIZE,
                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                 FILE_FLAG_BACKUP_SEMANTICS);
  if (readable == INVALID_HANDLE_VALUE) return mm__windows_last_errno();
  while (answer == 0) {
    _Alignas(names_information) uint8_t buffer[8192];
    IO_STATUS_BLOCK io;
    const NTSTATUS status = NtQueryDirectoryFile(
        readable, NULL, NULL, NULL, &io, buffer, sizeof buffer, NAMES_INFORMATION, 0,
        &wide.string, 0);
    if (status == (NTSTATUS)0x80000006 /* STATUS_NO_MORE_FILES */ ||
        status == (NTSTATUS)0xC000000F /* STATUS_NO_SUCH_FILE */)
      break;
    if (!NT_SUCCESS(status)) {
      answer = mm__windows_status(status);
      break;
    }
    const uint8_t *at = buffer;
    for (;;) {
      const names_information *entry = (const void *)at;
      char name[4 * NAME_SIZE];
      const int length = WideCharToMultiByte(
          CP_UTF8, 0, entry->text, (int)(entry->length / sizeof(WCHAR)), name,
          sizeof name - 1, NULL, NULL);
      name[length] = 0;
      /* Masks know no difference between capital and small letters. */
      if (strncmp(name, prefix, strlen(prefix)) == 0) answer = visit(context, name);
      if (answer != 0 || entry->next == 0) break;
      at += entry->next;
    }
  }
  CloseHandle(readable);
  return answer;
}

/* ---- Files ------------------------------------------------------------- */

/* Its whole length, with disk space behind all of it: touching a mapping of it
 * cannot fail then, and mm__os_commit() has nothing left to do. */
static int reserve(int file, uint64_t size) {
  const HANDLE handle = mm__windows_handle(file);
  /* In a folder that is compressed, space would be taken later, and missing. */
  USHORT none = COMPRESSION_FORMAT_NONE;
  DWORD returned;
  DeviceIoControl(handle, FSCTL_SET_COMPRESSION, &none, sizeof none, NULL, 0, &returned,
                  NULL);
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (LONGLONG)size};
  if (!SetFileInformationByHandle(handle, FileEndOfFileInfo, &end, sizeof end))
    return mm__windows_last_errno();
  return 0;
}

int mm__os_create_unnamed(int directory, uint64_t size, int *file) {
  if (size > INT64_MAX) return -EFBIG;
  int in = directory;
  mm__os_each_name(directory, HIDDEN, sweep_one, &in);
  for (;;) {
    char name[NAME_SIZE];
    int error = hidden_name(name);
    if (error == 0) error = open_in(directory, name, READ_WRITE, FILE_CREATE, file);
    if (error == -EEXIST) continue;
    if (error != 0) return error;
    mm__os_file description;
    error = mm__os_lock_byte(*file, MAKING_BYTE);
    if (error == 0) error = mm__os_describe(*file, &description);
    /* Somebody took it for one that was left behind. */
    if (error == -EAGAIN || (error == 0 && description.links == 0)) {
      mm__os_close(*file);
      continue;
    }
    if (error == 0) error = reserve(*file, size);
    if (error == 0) return 0;
    delete_later(*file);
    mm__os_close(*file);
    return error;
  }
}

static int open_regular(int directory, const char *name, ACCESS_MASK access, int *file) {
  const int error = open_in(directory, name, access, FILE_OPEN, file);
  if (error != 0) return error;
  BY_HANDLE_FILE_INFORMATION information;
  const HANDLE handle = mm__windows_handle(*file);
  if (GetFileType(handle) == FILE_TYPE_DISK &&
      GetFileInformationByHandle(handle, &information) &&
      (information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
    return 0;
  mm__os_close(*file);
  return -EINVAL;
}

int mm__os_open(int directory, const char *name, int *file) {
  return open_regular(directory, name, READ_WRITE, file);
}

int mm__os_open_for_reading(int directory, const char *name, int *file) {
  return open_regular(directory, name, FILE_GENERIC_READ, file);
}

int mm__os_reopen(int file, int *again) {
  const HANDLE handle =
      ReOpenFile(mm__windows_handle(file), READ_WRITE,
                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, 0);
  if (handle == INVALID_HANDLE_VALUE) return mm__windows_last_errno();
  *again = mm__windows_descriptor(handle);
  return 0;
}

/* There is no fork(), and children inherit no handle that is not meant for them. */
void mm__os_unshare(mm__os_unshared *unshared, int file, uint32_t *fork_mark) {
  *unshared = (mm__os_unshared){.file = file, .fork_mark = fork_mark};
}

void mm__os_close_unshared(mm__os_unshared *unshared) { mm__os_close(unshared->file); }

/* Who may open it, is what the directory's access list says. */
int mm__os_publish(int file, int directory, const char *name, uint32_t mode) {
  (void)mode;
  return rename_to(file, directory, name);
}

int mm__os_describe(int file, mm__os_file *description) {
  const HANDLE handle = mm__windows_handle(file);
  BY_HANDLE_FILE_INFORMATION identity;
  FILE_STANDARD_INFO standard;
  if (!GetFileInformationByHandle(handle, &identity) ||
      !GetFileInformationByHandleEx(handle, FileStandardInfo, &standard, sizeof standard))
    return mm__windows_last_errno();
  description->device = identity.dwVolumeSerialNumber;
  description->inode = (uint64_t)identity.nFileIndexHigh << 32 | identity.nFileIndexLow;
  description->size = (uint64_t)standard.EndOfFile.QuadPart;
  description->links = standard.DeletePending ? 0 : standard.NumberOfLinks;
  description->committed = (uint64_t)standard.AllocationSize.QuadPart;
  return 0;
}

int mm__os_read(int file, void *bytes, size_t length, uint64_t offset) {
  uint8_t *at = bytes;
  while (length > 0) {
    OVERLAPPED place = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    const DWORD wanted = length < 1u << 30 ? (DWORD)length : 1u << 30;
    DWORD got = 0;
    if (!ReadFile(mm__windows_handle(file), at, wanted, &got, &place) || got == 0)
      return GetLastError() == ERROR_HANDLE_EOF || got == 0 ? -EIO
                                                            : mm__windows_last_errno();
    at += got;
    offset += got;
    length -= got;
  }
  return 0;
}

void mm__os_close(int file) { CloseHandle(mm__windows_handle(file)); }

/* See reserve(). */
int mm__os_commit(int file, uint64_t offset, uint64_t length) {
  (void)file, (void)offset, (void)length;
  return 0;
}

void mm__os_release(int file, uint64_t offset, uint64_t length) {
  (void)file, (void)offset, (void)length;
}
