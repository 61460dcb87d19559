/* single_step.h - a child that is stopped at any instruction of one operation.
 *
 * The child marks the operation with step_begin() and step_end(); its parent
 * traces it with ptrace. A first child is stepped through the whole operation
 * to learn its instructions; later ones, started from the same state, are
 * brought to the k-th instruction by a breakpoint near it and a few steps,
 * which is much faster than k steps.
 */
#ifndef SINGLE_STEP_H
#define SINGLE_STEP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0 where this machine's instructions are not understood. */
int step_is_supported(void);

/* Begins the program anew, once, in a way that its C library moves and fills
 * memory without repeated instructions: of those each round is a step, and a
 * breakpoint cannot lead into them. Call it first. */
void step_prepare(char **argv);

typedef struct step_child {
  pid_t pid;
  int has_finished;
  /* Called when the child seems to sleep within the operation, until it has
   * answered 1. (On a busy machine the child may just be slow.) */
  int (*on_sleep)(void *context);
  void *context;
} step_child;

/* The instructions of one run, in order. */
typedef struct step_trace {
  uint32_t count;
  uint32_t capacity;
  uint64_t *places;  /* the address of each instruction */
  uint8_t *changed;  /* 1: it changed the watched bytes, or was a system call */
  uint32_t *repeats; /* how often its address had come before */
} step_trace;

/* Bytes that are watched for changes; `length` 0: none. */
typedef struct step_watch {
  const void *bytes;
  size_t length;
} step_watch;

#define STEP_WATCHES 4

/* Starts a child that runs body(argument), and waits for its step_begin(). */
step_child step_start(void (*body)(void *argument), void *argument);

/* In the child: the operation lies between them. */
void step_begin(void);
void step_end(void);

/* Steps to the end of the operation. */
void step_record(step_child *child, step_trace *trace,
                 const step_watch watches[STEP_WATCHES]);
void step_trace_free(step_trace *trace);

/* 1 if the state of the watched bytes, or the kernel's, may be another after
 * `done` instructions than after one less. */
int step_is_new_state(const step_trace *trace, uint32_t done);

/* Calls visit() for some `wanted` numbers of instructions done, half of them
 * new states; UINT64_MAX: for all. */
void step_choose(const step_trace *trace, uint64_t wanted, uint64_t *seed,
                 void (*visit)(const step_trace *trace, uint32_t done));

/* As step_choose(), for new states only. */
void step_choose_states(const step_trace *trace, uint64_t wanted, uint64_t *seed,
                        void (*visit)(const step_trace *trace, uint32_t done));

/* Runs the child until `count` instructions of the trace are done: 1, or 0 if
 * the operation ended before. */
int step_to(step_child *child, const step_trace *trace, uint32_t count);

/* Kills the child where it stands, and waits until it is gone. */
void step_kill(step_child *child);

/* Lets the child run from where it stands to the end of its operation. */
void step_finish(step_child *child);

#endif
