/* os.h - everything that this library asks of an operating system.
 *
 * One os_*.c per system implements it. Knows nothing of pools: it deals in
 * files, bytes, words and clocks. A function that can fail returns 0 or a
 * negative errno, unless its description says otherwise.
 */
#ifndef MM_OS_H
#define MM_OS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* Windows has none: it answers ENOSPC. */
#ifndef EDQUOT
#define EDQUOT 10069
#endif

/* ---- Machine ----------------------------------------------------------- */

uint32_t mm__os_page_size(void);
uint32_t mm__os_process_id(void);

/* A number for the PID namespace of this process; 0 if it cannot be told. */
uint32_t mm__os_process_namespace(void);

/* When this process began: milliseconds since 1970; 0 if it cannot be told. */
uint64_t mm__os_process_start(void);

/* Nanoseconds of a clock that all processes share and nobody sets. */
uint64_t mm__os_now(void);

void mm__os_sleep(uint64_t nanoseconds);

/* Copies the value of an environment variable. -ENOENT: it is not set; -ENOSPC: it
 * needs more than `size` bytes. Nobody may change the environment meanwhile. */
int mm__os_environment(const char *name, char *value, size_t size);

int mm__os_random(void *bytes, size_t length);

/* 16 bytes that are the same for all processes of this host since it was
 * started, and differ from every other host's. */
int mm__os_host_identity(uint8_t identity[16]);

/* ---- Files ------------------------------------------------------------- */

/* Where files are that nobody named a directory for. Lives for ever. */
const char *mm__os_default_directory(void);

/* 1 if that is the same for all processes of this host. */
int mm__os_default_is_common(void);

/* 1 if a path says where it begins, whatever the process's own directory is. */
int mm__os_is_absolute(const char *path);

/* Which file a descriptor leads to. */
typedef struct mm__os_file {
  uint64_t device;
  uint64_t inode;
  uint64_t size;  /* bytes */
  uint64_t links; /* names that lead to it */
  uint64_t committed; /* bytes of memory that it has */
} mm__os_file;

/* Opens a directory for use in the functions below. -ENOTSUP: its files cannot be
 * shared memory. On Linux it must be a tmpfs, elsewhere a disk of this host. */
int mm__os_open_directory(const char *path, int *directory);

/* Bytes that the directory's file system could hold when empty; UINT64_MAX:
 * without a limit. */
int mm__os_capacity(int directory, uint64_t *bytes);

/* Makes a file without a name (or one that no other function shows), `size` bytes
 * long. On Linux it is all holes; elsewhere, where holes cannot be filled safely
 * later, it takes up its whole size at once, or -ENOSPC. -EFBIG where a limit of
 * the process or the system forbids it. */
int mm__os_create_unnamed(int directory, uint64_t size, int *file);

/* Calls `visit` with each name in the directory that begins with `prefix`, until
 * it answers other than 0; answers that, 0, or a negative errno. */
int mm__os_each_name(int directory, const char *prefix,
                     int (*visit)(void *context, const char *name),
                     void *context);

/* Opens a regular file for reading and writing. Never follows a symbolic link,
 * never blocks. -EINVAL: not a regular file, or, on Linux, not on a tmpfs. */
int mm__os_open(int directory, const char *name, int *file);

/* As mm__os_open(), for reading only. */
int mm__os_open_for_reading(int directory, const char *name, int *file);

/* A descriptor that children do not share: right after fork() the child has a
 * description of its own in its place, without the parent's locks. Where there is
 * none to be had, and after clone() or vfork(), it stays shared. */
typedef struct mm__os_unshared {
  int file;
  uint32_t *fork_mark;
  mm__os_file identity; /* of `file`: the program may have closed it */
  struct mm__os_unshared *next;
  struct mm__os_unshared **to_here;
} mm__os_unshared;

/* In the child, `fork_mark` becomes 0 as well: see mm__os_fork_mark(). */
void mm__os_unshare(mm__os_unshared *unshared, int file, uint32_t *fork_mark);

/* Closes the descriptor. */
void mm__os_close_unshared(mm__os_unshared *unshared);

/* Opens the same file once more, as an open file description of its own.
 * -ENOSYS: the system has no way to (no /proc). */
int mm__os_reopen(int file, int *again);

/* Gives the file its exact mode (which Windows does not know) and then its name.
 * -EEXIST. */
int mm__os_publish(int file, int directory, const char *name, uint32_t mode);

/* Removes the name, if it still leads to the file. 0 also if it does not. */
int mm__os_unlink(int file, int directory, const char *name);

int mm__os_describe(int file, mm__os_file *description);

/* Reads exactly `length` bytes; -EIO if there are fewer. */
int mm__os_read(int file, void *bytes, size_t length, uint64_t offset);

void mm__os_close(int file);

/* Backs a range with memory, so that touching it cannot fail. Keeps what is
 * there. -ENOSPC. */
int mm__os_commit(int file, uint64_t offset, uint64_t length);

/* Gives the memory behind a range back; it becomes a hole. Best effort. */
void mm__os_release(int file, uint64_t offset, uint64_t length);

/* ---- Memory ------------------------------------------------------------ */

/* Maps the file's first `size` bytes, shared, out of core dumps. */
int mm__os_map(int file, uint64_t size, void **address);
void mm__os_unmap(void *address, uint64_t size);

/* Asks for the memory of a mapped file, all that will ever be committed by
 * whomever, to come from a NUMA node while that has some. -EINVAL: there is no such
 * node; -ENOSYS: the system knows no nodes; -EPERM. */
int mm__os_prefer_node(void *address, uint64_t size, uint32_t node);

/* A word that is 1, and after it one that is 0; after fork() both are 0 in the
 * child, by mm__os_unshare(), and where the system can do it of itself, also
 * after clone(). NULL: no memory. */
uint32_t *mm__os_fork_mark(void);
void mm__os_fork_mark_free(uint32_t *mark);

/* ---- Locks on bytes of a file ------------------------------------------ *
 *
 * They belong to the open file description and go when it is closed, at the
 * latest when the process that made it is dead. */

/* Takes the lock on a byte: 0, or -EAGAIN if another description has it. */
int mm__os_lock_byte(int file, uint64_t offset);

void mm__os_unlock_byte(int file, uint64_t offset);

/* 1 if another description holds a lock in the range, 0 if none does. Not for
 * bytes that `file` itself has locked. */
int mm__os_is_locked(int file, uint64_t offset, uint64_t length);

/* ---- Ordering the memory of others ---------------------------------------- *
 *
 * Between a store and a later load a processor needs a fence, or others may see
 * them the other way round. Whoever does that often, while others hardly ever
 * care, can leave the fence to those. */

/* Makes this process one of those whose memory mm__os_fence_all() orders: 1, or
 * -ENOSYS if the system cannot. Takes some 20 ms the first time if the process
 * has several threads: unless `at_any_cost`, 0 instead. */
int mm__os_join_fences(int at_any_cost);

/* Has every thread of those processes execute a full fence, on this call's
 * behalf: what one stored before it the caller sees, what one loads after it is
 * what the caller stored before. Takes a millisecond. */
void mm__os_fence_all(void);

/* ---- Sleeping on a word ------------------------------------------------ */

/* Sleeps while *word is `expected`, for `nanoseconds` at most; across all
 * processes that map it. May return early. */
void mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds);

/* Wakes `count` sleepers. */
void mm__os_wake(uint32_t *word, uint32_t count);

#endif
