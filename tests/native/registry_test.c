/* registry_test.c - pools by name: looking at them, listing, removing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define SIZE 65536u
#define MOST 200u

static mm_pool_entry entries[MOST];

static mm_pool_entry look(const char *name) {
  mm_pool_entry entry;
  memset(&entry, 0xcc, sizeof entry);
  CHECK_OK(mm_pool_probe(name, NULL, &entry));
  CHECK(strcmp(entry.name, name) == 0);
  return entry;
}

static size_t list(const char *directory) {
  size_t count = 0;
  CHECK_OK(mm_pool_list(directory, entries, MOST, &count));
  CHECK(count <= MOST);
  return count;
}

/* ---- Looking ------------------------------------------------------------------ */

static void an_entry_says_it_all(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name, .uid = 77});
  must_alloc(pool, 1000);
  mm_pool *again = attach_again(pool);
  const mm_pool_entry entry = look(name);
  CHECK(entry.is_pool && !entry.is_destroyed);
  CHECK_EQ(entry.size, SIZE);
  CHECK_EQ(entry.used, 1024);
  CHECK_EQ(entry.uid, 77);
  CHECK_EQ(entry.creator_pid, getpid());
  CHECK_EQ(entry.attachments, 2);
  CHECK_EQ(entry.processes, 1);
  const uint64_t now = (uint64_t)time(NULL) * 1000;
  CHECK(entry.creator_start <= now + 2000 && entry.creator_start + 60000 > now);

  mm_pool *by_name = NULL;
  CHECK_OK(mm_pool_attach(entry.descriptor, entry.descriptor_length, &by_name));
  CHECK_EQ(mm_pool_describe(by_name)->uid, 77);
  CHECK_EQ(look(name).attachments, 3);
  mm_pool_detach(by_name);
  mm_pool_detach(again);
  mm_pool_detach(pool);
  CHECK_EQ(look(name).attachments, 0);
  CHECK_EQ(look(name).processes, 0);
  CHECK_OK(mm_pool_remove(name, NULL, 0));
}

static uint32_t *ready;

static void attach_twice_and_sleep(void *argument) {
  attach_again(argument);
  attach_again(argument);
  __atomic_fetch_add(ready, 1, __ATOMIC_SEQ_CST);
  for (;;) sleep_ms(1000);
}

static void processes_are_counted_once(void) {
  const char *name = unique_name();
  ready = shared_memory(sizeof *ready);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  pid_t children[3];
  for (int at = 0; at < 3; at++) children[at] = start_child(attach_twice_and_sleep, pool);
  await(ready, 3);
  CHECK_EQ(look(name).attachments, 7);
  CHECK_EQ(look(name).processes, 4);
  for (int at = 0; at < 3; at++) kill_child(children[at]);
  CHECK_EQ(look(name).attachments, 1);
  CHECK_EQ(look(name).processes, 1);
  destroy_and_detach(pool);
}

/* ---- Listing -------------------------------------------------------------------- */

static void all_pools_are_listed(void) {
  const char *directory = small_file_system(8u << 20);
  CHECK_EQ(list(directory), 0);
  mm_pool *pools[10];
  char name[32];
  for (int at = 0; at < 10; at++) {
    snprintf(name, sizeof name, "pool-%d", at);
    pools[at] = new_pool_from(
        (mm_pool_options){.size = SIZE, .name = name, .uid = (uint64_t)at, .directory = directory});
  }
  char path[512];
  snprintf(path, sizeof path, "%s/another-file", directory);
  close(open(path, O_CREAT | O_RDWR, 0600));
  snprintf(path, sizeof path, "%s/managed-memory.not a name", directory);
  close(open(path, O_CREAT | O_RDWR, 0600));
  CHECK_EQ(list(directory), 10);
  uint64_t seen = 0;
  for (int at = 0; at < 10; at++) {
    CHECK(entries[at].is_pool);
    seen |= 1u << entries[at].uid;
    mm_pool *by_name = NULL;
    CHECK_OK(mm_pool_attach(entries[at].descriptor, entries[at].descriptor_length, &by_name));
    mm_pool_detach(by_name);
  }
  CHECK_EQ(seen, 1023);
  /* A buffer that is too small gets the first, and the count of all. */
  size_t count = 0;
  memset(&entries[3], 0xcc, sizeof entries[3]);
  const mm_pool_entry untouched = entries[3];
  CHECK_OK(mm_pool_list(directory, entries, 3, &count));
  CHECK_EQ(count, 10);
  CHECK(memcmp(&untouched, &entries[3], sizeof untouched) == 0);
  CHECK_OK(mm_pool_list(directory, NULL, 0, &count));
  CHECK_EQ(count, 10);
  /* Something of that name that is no pool is listed as such. */
  snprintf(path, sizeof path, "%s/managed-memory.empty", directory);
  close(open(path, O_CREAT | O_RDWR, 0600));
  CHECK_EQ(list(directory), 11);
  uint32_t others = 0;
  for (int at = 0; at < 11; at++) others += !entries[at].is_pool;
  CHECK_EQ(others, 1);
  for (int at = 0; at < 10; at++) destroy_and_detach(pools[at]);
  CHECK_EQ(list(directory), 1);
}

static void arguments_are_checked(void) {
  mm_pool_entry entry;
  size_t count = 9;
  CHECK_STATUS(mm_pool_probe(NULL, NULL, &entry), MM_E_NAME);
  CHECK_STATUS(mm_pool_probe("a/b", NULL, &entry), MM_E_NAME);
  CHECK_STATUS(mm_pool_probe("a", "b", &entry), MM_E_DIRECTORY);
  CHECK_STATUS(mm_pool_probe(unique_name(), NULL, &entry), MM_E_NOT_FOUND);
  CHECK_STATUS(mm_pool_list("b", entries, 1, &count), MM_E_DIRECTORY);
  CHECK_STATUS(mm_pool_list("/proc", entries, 1, &count), MM_E_DIRECTORY);
  CHECK_EQ(count, 0);
  CHECK_STATUS(mm_pool_remove(NULL, NULL, 0), MM_E_NAME);
  CHECK_STATUS(mm_pool_remove("", NULL, 1), MM_E_NAME);
  CHECK_STATUS(mm_pool_remove("a", "b", 1), MM_E_DIRECTORY);
  CHECK_STATUS(mm_pool_remove(unique_name(), NULL, 1), MM_E_NOT_FOUND);
}

static void spoilt_headers_are_looked_at_safely(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  const mm__header good = *pool->header;
  uint64_t seed = 91;
  for (int round = 0; round < 3000; round++) {
    uint64_t *word = (uint64_t *)(void *)pool->header +
                     random_below(&seed, offsetof(mm__header, heap.index) / 8);
    *word = random_below(&seed, 2) != 0 ? random_next(&seed)
                                         : *word ^ 1ull << random_below(&seed, 64);
    const mm_pool_entry entry = look(name);
    CHECK(entry.descriptor_length <= sizeof entry.descriptor);
    CHECK(entry.attachments <= MM_SLOTS_MAX && entry.processes <= entry.attachments);
    memcpy(pool->header, &good, offsetof(mm__header, heap.index));
  }
  destroy_and_detach(pool);
}

/* ---- Removing -------------------------------------------------------------------- */

static void an_orphan_is_removed(void) {
  const char *name = unique_name();
  mm_pool_detach(new_pool_from((mm_pool_options){.size = SIZE, .name = name}));
  CHECK_OK(mm_pool_remove(name, NULL, 0));
  CHECK(!pool_exists(name));
  CHECK_STATUS(mm_pool_remove(name, NULL, 0), MM_E_NOT_FOUND);
}

static void a_pool_in_use_is_not_removed_unless_by_force(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  const mm_allocation made = must_alloc(pool, 100);
  CHECK_STATUS(mm_pool_remove(name, NULL, 0), MM_E_IN_USE);
  CHECK(pool_exists(name));
  CHECK_OK(mm_free(pool, made.id));
  CHECK_OK(mm_pool_remove(name, NULL, 1));
  CHECK(!pool_exists(name));
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(pool, 1, 0, &allocation), MM_E_DESTROYED);
  mm_pool_detach(pool);
}

static void a_pool_in_use_that_is_not_understood(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  pool->header->birth.layout_version++;
  CHECK(!look(name).is_pool);
  CHECK_STATUS(mm_pool_remove(name, NULL, 0), MM_E_IN_USE);
  CHECK(pool_exists(name));
  CHECK_OK(mm_pool_remove(name, NULL, 1));
  CHECK(!pool_exists(name));
  mm_pool_detach(pool);
}

static void wait_for_ever(void *argument) {
  mm_pool *own = attach_again(argument);
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc_blocking(own, SIZE, 0, -1, &allocation), MM_E_DESTROYED);
  mm_pool_detach(own);
}

static void waiters_notice_that_their_pool_is_removed(void) {
  mm_pool *pool = new_pool(SIZE);
  must_alloc(pool, 1);
  const pid_t child = start_child(wait_for_ever, pool);
  while (pool->slots[1].ticket == 0) sleep_ms(1);
  sleep_ms(5);
  const uint64_t begun = now_ms();
  CHECK_OK(mm_pool_remove(mm_pool_describe(pool)->name, NULL, 1));
  finish_child(child);
  CHECK(now_ms() - begun < 100);
  mm_pool_detach(pool);
}

static void what_is_no_pool(void) {
  char path[256];
  const char *name = unique_name();
  pool_path(name, path);
  close(open(path, O_CREAT | O_RDWR, 0600)); /* an empty file goes */
  CHECK(!look(name).is_pool);
  CHECK_OK(mm_pool_remove(name, NULL, 0));
  CHECK(!pool_exists(name));

  CHECK(mkdir(path, 0700) == 0); /* a directory stays */
  CHECK(!look(name).is_pool);
  CHECK_STATUS(mm_pool_remove(name, NULL, 1), MM_E_NOT_A_POOL);
  CHECK(rmdir(path) == 0);

  mm_pool *real = new_pool(SIZE); /* a link stays, and so does its target */
  char target[256];
  pool_path(mm_pool_describe(real)->name, target);
  CHECK(symlink(target, path) == 0);
  CHECK_STATUS(mm_pool_remove(name, NULL, 1), MM_E_NOT_A_POOL);
  CHECK(unlink(path) == 0);
  CHECK(access(target, F_OK) == 0);
  destroy_and_detach(real);
}

static void one_whose_destroyer_died(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  mm__store(&pool->header->destroyed, 1u);
  mm_pool_detach(pool);
  CHECK(look(name).is_pool && look(name).is_destroyed);
  CHECK_OK(mm_pool_remove(name, NULL, 0));
  CHECK(!pool_exists(name));
}

static void of_another_user(void) {
  if (geteuid() != 0) test_skip("needs to change its user");
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK(seteuid(65534) == 0);
  CHECK_STATUS(mm_pool_remove(name, NULL, 1), MM_E_SYSTEM(EACCES));
  const size_t count = list(NULL);
  for (size_t at = 0; at < count; at++) CHECK(strcmp(entries[at].name, name) != 0);
  CHECK(seteuid(0) == 0);
  CHECK_OK(mm_free(pool, must_alloc(pool, 1).id));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("probe: an entry says it all", an_entry_says_it_all);
  test_case("probe: processes are counted once", processes_are_counted_once);
  test_case("list: all pools of a directory", all_pools_are_listed);
  test_case("probe, list, remove: arguments are checked", arguments_are_checked);
  test_case("probe: spoilt headers are looked at safely", spoilt_headers_are_looked_at_safely);
  test_case("remove: an orphan", an_orphan_is_removed);
  test_case("remove: a pool in use only by force", a_pool_in_use_is_not_removed_unless_by_force);
  test_case("remove: a pool in use that is not understood only by force",
            a_pool_in_use_that_is_not_understood);
  test_case_timed("remove: waiters notice it", waiters_notice_that_their_pool_is_removed);
  test_case("remove: what is no pool", what_is_no_pool);
  test_case("remove: one whose destroyer died", one_whose_destroyer_died);
  test_case("remove: of another user", of_another_user);
  return harness_end();
}
