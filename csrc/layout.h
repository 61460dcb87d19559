/* layout.h - what lies in a pool's file.
 *
 *   | header | participant slots | caches | block table | data region |
 *
 * Each section starts on a page. All numbers are fixed-width and little-endian,
 * all references are indexes or offsets, so that a program in another language
 * can attach. Nothing here is trusted when it is read (shared.h).
 *
 * Glossary
 *
 *   block        a run of the data region: free, or live (an allocation).
 *   record       the 64 bytes in the block table that describe one block.
 *   chain        the blocks in the order of their offsets, linked by `next`
 *                from record 0, the sentinel, and back to it. A block ends
 *                where its successor begins; the last one ends at the
 *                sentinel's `offset`, the end of what was committed.
 *   truth        what recovery reads: `state`, `offset`, `next`, and for live
 *                blocks `size`, `type`, `owner`. Changes by one atomic store.
 *   derived      everything else: can be thrown away and rebuilt from truth.
 *   granule      the smallest block: `1 << granule_shift` bytes.
 *   generation   how often a record's block returned to FREE; part of the id.
 *   committed    backed by memory of the file system; all else is a hole that
 *                must not be touched, not even read.
 *   trimmed      given back to the system: a hole within the chain.
 *   participant  one attachment; has a slot as long as it lives.
 *   cache        blocks that a participant freed and keeps for its next
 *                allocations: on the chain, not merged, in no list of the index.
 *                Anyone may take them back who holds the lock. The slot's part
 *                of the section `caches` tells which they may be.
 *   epoch        how often a slot was taken.
 *
 * In the comments: [lock] written under the pool's lock, [once] written before
 * the pool is published and never again, [own] written by the participant
 * whose slot it is, [any] written by anyone, atomically.
 */
#ifndef MM_LAYOUT_H
#define MM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "managed_memory.h"

#define MM__MAGIC 0x31764d654d64674dull /* "MgdMeMv1" */
#define MM__LAYOUT_VERSION 4u

/* ---- Blocks ------------------------------------------------------------ */

/* The low 24 bits of `state`: one of these, for TIED, CACHED and CLAIMED with the
 * slot above it. UNUSED must be 0: new table pages are zero.
 *
 *   UNUSED -> FREE -> LIVE or CACHED   under the lock
 *   LIVE -> FREE, CACHED -> FREE       under the lock
 *   LIVE -> CACHED                     anyone, to the own cache
 *   CACHED -> CLAIMED -> LIVE          the slot's participant alone
 *   CACHED -> TIED -> CACHED           the same while its slot is biased: bias.h
 *   TIED -> LIVE                       under the lock, when it is not
 *   CLAIMED -> FREE                    under the lock, when that one is dead
 *   LIVE -> PINNED -> LIVE             under the lock
 *
 * For the slot's participant TIED is as LIVE.
 * Where two may want the same, by compare-and-swap. All but UNUSED and FREE are
 * blocks that are taken. */
enum {
  MM__UNUSED = 0,  /* off the chain */
  MM__FREE = 1,    /* on the chain, or about to be linked into it */
  MM__LIVE = 2,    /* on the chain, an allocation */
  MM__PINNED = 3,  /* as LIVE, but its owner or size is changing: to be freed by
                      those who hold the lock only */
  MM__CACHED = 4,  /* on the chain, in the cache of a participant */
  MM__CLAIMED = 5, /* on the chain, about to become LIVE by that participant */
  MM__TIED = 6,    /* as LIVE, but first of all that participant's to free */
};

#define MM__SLOT_SHIFT 8 /* of the slot in the tag of TIED, CACHED and CLAIMED */

#define MM__GENERATION_SHIFT 24
#define MM__TAG_MASK ((1ull << MM__GENERATION_SHIFT) - 1)
#define MM__GENERATION_MAX ((1ull << 40) - 1)

typedef struct mm__block {
  uint64_t state;     /* [any] truth: generation << 24 | tag */
  uint64_t offset;    /* [lock] truth: bytes from the start of the data region */
  uint64_t size;      /* [any] truth if an allocation: bytes asked for */
  uint64_t owner;     /* [any] truth if an allocation: whose it is, see mm__owner() */
  uint32_t type;      /* [any] truth if an allocation: the user's type */
  uint32_t next;      /* [lock] truth: successor in the chain; 0: none */
  uint32_t prev;      /* [lock] derived: predecessor in the chain; 0: none */
  uint32_t free_next; /* [lock] derived: next in the size class (FREE), or in the
                         list of unused records (UNUSED); 0: none */
  uint32_t free_prev; /* [lock] derived: previous in the size class; 0: none */
  uint32_t granules;  /* [lock] truth if taken: how large; 0: larger than that */
  uint64_t trimmed;   /* [lock] truth: 1 + the offset from which on the memory of a
                         FREE block may be missing; 0: none is, as in taken ones */
} mm__block;

/* Whose an allocation is: one word, so that adopting it is one store. The pid is
 * for people to read; slot and epoch tell whether the owner is still attached. */
#define MM__OWNER_PID_SHIFT 10
#define MM__OWNER_EPOCH_SHIFT 32
#define MM__OWNER_PID_MASK ((1u << (MM__OWNER_EPOCH_SHIFT - MM__OWNER_PID_SHIFT)) - 1)

static inline uint64_t mm__owner(uint32_t epoch, uint32_t pid, uint32_t slot) {
  return (uint64_t)epoch << MM__OWNER_EPOCH_SHIFT |
         (uint64_t)(pid & MM__OWNER_PID_MASK) << MM__OWNER_PID_SHIFT | slot;
}

static inline uint32_t mm__owner_epoch(uint64_t owner) {
  return (uint32_t)(owner >> MM__OWNER_EPOCH_SHIFT);
}

static inline uint32_t mm__owner_pid(uint64_t owner) {
  return (uint32_t)(owner >> MM__OWNER_PID_SHIFT) & MM__OWNER_PID_MASK;
}

static inline uint32_t mm__owner_slot(uint64_t owner) {
  return (uint32_t)owner & (MM_SLOTS_MAX - 1);
}

/* ---- Index over the free blocks ---------------------------------------- *
 *
 * Two levels (TLSF): sizes in granules, 32 classes per doubling. Below 32
 * granules each size has a class of its own. */

#define MM__SECOND_LEVEL_BITS 5
#define MM__SECOND_LEVELS (1u << MM__SECOND_LEVEL_BITS)
#define MM__FIRST_LEVELS 44u

typedef struct mm__index {
  uint64_t first;                                 /* bit per first level with a block */
  uint32_t second[MM__FIRST_LEVELS];              /* bit per class with a block */
  uint32_t heads[MM__FIRST_LEVELS][MM__SECOND_LEVELS]; /* first record; 0: none */
  uint64_t failed[MM__FIRST_LEVELS][MM__SECOND_LEVELS]; /* smallest size in granules
                         that was looked for in the whole class in vain since a
                         block was last put in; UINT64_MAX: none */
} mm__index;

typedef struct mm__heap_shared {
  uint32_t records_committed; /* [lock] watermark, rises only: records below are committed */
  uint32_t records_fresh;     /* [lock] derived: records from here on were never used */
  uint32_t unused_head;       /* [lock] derived: first of the unused records; 0: none */
  uint32_t damaged;           /* [lock] 1: the index must be rebuilt before use */
  uint64_t taken;             /* [lock] derived: blocks that are taken */
  uint64_t taken_bytes;       /* [lock] derived: their bytes, whole granules */
  uint64_t most_taken;        /* [lock] most blocks ever taken; rises only */
  mm__index index;            /* [lock] derived */
} mm__heap_shared;

/* ---- Participants ------------------------------------------------------ */

enum {
  MM__NOT_BIASED = 0,
  MM__BIASED = 1,
  MM__BIAS_REVOKED = 2, /* not any more, but its participant may not see that yet */
  MM__BIAS_MASK = 3,
  MM__BIAS_ONCE = 4, /* above it: how often it was revoked */
};

/* A slot is taken by whoever holds a file lock on its first byte. */
typedef struct mm__slot {
  uint32_t epoch;    /* [own] raised by everyone who takes the slot, first of all */
  uint32_t occupied; /* [own] 1 from taking to leaving; 1 while nobody holds the
                        byte means that the last one died */
  uint32_t pid;      /* [own] for people to read; in the process's own namespace */
  uint32_t wake;     /* [any] futex word: raised by whoever tells this waiter */

  /* The wait cell: this participant's oldest waiting request. */
  uint64_t ticket;   /* [lock] 0: nobody waits here */
  uint64_t size;     /* [lock] bytes that the oldest request asks for */
  uint64_t smallest; /* [lock] smallest size in bytes that waits here */
  uint64_t shown_at; /* [lock] when it was last renewed; ns, monotonic clock */
  uint64_t told_at;  /* [lock] when it was told that there is room; 0: not since it tried */
  uint64_t tried;    /* [lock] `frees` + 1 at its last try */
  uint32_t passes;   /* [lock] younger requests that went first */
  uint32_t pid_namespace; /* [own] tells processes of the same pid apart; 0: unknown */

  /* The cache: see cache.h. */
  uint32_t cache_committed; /* [own] watermark, rises only: entries that may be read */
  uint32_t cache_used;      /* [own] entries from here on are 0 */
  uint32_t biased; /* [any] whether its participant may change blocks by plain
                      stores: see bias.h */
  uint32_t claim;  /* [own] the record that it is about to change; 0: none */

  uint64_t withdrawn; /* [own] the ticket that nobody waits for any more, although
                         the cell may still show it; 0: none */
  uint32_t reserved[8];
} mm__slot;

/* ---- Caches ------------------------------------------------------------ *
 *
 * Each slot has `cache_entries` words: records that may be CACHED or CLAIMED by
 * it. An entry is written before its record becomes CACHED, and 0 once it is
 * not: so every such record stands in an entry, whoever dies when. Entries
 * belong together in chunks; which chunk holds what only the participant itself
 * knows. */

#define MM__CACHE_CHUNK 16u /* entries: a cache line */
#define MM__OFFERS 128u     /* chunks that are offered at a time: see offers.h */
#define MM__OFFERED_BINS 3u /* words of 64 bins */

/* ---- Header ------------------------------------------------------------ */

/* Bytes of the file whose locks mean something, besides those of the slots. */
enum {
  MM__UNLINK_BYTE = 0, /* held by whoever removes the file's name */
  MM__GROW_BYTE = 1,   /* held by whoever commits data or records */
};

#define MM__WAIT_WORDS (MM_SLOTS_MAX / 64)

typedef struct mm__geometry {
  uint64_t file_size;       /* bytes, of the whole file */
  uint64_t slots_offset;    /* bytes from the start of the file */
  uint64_t caches_offset;   /* bytes from the start of the file */
  uint64_t table_offset;    /* bytes from the start of the file */
  uint64_t data_offset;     /* bytes from the start of the file */
  uint64_t data_size;       /* bytes */
  uint64_t max_allocations; /* most allocations live at once */
  uint32_t table_capacity;  /* records, the sentinel among them */
  uint32_t granule_shift;   /* min_block_size is 1 << granule_shift */
  uint32_t page_size;       /* bytes; sections start on pages */
  uint32_t is_counted;      /* 1: max_allocations is the user's, and counted exactly */
  uint32_t cache_entries;   /* of each slot's cache; 0: this pool has no caches */
  uint32_t cache_granules;  /* most that one cache holds */
} mm__geometry;

/* What never changes: the part that is read before anything is mapped. */
typedef struct mm__birth {
  uint64_t magic;          /* [once] MM__MAGIC */
  uint32_t layout_version; /* [once] MM__LAYOUT_VERSION */
  uint32_t header_size;    /* [once] sizeof(mm__header) */
  mm__geometry geometry;   /* [once] */
  uint64_t uid;            /* [once] the user's number */
  uint8_t identity[16];    /* [once] random */
  uint8_t host[16];        /* [once] where and since when: see os.h */
  uint64_t creator_start;  /* [once] when the creator's process began; Unix, ms */
  uint32_t creator_pid;    /* [once] for people to read */
  uint32_t reserved;
} mm__birth;

typedef struct mm__header {
  mm__birth birth;

  /* Life, on a line of its own: read at every call, hardly ever written. */
  _Alignas(64) uint32_t destroyed; /* [any] 1: no call may succeed any more */
  uint32_t slots_committed; /* [any] watermark, rises only: slots below are committed */
  uint32_t grown;           /* [any] raised by whoever commits memory, piece by piece */
  uint32_t waiting_words;   /* [lock] derived: bit per word of `waiting` that is not 0 */

  /* The lock: see lock.h. */
  _Alignas(64) uint64_t lock; /* [any] 0: free */

  /* Waiting: see wait.h. */
  uint64_t frees;    /* [lock] how often something was freed */
  uint64_t freed_at; /* [lock] when something was last freed while somebody
                        waited; ns, monotonic clock */
  mm__heap_shared heap;                /* see heap.h */
  uint64_t waiting[MM__WAIT_WORDS];    /* [lock] derived: bit per slot with a ticket */
  uint64_t offered_bins[MM__OFFERED_BINS]; /* [lock] hints: bit per bin that stands in
                                          `offers` */
  uint32_t offers[MM__OFFERS];         /* [lock] hints: see offers.h; 0: none */
  uint32_t offers_made;                /* [lock] how many were, ever: where the next goes */
  _Alignas(64) uint64_t next_ticket;   /* [any] raised by whoever takes one */
} mm__header;

_Static_assert(sizeof(mm__block) == 64, "records are 64 bytes");
_Static_assert(sizeof(mm__slot) == 128, "slots are 128 bytes");
_Static_assert(MM_SLOTS_MAX == 1u << MM__OWNER_PID_SHIFT, "an owner names a slot");
_Static_assert(MM__WAIT_WORDS <= 32, "waiting_words has a bit per word");

#endif
