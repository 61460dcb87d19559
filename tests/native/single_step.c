/* single_step.c - see single_step.h. */
#define _GNU_SOURCE
#include "single_step.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

/* A child that sleeps for this long within a step is helped; one that does for
 * as many times the same hangs. */
#define SLEEP_NS 10000000
#define SLEEPS_MAX 400

/* Shared with the child: 1 once the operation is over. */
static uint32_t *finished;

/* ---- Machine ------------------------------------------------------------ */

#if defined(__x86_64__)

#define BREAKPOINT 0xccu

/* Of glibc: for fewer bytes than that it repeats no instruction. */
#define TUNABLES                                \
  "glibc.cpu.x86_rep_stosb_threshold=1000000000:" \
  "glibc.cpu.x86_rep_movsb_threshold=1000000000"

int step_is_supported(void) { return 1; }

void step_prepare(char **argv) {
  if (getenv("GLIBC_TUNABLES") != NULL) return;
  setenv("GLIBC_TUNABLES", TUNABLES, 1);
  execv("/proc/self/exe", argv);
}

static void trap(void) { __asm__ volatile("int3" ::: "memory"); }

static uint64_t get_place(pid_t child) {
  errno = 0;
  const long place =
      ptrace(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), 0);
  CHECK(errno == 0);
  return (uint64_t)place;
}

static void set_place(pid_t child, uint64_t place) {
  CHECK(ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, rip),
               place) == 0);
}

/* Where a child stands that has run into a breakpoint. */
static uint64_t breakpoint_of(uint64_t place) { return place - 1; }

static int is_system_call(pid_t child, uint64_t place) {
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, child, place, 0);
  return errno == 0 && (word & 0xffff) == 0x050f;
}

#else

#define BREAKPOINT 0u

/* On arm64 a step clears the monitor of a load-exclusive, so that the store
 * after it fails for ever. */
int step_is_supported(void) { return 0; }
void step_prepare(char **argv) { (void)argv; }

static void trap(void) {}
static uint64_t get_place(pid_t child) { return (uint64_t)child; }
static void set_place(pid_t child, uint64_t place) { (void)child, (void)place; }
static uint64_t breakpoint_of(uint64_t place) { return place; }
static int is_system_call(pid_t child, uint64_t place) {
  return (void)child, (void)place, 0;
}

#endif

/* ---- The child's side ---------------------------------------------------- */

void step_begin(void) {
  mm__store_release(finished, 0u);
  trap();
}

void step_end(void) {
  mm__store_release(finished, 1u);
  trap();
}

/* ---- Stops --------------------------------------------------------------- */

/* Waits until the child stands still; 0 if the operation is over. */
static int wait_for_stop(step_child *child) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (int sleeps = 0;;) {
    int status = 0;
    const pid_t pid = waitpid(child->pid, &status, WNOHANG);
    CHECK(pid >= 0);
    if (pid == child->pid) {
      if (WIFEXITED(status))
        test_fail(__FILE__, __LINE__, "the child has failed, see above");
      if (WIFSIGNALED(status))
        test_fail(__FILE__, __LINE__, "the child died of signal %d", WTERMSIG(status));
      if (WSTOPSIG(status) != SIGTRAP)
        test_fail(__FILE__, __LINE__, "the child got signal %d", WSTOPSIG(status));
      child->has_finished = mm__load_acquire(finished) != 0;
      return !child->has_finished;
    }
    const struct timespec patience = {.tv_sec = 0, .tv_nsec = SLEEP_NS};
    if (sigtimedwait(&set, NULL, &patience) >= 0 || errno != EAGAIN) continue;
    sleeps++;
    if (child->on_sleep != NULL && child->on_sleep(child->context)) child->on_sleep = NULL;
    if (sleeps > SLEEPS_MAX) test_fail(__FILE__, __LINE__, "the child hangs");
  }
}

static int step_once(step_child *child) {
  CHECK(ptrace(PTRACE_SINGLESTEP, child->pid, 0, 0) == 0);
  return wait_for_stop(child);
}

step_child step_start(void (*body)(void *argument), void *argument) {
  if (finished == NULL) {
    finished = shared_memory(sizeof *finished);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
  }
  fflush(stdout);
  step_child child = {.pid = fork()};
  CHECK(child.pid >= 0);
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    body(argument);
    exit(0);
  }
  CHECK(wait_for_stop(&child));
  return child;
}

/* ---- Recording ------------------------------------------------------------ */

static void grow(step_trace *trace) {
  if (trace->count < trace->capacity) return;
  trace->capacity = trace->capacity != 0 ? 2 * trace->capacity : 4096;
  trace->places = realloc(trace->places, trace->capacity * sizeof *trace->places);
  trace->changed = realloc(trace->changed, trace->capacity * sizeof *trace->changed);
  CHECK(trace->places != NULL && trace->changed != NULL);
}

static int compare_places(const void *left, const void *right) {
  const uint64_t *a = *(const uint64_t *const *)left;
  const uint64_t *b = *(const uint64_t *const *)right;
  if (*a != *b) return *a < *b ? -1 : 1;
  return a < b ? -1 : a > b;
}

static void count_repeats(step_trace *trace) {
  const uint64_t **order = malloc((trace->count + 1) * sizeof *order);
  trace->repeats = malloc((trace->count + 1) * sizeof *trace->repeats);
  CHECK(order != NULL && trace->repeats != NULL);
  for (uint32_t at = 0; at < trace->count; at++) order[at] = &trace->places[at];
  qsort(order, trace->count, sizeof *order, compare_places);
  for (uint32_t at = 0; at < trace->count; at++) {
    const int is_same = at > 0 && *order[at] == *order[at - 1];
    trace->repeats[order[at] - trace->places] =
        is_same ? trace->repeats[order[at - 1] - trace->places] + 1 : 0;
  }
  free(order);
}

/* Brings the copies up to date; 1 if something has changed. */
static int compare_and_copy(const step_watch watches[STEP_WATCHES],
                            uint8_t *copies[STEP_WATCHES]) {
  int is_changed = 0;
  for (int at = 0; at < STEP_WATCHES; at++) {
    const step_watch *watch = &watches[at];
    if (memcmp(copies[at], watch->bytes, watch->length) == 0) continue;
    memcpy(copies[at], watch->bytes, watch->length);
    is_changed = 1;
  }
  return is_changed;
}

void step_record(step_child *child, step_trace *trace,
                 const step_watch watches[STEP_WATCHES]) {
  memset(trace, 0, sizeof *trace);
  uint8_t *copies[STEP_WATCHES];
  for (int at = 0; at < STEP_WATCHES; at++) {
    copies[at] = malloc(watches[at].length + 1);
    CHECK(copies[at] != NULL);
    memcpy(copies[at], watches[at].bytes, watches[at].length);
  }
  for (int goes_on = 1; goes_on;) {
    grow(trace);
    const uint64_t place = get_place(child->pid);
    const int is_call = is_system_call(child->pid, place);
    goes_on = step_once(child);
    const int is_changed = compare_and_copy(watches, copies);
    trace->places[trace->count] = place;
    trace->changed[trace->count++] = is_call || is_changed;
  }
  for (int at = 0; at < STEP_WATCHES; at++) free(copies[at]);
  count_repeats(trace);
}

void step_trace_free(step_trace *trace) {
  free(trace->places);
  free(trace->changed);
  free(trace->repeats);
  memset(trace, 0, sizeof *trace);
}

/* ---- Choosing instructions ------------------------------------------------ */

int step_is_new_state(const step_trace *trace, uint32_t done) {
  return done == 0 || trace->changed[done - 1];
}

static uint32_t count_states(const step_trace *trace) {
  uint32_t states = 0;
  for (uint32_t done = 0; done < trace->count; done++)
    states += step_is_new_state(trace, done) != 0;
  return states;
}

void step_choose(const step_trace *trace, uint64_t wanted, uint64_t *seed,
                 void (*visit)(const step_trace *trace, uint32_t done)) {
  const uint32_t states = count_states(trace);
  for (uint32_t done = 0; done < trace->count; done++) {
    const uint32_t alike =
        step_is_new_state(trace, done) ? states : trace->count - states;
    if (random_below(seed, alike) < wanted / 2 + wanted % 2) visit(trace, done);
  }
}

void step_choose_states(const step_trace *trace, uint64_t wanted, uint64_t *seed,
                        void (*visit)(const step_trace *trace, uint32_t done)) {
  const uint32_t states = count_states(trace);
  for (uint32_t done = 0; done < trace->count; done++)
    if (step_is_new_state(trace, done) && random_below(seed, states) < wanted)
      visit(trace, done);
}

/* ---- Reaching an instruction ---------------------------------------------- */

/* The instruction up to `count` from which on to step: what it costs to run
 * into it, and to step from there, is least. */
static uint32_t best_start(const step_trace *trace, uint32_t count) {
  uint32_t best = 0, best_cost = count;
  for (uint32_t at = count; at > 0 && count - at < best_cost; at--) {
    if (at == trace->count) continue;
    const uint32_t cost = 1 + 2 * trace->repeats[at] + (count - at);
    if (cost < best_cost) {
      best_cost = cost;
      best = at;
    }
  }
  return best;
}

/* Runs to the instruction's address, `repeats` times past it: 1; 0: the
 * operation is over; -1: no breakpoint can be set there. */
static int run_to(step_child *child, uint64_t place, uint32_t repeats) {
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, child->pid, place, 0);
  const long broken = (long)(((unsigned long)word & ~0xfful) | BREAKPOINT);
  if (errno != 0) return -1;
  for (;;) {
    if (get_place(child->pid) != place) {
      if (ptrace(PTRACE_POKETEXT, child->pid, place, broken) != 0) return -1;
      CHECK(ptrace(PTRACE_CONT, child->pid, 0, 0) == 0);
      const int goes_on = wait_for_stop(child);
      CHECK(ptrace(PTRACE_POKETEXT, child->pid, place, word) == 0);
      if (!goes_on) return 0;
      CHECK(breakpoint_of(get_place(child->pid)) == place);
      set_place(child->pid, place);
    }
    if (repeats-- == 0) return 1;
    if (!step_once(child)) return 0;
  }
}

int step_to(step_child *child, const step_trace *trace, uint32_t count) {
  uint32_t at = count <= trace->count ? best_start(trace, count) : 0;
  if (at != 0) {
    const int reached = run_to(child, trace->places[at], trace->repeats[at]);
    if (reached == 0) return 0;
    if (reached < 0) at = 0;
  }
  for (; at < count; at++)
    if (!step_once(child)) return 0;
  return 1;
}

void step_kill(step_child *child) {
  CHECK(kill(child->pid, SIGKILL) == 0);
  int status = 0;
  do {
    CHECK(waitpid(child->pid, &status, 0) == child->pid || errno == EINTR);
  } while (!WIFSIGNALED(status));
}

void step_finish(step_child *child) {
  if (child->has_finished) return;
  CHECK(ptrace(PTRACE_CONT, child->pid, 0, 0) == 0);
  CHECK(!wait_for_stop(child));
}
