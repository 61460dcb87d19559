/* managed_memory.h - named pools of shared memory with an allocator inside.
 *
 * This header is the whole C ABI and its manual. It may be included from C11
 * and C++. It knows nothing of how pools are laid out; that is layout.h.
 *
 *
 * What there is
 *
 *   pool         one file, by default /dev/shm/managed-memory.NAME (see
 *                mm_default_directory()), mapped by every process that uses it.
 *   handle       an `mm_pool *`: one attachment to a pool, with a mapping, a
 *                file descriptor and a participant slot of its own. Created by
 *                mm_pool_create() or mm_pool_attach(), ended by
 *                mm_pool_detach().
 *   allocation   a run of bytes in the pool's data region, named by a 64-bit
 *                id that is never used again for another allocation.
 *   descriptor   bytes (MM_DESCRIPTOR_MAX at most) that name a pool or an
 *                allocation to any process on this host.
 *
 *
 * Rules
 *
 *   - A handle is used by one thread at a time, with two exceptions that are
 *     named at mm_park(). Threads that want to work at once attach once each.
 *   - There is no global state but a list of the handles, for fork(): two
 *     copies of this library in one process do not disturb each other.
 *   - A function that can fail returns an mm_status: MM_OK, which is 0, or a
 *     negative number for which mm_strerror() has a text. When it fails it has
 *     changed nothing, unless its description says otherwise.
 *   - No function trusts what lies in shared memory. A pool that was spoilt
 *     gives MM_E_CORRUPT; it cannot make the library touch memory outside of
 *     the mapping, nor loop.
 *   - Only mm_alloc_blocking(), mm_wait() and mm_park() wait for room. All
 *     others wait at most one second, and only for a peer that stands still
 *     (stopped, not killed) inside the pool's lock, or in the midst of
 *     freeing what the call is about; then they return MM_E_BUSY.
 *   - In a child after fork() the first call on a handle attaches anew, and may
 *     fail as mm_pool_attach() does.
 *
 *
 * Example
 *
 *   #include <managed_memory.h>
 *   #include <stdio.h>
 *   #include <string.h>
 *
 *   int main(void) {
 *     mm_pool_options options = {.size = 1 << 20, .name = "greetings", .uid = 7};
 *     mm_pool *pool;
 *     int status = mm_pool_create(&options, &pool);
 *     if (status != MM_OK) {
 *       fprintf(stderr, "create: %s\n", mm_strerror(status));
 *       return 1;
 *     }
 *
 *     mm_allocation allocation;
 *     status = mm_alloc(pool, 6, MM_TYPE_DATA, &allocation);
 *     if (status == MM_OK) {
 *       memcpy(mm_address(pool, &allocation), "hello", 6);
 *
 *       unsigned char descriptor[MM_DESCRIPTOR_MAX];
 *       size_t length;
 *       mm_allocation_serialize(pool, &allocation, descriptor,
 *                               sizeof descriptor, &length);
 *       // ... hand `descriptor` to another process, which calls
 *       // mm_pool_attach() and mm_descriptor_read() with it ...
 *       mm_free(pool, allocation.id);
 *     }
 *     mm_pool_destroy(pool);
 *     mm_pool_detach(pool);
 *     return status == MM_OK ? 0 : 1;
 *   }
 *
 *
 * Caveats
 *
 *   - A process that dies, at whatever instruction, leaves its allocations
 *     alive and the pool usable: what it held is taken back by the next caller
 *     that needs it. While the kernel still tears the process down (it closes
 *     files after freeing memory, about 60 ms per GiB touched) it counts as
 *     alive.
 *   - After fork() the child may go on with the handles that it inherited: its
 *     next call attaches it anew, with a slot of its own. Until then it is not
 *     attached. A child that was made by vfork() or clone(), or that may not
 *     open the file or has no descriptor left, keeps the parent's slot occupied
 *     until then, also when the parent dies.
 *   - Whoever may write to the pool's file may spoil the data in it. Truncating
 *     the file from outside kills everyone who touches the missing part.
 *   - Linux commits a pool's memory when it is first used, and mm_pool_trim()
 *     gives it back. On macOS and Windows a pool takes up its whole size on disk
 *     when it is created, and keeps it; `mode` means nothing to Windows; and names
 *     that differ in capital and small letters only are the same there.
 *   - Closing descriptors that this library opened ends the attachment in the
 *     eyes of others.
 */
#ifndef MANAGED_MEMORY_H
#define MANAGED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MM_API __declspec(dllexport)
#else
#define MM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a function of this header changes its meaning. */
#define MM_ABI_VERSION 2u

/* Longest pool name, in bytes without the terminating NUL. */
#define MM_NAME_MAX 200u

/* Largest NUMA node that can be asked for. */
#define MM_NUMA_NODE_MAX 1023u

/* Longest directory path, in bytes without the terminating NUL. */
#define MM_DIRECTORY_MAX 1023u

/* Participants (handles, over all processes) that one pool can have at once. */
#define MM_SLOTS_MAX 1024u

/* Longest descriptor in bytes; with the default directory it is under 300. */
#define MM_DESCRIPTOR_MAX 1408u

/* Smallest and default `min_block_size`, in bytes. */
#define MM_MIN_BLOCK_SIZE 64u

/* Largest size in bytes, of a pool or a request: 2^53 - 1, what a double can
 * count. */
#define MM_SIZE_MAX 9007199254740991u

/* ---- Status codes ------------------------------------------------------ */

typedef enum mm_status {
  MM_OK = 0,
  MM_E_INVALID = -1,     /* an argument is out of its range */
  MM_E_NAME = -2,        /* pool name empty, too long, or not [A-Za-z0-9._-] */
  MM_E_DIRECTORY = -3,   /* directory not absolute, too long, or on a file system
                            that is not for it: see mm_default_directory() */
  MM_E_EXISTS = -4,      /* a pool of this name is already there */
  MM_E_TOO_LARGE = -5,   /* more than the pool, or its file system, can ever hold */
  MM_E_NOT_FOUND = -6,   /* no pool under this name: destroyed, or never created */
  MM_E_REPLACED = -7,    /* another pool bears the name now */
  MM_E_DESTROYED = -8,   /* the pool was destroyed */
  MM_E_DESCRIPTOR = -9,  /* not a descriptor: truncated, extended or changed */
  MM_E_NOT_LOCAL = -10,  /* the descriptor was made on another host */
  MM_E_NOT_A_POOL = -11, /* the file is not a pool */
  MM_E_VERSION = -12,    /* the pool was made by an incompatible release */
  MM_E_NO_SLOT = -13,    /* all MM_SLOTS_MAX participant slots are taken */
  MM_E_NO_ROOM = -14,    /* no free block is large enough now */
  MM_E_LIMIT = -15,      /* max_allocations are live already */
  MM_E_FS_FULL = -16,    /* the file system behind the pool is full */
  MM_E_TIMEOUT = -17,    /* room did not come in time */
  MM_E_QUEUED = -18,     /* an older request goes first (mm_wait_try() only) */
  MM_E_BUSY = -19,       /* a stopped peer has held the pool's lock for too long */
  MM_E_CORRUPT = -20,    /* the shared bytes contradict themselves */
  MM_E_STALE = -21,      /* no such allocation: freed, or never made */
  MM_E_BUFFER = -22,     /* the caller's buffer is too small */
  MM_E_NO_PROC = -23,    /* /proc is not mounted */
  MM_E_IN_USE = -24,     /* a living process is attached */
  MM_E_NO_DEFAULT = -25, /* the environment names no default pool */
} mm_status;

/* An error of the operating system: MM_E_SYSTEM(errno). */
#define MM_E_SYSTEM_BASE (-1000)
#define MM_E_SYSTEM(error) (MM_E_SYSTEM_BASE - (error))

/* The errno in a system error, or 0 for every other status. */
MM_API int mm_errno(int status);

/* A short English text for a status, without a full stop. Never NULL. The
 * text lives as long as the library. */
MM_API const char *mm_strerror(int status);

/* MM_ABI_VERSION of the library that was loaded. */
MM_API uint32_t mm_abi_version(void);

/* Names what the library was built from; "" for other builds than releases. */
MM_API const char *mm_build_id(void);

/* ---- Pools ------------------------------------------------------------- */

typedef struct mm_pool mm_pool;

/* For mm_pool_options.mode: no permission for anyone, 0000. */
#define MM_MODE_NONE 010000u

typedef struct mm_pool_options {
  uint64_t size;            /* bytes, 1 to MM_SIZE_MAX; rounded up to whole pages */
  const char *name;         /* 1 to MM_NAME_MAX of [A-Za-z0-9._-] */
  uint64_t uid;             /* a number of the user's own; need not be unique */
  uint64_t min_block_size;  /* bytes, a power of two, at least 64; 0: 64 */
  uint64_t max_allocations; /* most allocations live at once; 0: what fits */
  uint32_t mode;            /* permission bits, set exactly; 0: 0600; MM_MODE_NONE */
  const char *directory;    /* absolute path; NULL: mm_default_directory() */
  const uint64_t *pre_allocate; /* sizes in bytes of blocks to have memory for */
  size_t pre_allocate_count;    /* of them */
  uint32_t numa_node_plus_1;    /* 1 + the NUMA node that the memory should come from;
                                   0: as the system likes */
} mm_pool_options;

/* What never changes during a pool's life. */
typedef struct mm_pool_info {
  uint8_t identity[16];     /* random; no two pools ever have the same */
  uint64_t uid;             /* as given at creation */
  uint64_t size;            /* bytes of the data region */
  uint64_t min_block_size;  /* bytes */
  uint64_t max_allocations; /* most allocations live at once */
  uint64_t data;            /* address of the data region in this process */
  const char *name;         /* lives as long as the handle */
  const char *directory;    /* lives as long as the handle */
} mm_pool_info;

/* What changes, read at one moment. */
typedef struct mm_pool_stats {
  uint64_t free_space;       /* bytes that are not in live blocks */
  uint64_t allocations;      /* live now */
  uint64_t most_allocations; /* most that were ever live at once */
} mm_pool_stats;

/* Creates a pool and attaches to it. The name appears in the file system only
 * when the pool is complete: a creator that is killed leaves nothing, or a
 * whole pool. Costs memory only for what is used, and for `pre_allocate`: as much
 * as allocations of all these sizes together need is committed at once, so that
 * the first ones need not, and cannot find the file system full. It is not set
 * aside for them: anybody may allocate it, in whatever sizes.
 *
 * The NUMA node is a preference, for all memory of the pool, whoever commits it:
 * where the node has none left, another gives it. But one that is not there, and
 * a system that knows no nodes or forbids to choose, is an error: MM_E_SYSTEM of
 * EINVAL, ENOSYS, EPERM.
 *
 * MM_E_INVALID, MM_E_NAME, MM_E_DIRECTORY, MM_E_EXISTS (see mm_pool_probe()),
 * MM_E_TOO_LARGE, MM_E_FS_FULL, MM_E_NO_PROC, MM_E_SYSTEM(..). */
MM_API int mm_pool_create(const mm_pool_options *options, mm_pool **pool);

/* Attaches to the pool that a descriptor names, of the pool or of one of its
 * allocations. Each call makes a handle of its own.
 *
 * MM_E_DESCRIPTOR, MM_E_NOT_LOCAL, MM_E_NOT_FOUND, MM_E_REPLACED,
 * MM_E_DESTROYED, MM_E_NOT_A_POOL, MM_E_VERSION, MM_E_DIRECTORY, MM_E_NO_SLOT,
 * MM_E_FS_FULL, MM_E_BUSY, MM_E_NO_PROC, MM_E_CORRUPT, MM_E_SYSTEM(..) (EMFILE:
 * no file descriptor left). */
MM_API int mm_pool_attach(const void *descriptor, size_t length, mm_pool **pool);

/* Ends the attachment: gives the slot back, unmaps, frees the handle. Live
 * allocations stay. NULL is allowed. Never fails. */
MM_API void mm_pool_detach(mm_pool *pool);

/* As mm_pool_detach(), but leaves the memory mapped for the rest of the
 * process's life, because something still points into it. */
MM_API void mm_pool_detach_keep_mapping(mm_pool *pool);

/* Destroys the pool: its name goes at once, all waiters wake, and every later
 * call of any participant returns MM_E_DESTROYED. Memory stays mapped, for the
 * caller too, until each detaches. Any participant may destroy.
 *
 * MM_E_DESTROYED; MM_E_BUSY, MM_E_DIRECTORY, MM_E_SYSTEM(..) (the pool is destroyed, but its
 * name could not be removed; creating a pool of that name removes it). */
MM_API int mm_pool_destroy(mm_pool *pool);

/* Never fails, also on a destroyed pool. */
MM_API const mm_pool_info *mm_pool_describe(const mm_pool *pool);

/* MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_pool_read_stats(mm_pool *pool, mm_pool_stats *stats);

/* ---- Allocations ------------------------------------------------------- */

/* Types below 2^32 that are not named here are the user's own. */
enum {
  MM_TYPE_DATA = 0,
  MM_TYPE_CHANNEL = 1,
  MM_TYPE_CHANNEL_BUFFER = 2,
  MM_TYPE_BOOTSTRAP = 3,
};

typedef struct mm_allocation {
  uint64_t id;       /* never 0, never used again */
  uint64_t offset;   /* bytes from the start of the data region */
  uint64_t size;     /* bytes, as asked for */
  uint32_t type;     /* MM_TYPE_* or the user's own */
  uint32_t reserved; /* 0 */
} mm_allocation;

/* Allocates `size` bytes (0 is allowed). The offset is a multiple of the
 * pool's min_block_size; the contents are undefined.
 *
 * MM_E_TOO_LARGE, MM_E_NO_ROOM, MM_E_LIMIT, MM_E_FS_FULL, MM_E_DESTROYED,
 * MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_alloc(mm_pool *pool, uint64_t size, uint32_t type,
                    mm_allocation *allocation);

/* As mm_alloc(), but waits for room, in fair order with all waiters of all
 * processes; at most `timeout_ms` milliseconds (negative: without limit; 0:
 * tries once).
 *
 * As mm_alloc(), and MM_E_TIMEOUT. */
MM_API int mm_alloc_blocking(mm_pool *pool, uint64_t size, uint32_t type,
                             int64_t timeout_ms, mm_allocation *allocation);

/* Frees the allocation, whoever made it. Wakes the oldest waiter that the room
 * may serve. Now and then it takes a millisecond if another participant made it,
 * one that has freed much of its own meanwhile.
 *
 * MM_E_STALE, MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_free(mm_pool *pool, uint64_t id);

/* Finds a live allocation by its id, without the lock.
 *
 * MM_E_STALE, MM_E_DESTROYED, MM_E_CORRUPT. */
MM_API int mm_find(mm_pool *pool, uint64_t id, mm_allocation *allocation);

/* Makes `size` bytes the allocation's size, where it is: up to the end of its
 * block, which is at least its first size rounded up to min_block_size. The block
 * stays as large as it is; bytes that come to belong to the allocation hold
 * whatever was there. Others see the new size when they find or list it next.
 *
 * MM_E_TOO_LARGE (its block has less), MM_E_STALE, MM_E_DESTROYED, MM_E_BUSY,
 * MM_E_CORRUPT. */
MM_API int mm_resize(mm_pool *pool, uint64_t id, uint64_t size);

/* The allocation's first byte. Valid until the handle is detached. */
MM_API void *mm_address(const mm_pool *pool, const mm_allocation *allocation);

/* XXH64 with seed 0 of any bytes: the same everywhere and for ever, fast, and no
 * protection against those who want two to be equal. */
MM_API uint64_t mm_hash(const void *bytes, uint64_t size);

/* ---- Manifest ---------------------------------------------------------- */

#define MM_ANY_TYPE (-1)

/* Lists live allocations, without the lock. Start with *cursor 0 and call
 * again until *count is 0. What lives throughout all those calls appears
 * exactly once. `type` is a type or MM_ANY_TYPE.
 *
 * MM_E_INVALID, MM_E_DESTROYED, MM_E_CORRUPT. */
MM_API int mm_list(mm_pool *pool, uint64_t *cursor, int64_t type,
                   mm_allocation *entries, size_t capacity, size_t *count);

/* Lists the sizes in bytes of the free blocks, as mm_list() does. What was
 * never used yet counts as part of the last block. While nobody allocates or
 * frees, the sizes add up to free_space; otherwise each was true at some
 * moment of the calls.
 *
 * MM_E_INVALID, MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_list_free_blocks(mm_pool *pool, uint64_t *cursor, uint64_t *sizes,
                               size_t capacity, size_t *count);

/* Gives the memory of free blocks back to the system, as far as they cover whole
 * pages: *bytes says how many bytes. It is committed again when it is allocated,
 * which fails with MM_E_FS_FULL if there is none left by then. Others go on
 * meanwhile, unless they need more memory: they wait for this call.
 *
 * MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT, MM_E_SYSTEM. */
MM_API int mm_pool_trim(mm_pool *pool, uint64_t *bytes);

/* ---- Ownership --------------------------------------------------------- *
 *
 * An allocation belongs to the attachment that made it, or that adopted it
 * last. That is for people and for mm_reclaim(): anybody may use and free it.
 * Allocations outlive their owners until somebody frees or reclaims them. */

typedef struct mm_owner {
  uint32_t pid;      /* of the process, in its own PID namespace */
  uint32_t is_alive; /* 1: that attachment still exists */
} mm_owner;

/* MM_E_STALE, MM_E_DESTROYED, MM_E_CORRUPT. */
MM_API int mm_owner_of(mm_pool *pool, uint64_t id, mm_owner *owner);

/* Makes this handle the owner.
 *
 * MM_E_STALE, MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_adopt(mm_pool *pool, uint64_t id);

typedef struct mm_reclaimed {
  uint64_t allocations; /* how many were freed */
  uint64_t bytes;       /* their sizes, as asked for */
} mm_reclaimed;

/* Frees the allocations whose owner was gone when the call began: its process
 * died, or it detached. When it fails, what was reclaimed until then is counted
 * in *reclaimed all the same.
 *
 * MM_E_DESTROYED, MM_E_BUSY, MM_E_CORRUPT. */
MM_API int mm_reclaim(mm_pool *pool, mm_reclaimed *reclaimed);

/* ---- Pools by name ----------------------------------------------------- */

/* One pool of this host, as a file shows it, without attaching to it. */
typedef struct mm_pool_entry {
  char name[MM_NAME_MAX + 1];
  uint8_t is_pool;          /* 1: a pool that this release understands, and all
                               below is known; 0: something else of that name */
  uint8_t is_destroyed;     /* 1: its destroyer died before it removed the name */
  uint8_t reserved[5];
  uint64_t size;            /* bytes of the data region */
  uint64_t used;            /* bytes in live blocks */
  uint64_t uid;             /* the user's number */
  uint64_t creator_start;   /* when its process began: ms since 1970; 0: unknown */
  uint32_t creator_pid;     /* in its own PID namespace */
  uint32_t processes;       /* living processes that are attached */
  uint32_t attachments;     /* living attachments; 0: the pool is an orphan */
  uint32_t descriptor_length; /* bytes */
  uint8_t descriptor[MM_DESCRIPTOR_MAX]; /* to attach to it */
} mm_pool_entry;

/* Where pools are that nobody named a directory for: /dev/shm on Linux, /tmp on
 * macOS, on Windows the user's temporary folder. On Linux every directory must be
 * on a tmpfs, elsewhere on a disk of this host. Lives for ever. */
MM_API const char *mm_default_directory(void);

/* Looks at the pool of a name (directory NULL: mm_default_directory()).
 *
 * MM_E_NAME, MM_E_DIRECTORY, MM_E_NOT_FOUND, MM_E_SYSTEM(..). */
MM_API int mm_pool_probe(const char *name, const char *directory,
                         mm_pool_entry *entry);

/* Looks at all pools of a directory (NULL: mm_default_directory()) that this user may read.
 * *count is how many there are, of which the first `capacity` are in `entries`.
 *
 * MM_E_DIRECTORY, MM_E_SYSTEM(..). */
MM_API int mm_pool_list(const char *directory, mm_pool_entry *entries,
                        size_t capacity, size_t *count);

/* Destroys the pool of a name, and removes its file, also one that is not, or
 * not any more, a pool. Refuses while somebody is attached, unless `force` is 1.
 *
 * MM_E_NAME, MM_E_DIRECTORY, MM_E_NOT_FOUND, MM_E_IN_USE, MM_E_BUSY,
 * MM_E_NOT_A_POOL (a directory, a link; it stays), MM_E_SYSTEM(..). */
MM_API int mm_pool_remove(const char *name, const char *directory,
                          uint32_t force);

/* ---- Inspecting -------------------------------------------------------- *
 *
 * Looking into a pool, for people and their tools: from its file alone, without
 * attaching, without its lock, and without changing anything. It takes the right
 * to read the file. It works as well where nobody can attach: no slot is left, a
 * stopped process holds the lock, the bytes are spoilt.
 *
 * The parts are not read at one moment. Others may allocate and free meanwhile,
 * so that records contradict each other: one block seen both before and after it
 * moved to another record, for instance. Each record is as it was at some moment
 * of the call; of one that changes again and again while it is looked at, size,
 * type and owner may be those of its last allocation but one. */

typedef struct mm_inspector mm_inspector;

/* Opens the pool of a name (directory NULL: /dev/shm). An inspector is used by
 * one thread at a time, and goes on showing its pool when that was destroyed.
 *
 * MM_E_NAME, MM_E_DIRECTORY, MM_E_NOT_FOUND, MM_E_NOT_A_POOL, MM_E_VERSION,
 * MM_E_CORRUPT, MM_E_SYSTEM(..). */
MM_API int mm_inspect_open(const char *name, const char *directory,
                           mm_inspector **inspector);

/* NULL is allowed. Never fails. */
MM_API void mm_inspect_close(mm_inspector *inspector);

typedef struct mm_pool_view {
  uint64_t uid;              /* the user's number */
  uint64_t size;             /* bytes of the data region */
  uint64_t min_block_size;   /* bytes */
  uint64_t max_allocations;  /* most allocations live at once */
  uint64_t most_allocations; /* as in mm_pool_stats */
  uint64_t end;              /* bytes of the data region that were put to use */
  uint64_t memory;           /* bytes of memory that the whole file takes */
  uint64_t creator_start;    /* when its process began: ms since 1970; 0: unknown */
  uint32_t creator_pid;      /* in its own PID namespace */
  uint32_t records;          /* records of blocks that mm_inspect_records() lists */
  uint32_t lock_holder;      /* pid of who holds the lock at this moment; 0: nobody */
  uint32_t is_destroyed;     /* 1: yes */
} mm_pool_view;

/* MM_E_SYSTEM(..). */
MM_API int mm_inspect_pool(mm_inspector *inspector, mm_pool_view *view);

/* An attachment whose process lives. */
typedef struct mm_participant_view {
  uint32_t slot;
  uint32_t epoch;         /* how often the slot was taken */
  uint32_t pid;           /* in its own PID namespace */
  uint32_t pid_namespace; /* tells processes of one pid apart; 0: unknown */
  uint32_t is_waiting;    /* 1: a request of it waits for room */
  uint32_t passes;        /* how many younger requests went before that one */
  uint64_t waiting_size;  /* bytes that its oldest waiting request asks for */
} mm_participant_view;

/* Lists who is attached. *count is how many there are, of which the first
 * `capacity` are in `entries`: MM_SLOTS_MAX suffice.
 *
 * MM_E_SYSTEM(..). */
MM_API int mm_inspect_participants(mm_inspector *inspector,
                                   mm_participant_view *entries,
                                   size_t capacity, size_t *count);

enum {
  MM_RECORD_UNUSED = 0, /* describes no block now */
  MM_RECORD_FREE = 1,   /* a free block; it ends where the next one begins */
  MM_RECORD_LIVE = 2,   /* an allocation */
  MM_RECORD_CACHED = 3, /* free, kept by whoever freed it for its next use */
  MM_RECORD_SPOILT = 4, /* its bytes contradict themselves */
};

/* What one record of the block table says. */
typedef struct mm_record_view {
  uint64_t id;           /* LIVE: of the allocation */
  uint64_t frees;        /* how many allocations of this record were freed, ever: the
                            sum over all records is the pool's */
  uint64_t offset;       /* bytes from the start of the data region; UNUSED: 0 */
  uint64_t size;         /* LIVE: bytes, as asked for */
  uint64_t extent;       /* LIVE, CACHED: bytes of the block */
  uint64_t missing_from; /* FREE: 1 + the offset from which on its memory may have
                            been given back; 0: all is there */
  uint32_t state;        /* MM_RECORD_* */
  uint32_t type;         /* LIVE: MM_TYPE_* or the user's own */
  uint32_t owner_pid;    /* of the owner; if not LIVE, of the last one; 0: none yet */
  uint32_t owner_slot;   /* the same, as its attachment: it exists if that slot has */
  uint32_t owner_epoch;  /* that epoch among participants that were listed later */
  uint32_t reserved;     /* 0 */
} mm_record_view;

/* Lists all records. Start with *cursor 0 and call again until *count is 0.
 *
 * MM_E_INVALID, MM_E_SYSTEM(..). */
MM_API int mm_inspect_records(mm_inspector *inspector, uint64_t *cursor,
                              mm_record_view *entries, size_t capacity,
                              size_t *count);

/* ---- Descriptors ------------------------------------------------------- */

typedef struct mm_descriptor {
  uint8_t identity[16];               /* of the pool */
  uint8_t host[16];                   /* where it was made: see mm_host_identity() */
  uint64_t uid;                       /* of the pool */
  uint64_t id;                        /* of the allocation; 0: names a pool */
  uint32_t type;                      /* of the allocation */
  uint32_t reserved;                  /* 0 */
  char name[MM_NAME_MAX + 1];         /* of the pool */
  char directory[MM_DIRECTORY_MAX + 1]; /* of the pool */
} mm_descriptor;

/* Writes the pool's descriptor. Works on a destroyed pool too.
 *
 * MM_E_BUFFER. */
MM_API int mm_pool_serialize(const mm_pool *pool, void *buffer, size_t capacity,
                             size_t *length);

/* Writes the allocation's descriptor, from its `id` and `type`. Does not look
 * whether it is live.
 *
 * MM_E_BUFFER. */
MM_API int mm_allocation_serialize(const mm_pool *pool,
                                   const mm_allocation *allocation, void *buffer,
                                   size_t capacity, size_t *length);

/* Reads a descriptor without attaching. Any bytes are safe.
 *
 * MM_E_DESCRIPTOR, MM_E_VERSION. */
MM_API int mm_descriptor_read(const void *bytes, size_t length,
                              mm_descriptor *descriptor);

/* The environment variable that names a process's default pool: the pool's
 * descriptor, in base64. */
#define MM_DEFAULT_POOL_VARIABLE "MANAGED_MEMORY_DEFAULT_POOL"

/* Reads the default pool's descriptor, for mm_pool_attach(); does not look
 * whether it is one. Not while another thread changes the environment.
 *
 * MM_E_NO_DEFAULT (not set, or empty), MM_E_DESCRIPTOR (not base64), MM_E_BUFFER
 * (MM_DESCRIPTOR_MAX bytes suffice). */
MM_API int mm_default_pool(void *descriptor, size_t capacity, size_t *length);

/* What tells this host from all others, and from itself before it was last
 * started. A pool whose descriptor has another one is not here.
 *
 * MM_E_NO_PROC, MM_E_SYSTEM(..). */
MM_API int mm_host_identity(uint8_t identity[16]);

/* ---- Waiting, in parts ------------------------------------------------- *
 *
 * For callers with an event loop. mm_alloc_blocking() is made of these.
 *
 * Every request has a ticket; smaller is older. A handle shows its oldest
 * waiting request to all participants, so that room goes to the oldest that
 * fits. One pass of a handle with waiting requests is:
 *
 *   mm_wait_show()    show the oldest request; renew at least once a second
 *   mm_wait_begin()   note which wake-ups were seen
 *   mm_wait_try()     for each request, oldest first
 *   mm_wait_show()    show the oldest that still waits, or withdraw
 *   mm_wait(), or     sleep until something that was not seen happens
 *   mm_park_prepare() and mm_park() on another thread
 */

/* Takes a ticket. MM_E_DESTROYED. */
MM_API int mm_wait_ticket(mm_pool *pool, uint64_t *ticket);

/* Tries to allocate for the holder of `ticket` (0: one younger than all), if
 * nobody older goes first.
 *
 * As mm_alloc(), and MM_E_QUEUED. Here MM_E_BUSY comes after 5 ms. */
MM_API int mm_wait_try(mm_pool *pool, uint64_t ticket, uint64_t size,
                       uint32_t type, mm_allocation *allocation);

/* Shows the oldest waiting request of this handle (its ticket and size) and
 * the smallest size that waits; ticket 0 withdraws. Then tells the oldest
 * waiter of another handle that has room, if there is one.
 *
 * MM_E_DESTROYED, MM_E_BUSY (after 5 ms; not shown), MM_E_CORRUPT. */
MM_API int mm_wait_show(mm_pool *pool, uint64_t ticket, uint64_t size,
                        uint64_t smallest);

/* The wake-ups so far: pass it to mm_wait() or mm_park(). */
MM_API uint32_t mm_wait_begin(mm_pool *pool);

/* Sleeps until a wake-up after `seen`, for `timeout_ms` milliseconds at most.
 * May return early; look again then. Never allocates, never takes the lock.
 *
 * MM_OK (look again), MM_E_TIMEOUT, MM_E_DESTROYED. */
MM_API int mm_wait(mm_pool *pool, uint32_t seen, uint32_t timeout_ms);

/* Prepares one mm_park(). Must be followed by exactly that call. From here on
 * mm_pool_detach() leaves unmapping to mm_park(). */
MM_API void mm_park_prepare(mm_pool *pool);

/* As mm_wait(), on another thread than the handle's, which may use the handle
 * meanwhile; it may even detach, whereupon mm_park() returns. One at a time
 * per handle. */
MM_API int mm_park(mm_pool *pool, uint32_t seen, uint32_t timeout_ms);

/* Makes mm_wait() and mm_park() on this handle return. May be called from any
 * thread while the handle is attached. */
MM_API void mm_unpark(mm_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
