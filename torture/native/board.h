/* board.h - where warden and workers write to each other, outside of the pool
 * that is tortured.
 *
 * It lies in an allocation of a quiet pool of its own, so that workers in Deno
 * see it too: torture/board.ts knows the same layout. All fields are read and
 * written atomically, each by the one that is named: [warden], [worker] (that
 * the cell belongs to), or [any].
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#include "managed_memory.h"

#define BOARD_MAILBOXES 64u
#define BOARD_TEXT 176u
#define BOARD_DESCRIPTOR 1408u

_Static_assert(BOARD_DESCRIPTOR >= MM_DESCRIPTOR_MAX, "a descriptor fits");

/* What workers shall do. */
enum {
  PHASE_PLAY = 0,    /* anything */
  PHASE_HUSH = 1,    /* anything but allocate */
  PHASE_DRAIN = 2,   /* free everything, say so, and wait */
  PHASE_SILENCE = 3, /* nothing but what is commanded */
};

/* What a worker does. */
enum {
  STATE_STARTING = 0, /* has nothing yet, or is dead */
  STATE_RUNNING = 1,
  STATE_WAITING = 2, /* waits for room, as it was commanded to */
};

/* How a commanded wait ended. */
enum { ANSWER_SERVED = 1, ANSWER_DESTROYED = 2, ANSWER_OTHER = 3 };

typedef struct board_cell {
  uint64_t nonce;      /* [worker] its present attachment; [warden] 0 when it is dead */
  uint64_t operations; /* [worker] calls made, over all that had this cell */
  uint64_t command;    /* [warden] wait for room: number << 32 | size; 0: none */
  uint64_t done;       /* [worker] the last command that it has carried out */
  uint64_t answer;     /* [worker] how that ended */
  uint64_t state;      /* [worker] STATE_*; [warden] STARTING before it begins */
  uint64_t drained;    /* [worker] the audit for which it has freed everything */
  uint64_t violations; /* [worker] how often it saw one */
  uint64_t busy;       /* [worker] calls that a stopped peer made fail */
  uint64_t fuse;       /* [warden] where a C worker shall end: see fuse.h */
  char text[BOARD_TEXT]; /* [worker] the last violation, ends with NUL */
} board_cell;

typedef struct board {
  uint64_t phase;             /* [warden] PHASE_* */
  uint64_t pool;              /* [warden] number of the present pool, from 1 */
  uint64_t descriptor_length; /* [warden] in bytes */
  uint64_t audit;             /* [warden] number of the present or last audit */
  uint8_t descriptor[BOARD_DESCRIPTOR]; /* [warden] of the present pool */
  uint64_t mailbox[BOARD_MAILBOXES]; /* [any] ids on their way; 0: empty */
  board_cell cells[];
} board;

_Static_assert(sizeof(board_cell) == 256, "as in board.ts");
_Static_assert(sizeof(board) == 32 + BOARD_DESCRIPTOR + 8 * BOARD_MAILBOXES,
               "as in board.ts");

#define board_load(place) __atomic_load_n((place), __ATOMIC_SEQ_CST)
#define board_store(place, value) \
  __atomic_store_n((place), (value), __ATOMIC_SEQ_CST)
#define board_swap(place, value) \
  __atomic_exchange_n((place), (value), __ATOMIC_SEQ_CST)

#endif
