/* wait_test.c - waiting for room: who goes first, how long, and to which end. */
#include "waiting_room.h"
#include "shared.h"

/* ---- Order --------------------------------------------------------------- */

static void the_oldest_goes_first(void) {
  open_full();
  pid_t children[WAITERS];
  for (uintptr_t at = 0; at < WAITERS; at++)
    children[at] = start_waiter(at, (uint32_t)at + 1);
  for (int at = 0; at < WAITERS; at++) {
    give((uint32_t)at);
    await_place(at, (uint32_t)at + 1, 100);
  }
  for (int at = 0; at < WAITERS; at++) {
    finish_child(children[at]);
    CHECK_OK(board->status[at]);
  }
  close_room();
}

static void one_free_can_serve_several(void) {
  open_full();
  for (uint32_t at = 0; at < 4; at++) give(at);
  const mm_allocation large = must_alloc(room, 4 * BLOCK);
  pid_t children[4];
  for (uintptr_t at = 0; at < 4; at++) children[at] = start_waiter(at, (uint32_t)at + 1);
  CHECK_OK(mm_free(room, large.id));
  const uint64_t begun = now_ms();
  for (int at = 0; at < 4; at++) finish_child(children[at]);
  CHECK(now_ms() - begun < 200);
  /* They came one after the other: each took the front of what was left. Who
   * reports first is not in question. */
  for (int at = 1; at < 4; at++) CHECK(board->offset[at - 1] < board->offset[at]);
  close_room();
}

static void one_that_does_not_fit_is_passed(void) {
  open_full();
  board->size[0] = 2 * BLOCK;
  const pid_t large = start_waiter(0, 1);
  const pid_t small = start_waiter(1, 2);
  give(10);
  await_place(1, 1, 100);
  must_sleep_on(0);
  give(20);
  give(21);
  await_place(0, 2, 100);
  finish_child(small);
  finish_child(large);
  close_room();
}

static void alloc_does_not_queue(void) {
  open_full();
  board->size[0] = 2 * BLOCK;
  const pid_t child = start_waiter(0, 1);
  give(10);
  const uint64_t begun = now_ms();
  must_alloc(room, BLOCK);
  CHECK(now_ms() - begun < 50);
  kill_child(child);
  close_room();
}

/* Asks for one block again and again, each time as the youngest of all. */
static void ask_again_and_again(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(room);
  while (!mm__load_acquire(&board->ends)) {
    mm_allocation allocation;
    if (mm_alloc_blocking(own, BLOCK, 1, 20, &allocation) == MM_OK)
      __atomic_fetch_add(&board->rounds, 1, __ATOMIC_SEQ_CST);
  }
  mm_pool_detach(own);
}

static void room_is_held_back_after_some_passes(void) {
  open_full();
  board->size[0] = 20 * BLOCK;
  const pid_t large = start_waiter(0, 1);
  const pid_t small = start_child(ask_again_and_again, NULL);
  uint32_t given = 0;
  while (mm__load_acquire(&board->place[0]) == 0) {
    CHECK(given < BLOCKS);
    give(given++);
    sleep_ms(4);
  }
  /* 16 passes, one that was being made, and 20 blocks in one piece. */
  CHECK(given <= 16 + 2 + 20);
  CHECK(board->rounds <= 16 + 2);
  mm__store_release(&board->ends, 1u);
  finish_child(small);
  finish_child(large);
  CHECK_OK(board->status[0]);
  close_room();
}

static void what_is_held_back_is_let_go_when_nothing_comes(void) {
  open_full();
  board->size[0] = 60 * BLOCK;
  const pid_t large = start_waiter(0, 1);
  const pid_t small = start_child(ask_again_and_again, NULL);
  uint32_t given = 0;
  while (room->slots[1].passes < 16) {
    CHECK(given < 40);
    give(given++);
    sleep_ms(4);
  }
  const uint32_t before = mm__load(&board->rounds);
  give(given++);
  sleep_ms(30);
  CHECK_EQ(mm__load(&board->rounds), before); /* held back */
  const uint64_t begun = now_ms();
  while (mm__load(&board->rounds) == before) CHECK(now_ms() - begun < 400);
  must_sleep_on(0);
  mm__store_release(&board->ends, 1u);
  finish_child(small);
  kill_child(large);
  close_room();
}

/* ---- Ends ------------------------------------------------------------------ */

static void destroy_wakes_all(void) {
  open_full();
  pid_t children[WAITERS];
  for (uintptr_t at = 0; at < WAITERS; at++)
    children[at] = start_waiter(at, (uint32_t)at + 1);
  const uint64_t begun = now_ms();
  CHECK_OK(mm_pool_destroy(room));
  for (int at = 0; at < WAITERS; at++) finish_child(children[at]);
  for (int at = 0; at < WAITERS; at++) {
    CHECK_STATUS(board->status[at], MM_E_DESTROYED);
    CHECK(board->ended_at[at] - begun < 100);
  }
  mm_pool_detach(room);
}

static void timeouts_are_kept(void) {
  open_full();
  mm_allocation allocation;
  const int64_t timeouts[] = {1, 5, 20, 75, 320};
  for (int at = 0; at < 5; at++) {
    const uint64_t begun = now_ms();
    CHECK_STATUS(mm_alloc_blocking(room, 1, 0, timeouts[at], &allocation), MM_E_TIMEOUT);
    const uint64_t took = now_ms() - begun;
    CHECK(took + 1 >= (uint64_t)timeouts[at] && took < (uint64_t)timeouts[at] + 25);
    CHECK_EQ(waiting(), 0);
  }
  const uint64_t begun = now_ms();
  CHECK_STATUS(mm_alloc_blocking(room, 1, 0, 0, &allocation), MM_E_NO_ROOM);
  CHECK_STATUS(mm_alloc_blocking(room, SIZE + 1, 0, -1, &allocation), MM_E_TOO_LARGE);
  CHECK(now_ms() - begun < 20);
  give(0);
  CHECK_OK(mm_alloc_blocking(room, BLOCK, 0, INT64_MAX, &allocation));
  CHECK_OK(mm_free(room, allocation.id));
  CHECK_OK(mm_alloc_blocking(room, BLOCK, 0, INT64_MIN, &allocation));
  CHECK_OK(mm_free(room, allocation.id));
  CHECK_OK(mm_alloc_blocking(room, 0, 0, 1, &allocation));
  close_room();
}

static void a_limit_of_allocations_is_waited_for_too(void) {
  room = new_pool_from((mm_pool_options){.size = SIZE, .max_allocations = 1});
  board = shared_memory(sizeof *board);
  board->size[0] = 1;
  board->timeout[0] = -1;
  const mm_allocation only = must_alloc(room, 1);
  const pid_t child = start_waiter(0, 1);
  CHECK_OK(mm_free(room, only.id));
  await_place(0, 1, 100);
  finish_child(child);
  CHECK_OK(board->status[0]);
  close_room();
}

/* Holds the lock for longer than a waiter has patience for a pass. */
static void hold_the_lock(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(room);
  CHECK_OK(mm__lock(own, 1000));
  mm__store_release(&board->ends, 1u);
  sleep_ms(20);
  mm__unlock(own);
  mm_pool_detach(own);
}

/* Nothing was freed since its last request was tried: nobody tells it to look. */
static void room_behind_a_busy_lock_is_soon_seen(void) {
  open_full();
  give(0);
  give(1);
  mm_allocation allocation;
  CHECK_OK(mm_alloc_blocking(room, BLOCK, 0, -1, &allocation));
  const pid_t holder = start_child(hold_the_lock, NULL);
  await(&board->ends, 1);
  const uint64_t begun = now_ms();
  CHECK_OK(mm_alloc_blocking(room, BLOCK, 0, -1, &allocation));
  CHECK(now_ms() - begun < 150);
  finish_child(holder);
  close_room();
}

/* ---- Parts ------------------------------------------------------------------ */

static void a_wake_up_between_look_and_sleep_is_not_lost(void) {
  open_full();
  const uint32_t seen = mm_wait_begin(room);
  mm_unpark(room);
  uint64_t begun = now_ms();
  CHECK_OK(mm_wait(room, seen, 1000));
  CHECK(now_ms() - begun < 20);
  begun = now_ms();
  CHECK_STATUS(mm_wait(room, mm_wait_begin(room), 20), MM_E_TIMEOUT);
  CHECK(now_ms() - begun >= 19 && now_ms() - begun < 60);
  close_room();
}

static void a_shown_request_is_told(void) {
  open_full();
  mm_pool *older = attach_again(room), *younger = attach_again(room);
  uint64_t tickets[2];
  mm_allocation allocation;
  CHECK_OK(mm_wait_ticket(older, &tickets[0]));
  CHECK_OK(mm_wait_ticket(younger, &tickets[1]));
  CHECK(tickets[0] < tickets[1]);
  CHECK_OK(mm_wait_show(older, tickets[0], BLOCK, BLOCK));
  CHECK_OK(mm_wait_show(younger, tickets[1], BLOCK, BLOCK));
  CHECK_STATUS(mm_wait_try(older, tickets[0], BLOCK, 0, &allocation), MM_E_NO_ROOM);
  const uint32_t seen[] = {mm_wait_begin(older), mm_wait_begin(younger)};
  give(0);
  CHECK(mm_wait_begin(older) != seen[0]);
  CHECK_EQ(mm_wait_begin(younger), seen[1]);
  CHECK_STATUS(mm_wait_try(younger, tickets[1], BLOCK, 0, &allocation), MM_E_QUEUED);
  CHECK_OK(mm_wait_try(older, tickets[0], BLOCK, 0, &allocation));
  CHECK_STATUS(mm_wait_try(younger, tickets[1], BLOCK, 0, &allocation), MM_E_NO_ROOM);
  /* Withdrawing passes the turn on. */
  give(1);
  CHECK_OK(mm_wait_show(older, 0, 0, 0));
  CHECK(mm_wait_begin(younger) != seen[1]);
  CHECK_OK(mm_wait_try(younger, tickets[1], BLOCK, 0, &allocation));
  mm_pool_detach(older);
  CHECK_EQ(waiting(), 1);
  mm_pool_detach(younger);
  CHECK_EQ(waiting(), 0);
  close_room();
}

/* ---- Many -------------------------------------------------------------------- */

static void take_and_give_back(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  mm_pool *own = attach_again(room);
  for (int round = 0; round < 150; round++) {
    const uint64_t size = 1 + random_below(&seed, round % 10 == 0 ? SIZE : SIZE / 8);
    mm_allocation allocation;
    CHECK_OK(mm_alloc_blocking(own, size, 1, 15000, &allocation));
    fill_tagged(own, &allocation);
    if (random_below(&seed, 4) == 0) sleep_ms(random_below(&seed, 2));
    check_tagged(own, &allocation);
    CHECK_OK(mm_free(own, allocation.id));
  }
  mm_pool_detach(own);
}

static void everybody_is_served_in_the_end(void) {
  room = new_pool(SIZE);
  pid_t children[WAITERS];
  for (uintptr_t at = 0; at < WAITERS; at++)
    children[at] = start_child(take_and_give_back, (void *)(at + 51));
  for (int at = 0; at < WAITERS; at++) finish_child(children[at]);
  CHECK_EQ(waiting(), 0);
  close_room();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case_timed("wait: the oldest goes first, over processes", the_oldest_goes_first);
  test_case_timed("wait: one free can serve several", one_free_can_serve_several);
  test_case_timed("wait: one that does not fit is passed", one_that_does_not_fit_is_passed);
  test_case_timed("wait: alloc does not queue", alloc_does_not_queue);
  test_case_timed("wait: after some passes room is held back",
            room_is_held_back_after_some_passes);
  test_case_timed("wait: what is held back is let go when nothing comes",
            what_is_held_back_is_let_go_when_nothing_comes);
  test_case_timed("wait: destroy wakes all", destroy_wakes_all);
  test_case_timed("wait: timeouts are kept", timeouts_are_kept);
  test_case_timed("wait: for max_allocations", a_limit_of_allocations_is_waited_for_too);
  test_case_timed("wait: room behind a busy lock is soon seen",
            room_behind_a_busy_lock_is_soon_seen);
  test_case_timed("wait: a wake-up between look and sleep is not lost",
            a_wake_up_between_look_and_sleep_is_not_lost);
  test_case("wait: a shown request is told", a_shown_request_is_told);
  test_case_within("wait: everybody is served in the end", everybody_is_served_in_the_end, 60);
  return harness_end();
}
