/* participants_test.c - slots, epochs, who is alive, and what fork() does. */
#define _GNU_SOURCE
#include "participants.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

static mm_pool *pool;
static uint32_t *word; /* shared with children */

static void open_pool(void) {
  pool = new_pool(65536);
  word = shared_memory(16 * sizeof *word);
}

/* Waits until a slot's participant is dead; it must be within 100 ms. */
static void await_death(uint32_t slot) {
  const uint64_t begun = now_ms();
  while (mm__participant_is_alive(pool, slot)) CHECK(now_ms() - begun < 100);
}

/* ---- Slots --------------------------------------------------------------- */

static void each_handle_has_a_slot_of_its_own(void) {
  open_pool();
  mm_pool *handles[10];
  CHECK_EQ(pool->slot, 0);
  for (uint32_t at = 0; at < 10; at++) {
    handles[at] = attach_again(pool);
    CHECK_EQ(handles[at]->slot, at + 1);
    CHECK_EQ(pool->slots[at + 1].pid, (uint32_t)getpid());
    CHECK(mm__participant_is_alive(pool, at + 1));
  }
  CHECK(!mm__participant_is_alive(pool, 11));
  CHECK(!mm__participant_is_alive(pool, MM_SLOTS_MAX));
  CHECK(!mm__participant_is_alive(pool, UINT32_MAX));
  mm_pool_detach(handles[4]);
  CHECK(!mm__participant_is_alive(pool, 5));
  CHECK_EQ(pool->slots[5].occupied, 0);
  handles[4] = attach_again(pool);
  CHECK_EQ(handles[4]->slot, 5);
  for (int at = 0; at < 10; at++) mm_pool_detach(handles[at]);
  destroy_and_detach(pool);
}

static void epochs_rise_with_every_participant(void) {
  open_pool();
  uint32_t last = pool->slots[1].epoch;
  for (int round = 0; round < 20; round++) {
    mm_pool *again = attach_again(pool);
    CHECK_EQ(again->slot, 1);
    CHECK_EQ(pool->slots[1].epoch, last + 1);
    last++;
    mm_pool_detach(again);
  }
  pool->slots[1].epoch = UINT32_MAX; /* and may wrap */
  mm_pool *again = attach_again(pool);
  CHECK_EQ(pool->slots[1].epoch, 0);
  CHECK_OK(mm_free(pool, must_alloc(again, 10).id));
  mm_pool_detach(again);
  destroy_and_detach(pool);
}

static void the_slots_watermark_rises(void) {
  open_pool();
  mm_pool *handles[80];
  uint32_t last = pool->header->slots_committed;
  CHECK(last > 0 && last < 80);
  for (int at = 0; at < 80; at++) {
    handles[at] = attach_again(pool);
    const uint32_t committed = pool->header->slots_committed;
    CHECK(committed >= last && committed > handles[at]->slot);
    last = committed;
  }
  for (int at = 0; at < 80; at++) mm_pool_detach(handles[at]);
  CHECK_EQ(pool->header->slots_committed, last);
  destroy_and_detach(pool);
}

static void all_slots_can_be_taken(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < MM_SLOTS_MAX + 32) test_skip("too few file descriptors allowed");
  open_pool();
  static mm_pool *handles[MM_SLOTS_MAX];
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t length;
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  for (uint32_t at = 1; at < MM_SLOTS_MAX; at++)
    CHECK_OK(mm_pool_attach(descriptor, length, &handles[at]));
  mm_pool *one_more = NULL;
  CHECK_STATUS(mm_pool_attach(descriptor, length, &one_more), MM_E_NO_SLOT);
  CHECK_OK(mm_free(pool, must_alloc(handles[MM_SLOTS_MAX - 1], 100).id));
  CHECK_SOUND(mm__check(handles[MM_SLOTS_MAX - 1]));
  mm_pool_detach(handles[700]);
  CHECK_OK(mm_pool_attach(descriptor, length, &handles[700]));
  CHECK_EQ(handles[700]->slot, 700);
  /* All of them wait, and all are woken. */
  uint64_t ticket;
  for (uint32_t at = 1; at < MM_SLOTS_MAX; at++) {
    CHECK_OK(mm_wait_ticket(handles[at], &ticket));
    CHECK_OK(mm_wait_show(handles[at], ticket, 1u << 20, 1u << 20));
  }
  CHECK_SOUND(mm__check(pool));
  CHECK_OK(mm_pool_destroy(pool));
  for (uint32_t at = 1; at < MM_SLOTS_MAX; at++) {
    CHECK_STATUS(mm_wait(handles[at], mm_wait_begin(handles[at]), 1000), MM_E_DESTROYED);
    mm_pool_detach(handles[at]);
  }
  mm_pool_detach(pool);
}

/* ---- Death --------------------------------------------------------------- */

static void attach_show_and_sleep(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  uint64_t ticket;
  CHECK_OK(mm_wait_ticket(own, &ticket));
  CHECK_OK(mm_wait_show(own, ticket, 100, 100));
  mm__store(&word[1], own->slot);
  mm__store_release(&word[0], 1u);
  for (;;) sleep_ms(1000);
}

static void a_killed_participants_slot_is_cleared_and_reused(void) {
  open_pool();
  for (int round = 0; round < 5; round++) {
    mm__store(&word[0], 0u);
    const pid_t child = start_child(attach_show_and_sleep, NULL);
    await(&word[0], 1);
    const uint32_t slot = word[1];
    CHECK_EQ(slot, 1);
    CHECK(mm__participant_is_alive(pool, slot));
    stop_child(child);
    CHECK(mm__participant_is_alive(pool, slot)); /* stopped is not dead */
    kill_child(child);
    await_death(slot);
    CHECK_EQ(pool->slots[slot].occupied, 1);
    CHECK(pool->slots[slot].ticket != 0);
    mm_pool *heir = attach_again(pool);
    CHECK_EQ(heir->slot, slot);
    CHECK_EQ(pool->slots[slot].ticket, 0);
    CHECK_SOUND(mm__check(pool));
    mm_pool_detach(heir);
  }
  destroy_and_detach(pool);
}

static void a_closed_descriptor_makes_nobody_dead(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  const int file = pool->file;
  close(file); /* by a program that closes what it does not know */
  CHECK(mm__participant_is_alive(pool, other->slot));
  CHECK(mm__participant_is_alive(pool, 9)); /* it cannot know */
  CHECK_OK(mm_free(pool, must_alloc(other, 100).id));
  mm_pool_detach(other);
  mm_pool_detach(pool);
}

/* ---- fork() --------------------------------------------------------------- */

static void use_the_inherited(void *argument) {
  (void)argument;
  const uint32_t inherited = pool->slot;
  const mm_allocation allocation = must_alloc(pool, 500);
  CHECK(pool->slot != inherited);
  CHECK_EQ(pool->slots[pool->slot].pid, (uint32_t)getpid());
  fill_tagged(pool, &allocation);
  CHECK_OK(mm_free(pool, allocation.id));
  mm__store(&word[1], pool->slot);
  mm__store_release(&word[0], 1u);
  await(&word[2], 1);
  CHECK_OK(mm_free(pool, must_alloc(pool, 500).id));
  mm_pool_detach(pool);
}

static void a_child_attaches_anew(void) {
  open_pool();
  const pid_t child = start_child(use_the_inherited, NULL);
  await(&word[0], 1);
  CHECK_EQ(pool->slot, 0);
  CHECK(word[1] != 0 && mm__participant_is_alive(pool, word[1]));
  CHECK_OK(mm_free(pool, must_alloc(pool, 100).id));
  mm__store_release(&word[2], 1u);
  finish_child(child);
  await_death(word[1]);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void detach_the_inherited(void *argument) {
  (void)argument;
  mm_pool_detach(pool);
}

static void say_nothing(void *argument) { (void)argument; }

static void a_child_that_never_calls_harms_nobody(void) {
  open_pool();
  mm_pool *other = attach_again(pool);
  for (int round = 0; round < 5; round++) {
    finish_child(start_child(detach_the_inherited, NULL));
    finish_child(start_child(say_nothing, NULL));
    CHECK(mm__participant_is_alive(other, pool->slot));
    CHECK_EQ(pool->slots[pool->slot].occupied, 1);
    CHECK_OK(mm_free(pool, must_alloc(pool, 100).id));
  }
  mm_pool_detach(other);
  destroy_and_detach(pool);
}

static void must_read_the_pipe(void *argument) {
  const int file = *(int *)argument;
  char byte = 0;
  CHECK(read(file, &byte, 1) == 1 && byte == 'x');
  CHECK((fcntl(file, F_GETFL) & O_NONBLOCK) == 0);
}

/* The program has closed what it does not know, and opened something there. */
static void what_is_not_the_pools_is_left_to_the_child(void) {
  open_pool();
  int file = pool->file, ends[2];
  CHECK(pipe(ends) == 0 && dup2(ends[0], file) == file);
  CHECK(write(ends[1], "x", 1) == 1);
  finish_child(start_child(must_read_the_pipe, &file));
  mm_pool_detach(pool);
}

/* The child's child lives on, and calls when it is told to. */
static void fork_and_die(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  mm__store(&word[3], own->slot);
  const pid_t grandchild = fork();
  if (grandchild == 0) {
    mm__store_release(&word[0], 1u);
    await(&word[2], 1);
    const mm_allocation allocation = must_alloc(own, 10);
    mm__store(&word[1], own->slot);
    CHECK_OK(mm_free(own, allocation.id));
    mm__store_release(&word[0], 2u);
    await(&word[2], 2);
    mm_pool_detach(own);
    mm__store_release(&word[0], 3u);
    _exit(0);
  }
  await(&word[0], 1);
  kill(getpid(), SIGKILL);
}

static void a_parent_dies_while_its_child_lives(void) {
  open_pool();
  const pid_t child = start_child(fork_and_die, NULL);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  await_death(word[3]); /* though the grandchild has not called yet */
  const uint32_t epoch = pool->slots[word[3]].epoch;
  mm__store_release(&word[2], 1u);
  await(&word[0], 2);
  /* The first slot that nobody has is that of its parent. */
  CHECK_EQ(word[1], word[3]);
  CHECK_EQ(pool->slots[word[3]].epoch, epoch + 1);
  CHECK(mm__participant_is_alive(pool, word[1]));
  mm__store_release(&word[2], 2u);
  await(&word[0], 3);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

/* Its child stays idle, until it is told to allocate. */
static void fork_and_die_inside_the_lock(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  must_alloc(own, 100);
  if (fork() == 0) {
    mm__store_release(&word[0], 1u);
    await(&word[2], 1);
    must_alloc(own, 200);
    mm__store_release(&word[0], 2u);
    await(&word[2], 2);
    mm_pool_detach(own);
    _exit(0);
  }
  await(&word[0], 1);
  CHECK_OK(mm__lock(own, 1000));
  kill(getpid(), SIGKILL);
}

static mm_reclaimed reclaim(void) {
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  return reclaimed;
}

static void a_parent_dies_inside_the_lock_while_its_child_lives(void) {
  open_pool();
  const pid_t child = start_child(fork_and_die_inside_the_lock, NULL);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  uint64_t begun = now_ms();
  CHECK_OK(mm_free(pool, must_alloc(pool, 10).id));
  CHECK(now_ms() - begun < 100);
  const mm_reclaimed parents = reclaim();
  CHECK_EQ(parents.allocations, 1);
  CHECK_EQ(parents.bytes, 100);

  /* The child has an attachment of its own, and what it owns is not reclaimed. */
  mm__store_release(&word[2], 1u);
  await(&word[0], 2);
  CHECK_EQ(reclaim().allocations, 0);
  mm_allocation childs;
  mm_owner owner;
  uint64_t cursor = 0;
  size_t count;
  CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, &childs, 1, &count));
  CHECK_EQ(count, 1);
  CHECK_EQ(childs.size, 200);
  CHECK_OK(mm_owner_of(pool, childs.id, &owner));
  CHECK(owner.is_alive && owner.pid != (uint32_t)child);
  mm__store_release(&word[2], 2u);
  begun = now_ms();
  while (reclaim().bytes != 200) CHECK(now_ms() - begun < 1000);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void a_child_of_a_destroyed_pool(void *argument) {
  (void)argument;
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(pool, 1, 0, &allocation), MM_E_DESTROYED);
  mm_pool_detach(pool);
}

static void destroyed_before_the_child_calls(void) {
  open_pool();
  const pid_t idle = start_child(say_nothing, NULL);
  finish_child(idle);
  CHECK_OK(mm_pool_destroy(pool));
  finish_child(start_child(a_child_of_a_destroyed_pool, NULL));
  mm_pool_detach(pool);
}

static void fork_exec_and_die(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  mm__store(&word[3], own->slot);
  if (fork() == 0) {
    execl("/bin/sleep", "sleep", "1", (char *)NULL);
    _exit(1);
  }
  sleep_ms(50); /* until it has called exec */
  kill(getpid(), SIGKILL);
}

static void a_program_that_was_started_keeps_nothing(void) {
  open_pool();
  const pid_t child = start_child(fork_exec_and_die, NULL);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  await_death(word[3]);
  destroy_and_detach(pool);
}

/* ---- PID namespaces -------------------------------------------------------- */

static void be_process_one(void *argument) {
  (void)argument;
  if (getpid() != 1) _exit(1);
  mm_pool *own = attach_again(pool);
  mm__store(&word[1], own->slot);
  must_alloc(own, 77);
  CHECK_OK(mm__lock(own, 1000));
  mm__store_release(&word[0], 1u);
  for (;;) sleep_ms(1000);
}

/* What this process starts from now on is in the namespace. */
static void start_a_namespace(void *argument) {
  (void)argument;
  if (unshare(CLONE_NEWPID) != 0) {
    mm__store_release(&word[0], 2u);
    return;
  }
  const pid_t child = start_child(be_process_one, NULL);
  await(&word[2], 1);
  kill_child(child);
  mm__store_release(&word[2], 2u);
}

static void another_pid_namespace(void) {
  open_pool();
  const pid_t child = start_child(start_a_namespace, NULL);
  while (mm__load_acquire(&word[0]) == 0) sleep_ms(1);
  if (word[0] == 2) test_skip("may not make a PID namespace");
  CHECK_EQ(pool->slots[word[1]].pid, 1);
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(pool, 10, 0, &allocation), MM_E_BUSY); /* it lives */
  mm__store_release(&word[2], 1u);
  await(&word[2], 2);
  finish_child(child);
  const uint64_t begun = now_ms();
  CHECK_OK(mm_alloc(pool, 10, 0, &allocation));
  CHECK(now_ms() - begun < 100);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

/* Two containers that share the pool: both of them are process 1. */
static void be_process_one_too(void *argument) {
  (void)argument;
  if (getpid() != 1) _exit(1);
  mm_pool *own = attach_again(pool);
  mm_allocation found, allocation;
  mm_owner owner;
  uint64_t cursor = 0;
  size_t count;
  CHECK_OK(mm_list(own, &cursor, MM_ANY_TYPE, &found, 1, &count));
  CHECK_EQ(count, 1);
  CHECK_OK(mm_owner_of(own, found.id, &owner));
  CHECK(owner.pid == 1 && owner.is_alive);
  CHECK_STATUS(mm_alloc(own, 10, 0, &allocation), MM_E_BUSY); /* the other one lives */
  mm__store_release(&word[4], 1u);
  await(&word[4], 2); /* and now it does not */
  const uint64_t begun = now_ms();
  CHECK_OK(mm_alloc(own, 10, 0, &allocation));
  CHECK(now_ms() - begun < 100);
  CHECK_OK(mm_owner_of(own, found.id, &owner));
  CHECK(owner.pid == 1 && !owner.is_alive);
  CHECK_OK(mm_owner_of(own, allocation.id, &owner));
  CHECK(owner.pid == 1 && owner.is_alive);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(own, &reclaimed));
  CHECK(reclaimed.allocations == 1 && reclaimed.bytes == 77);
  CHECK_OK(mm_free(own, allocation.id));
  mm_pool_detach(own);
}

static void start_another_namespace(void *argument) {
  (void)argument;
  CHECK(unshare(CLONE_NEWPID) == 0);
  finish_child(start_child(be_process_one_too, NULL));
}

static uint32_t processes_attached(void) {
  mm_pool_entry entry;
  CHECK_OK(mm_pool_probe(mm_pool_describe(pool)->name, NULL, &entry));
  CHECK_EQ(entry.attachments, entry.processes);
  return entry.processes;
}

static void two_pid_namespaces(void) {
  open_pool();
  const pid_t first = start_child(start_a_namespace, NULL);
  while (mm__load_acquire(&word[0]) == 0) sleep_ms(1);
  if (word[0] == 2) test_skip("may not make a PID namespace");
  const pid_t second = start_child(start_another_namespace, NULL);
  await(&word[4], 1);
  CHECK_EQ(processes_attached(), 3); /* process 1, process 1, and this one */
  mm__store_release(&word[2], 1u);
  await(&word[2], 2); /* the first is dead */
  CHECK_EQ(processes_attached(), 2);
  mm__store_release(&word[4], 2u);
  finish_child(second);
  finish_child(first);
  CHECK_EQ(processes_attached(), 1);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("participants: each handle has a slot of its own",
            each_handle_has_a_slot_of_its_own);
  test_case("participants: epochs rise", epochs_rise_with_every_participant);
  test_case("participants: the slots' watermark rises", the_slots_watermark_rises);
  test_case("participants: all slots can be taken, not one more", all_slots_can_be_taken);
  test_case_timed("participants: a killed one's slot is cleared and reused",
            a_killed_participants_slot_is_cleared_and_reused);
  test_case("participants: a closed descriptor makes nobody dead",
            a_closed_descriptor_makes_nobody_dead);
  test_case("fork: the child attaches anew at its next call", a_child_attaches_anew);
  test_case("fork: a child that never calls harms nobody",
            a_child_that_never_calls_harms_nobody);
  test_case("fork: what is not the pool's is left to the child",
            what_is_not_the_pools_is_left_to_the_child);
  test_case("fork: the parent dies while the child lives",
            a_parent_dies_while_its_child_lives);
  test_case_timed("fork: the parent dies inside the lock while the child lives",
                  a_parent_dies_inside_the_lock_while_its_child_lives);
  test_case("fork: a pool that was destroyed meanwhile", destroyed_before_the_child_calls);
  test_case_timed("fork: a program started by exec keeps nothing",
            a_program_that_was_started_keeps_nothing);
  test_case_timed("participants: process 1 of another PID namespace", another_pid_namespace);
  test_case_timed("participants: process 1 of each of two PID namespaces", two_pid_namespaces);
  return harness_end();
}
