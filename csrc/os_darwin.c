/* os_darwin.c - os.h for macOS: files in /tmp, OFD locks, waiting by address. */
#include "os.h"
#include "os_posix.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

/* ---- Machine ----------------------------------------------------------- */

uint32_t mm__os_process_namespace(void) { return 0; }

uint64_t mm__os_process_start(void) {
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)getpid()};
  struct kinfo_proc process;
  size_t size = sizeof process;
  if (sysctl(name, 4, &process, &size, NULL, 0) != 0 || size == 0) return 0;
  const struct timeval start = process.kp_proc.p_starttime;
  return (uint64_t)start.tv_sec * 1000u + (uint64_t)start.tv_usec / 1000u;
}

/* CLOCK_MONOTONIC follows the clock that people set. */
uint64_t mm__os_now(void) { return clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }

int mm__os_prefer_node(void *address, uint64_t size, uint32_t node) {
  (void)address, (void)size, (void)node;
  return -ENOSYS;
}

int mm__os_random(void *bytes, size_t length) {
  uint8_t *at = bytes;
  while (length > 0) {
    const size_t piece = length < 256 ? length : 256;
    if (getentropy(at, piece) != 0) return -errno;
    at += piece;
    length -= piece;
  }
  return 0;
}

int mm__posix_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  return pthread_atfork(prepare, parent, child);
}

/* A random number that the system makes at each start. */
int mm__os_host_identity(uint8_t identity[16]) {
  char text[64] = "";
  size_t size = sizeof text - 1;
  if (sysctlbyname("kern.bootsessionuuid", text, &size, NULL, 0) != 0) return -errno;
  return mm__posix_identity(text, identity);
}

/* ---- Directories ------------------------------------------------------- */

/* What comes closest to /dev/shm: one for all users of the host, emptied when it
 * is started. The temporary folder of confstr() is another one for each user. */
const char *mm__os_default_directory(void) { return "/tmp"; }

int mm__os_default_is_common(void) { return 1; }

/* On a file server, mappings of two hosts differ. */
static int is_local(int file) {
  struct statfs system;
  return fstatfs(file, &system) == 0 && (system.f_flags & MNT_LOCAL) != 0;
}

int mm__os_open_directory(const char *path, int *directory) {
  const int status = mm__posix_beyond_standard(
      open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), directory);
  if (status != 0) return status;
  if (is_local(*directory)) return 0;
  close(*directory);
  return -ENOTSUP;
}

int mm__os_capacity(int directory, uint64_t *bytes) {
  struct statfs system;
  if (fstatfs(directory, &system) != 0) return -errno;
  *bytes = (uint64_t)system.f_blocks * system.f_bsize;
  return 0;
}

/* ---- Files without a name ---------------------------------------------- *
 *
 * There are none. A file that is being made has a name that begins with HIDDEN,
 * and its maker holds the lock on MAKING_BYTE; what nobody makes any more is
 * removed when the next file is made in that directory. */

#define HIDDEN ".managed-memory-"
#define HIDDEN_SIZE 40
#define MAKING_BYTE (1ull << 62) /* no pool is that large */

static int leads_to(int directory, const char *name, int file, struct stat *named) {
  struct stat ours;
  return fstat(file, &ours) == 0 &&
         fstatat(directory, name, named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_dev == named->st_dev && ours.st_ino == named->st_ino;
}

static int sweep_one(void *context, const char *name) {
  const int directory = *(const int *)context;
  const int file =
      openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return 0;
  struct stat named;
  /* Its maker may have given it another name before it let go of the lock. */
  if (mm__os_lock_byte(file, MAKING_BYTE) == 0 && leads_to(directory, name, file, &named))
    unlinkat(directory, name, 0);
  close(file);
  return 0;
}

static int write_zeros(int file, uint64_t size) {
  const size_t piece_size = 1u << 20;
  uint8_t *zeros = calloc(1, piece_size);
  if (zeros == NULL) return -ENOMEM;
  int error = 0;
  for (uint64_t at = 0; at < size && error == 0;) {
    const uint64_t left = size - at;
    const ssize_t written =
        pwrite(file, zeros, left < piece_size ? (size_t)left : piece_size, (off_t)at);
    if (written > 0)
      at += (uint64_t)written;
    else if (written == 0)
      error = -ENOSPC;
    else if (errno != EINTR)
      error = -errno;
  }
  free(zeros);
  return error;
}

/* Its whole length, with disk space behind all of it: touching a mapping of it
 * cannot fail then, and mm__os_commit() has nothing left to do. (Holes cannot be
 * filled later: nothing tells them from pages that are not written back yet.) */
static int reserve(int file, uint64_t size) {
  fstore_t wanted = {
      .fst_flags = F_ALLOCATEALL,
      .fst_posmode = F_PEOFPOSMODE,
      .fst_length = (off_t)size,
  };
  const int is_allocated = fcntl(file, F_PREALLOCATE, &wanted) == 0;
  if (!is_allocated && errno == ENOSPC) return -ENOSPC;
  if (ftruncate(file, (off_t)size) != 0) return -errno;
  struct stat description;
  if (fstat(file, &description) != 0) return -errno;
  if (is_allocated && (uint64_t)description.st_blocks * 512 >= size) return 0;
  return write_zeros(file, size);
}

/* Makes the file under a hidden name: 0, -EAGAIN (once more), or another error. */
static int make(int directory, uint64_t size, int *file) {
  uint64_t number;
  char name[HIDDEN_SIZE];
  int error = mm__os_random(&number, sizeof number);
  if (error != 0) return error;
  snprintf(name, sizeof name, HIDDEN "%016llx", (unsigned long long)number);
  error = mm__posix_beyond_standard(
      openat(directory, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600),
      file);
  if (error != 0) return error == -EEXIST ? -EAGAIN : error;
  struct stat named;
  error = mm__os_lock_byte(*file, MAKING_BYTE);
  /* Somebody took it for one that was left behind. */
  if (error == 0 && !leads_to(directory, name, *file, &named)) error = -EAGAIN;
  /* The mode, too, because the umask may forbid its owner to open it again. */
  if (error == 0 && fchmod(*file, 0600) != 0) error = -errno;
  if (error == 0) error = reserve(*file, size);
  if (error == 0) return 0;
  if (error != -EAGAIN) unlinkat(directory, name, 0);
  close(*file);
  return error;
}

int mm__os_create_unnamed(int directory, uint64_t size, int *file) {
  struct rlimit limit;
  /* Beyond it ftruncate() would be a signal that kills. */
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size) return -EFBIG;
  if (size > INT64_MAX) return -EFBIG;
  int in = directory;
  mm__os_each_name(directory, HIDDEN, sweep_one, &in);
  int error;
  do
    error = make(directory, size, file);
  while (error == -EAGAIN);
  return error;
}

/* The last part of the path of an open file. */
static int name_of(int file, char path[MAXPATHLEN], const char **name) {
  if (fcntl(file, F_GETPATH, path) != 0) return -errno;
  const char *slash = strrchr(path, '/');
  *name = slash != NULL ? slash + 1 : path;
  return 0;
}

int mm__os_publish(int file, int directory, const char *name, uint32_t mode) {
  char path[MAXPATHLEN];
  const char *hidden;
  const int error = name_of(file, path, &hidden);
  if (error != 0) return error;
  if (strncmp(hidden, HIDDEN, sizeof HIDDEN - 1) != 0) return -EINVAL;
  if (fchmod(file, (mode_t)mode) != 0) return -errno;
  return renameatx_np(directory, hidden, directory, name, RENAME_EXCL) == 0 ? 0 : -errno;
}

/* ---- Files ------------------------------------------------------------- */

static int open_regular(int directory, const char *name, int access, int *file) {
  const int status = mm__posix_beyond_standard(
      openat(directory, name, access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
      file);
  /* ELOOP: a symbolic link; ENXIO: a named pipe; EOPNOTSUPP: a socket. */
  if (status == -ELOOP || status == -ENXIO || status == -EISDIR || status == -EOPNOTSUPP)
    return -EINVAL;
  if (status != 0) return status;
  struct stat description;
  if (fstat(*file, &description) == 0 && S_ISREG(description.st_mode)) return 0;
  close(*file);
  return -EINVAL;
}

int mm__os_open(int directory, const char *name, int *file) {
  return open_regular(directory, name, O_RDWR, file);
}

int mm__os_open_for_reading(int directory, const char *name, int *file) {
  return open_regular(directory, name, O_RDONLY, file);
}

/* By its path, because /dev/fd/N is the same description again. Whoever comes
 * between finds another file there, and then it is gone. */
int mm__os_reopen(int file, int *again) {
  char path[MAXPATHLEN];
  const char *name;
  int status = name_of(file, path, &name);
  if (status != 0) return status;
  status = mm__posix_beyond_standard(
      open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), again);
  if (status != 0) return status;
  struct stat ours, theirs;
  if (fstat(file, &ours) == 0 && fstat(*again, &theirs) == 0 &&
      ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
    return 0;
  close(*again);
  return -ENOENT;
}

int mm__os_unlink(int file, int directory, const char *name) {
  struct stat named;
  if (!leads_to(directory, name, file, &named)) return 0;
  return unlinkat(directory, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int mm__os_describe(int file, mm__os_file *description) {
  struct stat status;
  if (fstat(file, &status) != 0) return -errno;
  description->device = (uint64_t)status.st_dev;
  description->inode = status.st_ino;
  description->size = (uint64_t)status.st_size;
  description->links = status.st_nlink;
  description->committed = (uint64_t)status.st_blocks * 512;
  return 0;
}

/* See reserve(). */
int mm__os_commit(int file, uint64_t offset, uint64_t length) {
  (void)file, (void)offset, (void)length;
  return 0;
}

void mm__os_release(int file, uint64_t offset, uint64_t length) {
  (void)file, (void)offset, (void)length;
}

/* ---- Memory ------------------------------------------------------------ */

int mm__os_map(int file, uint64_t size, void **address) {
  if (size > SIZE_MAX / 2) return -ENOMEM;
  void *mapped =
      mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) return -errno;
  *address = mapped;
  return 0;
}

void mm__os_unmap(void *address, uint64_t size) { munmap(address, (size_t)size); }

/* Whoever loaded this library may unload it under a call of another thread: keep
 * it for as long as the process lives. */
static void stay_loaded(void) {
  static uint32_t is_done;
  Dl_info self;
  if (__atomic_exchange_n(&is_done, 1, __ATOMIC_ACQ_REL) == 0 &&
      dladdr((const void *)stay_loaded, &self) != 0)
    dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* mm__os_unshare() clears it in a child. */
uint32_t *mm__os_fork_mark(void) {
  stay_loaded();
  uint32_t *mark = calloc(2, sizeof *mark);
  if (mark != NULL) *mark = 1;
  return mark;
}

void mm__os_fork_mark_free(uint32_t *mark) { free(mark); }

/* ---- Ordering the memory of others: the system has no way to --------------- */

int mm__os_join_fences(int at_any_cost) {
  (void)at_any_cost;
  return -ENOSYS;
}

void mm__os_fence_all(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* ---- Sleeping on a word ------------------------------------------------ *
 *
 * Since macOS 14.4 by documented functions; before by those that they call, which
 * libc++ has used for as long. */

#define SHARED 1u               /* OS_SYNC_*_BY_ADDRESS_SHARED */
#define COMPARE_AND_WAIT_SHARED 3u
#define ULF_WAKE_ALL 0x100u
#define ULF_NO_ERRNO 0x1000000u

extern int os_sync_wait_on_address_with_timeout(void *address, uint64_t value, size_t size,
                                                uint32_t flags, uint32_t clock,
                                                uint64_t nanoseconds)
    __attribute__((weak_import));
extern int os_sync_wake_by_address_any(void *address, size_t size, uint32_t flags)
    __attribute__((weak_import));
extern int os_sync_wake_by_address_all(void *address, size_t size, uint32_t flags)
    __attribute__((weak_import));

extern int __ulock_wait(uint32_t operation, void *address, uint64_t value,
                        uint32_t microseconds);
extern int __ulock_wake(uint32_t operation, void *address, uint64_t value);

#define MACH_ABSOLUTE_TIME 32u /* OS_CLOCK_MACH_ABSOLUTE_TIME */

void mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds) {
  if (nanoseconds == 0) return; /* which they take for: without limit */
  if (os_sync_wait_on_address_with_timeout != NULL) {
    os_sync_wait_on_address_with_timeout(word, expected, sizeof *word, SHARED,
                                         MACH_ABSOLUTE_TIME, nanoseconds);
    return;
  }
  const uint64_t microseconds = (nanoseconds + 999u) / 1000u;
  __ulock_wait(COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO, word, expected,
               microseconds < UINT32_MAX ? (uint32_t)microseconds : UINT32_MAX);
}

static void wake_one(uint32_t *word) {
  if (os_sync_wake_by_address_any != NULL)
    os_sync_wake_by_address_any(word, sizeof *word, SHARED);
  else
    __ulock_wake(COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO, word, 0);
}

static void wake_all(uint32_t *word) {
  if (os_sync_wake_by_address_all != NULL)
    os_sync_wake_by_address_all(word, sizeof *word, SHARED);
  else
    __ulock_wake(COMPARE_AND_WAIT_SHARED | ULF_WAKE_ALL | ULF_NO_ERRNO, word, 0);
}

void mm__os_wake(uint32_t *word, uint32_t count) {
  if (count == 1)
    wake_one(word);
  else if (count != 0)
    wake_all(word);
}
