/* warden.h - the one process that lives throughout: what its parts share. */
#ifndef WARDEN_H
#define WARDEN_H

#include <sys/types.h>

#include "board.h"
#include "dice.h"
#include "inspector.h"
#include "report.h"

#define MEMBERS_MAX 254u

/* One place in the population, and who has it now. */
typedef struct member {
  pid_t pid;
  int is_deno;
  int is_stopped;
  uint64_t continue_at;     /* ns; when it is to go on */
  uint64_t violations_seen; /* of its cell */
} member;

typedef struct warden_options {
  const char *name;   /* pools are called NAME.0, NAME.1 ... */
  const char *deno;   /* Deno's executable */
  const char *script; /* the worker in TypeScript */
  uint64_t kills;
  uint64_t seed;
  uint32_t c_workers;
  uint32_t deno_workers;
} warden_options;

typedef struct warden {
  warden_options options;
  report report;
  dice dice;
  uint64_t spawned; /* processes so far: each has a seed of its own */

  mm_pool *quiet; /* the pool that the board lies in */
  board *board;
  char board_descriptor[2 * MM_DESCRIPTOR_MAX + 1]; /* hexadecimal */

  mm_pool *pool; /* the one that is tortured */
  uint64_t size; /* of its data region, in bytes */
  int has_limit; /* 1: it has few allocations, not only little room */
  uint64_t reserve; /* id of the half that the warden keeps; 0: none */

  uint32_t members_count;
  member members[MEMBERS_MAX];
  uint64_t unrecovered; /* deaths in the lock since somebody had it */
} warden;

void warden_nap(uint64_t nanoseconds);

/* Goes on using the processor for so long. */
void warden_spin(uint64_t nanoseconds);

#endif
