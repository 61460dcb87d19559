/* clock_test.c - somebody sets the machine's clock: no wait is longer or shorter.
 *
 * The clock is never set in fact. This program has its own clock_gettime(), time()
 * and gettimeofday(), which the library calls in its place: the time of day leaps
 * by a year at every look, and each look is counted. And it has its own syscall(),
 * which lets no sleep through whose end is a time of day.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "shared.h"
#include "waiting_room.h"

#define YEAR 31536000

/* Shared with children. */
typedef struct observed {
  uint32_t looks;  /* at the time of day */
  uint32_t sleeps; /* on a word, for a span of time */
  uint32_t wrong;  /* sleeps of any other kind */
} observed;

static observed *seen;

/* ---- In the C library's place -------------------------------------------------- */

/* The C library's own, found once. */
static long (*real_syscall)(long number, ...);

__attribute__((constructor)) static void find_real(void) {
  *(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");
}

static void observe_futex(int operation) {
  const int command = operation & FUTEX_CMD_MASK;
  if (seen == NULL || command == FUTEX_WAKE) return;
  /* FUTEX_WAIT sleeps for a span by the monotonic clock. */
  const int is_span = command == FUTEX_WAIT && (operation & FUTEX_CLOCK_REALTIME) == 0;
  __atomic_fetch_add(is_span ? &seen->sleeps : &seen->wrong, 1, __ATOMIC_RELAXED);
}

long syscall(long number, ...) {
  long at[6];
  va_list arguments;
  va_start(arguments, number);
  for (int index = 0; index < 6; index++) at[index] = va_arg(arguments, long);
  va_end(arguments);
  if (number == SYS_futex) observe_futex((int)at[1]);
  return real_syscall(number, at[0], at[1], at[2], at[3], at[4], at[5]);
}

/* Now, and a year off: in turn too early and too late. */
static time_t leaping(void) {
  struct timespec now;
  real_syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  if (seen == NULL) return now.tv_sec;
  const uint32_t look = __atomic_fetch_add(&seen->looks, 1, __ATOMIC_RELAXED);
  return look % 2 == 0 ? now.tv_sec + YEAR : now.tv_sec - YEAR;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE && clock != CLOCK_TAI)
    return (int)real_syscall(SYS_clock_gettime, clock, time);
  *time = (struct timespec){.tv_sec = leaping()};
  return 0;
}

time_t time(time_t *result) {
  const time_t now = leaping();
  if (result != NULL) *result = now;
  return now;
}

int gettimeofday(struct timeval *time, void *zone) {
  (void)zone;
  *time = (struct timeval){.tv_sec = leaping()};
  return 0;
}

/* ---- Cases ------------------------------------------------------------------------ */

/* A pool without room, from whose making on the clock is observed. */
static void open_observed(void) {
  open_full();
  seen = shared_memory(sizeof *seen);
}

/* They slept, and nobody has looked at the time of day. */
static void close_observed(void) {
  CHECK(seen->sleeps > 0);
  CHECK_EQ(seen->wrong, 0);
  CHECK_EQ(seen->looks, 0);
  close_room();
}

static void what_stands_in_place_is_called(void) {
  open_observed();
  struct timespec first, second;
  CHECK(clock_gettime(CLOCK_REALTIME, &first) == 0);
  CHECK(clock_gettime(CLOCK_REALTIME, &second) == 0);
  CHECK(first.tv_sec - second.tv_sec > YEAR);
  CHECK_EQ(seen->looks, 2);
  mm__os_process_start(); /* says when it was, in time of day */
  CHECK_EQ(seen->looks, 3);
  close_room();
}

static void timeouts_are_kept(void) {
  open_observed();
  const int64_t timeouts[] = {5, 20, 75, 320};
  for (int at = 0; at < 4; at++) {
    mm_allocation allocation;
    const uint64_t begun = now_ms();
    CHECK_STATUS(mm_alloc_blocking(room, 1, 0, timeouts[at], &allocation), MM_E_TIMEOUT);
    const uint64_t took = now_ms() - begun;
    CHECK(took + 1 >= (uint64_t)timeouts[at] && took < (uint64_t)timeouts[at] + 100);
  }
  close_observed();
}

static void waiters_are_served(void) {
  open_observed();
  pid_t children[4];
  for (uintptr_t at = 0; at < 4; at++) children[at] = start_waiter(at, (uint32_t)at + 1);
  sleep_ms(60);
  for (int at = 0; at < 4; at++) {
    must_sleep_on(at);
    give((uint32_t)at);
    await_place(at, (uint32_t)at + 1, 100);
  }
  for (int at = 0; at < 4; at++) finish_child(children[at]);
  close_observed();
}

static void one_that_does_not_take_is_passed(void) {
  open_observed();
  const pid_t stopped = start_waiter(0, 1);
  const pid_t younger = start_waiter(1, 2);
  stop_child(stopped);
  const uint64_t begun = now_ms();
  give(5);
  await_place(1, 1, 400);
  CHECK(now_ms() - begun >= 40); /* its turn lasts 50 ms */
  continue_child(stopped);
  give(6);
  await_place(0, 2, 400);
  finish_child(stopped);
  finish_child(younger);
  close_observed();
}

static void a_busy_lock_is_waited_for_as_long_as_ever(void) {
  open_observed();
  mm_pool *other = attach_again(room);
  CHECK_OK(mm__lock(other, 1000));
  mm_allocation allocation;
  const uint64_t begun = now_ms();
  CHECK_STATUS(mm_alloc(room, 1, 0, &allocation), MM_E_BUSY);
  const uint64_t took = now_ms() - begun;
  mm__unlock(other);
  CHECK(took >= 990 && took < 1500);
  mm_pool_detach(other);
  close_observed();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("clock: the library's looks are noticed", what_stands_in_place_is_called);
  test_case_timed("clock: timeouts are kept when it is set", timeouts_are_kept);
  test_case_timed("clock: waiters are served when it is set", waiters_are_served);
  test_case_timed("clock: a turn is as long when it is set",
                  one_that_does_not_take_is_passed);
  test_case_timed("clock: a busy lock is waited for as long when it is set",
                  a_busy_lock_is_waited_for_as_long_as_ever);
  return harness_end();
}
