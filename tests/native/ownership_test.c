/* ownership_test.c - whose an allocation is, adopting it, and reclaiming what
 * the dead have left. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define SIZE 65536u

static mm_pool *pool;

/* Shared with children. */
typedef struct board {
  mm_allocation made[8];
  uint32_t pid;
  uint32_t ready;
  uint32_t ends;
} board;

static board *on;

static void open_pool(void) {
  pool = new_pool(SIZE);
  on = shared_memory(sizeof *on);
}

static void close_pool(void) {
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static mm_owner owner_of(const mm_allocation *allocation) {
  mm_owner owner = {99, 99};
  CHECK_OK(mm_owner_of(pool, allocation->id, &owner));
  return owner;
}

static void reclaim(uint64_t allocations, uint64_t bytes) {
  mm_reclaimed reclaimed = {99, 99};
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  CHECK_EQ(reclaimed.allocations, allocations);
  CHECK_EQ(reclaimed.bytes, bytes);
  CHECK_SOUND(mm__check(pool));
}

static void make_and_sleep(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  for (int at = 0; at < 8; at++) {
    on->made[at] = must_alloc(own, 100 * (uint64_t)at);
    fill_tagged(own, &on->made[at]);
  }
  on->pid = (uint32_t)getpid();
  mm__store_release(&on->ready, 1u);
  await(&on->ends, 1);
  mm_pool_detach(own);
}

static pid_t start_maker(void) {
  mm__store(&on->ready, 0u);
  mm__store(&on->ends, 0u);
  const pid_t child = start_child(make_and_sleep, NULL);
  await(&on->ready, 1);
  return child;
}

#define MADE_BYTES (100u * (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7))

/* ---- Owners ---------------------------------------------------------------- */

static void the_maker_is_the_owner(void) {
  open_pool();
  const mm_allocation own = must_alloc(pool, 10);
  CHECK_EQ(owner_of(&own).pid, getpid());
  CHECK_EQ(owner_of(&own).is_alive, 1);
  const pid_t child = start_maker();
  CHECK_EQ(owner_of(&on->made[3]).pid, on->pid);
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 1);
  stop_child(child);
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 1); /* stopped is not dead */
  kill_child(child);
  CHECK_EQ(owner_of(&on->made[3]).pid, on->pid);
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 0);
  /* Nor does whoever takes the slot next become the owner. */
  mm_pool *heir = attach_again(pool);
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 0);
  mm_pool_detach(heir);
  mm_owner owner;
  CHECK_OK(mm_free(pool, own.id));
  CHECK_STATUS(mm_owner_of(pool, own.id, &owner), MM_E_STALE);
  CHECK_STATUS(mm_owner_of(pool, 0, &owner), MM_E_STALE);
  close_pool();
}

static void detaching_ends_ownership(void) {
  open_pool();
  const pid_t child = start_maker();
  mm__store_release(&on->ends, 1u);
  finish_child(child);
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 0);
  close_pool();
}

static void adopting_makes_an_owner(void) {
  open_pool();
  kill_child(start_maker());
  CHECK_OK(mm_adopt(pool, on->made[3].id));
  CHECK_EQ(owner_of(&on->made[3]).pid, getpid());
  CHECK_EQ(owner_of(&on->made[3]).is_alive, 1);
  CHECK_EQ(owner_of(&on->made[4]).is_alive, 0);
  check_tagged(pool, &on->made[3]);
  CHECK_OK(mm_free(pool, on->made[3].id));
  CHECK_STATUS(mm_adopt(pool, on->made[3].id), MM_E_STALE);
  CHECK_STATUS(mm_adopt(pool, on->made[4].id ^ 1ull << 62), MM_E_STALE);
  CHECK_STATUS(mm_adopt(pool, 0), MM_E_STALE);
  close_pool();
}

/* ---- Reclaiming -------------------------------------------------------------- */

static void only_what_the_dead_have_left_is_reclaimed(void) {
  open_pool();
  const mm_allocation own = must_alloc(pool, 10);
  const pid_t child = start_maker();
  reclaim(0, 0);
  kill_child(child);
  CHECK_OK(mm_adopt(pool, on->made[1].id));
  CHECK_OK(mm_adopt(pool, on->made[7].id));
  reclaim(6, MADE_BYTES - 800);
  reclaim(0, 0);
  mm_allocation found;
  for (int at = 0; at < 8; at++)
    CHECK_STATUS(mm_find(pool, on->made[at].id, &found),
                 at == 1 || at == 7 ? MM_OK : MM_E_STALE);
  check_tagged(pool, &on->made[1]);
  check_tagged(pool, &on->made[7]);
  CHECK_OK(mm_find(pool, own.id, &found));
  CHECK_OK(mm_free(pool, on->made[1].id));
  CHECK_OK(mm_free(pool, on->made[7].id));
  CHECK_OK(mm_free(pool, own.id));
  must_alloc(pool, SIZE);
  close_pool();
}

static void what_the_detached_have_left_is_reclaimed(void) {
  open_pool();
  const pid_t child = start_maker();
  mm__store_release(&on->ends, 1u);
  finish_child(child);
  reclaim(8, MADE_BYTES);
  close_pool();
}

static void one_slots_owners_are_told_apart(void) {
  open_pool();
  kill_child(start_maker());
  mm_allocation dead[8];
  memcpy(dead, on->made, sizeof dead);
  const pid_t alive = start_maker(); /* in the same slot */
  reclaim(8, MADE_BYTES);
  mm_allocation found;
  for (int at = 0; at < 8; at++) {
    CHECK_STATUS(mm_find(pool, dead[at].id, &found), MM_E_STALE);
    CHECK_OK(mm_find(pool, on->made[at].id, &found));
    check_tagged(pool, &on->made[at]);
  }
  kill_child(alive);
  reclaim(8, MADE_BYTES);
  /* One that held this handle's own slot before it. */
  mm_pool *first = attach_again(pool);
  const mm_allocation left = must_alloc(first, 5);
  mm_pool_detach(first);
  mm_pool *second = attach_again(pool);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(second, &reclaimed));
  CHECK_EQ(reclaimed.allocations, 1);
  CHECK_STATUS(mm_find(pool, left.id, &found), MM_E_STALE);
  mm_pool_detach(second);
  close_pool();
}

static void reclaiming_wakes_who_waits(void) {
  open_pool();
  kill_child(start_maker());
  mm_pool *waiter = attach_again(pool);
  uint64_t ticket;
  CHECK_OK(mm_wait_ticket(waiter, &ticket));
  CHECK_OK(mm_wait_show(waiter, ticket, SIZE, SIZE));
  mm_allocation all;
  CHECK_STATUS(mm_wait_try(waiter, ticket, SIZE, 0, &all), MM_E_NO_ROOM);
  const uint32_t seen = mm_wait_begin(waiter);
  reclaim(8, MADE_BYTES);
  CHECK(mm_wait_begin(waiter) != seen);
  CHECK_OK(mm_wait_try(waiter, ticket, SIZE, 0, &all));
  mm_pool_detach(waiter);
  close_pool();
}

static void use_the_inherited(void *argument) {
  (void)argument;
  on->made[0] = must_alloc(pool, 11);
  CHECK_EQ(owner_of(&on->made[0]).pid, getpid());
  CHECK_EQ(owner_of(&on->made[1]).pid, getppid());
  CHECK_EQ(owner_of(&on->made[1]).is_alive, 1);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  CHECK_EQ(reclaimed.allocations, 0);
}

static void a_child_after_fork_owns_its_own(void) {
  open_pool();
  on->made[1] = must_alloc(pool, 12);
  finish_child(start_child(use_the_inherited, NULL));
  reclaim(1, 11);
  close_pool();
}

/* ---- While others come and go -------------------------------------------------- */

/* Allocates and verifies; then dies or detaches. What it holds meanwhile is its
 * own, whoever had its slot before. */
static void hold_for_a_while(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  mm_pool *own = attach_again(pool);
  mm_allocation made[20], found;
  uint32_t count = 0;
  for (int at = 0; at < 20; at++)
    if (mm_alloc(own, random_below(&seed, 300), 1, &made[count]) == MM_OK)
      fill_tagged(own, &made[count++]);
  for (int look = 0; look < 3; look++) {
    sleep_ms(random_below(&seed, 2));
    for (uint32_t at = 0; at < count; at++) {
      CHECK_OK(mm_find(own, made[at].id, &found));
      check_tagged(own, &made[at]);
    }
  }
  if (random_below(&seed, 2) != 0) kill(getpid(), SIGKILL);
  for (uint32_t at = 0; at < count / 2; at++) CHECK_OK(mm_free(own, made[at].id));
  mm_pool_detach(own);
}

static void hold_again_and_again(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  const uint64_t end = now_ms() + 1200;
  while (now_ms() < end) {
    const pid_t child = start_child(hold_for_a_while, (void *)(uintptr_t)random_next(&seed));
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
  }
}

static void the_living_keep_what_is_theirs(void) {
  open_pool();
  pid_t children[3];
  for (uintptr_t at = 0; at < 3; at++)
    children[at] = start_child(hold_again_and_again, (void *)(at + 81));
  uint64_t total = 0;
  const uint64_t end = now_ms() + 1200;
  while (now_ms() < end) {
    mm_reclaimed reclaimed;
    CHECK_OK(mm_reclaim(pool, &reclaimed));
    total += reclaimed.allocations;
  }
  for (int at = 0; at < 3; at++) finish_child(children[at]);
  CHECK(total > 0);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  must_alloc(pool, SIZE);
  close_pool();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("owner: the maker, as long as it lives", the_maker_is_the_owner);
  test_case("owner: detaching ends it", detaching_ends_ownership);
  test_case("adopt: makes an owner", adopting_makes_an_owner);
  test_case("reclaim: only what the dead have left and nobody adopted",
            only_what_the_dead_have_left_is_reclaimed);
  test_case("reclaim: what the detached have left", what_the_detached_have_left_is_reclaimed);
  test_case("reclaim: the owners of one slot are told apart", one_slots_owners_are_told_apart);
  test_case("reclaim: wakes who waits", reclaiming_wakes_who_waits);
  test_case("owner: a child after fork owns its own", a_child_after_fork_owns_its_own);
  test_case("reclaim: the living keep what is theirs", the_living_keep_what_is_theirs);
  return harness_end();
}
