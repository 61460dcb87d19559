/* park_test.c - mm_park(): a call that waits on another thread than the handle's. */
#include <pthread.h>

#include "waiting_room.h"

typedef struct parked {
  mm_pool *room;
  uint32_t seen;
  uint64_t delay_ms;
  int status;
  uint64_t returned_at;
} parked;

static void *park(void *argument) {
  parked *parked = argument;
  if (parked->delay_ms != 0) sleep_ms(parked->delay_ms);
  parked->status = mm_park(parked->room, parked->seen, 1000);
  parked->returned_at = now_ms();
  return NULL;
}

static pthread_t start_park(parked *parked, mm_pool *handle, uint64_t delay_ms) {
  pthread_t thread;
  *parked = (struct parked){
      .room = handle, .seen = mm_wait_begin(handle), .delay_ms = delay_ms};
  mm_park_prepare(handle);
  CHECK(pthread_create(&thread, NULL, park, parked) == 0);
  return thread;
}

static void detach_under_a_parked_call(void) {
  open_full();
  for (int round = 0; round < 60; round++) {
    /* Parked for long, just now, and not yet. */
    const uint64_t before = round % 3 == 0 ? 5 : 0;
    parked parked;
    mm_pool *handle = attach_again(room);
    const pthread_t thread = start_park(&parked, handle, round % 3 == 2 ? 5 : 0);
    if (before != 0) sleep_ms(before);
    const uint64_t begun = now_ms();
    if (round % 2 == 0)
      mm_pool_detach(handle);
    else
      mm_pool_detach_keep_mapping(handle);
    CHECK(now_ms() - begun < 250);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(parked.returned_at - begun < 400);
  }
  close_room();
}

static void destroy_and_unpark_end_a_parked_call(void) {
  open_full();
  parked parked;
  pthread_t thread = start_park(&parked, room, 0);
  sleep_ms(5);
  uint64_t begun = now_ms();
  mm_unpark(room);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(parked.status);
  CHECK(parked.returned_at - begun < 30);

  uint64_t ticket;
  mm_pool *other = attach_again(room);
  CHECK_OK(mm_wait_ticket(room, &ticket));
  CHECK_OK(mm_wait_show(room, ticket, BLOCK, BLOCK));
  thread = start_park(&parked, room, 0);
  sleep_ms(5);
  begun = now_ms();
  destroy_and_detach(other);
  CHECK(pthread_join(thread, NULL) == 0);
  /* It says so, or that one should look again. */
  CHECK(parked.status == MM_E_DESTROYED || parked.status == MM_OK);
  CHECK(parked.returned_at - begun < 30);
  CHECK_STATUS(mm_wait(room, mm_wait_begin(room), 1000), MM_E_DESTROYED);
  mm_pool_detach(room);
}

static void a_free_wakes_a_parked_call(void) {
  open_full();
  mm_pool *other = attach_again(room);
  for (int round = 0; round < 20; round++) {
    uint64_t ticket;
    parked parked;
    CHECK_OK(mm_wait_ticket(room, &ticket));
    CHECK_OK(mm_wait_show(room, ticket, BLOCK, BLOCK));
    const pthread_t thread = start_park(&parked, room, 0);
    sleep_ms(3);
    /* The handle is used meanwhile by its own thread. */
    mm_allocation found;
    CHECK_OK(mm_find(room, full[round].id, &found));
    const uint64_t begun = now_ms();
    CHECK_OK(mm_free(other, full[round].id));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_OK(parked.status);
    CHECK(parked.returned_at - begun < 30);
    CHECK_OK(mm_wait_try(room, ticket, BLOCK, 0, &found));
    CHECK_OK(mm_wait_show(room, 0, 0, 0));
  }
  mm_pool_detach(other);
  close_room();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case_timed("park: detach ends a parked call", detach_under_a_parked_call);
  test_case_timed("park: destroy and unpark end a parked call",
            destroy_and_unpark_end_a_parked_call);
  test_case_timed("park: a free wakes a parked call", a_free_wakes_a_parked_call);
  return harness_end();
}
