/* waiting_room.c - see waiting_room.h. */
#include "waiting_room.h"

#include "participants.h"
#include "shared.h"

mm_pool *room;
waiting_board *board;
mm_allocation full[BLOCKS];

void open_full(void) {
  room = new_pool(SIZE);
  board = shared_memory(sizeof *board);
  for (uint32_t at = 0; at < BLOCKS; at++) full[at] = must_alloc(room, BLOCK);
  for (int at = 0; at < WAITERS; at++) {
    board->size[at] = BLOCK;
    board->timeout[at] = -1;
  }
}

void give(uint32_t block) { CHECK_OK(mm_free(room, full[block].id)); }

uint32_t waiting(void) {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < mm__participant_limit(room); slot++)
    count += mm__load(&room->slots[slot].ticket) != 0;
  return count;
}

static void await_waiting(uint32_t count) {
  const uint64_t give_up = now_ms() + 5000;
  while (waiting() != count) {
    CHECK(now_ms() < give_up);
    sleep_ms(1);
  }
  sleep_ms(3); /* until it has tried and sleeps */
}

static void wait_for_room(void *argument) {
  const uintptr_t number = (uintptr_t)argument;
  mm_pool *own = attach_again(room);
  mm_allocation allocation = {0};
  board->status[number] = mm_alloc_blocking(own, board->size[number], 1,
                                         board->timeout[number], &allocation);
  board->ended_at[number] = now_ms();
  board->offset[number] = allocation.offset;
  mm__store_release(&board->place[number],
                    __atomic_add_fetch(&board->served, 1, __ATOMIC_SEQ_CST));
  if (board->status[number] == MM_OK) fill_tagged(own, &allocation);
  mm_pool_detach(own);
}

pid_t start_waiter(uintptr_t number, uint32_t then) {
  const pid_t child = start_child(wait_for_room, (void *)number);
  await_waiting(then);
  return child;
}

void await_place(int number, uint32_t place, uint64_t within_ms) {
  const uint64_t begun = now_ms();
  while (mm__load_acquire(&board->place[number]) == 0) CHECK(now_ms() - begun < within_ms);
  CHECK_EQ(board->place[number], place);
}

void must_sleep_on(int number) { CHECK_EQ(mm__load_acquire(&board->place[number]), 0); }

void close_room(void) {
  CHECK_SOUND(mm__check(room));
  destroy_and_detach(room);
}
