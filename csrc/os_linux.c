/* os_linux.c - os.h for Linux: tmpfs files, OFD locks, futexes. */
#define _GNU_SOURCE
#include "os.h"
#include "os_linux_libc.h"
#include "os_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* ---- Machine ----------------------------------------------------------- */

uint32_t mm__os_process_namespace(void) {
  struct stat description;
  return mm__libc_fstatat(AT_FDCWD, "/proc/self/ns/pid", &description, 0) == 0
             ? (uint32_t)description.st_ino
             : 0;
}

uint64_t mm__os_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int mm__os_random(void *bytes, size_t length) {
  uint8_t *at = bytes;
  while (length > 0) {
    /* By number: the C library has a wrapper only since glibc 2.25. */
    const long got = syscall(SYS_getrandom, at, length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? -errno : -EIO;
    at += got;
    length -= (size_t)got;
  }
  return 0;
}

/* Reads a small file of /proc as text; its length or a negative errno. */
static ssize_t read_proc(const char *path, char *text, size_t size) {
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file < 0) return -errno;
  const ssize_t length = read(file, text, size - 1);
  const int error = errno;
  close(file);
  if (length < 0) return -error;
  text[length] = 0;
  return length;
}

uint64_t mm__os_process_start(void) {
  char text[1024];
  if (read_proc("/proc/self/stat", text, sizeof text) < 0) return 0;
  /* The 22nd field; the second one may hold anything, up to the last ')'. */
  const char *at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 22; field++)
    at = strchr(at + 1, ' ');
  if (at == NULL) return 0;
  const uint64_t ticks = strtoull(at + 1, NULL, 10);
  const long per_second = sysconf(_SC_CLK_TCK);
  struct timespec booted, now;
  clock_gettime(CLOCK_BOOTTIME, &booted);
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t boot_ms = (now.tv_sec - booted.tv_sec) * 1000ll +
                          (now.tv_nsec - booted.tv_nsec) / 1000000;
  if (per_second <= 0 || boot_ms < 0) return 0;
  return (uint64_t)boot_ms + ticks * 1000 / (uint64_t)per_second;
}

int mm__os_host_identity(uint8_t identity[16]) {
  char text[64];
  const ssize_t length =
      read_proc("/proc/sys/kernel/random/boot_id", text, sizeof text);
  if (length < 0) return (int)length;
  return mm__posix_identity(text, identity);
}

/* ---- Files ------------------------------------------------------------- */

const char *mm__os_default_directory(void) { return "/dev/shm"; }

int mm__os_default_is_common(void) { return 1; }

static int is_tmpfs(int file) {
  struct statfs system;
  return fstatfs(file, &system) == 0 && (uint32_t)system.f_type == TMPFS_MAGIC;
}

int mm__os_open_directory(const char *path, int *directory) {
  const int status =
      mm__posix_beyond_standard(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), directory);
  if (status != 0) return status;
  if (is_tmpfs(*directory)) return 0;
  close(*directory);
  return -ENOTSUP;
}

int mm__os_capacity(int directory, uint64_t *bytes) {
  struct statfs system;
  if (fstatfs(directory, &system) != 0) return -errno;
  *bytes = system.f_blocks == 0
               ? UINT64_MAX
               : (uint64_t)system.f_blocks * (uint64_t)system.f_bsize;
  return 0;
}

int mm__os_create_unnamed(int directory, uint64_t size, int *file) {
  struct rlimit limit;
  /* Beyond it ftruncate() would be a signal that kills. */
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
    return -EFBIG;
  if (size > INT64_MAX) return -EFBIG;
  const int status = mm__posix_beyond_standard(
      openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), file);
  if (status != 0) return status;
  /* The mode, too, because the umask may forbid its owner to open it again. */
  if (ftruncate(*file, (off_t)size) == 0 && fchmod(*file, 0600) == 0) return 0;
  const int error = errno;
  close(*file);
  return -error;
}

static int open_regular(int directory, const char *name, int access, int *file) {
  const int status = mm__posix_beyond_standard(
      openat(directory, name,
             access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
      file);
  /* ELOOP: a symbolic link; ENXIO: a named pipe or a socket. */
  if (status == -ELOOP || status == -ENXIO || status == -EISDIR) return -EINVAL;
  if (status != 0) return status;
  struct stat description;
  if (mm__libc_fstat(*file, &description) == 0 && S_ISREG(description.st_mode) &&
      is_tmpfs(*file))
    return 0;
  close(*file);
  return -EINVAL;
}

int mm__os_open(int directory, const char *name, int *file) {
  return open_regular(directory, name, O_RDWR, file);
}

int mm__os_open_for_reading(int directory, const char *name, int *file) {
  return open_regular(directory, name, O_RDONLY, file);
}

/* The path under which /proc shows a descriptor of this process. */
#define PROC_PATH_SIZE 32
static void proc_path(int file, char path[PROC_PATH_SIZE]) {
  snprintf(path, PROC_PATH_SIZE, "/proc/self/fd/%d", file);
}

int mm__os_reopen(int file, int *again) {
  char path[PROC_PATH_SIZE];
  proc_path(file, path);
  const int status =
      mm__posix_beyond_standard(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), again);
  return status == -ENOENT ? -ENOSYS : status;
}

int mm__posix_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  return mm__libc_atfork(prepare, parent, child);
}

int mm__os_publish(int file, int directory, const char *name, uint32_t mode) {
  if (fchmod(file, (mode_t)mode) != 0) return -errno;
  char path[PROC_PATH_SIZE];
  proc_path(file, path);
  return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) == 0 ? 0
                                                                         : -errno;
}

int mm__os_unlink(int file, int directory, const char *name) {
  struct stat ours, named;
  if (mm__libc_fstat(file, &ours) != 0) return -errno;
  if (mm__libc_fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? 0 : -errno;
  if (ours.st_dev != named.st_dev || ours.st_ino != named.st_ino) return 0;
  return unlinkat(directory, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int mm__os_describe(int file, mm__os_file *description) {
  struct stat status;
  if (mm__libc_fstat(file, &status) != 0) return -errno;
  description->device = status.st_dev;
  description->inode = status.st_ino;
  description->size = (uint64_t)status.st_size;
  description->links = status.st_nlink;
  description->committed = (uint64_t)status.st_blocks * 512;
  return 0;
}

int mm__os_commit(int file, uint64_t offset, uint64_t length) {
  while (fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) != 0)
    if (errno != EINTR) return -errno;
  return 0;
}

void mm__os_release(int file, uint64_t offset, uint64_t length) {
  while (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   (off_t)offset, (off_t)length) != 0)
    if (errno != EINTR) return;
}

/* ---- Memory ------------------------------------------------------------ */

int mm__os_map(int file, uint64_t size, void **address) {
  if (size > SIZE_MAX / 2) return -ENOMEM;
  void *mapped = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, file, 0);
  if (mapped == MAP_FAILED) return -errno;
  /* A core dump of the pool would keep a dead process's locks for long. */
  madvise(mapped, (size_t)size, MADV_DONTDUMP);
  *address = mapped;
  return 0;
}

int mm__os_prefer_node(void *address, uint64_t size, uint32_t node) {
  /* <linux/mempolicy.h>, which not all systems have. */
  enum { MPOL_PREFERRED = 1 };
  enum { NODES = 1024, BITS = 8 * sizeof(unsigned long) };
  unsigned long nodes[NODES / BITS] = {0};
  if (node >= NODES) return -EINVAL;
  nodes[node / BITS] = 1ul << node % BITS;
  /* The policy of a shared mapping of a tmpfs is its file's, in all processes. The
   * kernel looks at one bit less than it is told. */
  return syscall(SYS_mbind, address, size, MPOL_PREFERRED, nodes,
                 8 * sizeof nodes + 1, 0) == 0
             ? 0
             : -errno;
}

void mm__os_unmap(void *address, uint64_t size) { munmap(address, (size_t)size); }

uint32_t *mm__os_fork_mark(void) {
  const size_t size = mm__os_page_size();
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  /* Before Linux 4.14 only mm__os_unshare() does this. */
  madvise(page, size, MADV_WIPEONFORK);
  uint32_t *mark = page;
  *mark = 1;
  return mark;
}

void mm__os_fork_mark_free(uint32_t *mark) { munmap(mark, mm__os_page_size()); }

/* ---- Ordering the memory of others ---------------------------------------- */

#define MILLISECOND 1000000u

#ifndef SYS_membarrier
#define SYS_membarrier __NR_membarrier
#endif

static long membarrier(int command) { return syscall(SYS_membarrier, command, 0); }

/* A process that joins has to wait for all its threads if it has several. */
static int joins_at_once(void) {
  const int get_registrations = 1 << 9; /* Linux 6.3 */
  const long joined = membarrier(get_registrations);
  if (joined > 0 && (joined & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0)
    return 1;
  struct stat threads; /* has a link for each, and two more */
  return mm__libc_fstatat(AT_FDCWD, "/proc/self/task", &threads, 0) == 0 &&
         threads.st_nlink <= 3;
}

int mm__os_join_fences(int at_any_cost) {
  const long commands = membarrier(MEMBARRIER_CMD_QUERY);
  if (commands <= 0 || (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0)
    return -ENOSYS;
  if (!at_any_cost && !joins_at_once()) return 0;
  return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0 ? 1 : -ENOSYS;
}

/* The kernel leaves out a processor that has idled since one of those processes
 * ran there, if that joined only afterwards and then came back. And this process
 * may be confined so that it must not ask at all. So this waits as well, for much
 * longer than a processor keeps a store to itself. */
void mm__os_fence_all(void) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
  const uint64_t end = mm__os_now() + MILLISECOND;
  for (uint64_t now; (now = mm__os_now()) < end;) mm__os_sleep(end - now);
}

/* ---- Sleeping on a word ------------------------------------------------ */

void mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds) {
  const struct timespec time = mm__posix_timespec(nanoseconds);
  syscall(SYS_futex, word, FUTEX_WAIT, expected, &time, NULL, 0);
}

void mm__os_wake(uint32_t *word, uint32_t count) {
  syscall(SYS_futex, word, FUTEX_WAKE,
          count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
}
