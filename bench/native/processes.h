/* processes.h - work that several processes do at once on what they share. As
 * for workloads.h, whoever includes it has defined bench_block, bench_alloc()
 * and bench_free(), and besides
 *
 *   bench_join()    what a process does after fork(), before it takes part
 *   bench_leave()   what it does in the end
 *
 * Nothing is left running: the kernel kills the processes with their parent.
 */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"
#include "workloads.h"

#define PROCESSES_MAX 1024
#define WINDOW 100u    /* ms that are measured */
#define RUN_UP 20u     /* ms before, until all are at work */
#define PORTION 64u    /* pairs from one look at the board to the next */
#define LINE 128       /* bytes that two processors never fight for */

/* What the processes of one round tell one another. */
typedef struct board {
  uint64_t ready; /* how many have joined */
  uint64_t stage; /* of `enum stage`, set by the parent */
  struct {
    uint64_t pairs; /* done so far, written by this process only */
    char own_line[LINE - sizeof(uint64_t)];
  } done[PROCESSES_MAX];
} board;

enum stage { JOIN, WORK, STOP };

static inline uint64_t look(const uint64_t *at) {
  return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void show(uint64_t *at, uint64_t value) {
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void give_up(const char *what) {
  perror(what);
  exit(1);
}

static inline void sleep_ms(unsigned ms) {
  const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

/* Memory that a process shares with its children; all zero. */
static inline void *share(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) give_up("mmap");
  return memory;
}

/* fork() whose child ends with its parent. */
static inline pid_t fork_worker(void) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    bench_join();
  }
  return child;
}

static inline void end_worker(void) {
  bench_leave();
  _exit(0);
}

/* Waits until that many children have ended, well. */
static inline void wait_for_workers(unsigned count) {
  while (count-- > 0) {
    int status;
    if (wait(&status) < 0) give_up("wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      fprintf(stderr, "a process of the benchmark failed\n");
      exit(1);
    }
  }
}

/* Ends the program if a child ended before its time. */
static inline void wait_until_ready(const board *all, unsigned count) {
  while (look(&all->ready) < count) {
    if (waitpid(-1, NULL, WNOHANG) > 0) {
      fprintf(stderr, "a process of the benchmark could not join\n");
      exit(1);
    }
    sleep_ms(1);
  }
}

static inline void work_until_stopped(board *all, unsigned self) {
  for (size_t i = 0; i < 1000; i++) bench_free(bench_alloc(BLOCK_SIZE));
  __atomic_fetch_add(&all->ready, 1, __ATOMIC_ACQ_REL);
  while (look(&all->stage) == JOIN) sched_yield();
  uint64_t pairs = 0;
  while (look(&all->stage) == WORK) {
    for (size_t i = 0; i < PORTION; i++) bench_free(bench_alloc(BLOCK_SIZE));
    show(&all->done[self].pairs, pairs += PORTION);
  }
}

static inline uint64_t all_pairs(const board *all, unsigned count) {
  uint64_t pairs = 0;
  for (unsigned i = 0; i < count; i++) pairs += look(&all->done[i].pairs);
  return pairs;
}

/* Processes that allocate and free one block each, over and over: ns per pair
 * of all together, by what they did within one window of time; all of it, if
 * they did not get to see the board once. */
static inline double together(unsigned count) {
  if (count > PROCESSES_MAX) count = PROCESSES_MAX;
  board *all = (board *)share(sizeof *all);
  for (unsigned self = 0; self < count; self++) {
    if (fork_worker() != 0) continue;
    work_until_stopped(all, self);
    end_worker();
  }
  wait_until_ready(all, count);
  show(&all->stage, WORK);
  sleep_ms(RUN_UP);
  const uint64_t before = all_pairs(all, count), start = now_ns();
  sleep_ms(WINDOW);
  const uint64_t after = all_pairs(all, count), end = now_ns();
  show(&all->stage, STOP);
  wait_for_workers(count);
  munmap(all, sizeof *all);
  return per_operation(start, end, after > before ? (size_t)(after - before) : 1);
}

static inline unsigned cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) give_up("sched_getaffinity");
  return (unsigned)CPU_COUNT(&set);
}

static inline double processes_1(void) { return together(1); }
static inline double processes_2(void) { return together(2); }
static inline double processes_4(void) { return together(4); }
static inline double processes_1_per_core(void) { return together(cores()); }
static inline double processes_2_per_core(void) { return together(2 * cores()); }
static inline double processes_4_per_core(void) { return together(4 * cores()); }

/* For the table of a program's measures. */
#define PROCESSES_MEASURES                                                     \
  {"processes-1", "ns", processes_1}, {"processes-2", "ns", processes_2},      \
      {"processes-4", "ns", processes_4},                                      \
      {"processes-1-per-core", "ns", processes_1_per_core},                    \
      {"processes-2-per-core", "ns", processes_2_per_core}, {                  \
    "processes-4-per-core", "ns", processes_4_per_core                         \
  }

#endif
