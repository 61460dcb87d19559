/* lock_test.c - the pool's lock: taking it, waiting for it, taking it over. */
#include "lock.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

/* ---- The word ------------------------------------------------------------ */

/* A user of a bare lock word; all others live or not, as `lives` says. */
static int lives;

static int answer(void *context, uint32_t slot) {
  (void)context, (void)slot;
  return lives;
}

static mm__lock_user user_of(uint32_t slot, uint32_t epoch) {
  return (mm__lock_user){.word = mm__lock_word(slot, epoch), .is_alive = answer};
}

static void words_name_their_owner(void) {
  const uint32_t slots[] = {0, 1, 31, 32, MM_SLOTS_MAX - 1};
  const uint32_t epochs[] = {0, 1, 2, 1u << 31, UINT32_MAX};
  for (int slot = 0; slot < 5; slot++)
    for (int epoch = 0; epoch < 5; epoch++) {
      const uint64_t word = mm__lock_word(slots[slot], epochs[epoch]);
      CHECK(word != 0 && (word & 1) == 0);
      CHECK_EQ(mm__lock_slot(word), slots[slot]);
      CHECK_EQ(mm__lock_slot(word | 1), slots[slot]);
      CHECK(word != mm__lock_word(slots[slot], epochs[epoch] + 1));
    }
}

static void it_is_taken_and_left(void) {
  uint64_t lock = 0;
  const mm__lock_user user = user_of(3, 5);
  for (int round = 0; round < 100; round++) {
    CHECK_OK(mm__lock_take(&lock, &user, 0));
    CHECK_EQ(lock, user.word);
    mm__lock_leave(&lock);
    CHECK_EQ(lock, 0);
  }
}

static void a_living_owner_is_not_robbed(void) {
  uint64_t lock = mm__lock_word(7, 1);
  const mm__lock_user user = user_of(3, 5);
  lives = 1;
  const uint64_t begun = now_ms();
  CHECK_STATUS(mm__lock_take(&lock, &user, 200), MM_E_BUSY);
  CHECK(now_ms() - begun >= 199 && now_ms() - begun < 400);
  CHECK_EQ(lock & ~1ull, mm__lock_word(7, 1));
}

static void a_dead_owner_is_taken_over(void) {
  const mm__lock_user user = user_of(3, 5);
  lives = 0;
  for (uint64_t asleep = 0; asleep < 2; asleep++) {
    uint64_t lock = mm__lock_word(7, 1) | asleep;
    const uint64_t begun = now_ms();
    CHECK_EQ(mm__lock_take(&lock, &user, 1000), MM__TAKEN_OVER);
    CHECK(now_ms() - begun < 100);
    CHECK_EQ(lock & ~1ull, user.word);
    mm__lock_leave(&lock);
    CHECK_EQ(lock, 0);
  }
}

/* Dies only once somebody asks a third time. */
static int die_later(void *context, uint32_t slot) {
  (void)slot;
  return ++*(int *)context < 3;
}

static void a_death_is_noticed_while_waiting(void) {
  uint64_t lock = mm__lock_word(7, 1);
  int asked = 0;
  const mm__lock_user user = {
      .word = mm__lock_word(3, 5), .is_alive = die_later, .context = &asked};
  const uint64_t begun = now_ms();
  CHECK_EQ(mm__lock_take(&lock, &user, 1000), MM__TAKEN_OVER);
  CHECK_EQ(asked, 3);
  CHECK(now_ms() - begun < 300);
}

static void spoilt_words_are_taken_over(void) {
  const mm__lock_user user = user_of(3, 5);
  uint64_t seed = 41;
  lives = 0;
  for (int round = 0; round < 60; round++) {
    uint64_t lock = round == 0 ? 1 : round == 1 ? UINT64_MAX : random_next(&seed);
    CHECK_EQ(mm__lock_take(&lock, &user, 1000), MM__TAKEN_OVER);
    mm__lock_leave(&lock);
    CHECK_EQ(lock, 0);
  }
}

static void a_slot_inherits_its_own_lock_only(void) {
  uint64_t lock = 0;
  const uint64_t word = mm__lock_word(3, 9);
  CHECK(!mm__lock_inherit(&lock, word, 3));
  lock = mm__lock_word(4, 8);
  CHECK(!mm__lock_inherit(&lock, word, 3));
  CHECK_EQ(lock, mm__lock_word(4, 8));
  const uint32_t epochs[] = {8, 7, 0, 9, UINT32_MAX};
  for (int at = 0; at < 5; at++) {
    lock = mm__lock_word(3, epochs[at]) | (at & 1);
    CHECK(mm__lock_inherit(&lock, word, 3));
    CHECK_EQ(lock & ~1ull, word);
  }
}

/* ---- Several processes --------------------------------------------------- */

#define PROCESSES 4
#define ROUNDS 20000

typedef struct meeting {
  uint64_t lock;
  uint64_t counter; /* not atomic: the lock protects it */
  uint32_t ready, go;
  uint64_t got_at;  /* ms */
} meeting;

static meeting *met;

static void count(void *argument) {
  const mm__lock_user user = user_of((uint32_t)(uintptr_t)argument, 1);
  lives = 1;
  await(&met->go, 1);
  for (int round = 0; round < ROUNDS; round++) {
    CHECK_OK(mm__lock_take(&met->lock, &user, 5000));
    volatile uint64_t *counter = &met->counter;
    const uint64_t value = *counter;
    for (volatile int pause = 0; pause < (round & 15); pause++) continue;
    *counter = value + 1;
    mm__lock_leave(&met->lock);
  }
}

static void nobody_is_inside_with_another(void) {
  met = shared_memory(sizeof *met);
  pid_t children[PROCESSES];
  for (uintptr_t at = 0; at < PROCESSES; at++) children[at] = start_child(count, (void *)at);
  mm__store_release(&met->go, 1u);
  for (int at = 0; at < PROCESSES; at++) finish_child(children[at]);
  CHECK_EQ(met->counter, PROCESSES * ROUNDS);
  CHECK_EQ(met->lock, 0);
}

static void take_and_say_when(void *argument) {
  const mm__lock_user user = user_of((uint32_t)(uintptr_t)argument, 1);
  lives = 1;
  CHECK_OK(mm__lock_take(&met->lock, &user, 5000));
  met->got_at = now_ms();
  mm__lock_leave(&met->lock);
}

static void sleepers_are_woken_at_once(void) {
  met = shared_memory(sizeof *met);
  const mm__lock_user user = user_of(0, 1);
  for (int round = 0; round < 5; round++) {
    CHECK_OK(mm__lock_take(&met->lock, &user, 0));
    const pid_t child = start_child(take_and_say_when, (void *)(uintptr_t)1);
    /* Not a multiple of the slice, so that a slice's end is no wake-up. */
    sleep_ms(75);
    const uint64_t left_at = now_ms();
    mm__lock_leave(&met->lock);
    finish_child(child);
    CHECK(met->got_at - left_at < 20);
  }
}

static void all_sleepers_get_it(void) {
  met = shared_memory(sizeof *met);
  const mm__lock_user user = user_of(0, 1);
  CHECK_OK(mm__lock_take(&met->lock, &user, 0));
  pid_t children[8];
  for (uintptr_t at = 0; at < 8; at++)
    children[at] = start_child(take_and_say_when, (void *)(at + 1));
  sleep_ms(75);
  const uint64_t left_at = now_ms();
  mm__lock_leave(&met->lock);
  for (int at = 0; at < 8; at++) finish_child(children[at]);
  CHECK(now_ms() - left_at < 200);
}

/* ---- In a pool ------------------------------------------------------------ */

static mm_pool *pool;
static uint32_t *stage; /* what the child has reached */

static void take_and_stop(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  CHECK_OK(mm__lock(own, 1000));
  mm__store_release(stage, 1u);
  raise(SIGSTOP);
  mm__unlock(own);
  mm_pool_detach(own);
}

static void take_and_die(void *argument) {
  (void)argument;
  CHECK_OK(mm__lock(attach_again(pool), 1000));
  _exit(0);
}

static void open_pool(void) {
  pool = new_pool(65536);
  stage = shared_memory(sizeof *stage);
}

static void behind_a_stopped_holder(void) {
  open_pool();
  const mm_allocation live = must_alloc(pool, 1000);
  const pid_t child = start_child(take_and_stop, NULL);
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  CHECK_EQ(*stage, 1);

  mm__header before = *pool->header;
  mm_allocation other;
  mm_pool_stats stats;
  uint64_t sizes[4], cursor = 0;
  size_t got = 0;
  uint64_t begun = now_ms();
  CHECK_STATUS(mm_alloc(pool, 10, 0, &other), MM_E_BUSY);
  CHECK(now_ms() - begun >= 900 && now_ms() - begun < 1500);
  begun = now_ms();
  CHECK_STATUS(mm_free(pool, live.id), MM_E_BUSY);
  CHECK(now_ms() - begun >= 900 && now_ms() - begun < 1500);
  CHECK_STATUS(mm_pool_read_stats(pool, &stats), MM_E_BUSY);
  CHECK_STATUS(mm_list_free_blocks(pool, &cursor, sizes, 4, &got), MM_E_BUSY);
  begun = now_ms();
  CHECK_STATUS(mm_alloc_blocking(pool, 10, 0, 300, &other), MM_E_TIMEOUT);
  CHECK(now_ms() - begun >= 290 && now_ms() - begun < 700);
  /* Nothing has changed but the note that somebody sleeps, and the tickets. */
  mm__header after = *pool->header;
  before.lock &= ~1ull, after.lock &= ~1ull;
  before.next_ticket = after.next_ticket;
  CHECK(memcmp(&before, &after, sizeof before) == 0);

  /* What needs no lock does not wait. */
  begun = now_ms();
  cursor = 0;
  CHECK_OK(mm_find(pool, live.id, &other));
  CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, &other, 1, &got));
  mm_pool *again = attach_again(pool);
  mm_pool_detach(again);
  CHECK(now_ms() - begun < 200);

  continue_child(child);
  finish_child(child);
  CHECK_OK(mm_free(pool, live.id));
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void a_pool_can_be_destroyed_behind_a_stopped_holder(void) {
  open_pool();
  const pid_t child = start_child(take_and_stop, NULL);
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  const uint64_t begun = now_ms();
  destroy_and_detach(pool);
  CHECK(now_ms() - begun < 200);
  continue_child(child);
  finish_child(child);
}

static void a_dead_holder_is_recovered_from(void) {
  open_pool();
  const mm_allocation live = must_alloc(pool, 1000);
  for (int round = 0; round < 20; round++) {
    finish_child(start_child(take_and_die, NULL));
    CHECK(pool->header->lock != 0);
    pool->header->heap.taken = 99; /* half-done work */
    mm_pool_stats stats;
    const uint64_t begun = now_ms();
    if (round % 2 == 0) {
      CHECK_OK(mm_pool_read_stats(pool, &stats));
    } else {
      /* Whoever takes the dead one's slot recovers before anything else. */
      mm_pool *heir = attach_again(pool);
      CHECK_EQ(pool->header->lock, 0);
      CHECK_OK(mm_pool_read_stats(heir, &stats));
      mm_pool_detach(heir);
    }
    CHECK(now_ms() - begun < 100);
    CHECK_EQ(stats.allocations, 1);
    CHECK_SOUND(mm__check(pool));
  }
  CHECK_OK(mm_free(pool, live.id));
  destroy_and_detach(pool);
}

static void a_zombie_is_dead(void) {
  open_pool();
  const pid_t child = start_child(take_and_stop, NULL);
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  CHECK(kill(child, SIGKILL) == 0); /* and nobody waits for it */
  const uint64_t begun = now_ms();
  CHECK_OK(mm_free(pool, must_alloc(pool, 10).id));
  CHECK(now_ms() - begun < 200);
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  destroy_and_detach(pool);
}

static void alloc_and_free(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  mm__store_release(stage + 1, 1u);
  await(stage, 2);
  CHECK_OK(mm_free(own, must_alloc(own, 100).id));
  mm_pool_detach(own);
}

static void many_sleep_behind_a_dead_holder(void) {
  open_pool();
  stage = shared_memory(2 * sizeof *stage);
  const pid_t holder = start_child(take_and_stop, NULL);
  int status;
  CHECK(waitpid(holder, &status, WUNTRACED) == holder && WIFSTOPPED(status));
  pid_t children[6];
  for (int at = 0; at < 6; at++) {
    mm__store(stage + 1, 0u);
    children[at] = start_child(alloc_and_free, NULL);
    await(stage + 1, 1);
  }
  mm__store_release(stage, 2u);
  sleep_ms(120);
  kill_child(holder);
  const uint64_t begun = now_ms();
  for (int at = 0; at < 6; at++) finish_child(children[at]);
  CHECK(now_ms() - begun < 150);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void a_spoilt_word_is_recovered_from(void) {
  open_pool();
  const mm_allocation live = must_alloc(pool, 1000);
  uint64_t seed = 42;
  for (int round = 0; round < 60; round++) {
    uint64_t word = random_next(&seed);
    if (round == 0) word = pool->lock_user.word;     /* its own */
    if (round == 1) word = pool->lock_user.word | 1;
    if (round == 2) word = 1;
    pool->header->lock = word;
    CHECK_OK(mm_free(pool, must_alloc(pool, 10).id));
    CHECK_EQ(pool->header->lock, 0);
  }
  CHECK_OK(mm_free(pool, live.id));
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("lock: a word names its owner", words_name_their_owner);
  test_case("lock: it is taken and left", it_is_taken_and_left);
  test_case_timed("lock: a living owner is not robbed", a_living_owner_is_not_robbed);
  test_case_timed("lock: a dead owner is taken over from", a_dead_owner_is_taken_over);
  test_case_timed("lock: a death is noticed while waiting", a_death_is_noticed_while_waiting);
  test_case("lock: spoilt words are taken over", spoilt_words_are_taken_over);
  test_case("lock: a slot inherits its own lock only", a_slot_inherits_its_own_lock_only);
  test_case("lock: nobody is inside together with another", nobody_is_inside_with_another);
  test_case_timed("lock: sleepers are woken at once", sleepers_are_woken_at_once);
  test_case_timed("lock: all sleepers get it", all_sleepers_get_it);
  test_case_timed("lock in a pool: behind a stopped holder, busy and nothing changed",
            behind_a_stopped_holder);
  test_case_timed("lock in a pool: destroy does not wait for a stopped holder",
            a_pool_can_be_destroyed_behind_a_stopped_holder);
  test_case_timed("lock in a pool: a dead holder is recovered from",
            a_dead_holder_is_recovered_from);
  test_case_timed("lock in a pool: a zombie is dead", a_zombie_is_dead);
  test_case_timed("lock in a pool: many sleep behind a holder that is killed",
            many_sleep_behind_a_dead_holder);
  test_case("lock in a pool: a spoilt word is recovered from",
            a_spoilt_word_is_recovered_from);
  return harness_end();
}
