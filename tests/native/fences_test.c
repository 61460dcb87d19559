/* fences_test.c - one process fences for two: what one stores and the other loads
 * never crosses, although only one of them has a fence. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness.h"
#include "os.h"
#include "shared.h"

#define ROUNDS 500u
#define LINE 64u

/* Two words, and what the child loaded. It waits on the line that it will load
 * from, and so has it by then, while it has to fetch the one that it stores to. */
typedef struct table {
  uint32_t round;
  uint32_t stored_here;
  char line_1[LINE - 2 * sizeof(uint32_t)];
  uint32_t stored_there;
  char line_2[LINE - sizeof(uint32_t)];
  uint32_t done;
  uint32_t loaded;
} table;

static void await_word(const uint32_t *word, uint32_t value) {
  for (int spins = 0; mm__load_acquire(word) != value; spins++)
    if (spins > 1000) sched_yield();
}

/* So that both come to their stores in every order. */
static void dally(uint32_t turns) {
  for (volatile uint32_t turn = 0; turn < turns; turn = turn + 1) continue;
}

static void store_and_load(void *argument) {
  table *all = argument;
  CHECK_EQ(mm__os_join_fences(1), 1);
  for (uint32_t round = 1; round <= ROUNDS; round++) {
    await_word(&all->round, round);
    dally(round % 7);
    mm__store(&all->stored_there, round);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    mm__store(&all->loaded, mm__load(&all->stored_here));
    mm__store_release(&all->done, round);
  }
}

static void one_fences_for_two(void) {
  if (mm__os_join_fences(1) != 1) test_skip("the system cannot order others' memory");
  table *all = shared_memory(sizeof *all);
  const pid_t child = start_child(store_and_load, all);
  for (uint32_t round = 1; round <= ROUNDS; round++) {
    mm__store_release(&all->round, round);
    dally(round % 257);
    mm__store(&all->stored_here, round);
    mm__os_fence_all();
    const uint32_t seen = mm__load(&all->stored_there);
    await_word(&all->done, round);
    CHECK(seen == round || mm__load(&all->loaded) == round);
  }
  finish_child(child);
}

/* Where that makes no difference here, since the fence also waits. */
static void the_system_knows_who_joined(void) {
  const int get_registrations = 1 << 9;
  if (mm__os_join_fences(1) != 1) test_skip("the system cannot order others' memory");
  const long joined = syscall(SYS_membarrier, get_registrations, 0);
  if (joined < 0) test_skip("the system does not tell who joined");
  CHECK((joined & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0);
}

static void joining_twice_is_joining(void) {
  const int first = mm__os_join_fences(1);
  CHECK(first == 1 || first == -ENOSYS);
  CHECK_EQ(mm__os_join_fences(1), first);
  CHECK_EQ(mm__os_join_fences(0), first);
}

static uint64_t alarms;

static void count_alarm(int number) {
  (void)number;
  alarms++;
}

/* However often this process is interrupted. */
static void a_fence_takes_its_time(void) {
  const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
  CHECK(signal(SIGALRM, count_alarm) != SIG_ERR && setitimer(ITIMER_REAL, &often, NULL) == 0);
  for (int round = 0; round < 20; round++) {
    const uint64_t begun = mm__os_now();
    mm__os_fence_all();
    CHECK(mm__os_now() - begun >= 1000000);
  }
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  CHECK(alarms != 0);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("fences: one fences for two", one_fences_for_two);
  test_case("fences: the system knows who joined", the_system_knows_who_joined);
  test_case("fences: one takes its time", a_fence_takes_its_time);
  test_case("fences: joining twice is joining", joining_twice_is_joining);
  return harness_end();
}
