/* worker.h - one C process of the population: does everything that the library
 * can do, at random, until it is killed. */
#ifndef WORKER_H
#define WORKER_H

#include "board.h"
#include "dice.h"

#define WORKER_HELD_MAX 48u
#define WORKER_FREED_MAX 8u

/* An allocation that this worker answers for. */
typedef struct worker_held {
  mm_allocation allocation;
  uint64_t stamp;  /* of its payload, or the byte that fills it */
  int is_received; /* 1: another owns it, and may have died meanwhile */
  int is_adopted;  /* 1: another made it, and this worker owns it */
} worker_held;

typedef struct worker {
  board *board;
  board_cell *cell;
  uint32_t index; /* of the cell */
  dice dice;
  mm_pool *pool;        /* NULL: not attached */
  uint64_t pool_number; /* which one that is */
  uint64_t pool_size;   /* bytes */
  uint64_t fuse;        /* that was set last */
  uint64_t nonce;
  uint32_t made; /* counter for stamps */
  int is_gone;   /* 1: the pool was destroyed */
  uint32_t held_count;
  worker_held held[WORKER_HELD_MAX];
  uint64_t freed[WORKER_FREED_MAX]; /* ids that must stay stale; 0: none */
} worker;

/* Never returns. `inherited` is the parent's handle for the pool of the number
 * `inherited_number`, which the worker goes on with or lets go of. */
_Noreturn void worker_run(board *board, uint32_t cell, uint64_t seed,
                          mm_pool *inherited, uint64_t inherited_number);

/* ---- Shared with worker_actions.c --------------------------------------- */

/* One random action; allocates only if it may. */
void worker_act(worker *worker, int may_allocate);

/* Keeps an allocation that was just made, with its payload. */
void worker_keep(worker *worker, const mm_allocation *allocation);

/* Frees all that it holds, where that was not changed. */
void worker_free_all(worker *worker);

/* 1 if the status is MM_OK. Else it must be one of those that can come at any
 * time, or `expected`; all others are a violation. */
int worker_succeeded(worker *worker, int status, int expected, const char *call);

/* Reports a violation. */
void worker_says(worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
