/* waiting_room.h - a pool without room, and children that wait for some. */
#ifndef WAITING_ROOM_H
#define WAITING_ROOM_H

#include "harness.h"

#define SIZE 65536u
#define BLOCK 1024u
#define BLOCKS (SIZE / BLOCK)
#define WAITERS 8

/* Where the waiting children say how they fare. */
typedef struct waiting_board {
  uint32_t served;              /* how many have been, so far */
  uint64_t offset[WAITERS];     /* of what each child got */
  uint32_t place[WAITERS];      /* each child's, from 1 on; 0: waits */
  int status[WAITERS];
  uint64_t ended_at[WAITERS];   /* ms */
  uint64_t size[WAITERS];       /* bytes that each waits for; BLOCK at first */
  int64_t timeout[WAITERS];     /* ms; none at first */
  uint32_t rounds;              /* of one who asks again and again */
  uint32_t ends;                /* 1: it shall stop */
} waiting_board;

extern mm_pool *room;
extern waiting_board *board;

/* The allocations that fill the pool: BLOCKS of them, side by side. */
extern mm_allocation full[BLOCKS];

void open_full(void);

/* Checks and removes the pool. */
void close_room(void);

/* Frees one of the blocks. */
void give(uint32_t block);

/* Participants that show a request. */
uint32_t waiting(void);

/* Starts child `number`, which waits, and waits until `then` wait. */
pid_t start_waiter(uintptr_t number, uint32_t then);

/* Waits until the child is served, which must be the `place`th. */
void await_place(int number, uint32_t place, uint64_t within_ms);

void must_sleep_on(int number);

#endif
