/* wait_death_test.c - waiting for room among those who die or stand still: waiters
 * that do not take, freers and destroyers killed before anybody knows. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared.h"
#include "wait.h"
#include "waiting_room.h"

/* ---- Those who do not take ------------------------------------------------- */

static void one_that_is_stopped_is_passed(void) {
  open_full();
  const pid_t stopped = start_waiter(0, 1);
  const pid_t younger = start_waiter(1, 2);
  stop_child(stopped);
  const uint64_t begun = now_ms();
  give(5);
  await_place(1, 1, 400);
  CHECK(now_ms() - begun >= 40); /* its turn lasts 50 ms */
  continue_child(stopped);
  sleep_ms(60);
  must_sleep_on(0);
  give(6);
  await_place(0, 2, 100);
  finish_child(stopped);
  finish_child(younger);
  close_room();
}

static void one_that_is_killed_holds_nobody_up(void) {
  open_full();
  pid_t dead[3];
  for (uintptr_t at = 0; at < 3; at++) dead[at] = start_waiter(at, (uint32_t)at + 1);
  const pid_t alive = start_waiter(3, 4);
  for (int at = 0; at < 3; at++) kill_child(dead[at]);
  give(5);
  await_place(3, 1, 100);
  finish_child(alive);
  close_room();
}

static void one_that_was_told_and_is_killed_holds_nobody_up(void) {
  open_full();
  const pid_t older = start_waiter(0, 1);
  const pid_t younger = start_waiter(1, 2);
  stop_child(older);
  give(5); /* the older is told */
  kill_child(older);
  await_place(1, 1, 100);
  finish_child(younger);
  close_room();
}

static void one_that_ended_behind_a_busy_lock_does_not_count(void) {
  open_full();
  mm_pool *older = attach_again(room), *stopped = attach_again(room);
  uint64_t ticket, younger = 0;
  mm_allocation allocation;
  CHECK_OK(mm_wait_ticket(older, &ticket));
  CHECK_OK(mm_wait_show(older, ticket, BLOCK, BLOCK));
  CHECK_OK(mm_wait_ticket(room, &younger));
  CHECK_OK(mm__lock(stopped, 0));
  CHECK_STATUS(mm_wait_show(older, 0, 0, 0), MM_E_BUSY);
  mm__unlock(stopped);
  give(1);
  CHECK_OK(mm_wait_try(room, younger, BLOCK, 0, &allocation));
  CHECK_EQ(mm__load(&older->slots[older->slot].ticket), 0);
  /* What it shows next counts again. */
  CHECK_OK(mm_wait_ticket(older, &ticket));
  CHECK_OK(mm_wait_show(older, ticket, BLOCK, BLOCK));
  CHECK_OK(mm_wait_ticket(room, &younger));
  give(2);
  CHECK_STATUS(mm_wait_try(room, younger, BLOCK, 0, &allocation), MM_E_QUEUED);
  mm_pool_detach(stopped);
  mm_pool_detach(older);
  close_room();
}

static void one_that_does_not_renew_does_not_count(void) {
  open_full();
  mm_pool *silent = attach_again(room);
  uint64_t ticket;
  CHECK_OK(mm_wait_ticket(silent, &ticket));
  CHECK_OK(mm_wait_show(silent, ticket, BLOCK, BLOCK));
  uint64_t younger = 0;
  mm_allocation allocation;
  CHECK_OK(mm_wait_ticket(room, &younger));
  CHECK_STATUS(mm_wait_try(room, younger, BLOCK, 0, &allocation), MM_E_NO_ROOM);
  give(1);
  CHECK_STATUS(mm_wait_try(room, younger, BLOCK, 0, &allocation), MM_E_QUEUED);
  /* A second later it was told long ago, and its request has lapsed. */
  silent->slots[silent->slot].shown_at -= 1100 * 1000000ull;
  silent->slots[silent->slot].told_at = 0;
  CHECK_OK(mm_wait_try(room, younger, BLOCK, 0, &allocation));
  /* The same for a time that has not come yet: another clock's. */
  CHECK_OK(mm_wait_show(silent, ticket, BLOCK, BLOCK));
  give(2);
  CHECK_STATUS(mm_wait_try(room, 0, BLOCK, 0, &allocation), MM_E_QUEUED);
  silent->slots[silent->slot].shown_at += 3600 * 1000000000ull;
  CHECK_OK(mm_wait_try(room, 0, BLOCK, 0, &allocation));
  mm_pool_detach(silent);
  close_room();
}

/* ---- Freers that die -------------------------------------------------------- */

typedef struct freer { uint64_t id; int how_far; } freer;

/* mm_free(), up to where it is killed. */
static void free_and_die(void *argument) {
  const freer *freer = argument;
  mm_pool *own = attach_again(room);
  CHECK_OK(mm__lock(own, 1000));
  CHECK_EQ(mm__heap_free(&own->heap, freer->id), MM_OK);
  if (freer->how_far == 1) mm__wait_freed(own);
  if (freer->how_far == 2) {
    mm__wait_freed(own);
    mm__unlock(own);
  }
  kill(getpid(), SIGKILL);
}

/* The two oldest of three waiters are served, soon, in their order. */
static void killed_freer(int how_far) {
  open_full();
  give(0);
  give(1);
  const mm_allocation two = must_alloc(room, 2 * BLOCK);
  pid_t children[3];
  for (uintptr_t at = 0; at < 3; at++) children[at] = start_waiter(at, (uint32_t)at + 1);
  freer freer = {.id = two.id, .how_far = how_far};
  const pid_t child = start_child(free_and_die, &freer);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  const uint64_t died_at = now_ms();
  finish_child(children[0]);
  finish_child(children[1]);
  for (int at = 0; at < 2; at++) {
    CHECK_OK(board->status[at]);
    const uint64_t late =
        board->ended_at[at] > died_at ? board->ended_at[at] - died_at : 0;
    test_context("waiter %d was served after %llu ms", at, (unsigned long long)late);
    CHECK(late < 100);
  }
  CHECK(board->place[0] < 3 && board->place[1] < 3);
  kill_child(children[2]);
  close_room();
}

static void a_freer_killed_before_it_counts(void) { killed_freer(0); }
static void a_freer_killed_before_it_leaves_the_lock(void) { killed_freer(1); }
static void a_freer_killed_before_it_wakes(void) { killed_freer(2); }

/* Somebody else recovers before a waiter has noticed anything. */
static void a_freers_heir_that_does_not_wait(void) {
  open_full();
  const pid_t waiter = start_waiter(0, 1);
  freer freer = {.id = full[3].id, .how_far = 0};
  const pid_t child = start_child(free_and_die, &freer);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  const uint64_t died_at = now_ms();
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(room, &stats));
  finish_child(waiter);
  CHECK_OK(board->status[0]);
  CHECK(board->ended_at[0] - died_at < 100);
  close_room();
}

/* ---- A destroyer that dies ---------------------------------------------------- */

/* mm_pool_destroy(), up to where it is killed. */
static void destroy_and_die(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(room);
  mm__store_release(&own->header->destroyed, 1u);
  kill(getpid(), SIGKILL);
}

static void a_destroyer_killed_before_it_wakes(void) {
  open_full();
  pid_t children[WAITERS];
  for (uintptr_t at = 0; at < WAITERS; at++)
    children[at] = start_waiter(at, (uint32_t)at + 1);
  const pid_t child = start_child(destroy_and_die, NULL);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  const uint64_t died_at = now_ms();
  for (int at = 0; at < WAITERS; at++) {
    finish_child(children[at]);
    CHECK_STATUS(board->status[at], MM_E_DESTROYED);
    CHECK(board->ended_at[at] < died_at + 100);
  }
  CHECK_OK(mm_pool_remove(mm_pool_describe(room)->name, NULL, 1));
  mm_pool_detach(room);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("wait: one that ended behind a busy lock does not count",
            one_that_ended_behind_a_busy_lock_does_not_count);
  test_case_timed("wait: one that is stopped is passed", one_that_is_stopped_is_passed);
  test_case_timed("wait: one that is killed holds nobody up", one_that_is_killed_holds_nobody_up);
  test_case_timed("wait: one that was told and is killed holds nobody up",
            one_that_was_told_and_is_killed_holds_nobody_up);
  test_case("wait: one that does not renew does not count",
            one_that_does_not_renew_does_not_count);
  test_case_timed("wait: a freer killed before it counts", a_freer_killed_before_it_counts);
  test_case_timed("wait: a freer killed before it leaves the lock",
            a_freer_killed_before_it_leaves_the_lock);
  test_case_timed("wait: a freer killed before it wakes", a_freer_killed_before_it_wakes);
  test_case_timed("wait: a killed freer's heir that does not wait",
            a_freers_heir_that_does_not_wait);
  test_case_timed("wait: a destroyer killed before it wakes", a_destroyer_killed_before_it_wakes);
  return harness_end();
}
