/* os_posix.c - the parts of os.h that are the same on all POSIX systems. */
#define _GNU_SOURCE
#include "os.h"
#include "os_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Machine ----------------------------------------------------------- */

uint32_t mm__os_page_size(void) { return (uint32_t)sysconf(_SC_PAGESIZE); }

uint32_t mm__os_process_id(void) { return (uint32_t)getpid(); }

int mm__os_environment(const char *name, char *value, size_t size) {
  const char *text = getenv(name);
  if (text == NULL) return -ENOENT;
  const size_t length = strlen(text);
  if (length >= size) return -ENOSPC;
  memcpy(value, text, length + 1);
  return 0;
}

struct timespec mm__posix_timespec(uint64_t nanoseconds) {
  return (struct timespec){
      .tv_sec = (time_t)(nanoseconds / 1000000000u),
      .tv_nsec = (long)(nanoseconds % 1000000000u),
  };
}

void mm__os_sleep(uint64_t nanoseconds) {
  const struct timespec time = mm__posix_timespec(nanoseconds);
  nanosleep(&time, NULL);
}

/* The low four bits of a hexadecimal digit, or -1. */
static int hexadecimal(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

int mm__posix_identity(const char *text, uint8_t identity[16]) {
  unsigned digits = 0;
  memset(identity, 0, 16);
  for (; *text != 0 && digits < 32; text++) {
    const int value = hexadecimal(*text);
    if (value < 0) continue;
    identity[digits / 2] = (uint8_t)(identity[digits / 2] << 4 | value);
    digits++;
  }
  return digits == 32 ? 0 : -EIO;
}

/* ---- Files ------------------------------------------------------------- */

int mm__os_is_absolute(const char *path) { return path[0] == '/'; }

int mm__posix_beyond_standard(int file, int *result) {
  if (file < 0) return -errno;
  if (file <= STDERR_FILENO) {
    const int moved = fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = errno;
    close(file);
    if (moved < 0) return -error;
    file = moved;
  }
  *result = file;
  return 0;
}

int mm__os_each_name(int directory, const char *prefix,
                     int (*visit)(void *context, const char *name),
                     void *context) {
  const int readable =
      openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (readable < 0) return -errno;
  DIR *stream = fdopendir(readable);
  if (stream == NULL) {
    const int error = errno;
    close(readable);
    return -error;
  }
  const size_t length = strlen(prefix);
  int answer = 0;
  while (answer == 0) {
    errno = 0;
    const struct dirent *entry = readdir(stream);
    if (entry == NULL) {
      answer = -errno;
      break;
    }
    if (strncmp(entry->d_name, prefix, length) == 0)
      answer = visit(context, entry->d_name);
  }
  closedir(stream);
  return answer;
}

int mm__os_read(int file, void *bytes, size_t length, uint64_t offset) {
  uint8_t *at = bytes;
  while (length > 0) {
    const ssize_t got = pread(file, at, length, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? -errno : -EIO;
    at += got;
    offset += (uint64_t)got;
    length -= (size_t)got;
  }
  return 0;
}

void mm__os_close(int file) { close(file); }

/* ---- After fork() ------------------------------------------------------ */

/* The only state of this library besides its handles: what a child is to open
 * anew. Nobody forks while it changes. */
static pthread_mutex_t unshared_lock = PTHREAD_MUTEX_INITIALIZER;
static mm__os_unshared *first_unshared;

static void before_fork(void) { pthread_mutex_lock(&unshared_lock); }

static void after_fork(void) { pthread_mutex_unlock(&unshared_lock); }

static void in_child(void) {
  for (const mm__os_unshared *at = first_unshared; at != NULL; at = at->next) {
    mm__os_file now;
    int own;
    at->fork_mark[0] = at->fork_mark[1] = 0;
    if (mm__os_describe(at->file, &now) != 0 || now.inode != at->identity.inode ||
        now.device != at->identity.device || mm__os_reopen(at->file, &own) != 0)
      continue;
    dup2(own, at->file);
    fcntl(at->file, F_SETFD, FD_CLOEXEC);
    close(own);
  }
  pthread_mutex_unlock(&unshared_lock);
}

void mm__os_unshare(mm__os_unshared *unshared, int file, uint32_t *fork_mark) {
  static uint32_t is_watched;
  if (__atomic_exchange_n(&is_watched, 1, __ATOMIC_ACQ_REL) == 0)
    mm__posix_atfork(before_fork, after_fork, in_child);
  pthread_mutex_lock(&unshared_lock);
  *unshared = (mm__os_unshared){
      .file = file,
      .fork_mark = fork_mark,
      .next = first_unshared,
      .to_here = &first_unshared,
  };
  mm__os_describe(file, &unshared->identity);
  if (first_unshared != NULL) first_unshared->to_here = &unshared->next;
  first_unshared = unshared;
  pthread_mutex_unlock(&unshared_lock);
}

void mm__os_close_unshared(mm__os_unshared *unshared) {
  pthread_mutex_lock(&unshared_lock);
  *unshared->to_here = unshared->next;
  if (unshared->next != NULL) unshared->next->to_here = unshared->to_here;
  close(unshared->file);
  pthread_mutex_unlock(&unshared_lock);
}

/* ---- Locks on bytes of a file ------------------------------------------ */

static int byte_lock(int file, int command, short type, uint64_t offset,
                     uint64_t length, struct flock *lock) {
  memset(lock, 0, sizeof *lock);
  lock->l_type = type;
  lock->l_whence = SEEK_SET;
  lock->l_start = (off_t)offset;
  lock->l_len = (off_t)length;
  while (fcntl(file, command, lock) != 0)
    if (errno != EINTR) return -errno;
  return 0;
}

int mm__os_lock_byte(int file, uint64_t offset) {
  struct flock lock;
  const int status = byte_lock(file, F_OFD_SETLK, F_WRLCK, offset, 1, &lock);
  return status == -EACCES ? -EAGAIN : status;
}

void mm__os_unlock_byte(int file, uint64_t offset) {
  struct flock lock;
  byte_lock(file, F_OFD_SETLK, F_UNLCK, offset, 1, &lock);
}

int mm__os_is_locked(int file, uint64_t offset, uint64_t length) {
  struct flock lock;
  const int status =
      byte_lock(file, F_OFD_GETLK, F_WRLCK, offset, length, &lock);
  if (status != 0) return status;
  return lock.l_type != F_UNLCK;
}
