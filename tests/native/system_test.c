/* system_test.c - os.h, and what the library makes of it with a second process,
 * on every system. The second process is in a role: it gets a descriptor, and
 * tells by words in the allocation that the descriptor names. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "harness.h"
#include "participants.h"
#include "shared.h"

#define MEBIBYTE (1ull << 20)

/* ---- What both processes look at ---------------------------------------- */

typedef struct board {
  uint32_t step;    /* raised by the other process */
  uint32_t go;      /* raised by the test */
  uint32_t slept_on;
  uint32_t slot;    /* of the other process */
  uint64_t now;     /* mm__os_now() there */
  uint64_t start;   /* mm__os_process_start() there */
  uint64_t rounds;  /* that it has done */
  uint64_t id;      /* of an allocation that it made */
  uint8_t host[16];
  uint8_t name[96]; /* of a pool that it made */
} board;

/* A pool, the board in it, and the descriptor of the board in hexadecimal. */
typedef struct meeting {
  mm_pool *pool;
  mm_allocation place;
  board *board;
  char descriptor[2 * MM_DESCRIPTOR_MAX + 1];
} meeting;

static meeting meet(uint64_t size) {
  meeting at;
  uint8_t bytes[MM_DESCRIPTOR_MAX];
  size_t length;
  at.pool = new_pool(size);
  at.place = must_alloc(at.pool, sizeof(board));
  at.board = mm_address(at.pool, &at.place);
  memset(at.board, 0, sizeof *at.board);
  CHECK_OK(mm_allocation_serialize(at.pool, &at.place, bytes, sizeof bytes, &length));
  for (size_t byte = 0; byte < length; byte++)
    snprintf(at.descriptor + 2 * byte, 3, "%02x", bytes[byte]);
  return at;
}

static void part(meeting *at) { destroy_and_detach(at->pool); }

/* What the other process makes of the descriptor. */
static meeting come(const char *descriptor) {
  meeting at;
  uint8_t bytes[MM_DESCRIPTOR_MAX];
  const size_t length = strlen(descriptor) / 2;
  CHECK(length <= sizeof bytes);
  for (size_t byte = 0; byte < length; byte++) {
    const char digits[3] = {descriptor[2 * byte], descriptor[2 * byte + 1], 0};
    bytes[byte] = (uint8_t)strtoul(digits, NULL, 16);
  }
  mm_descriptor read;
  CHECK_OK(mm_descriptor_read(bytes, length, &read));
  CHECK_OK(mm_pool_attach(bytes, length, &at.pool));
  CHECK_OK(mm_find(at.pool, read.id, &at.place));
  at.board = mm_address(at.pool, &at.place);
  at.board->slot = at.pool->slot;
  return at;
}

static void tell(board *board, uint32_t step) { mm__store_release(&board->step, step); }

static void sleep_for_ever(void) {
  for (;;) sleep_ms(1000);
}

/* ---- Roles --------------------------------------------------------------- */

/* Reads and writes what the test allocated, and allocates and frees. */
static void use(const char *descriptor) {
  meeting at = come(descriptor);
  board *board = at.board;
  CHECK_OK(mm_host_identity(board->host));
  board->start = mm__os_process_start();
  board->now = mm__os_now();
  mm_allocation theirs;
  CHECK_OK(mm_find(at.pool, board->id, &theirs));
  check_tagged(at.pool, &theirs);
  CHECK_OK(mm_free(at.pool, board->id));
  const mm_allocation own = must_alloc(at.pool, 12345);
  fill_tagged(at.pool, &own);
  board->id = own.id;
  tell(board, 1);
  await(&board->go, 1);
  mm_allocation gone;
  CHECK_STATUS(mm_find(at.pool, own.id, &gone), MM_E_STALE);
  mm_pool_detach(at.pool);
}

/* Stays attached until it is told to go. */
static void stay(const char *descriptor) {
  meeting at = come(descriptor);
  tell(at.board, 1);
  await(&at.board->go, 1);
  mm_pool_detach(at.pool);
}

static void stay_for_ever(const char *descriptor) {
  tell(come(descriptor).board, 1);
  sleep_for_ever();
}

/* Holds the pool's lock. */
static void lock(const char *descriptor) {
  meeting at = come(descriptor);
  CHECK_OK(mm__lock(at.pool, MM__LOCK_PATIENCE_MS));
  tell(at.board, 1);
  sleep_for_ever();
}

/* Sleeps on a word, far longer than any case may take. */
static void sleep_on_word(const char *descriptor) {
  meeting at = come(descriptor);
  tell(at.board, 1);
  mm__os_wait(&at.board->slept_on, 0, 60000000000u);
  at.board->now = mm__load(&at.board->slept_on);
  mm_pool_detach(at.pool);
}

/* Waits for room, and takes it. */
static void wait_for_room(const char *descriptor) {
  meeting at = come(descriptor);
  mm_allocation allocation;
  tell(at.board, 1);
  CHECK_OK(mm_alloc_blocking(at.pool, mm_pool_describe(at.pool)->size / 2, MM_TYPE_DATA,
                             15000, &allocation));
  at.board->id = allocation.id;
  tell(at.board, 2);
  mm_pool_detach(at.pool);
}

/* Makes a pool of its own, and keeps it. */
static void make_pool(const char *descriptor) {
  meeting at = come(descriptor);
  snprintf((char *)at.board->name, sizeof at.board->name, "%s", unique_name());
  mm_pool *own = new_pool_from(
      (mm_pool_options){.size = 65536, .name = (char *)at.board->name, .uid = 77});
  const mm_allocation allocation = must_alloc(own, 4000);
  fill_tagged(own, &allocation);
  at.board->id = allocation.id;
  tell(at.board, 1);
  sleep_for_ever();
}

/* Makes a file, and never gets to giving it a name. */
static void make_file(const char *descriptor) {
  meeting at = come(descriptor);
  int directory, file;
  CHECK_EQ(mm__os_open_directory(mm__os_default_directory(), &directory), 0);
  CHECK_EQ(mm__os_create_unnamed(directory, MEBIBYTE, &file), 0);
  tell(at.board, 1);
  sleep_for_ever();
}

/* Allocates, checks and frees for ever. */
static void work(const char *descriptor) {
  meeting at = come(descriptor);
  uint64_t chance = mm__os_now();
  mm_allocation held[32] = {0};
  tell(at.board, 1);
  while (mm__load(&at.board->go) == 0) {
    mm_allocation *one = &held[random_below(&chance, 32)];
    if (one->id != 0) {
      check_tagged(at.pool, one);
      CHECK_OK(mm_free(at.pool, one->id));
      one->id = 0;
    } else if (mm_alloc(at.pool, random_below(&chance, 20000), MM_TYPE_DATA, one) == MM_OK) {
      fill_tagged(at.pool, one);
    }
    __atomic_fetch_add(&at.board->rounds, 1, __ATOMIC_RELAXED);
  }
  mm_pool_detach(at.pool);
}

static const test_role USE = {"use", use}, STAY = {"stay", stay},
                       STAY_FOR_EVER = {"stay-for-ever", stay_for_ever},
                       LOCK = {"lock", lock},
                       SLEEP_ON_WORD = {"sleep-on-word", sleep_on_word},
                       WAIT_FOR_ROOM = {"wait-for-room", wait_for_room},
                       MAKE_POOL = {"make-pool", make_pool},
                       MAKE_FILE = {"make-file", make_file}, WORK = {"work", work};

/* Starts the role and waits for its first word. */
static pid_t begin(const test_role *role, meeting *at) {
  at->board->step = 0;
  const pid_t child = start_role(role, at->descriptor);
  await(&at->board->step, 1);
  return child;
}

/* Looks every millisecond, 10 seconds long, whether the slot is free. */
static void await_death(mm_pool *pool, uint32_t slot) {
  const uint64_t give_up = now_ms() + 10000;
  while (mm__participant_is_alive(pool, slot)) {
    CHECK(now_ms() < give_up);
    sleep_ms(1);
  }
}

/* ---- Files --------------------------------------------------------------- */

static int open_default(void) {
  int directory;
  CHECK_EQ(mm__os_open_directory(mm__os_default_directory(), &directory), 0);
  return directory;
}

static int count_one(void *context, const char *name) {
  (void)name;
  ++*(int *)context;
  return 0;
}

static int count_names(int directory, const char *prefix) {
  int count = 0;
  CHECK_EQ(mm__os_each_name(directory, prefix, count_one, &count), 0);
  return count;
}

static mm__os_file described(int file) {
  mm__os_file description;
  CHECK_EQ(mm__os_describe(file, &description), 0);
  return description;
}

static int stop_at_once(void *context, const char *name) {
  CHECK(strcmp(name, context) == 0);
  return 42;
}

static void a_file_has_no_name_until_it_is_published(void) {
  char name[96];
  snprintf(name, sizeof name, "%s", unique_name());
  const int directory = open_default();
  int file, other, opened;
  CHECK_EQ(mm__os_create_unnamed(directory, MEBIBYTE, &file), 0);
  CHECK_EQ(count_names(directory, name), 0);
  CHECK_EQ(mm__os_open(directory, name, &opened), -ENOENT);
  CHECK_EQ(described(file).size, MEBIBYTE);
  CHECK_EQ(mm__os_publish(file, directory, name, 0600), 0);
  CHECK_EQ(count_names(directory, name), 1);
  CHECK_EQ(mm__os_each_name(directory, name, stop_at_once, name), 42);
  CHECK_EQ(described(file).links, 1);

  CHECK_EQ(mm__os_create_unnamed(directory, 4096, &other), 0);
  CHECK_EQ(mm__os_publish(other, directory, name, 0600), -EEXIST);
  CHECK_EQ(mm__os_open(directory, name, &opened), 0);
  CHECK_EQ(described(opened).inode, described(file).inode);
  CHECK(described(opened).inode != described(other).inode);
  CHECK_EQ(described(opened).size, MEBIBYTE);

  CHECK_EQ(mm__os_unlink(other, directory, name), 0); /* it leads to another file */
  CHECK_EQ(count_names(directory, name), 1);
  CHECK_EQ(mm__os_unlink(opened, directory, name), 0);
  CHECK_EQ(count_names(directory, name), 0);
  CHECK_EQ(mm__os_unlink(opened, directory, name), 0);
  CHECK_EQ(mm__os_publish(other, directory, name, 0600), 0);
  CHECK_EQ(mm__os_unlink(other, directory, name), 0);
  mm__os_close(opened);
  mm__os_close(other);
  mm__os_close(file);
  mm__os_close(directory);
}

static void bytes_are_read_and_mapped(void) {
  const int directory = open_default();
  int file, again;
  void *one, *two;
  CHECK_EQ(mm__os_create_unnamed(directory, MEBIBYTE, &file), 0);
  CHECK_EQ(mm__os_commit(file, 0, MEBIBYTE), 0);
  CHECK_EQ(mm__os_reopen(file, &again), 0);
  CHECK_EQ(described(file).inode, described(again).inode);
  CHECK_EQ(mm__os_map(file, MEBIBYTE, &one), 0);
  CHECK_EQ(mm__os_map(again, MEBIBYTE, &two), 0);
  uint8_t *bytes = one;
  for (size_t at = 0; at < MEBIBYTE; at++) CHECK_EQ(bytes[at], 0);
  memset(bytes, 7, MEBIBYTE);
  CHECK(memcmp(one, two, MEBIBYTE) == 0);
  uint8_t read[100];
  CHECK_EQ(mm__os_read(again, read, sizeof read, MEBIBYTE - sizeof read), 0);
  CHECK(memcmp(read, two, sizeof read) == 0);
  CHECK_EQ(mm__os_read(again, read, sizeof read, MEBIBYTE - 50), -EIO);
  mm__os_unmap(one, MEBIBYTE);
  mm__os_close(file);
  CHECK_EQ(((uint8_t *)two)[5], 7); /* a mapping needs no descriptor */
  mm__os_unmap(two, MEBIBYTE);
  mm__os_close(again);
  mm__os_close(directory);
}

static void locks_belong_to_a_description(void) {
  const int directory = open_default();
  int one, two;
  CHECK_EQ(mm__os_create_unnamed(directory, 4096, &one), 0);
  CHECK_EQ(mm__os_reopen(one, &two), 0);
  CHECK_EQ(mm__os_is_locked(two, 100, 1), 0);
  CHECK_EQ(mm__os_lock_byte(one, 100), 0);
  CHECK_EQ(mm__os_lock_byte(two, 100), -EAGAIN);
  CHECK_EQ(mm__os_lock_byte(two, 101), 0);
  CHECK_EQ(mm__os_is_locked(two, 100, 1), 1);
  CHECK_EQ(mm__os_is_locked(two, 0, 101), 1);
  CHECK_EQ(mm__os_is_locked(two, 0, 100), 0);
  CHECK_EQ(mm__os_is_locked(one, 101, INT64_MAX - 101), 1);
  CHECK_EQ(mm__os_is_locked(one, 102, INT64_MAX - 102), 0);
  mm__os_unlock_byte(one, 100);
  CHECK_EQ(mm__os_is_locked(two, 100, 1), 0);
  CHECK_EQ(mm__os_lock_byte(two, 100), 0);
  CHECK_EQ(mm__os_lock_byte(one, 100), -EAGAIN);
  mm__os_close(two);
  CHECK_EQ(mm__os_lock_byte(one, 100), 0);
  CHECK_EQ(mm__os_lock_byte(one, 101), 0);
  mm__os_close(one);
  mm__os_close(directory);
}

static void a_maker_that_is_killed_leaves_no_file(void) {
  meeting at = meet(65536);
  kill_child(begin(&MAKE_FILE, &at));
  const int directory = open_default();
  int file;
  CHECK_EQ(mm__os_create_unnamed(directory, 4096, &file), 0);
  mm__os_close(file);
  CHECK_EQ(mm__os_create_unnamed(directory, 4096, &file), 0);
  /* Its own is there at most; on Linux none has a name. */
  CHECK(count_names(directory, ".managed-memory-") <= 1);
  mm__os_close(file);
  mm__os_close(directory);
  part(&at);
}

/* ---- Two processes ------------------------------------------------------- */

static void another_process_uses_the_same_bytes(void) {
  meeting at = meet(MEBIBYTE);
  const mm_allocation own = must_alloc(at.pool, 50000);
  fill_tagged(at.pool, &own);
  at.board->id = own.id;
  const uint64_t before = mm__os_now();
  const pid_t child = begin(&USE, &at);
  const board *board = at.board;
  uint8_t host[16];
  CHECK_OK(mm_host_identity(host));
  CHECK(memcmp(host, board->host, 16) == 0);
  CHECK(before <= board->now && board->now <= mm__os_now());
  /* Within a minute; clocks of processes and of the system have steps. */
  CHECK(board->start + 1000 >= mm__os_process_start());
  CHECK(board->start <= mm__os_process_start() + 60000);
  mm_allocation found;
  CHECK_STATUS(mm_find(at.pool, own.id, &found), MM_E_STALE);
  CHECK_OK(mm_find(at.pool, board->id, &found));
  CHECK_EQ(found.size, 12345);
  check_tagged(at.pool, &found);
  CHECK_OK(mm_free(at.pool, found.id));
  mm__store_release(&at.board->go, 1u);
  finish_child(child);
  CHECK_SOUND(mm__check(at.pool));
  part(&at);
}

static void a_slot_lives_as_long_as_its_process(void) {
  meeting at = meet(65536);
  const pid_t child = begin(&STAY, &at);
  const uint32_t slot = at.board->slot;
  CHECK(slot != at.pool->slot);
  CHECK(mm__participant_is_alive(at.pool, slot));
  mm__store_release(&at.board->go, 1u);
  finish_child(child);
  CHECK(!mm__participant_is_alive(at.pool, slot));

  const pid_t other = begin(&STAY_FOR_EVER, &at);
  CHECK_EQ(at.board->slot, slot);
  CHECK(mm__participant_is_alive(at.pool, slot));
  kill_child(other);
  await_death(at.pool, slot);
  part(&at);
}

static void a_lock_of_the_dead_is_taken_over(void) {
  meeting at = meet(MEBIBYTE);
  const pid_t child = begin(&LOCK, &at);
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(at.pool, MEBIBYTE / 4, MM_TYPE_DATA, &allocation), MM_E_BUSY);
  kill_child(child);
  allocation = must_alloc(at.pool, MEBIBYTE / 4);
  fill_tagged(at.pool, &allocation);
  CHECK_SOUND(mm__check(at.pool));
  part(&at);
}

static void a_sleeper_is_woken(void) {
  meeting at = meet(65536);
  const pid_t child = begin(&SLEEP_ON_WORD, &at);
  sleep_ms(200);
  mm__os_wake(&at.board->slept_on, 0); /* nobody */
  mm__store_release(&at.board->slept_on, 5u);
  const uint64_t begun = now_ms();
  mm__os_wake(&at.board->slept_on, 1);
  finish_child(child);
  CHECK(now_ms() - begun < 5000);
  CHECK_EQ(at.board->now, 5);
  part(&at);
}

static void three_sleepers_are_woken(void) {
  meeting at = meet(65536);
  pid_t children[3];
  for (int child = 0; child < 3; child++) children[child] = begin(&SLEEP_ON_WORD, &at);
  sleep_ms(200);
  mm__store_release(&at.board->slept_on, 5u);
  const uint64_t begun = now_ms();
  mm__os_wake(&at.board->slept_on, UINT32_MAX);
  for (int child = 0; child < 3; child++) finish_child(children[child]);
  CHECK(now_ms() - begun < 5000);
  part(&at);
}

static void a_sleep_ends_in_time(void) {
  meeting at = meet(65536);
  uint64_t begun = mm__os_now();
  mm__os_wait(&at.board->slept_on, 1, 5000000000u); /* it is 0 already */
  CHECK(mm__os_now() - begun < 1000000000u);
  begun = mm__os_now();
  mm__os_wait(&at.board->slept_on, 0, 100000000u);
  CHECK(mm__os_now() - begun < 2000000000u);
  part(&at);
}

static void room_goes_to_who_waits(void) {
  meeting at = meet(MEBIBYTE);
  const mm_allocation large = must_alloc(at.pool, MEBIBYTE * 3 / 4);
  const pid_t child = begin(&WAIT_FOR_ROOM, &at);
  sleep_ms(200);
  CHECK_EQ(mm__load(&at.board->step), 1);
  CHECK_OK(mm_free(at.pool, large.id));
  await(&at.board->step, 2);
  finish_child(child);
  mm_allocation found;
  CHECK_OK(mm_find(at.pool, at.board->id, &found));
  CHECK_EQ(found.size, mm_pool_describe(at.pool)->size / 2);
  part(&at);
}

static void an_orphan_is_listed_attached_and_removed(void) {
  meeting at = meet(65536);
  const pid_t child = begin(&MAKE_POOL, &at);
  const char *name = (const char *)at.board->name;
  mm_pool_entry entry;
  CHECK_OK(mm_pool_probe(name, NULL, &entry));
  CHECK_EQ(entry.is_pool, 1);
  CHECK_EQ(entry.attachments, 1);
  CHECK_EQ(entry.processes, 1);
  CHECK_EQ(entry.uid, 77);
  CHECK_STATUS(mm_pool_remove(name, NULL, 0), MM_E_IN_USE);
  kill_child(child);

  mm_pool_entry *all = calloc(1000, sizeof *all);
  size_t count, found_at = 0;
  CHECK(all != NULL);
  CHECK_OK(mm_pool_list(NULL, all, 1000, &count));
  while (found_at < count && strcmp(all[found_at].name, name) != 0) found_at++;
  CHECK(found_at < count);
  CHECK_EQ(all[found_at].uid, 77);
  free(all);

  const uint64_t give_up = now_ms() + 10000;
  do {
    CHECK(now_ms() < give_up);
    CHECK_OK(mm_pool_probe(name, NULL, &entry));
  } while (entry.attachments != 0);
  mm_pool *pool;
  const mm_pool_options again = {.size = 4096, .name = name};
  CHECK_STATUS(mm_pool_create(&again, &pool), MM_E_EXISTS);
  CHECK_OK(mm_pool_attach(entry.descriptor, entry.descriptor_length, &pool));
  mm_allocation found;
  CHECK_OK(mm_find(pool, at.board->id, &found));
  check_tagged(pool, &found);
  mm_owner owner;
  CHECK_OK(mm_owner_of(pool, found.id, &owner));
  CHECK_EQ(owner.is_alive, 0);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(pool, &reclaimed));
  CHECK_EQ(reclaimed.allocations, 1);
  CHECK_SOUND(mm__check(pool));
  mm_pool_detach(pool);

  CHECK_OK(mm_pool_remove(name, NULL, 0));
  CHECK_STATUS(mm_pool_probe(name, NULL, &entry), MM_E_NOT_FOUND);
  part(&at);
}

static void the_name_of_a_destroyed_pool_is_free_at_once(void) {
  meeting at = meet(65536);
  char name[96];
  snprintf(name, sizeof name, "%s", mm_pool_describe(at.pool)->name);
  const pid_t child = begin(&STAY, &at);
  CHECK_OK(mm_pool_destroy(at.pool));
  mm_pool_entry entry;
  CHECK_STATUS(mm_pool_probe(name, NULL, &entry), MM_E_NOT_FOUND);
  mm_pool *next = new_pool_from((mm_pool_options){.size = 65536, .name = name});
  must_alloc(next, 100);
  CHECK_STATUS(mm_pool_destroy(at.pool), MM_E_DESTROYED);
  CHECK_OK(mm_pool_probe(name, NULL, &entry));
  /* The old one's memory stays, for whoever is attached. */
  mm__store_release(&at.board->go, 1u);
  finish_child(child);
  mm_pool_detach(at.pool);
  destroy_and_detach(next);
}

static void a_pool_in_use_is_removed_by_force(void) {
  meeting at = meet(65536);
  const char *name = mm_pool_describe(at.pool)->name;
  const pid_t child = begin(&STAY, &at);
  CHECK_STATUS(mm_pool_remove(name, NULL, 0), MM_E_IN_USE);
  CHECK_OK(mm_pool_remove(name, NULL, 1));
  CHECK_EQ(pool_exists(name), 0);
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(at.pool, 1, MM_TYPE_DATA, &allocation), MM_E_DESTROYED);
  mm__store_release(&at.board->go, 1u);
  finish_child(child);
  mm_pool_detach(at.pool);
}

static void every_byte_can_be_used(void) {
  mm_pool *pool = new_pool(16 * MEBIBYTE);
  const uint64_t size = mm_pool_describe(pool)->size;
  for (int round = 0; round < 2; round++) {
    const mm_allocation all = must_alloc(pool, size);
    memset(mm_address(pool, &all), 0x55, size);
    CHECK_OK(mm_free(pool, all.id));
    uint64_t bytes;
    CHECK_OK(mm_pool_trim(pool, &bytes));
  }
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void workers_are_killed(void) {
  meeting at = meet(4 * MEBIBYTE);
  pid_t workers[3];
  for (int worker = 0; worker < 3; worker++) workers[worker] = begin(&WORK, &at);
  for (int kills = 0; kills < 6; kills++) {
    const uint64_t rounds = mm__load(&at.board->rounds);
    sleep_ms(50);
    kill_child(workers[kills % 3]);
    workers[kills % 3] = begin(&WORK, &at);
    CHECK_SOUND(mm__check(at.pool));
    CHECK(mm__load(&at.board->rounds) > rounds);
  }
  mm__store_release(&at.board->go, 1u);
  for (int worker = 0; worker < 3; worker++) finish_child(workers[worker]);
  mm_reclaimed reclaimed;
  CHECK_OK(mm_reclaim(at.pool, &reclaimed));
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(at.pool, &stats));
  CHECK_EQ(stats.allocations, 1); /* the board */
  CHECK_SOUND(mm__check(at.pool));
  part(&at);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const test_role *const roles[] = {&USE,           &STAY,      &STAY_FOR_EVER,
                                    &LOCK,          &SLEEP_ON_WORD,
                                    &WAIT_FOR_ROOM, &MAKE_POOL, &MAKE_FILE, &WORK};
  for (size_t at = 0; at < sizeof roles / sizeof *roles; at++) harness_offer(roles[at]);
  test_case("os: a file has no name until it is published",
            a_file_has_no_name_until_it_is_published);
  test_case("os: bytes are read and mapped", bytes_are_read_and_mapped);
  test_case("os: locks belong to a description", locks_belong_to_a_description);
  test_case("os: a maker that is killed leaves no file",
            a_maker_that_is_killed_leaves_no_file);
  test_case("os: a sleep ends in time", a_sleep_ends_in_time);
  test_case("os: a sleeper in another process is woken", a_sleeper_is_woken);
  test_case("os: three sleepers are woken at once", three_sleepers_are_woken);
  test_case("process: another one uses the same bytes",
            another_process_uses_the_same_bytes);
  test_case("process: its slot lives as long as it does",
            a_slot_lives_as_long_as_its_process);
  test_case_timed("process: a lock of the dead is taken over",
                  a_lock_of_the_dead_is_taken_over);
  test_case("process: room goes to who waits", room_goes_to_who_waits);
  test_case("process: an orphan is listed, attached and removed",
            an_orphan_is_listed_attached_and_removed);
  test_case("process: the name of a destroyed pool is free at once",
            the_name_of_a_destroyed_pool_is_free_at_once);
  test_case("process: a pool in use is removed by force", a_pool_in_use_is_removed_by_force);
  test_case_within("process: workers are killed and nothing is lost", workers_are_killed,
                   60);
  test_case("memory: every byte can be used", every_byte_can_be_used);
  return harness_end();
}
