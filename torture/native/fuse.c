/* fuse.c - see fuse.h. */
#define _GNU_SOURCE
#include "fuse.h"

#if FUSE_WORKS
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "inspector.h"

#define TRAP_FLAG 0x100ull

/* The kernel calls on_step() in the same thread, between two instructions. */
static const mm_pool *volatile pool_of_fuse;
static volatile uint64_t left; /* instructions; 0: no fuse */
static volatile int signal_at_end;
static volatile int is_outside; /* 1: counts those outside of the lock */

static void on_step(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)info;
  const mm_pool *pool = pool_of_fuse;
  if ((inspector_lock(pool) != pool->lock_user.word) != is_outside) return;
  left = left - 1;
  if (left != 0) return;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
  kill(getpid(), signal_at_end);
}

void fuse_set(const mm_pool *pool, uint64_t fuse) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, NULL);
  pool_of_fuse = pool;
  signal_at_end = (int)(fuse & (FUSE_OUTSIDE - 1));
  is_outside = (fuse & FUSE_OUTSIDE) != 0;
  left = fuse >> FUSE_SIGNAL_BITS;
}

void fuse_light(void) {
  if (left != 0) __writeeflags(__readeflags() | TRAP_FLAG);
}

int fuse_shade(int status) {
  if (left != 0) __writeeflags(__readeflags() & ~TRAP_FLAG);
  return status;
}

#else

void fuse_set(const mm_pool *pool, uint64_t fuse) {
  (void)pool;
  (void)fuse;
}

void fuse_light(void) {}

int fuse_shade(int status) { return status; }

#endif
