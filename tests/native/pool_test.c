/* pool_test.c - a pool's life: create, attach, detach, destroy.
 *
 * What lies at a pool's path and is no pool is in pool_file_test.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define SIZE 65536u

static int try_create(mm_pool_options options) {
  mm_pool *pool = NULL;
  const int status = mm_pool_create(&options, &pool);
  CHECK((status == MM_OK) == (pool != NULL));
  if (pool != NULL) destroy_and_detach(pool);
  return status;
}

static size_t serialize(mm_pool *pool, unsigned char descriptor[MM_DESCRIPTOR_MAX]) {
  size_t length = 0;
  CHECK_OK(mm_pool_serialize(pool, descriptor, MM_DESCRIPTOR_MAX, &length));
  return length;
}

static int try_attach(const unsigned char *descriptor, size_t length) {
  mm_pool *pool = NULL;
  const int status = mm_pool_attach(descriptor, length, &pool);
  CHECK((status == MM_OK) == (pool != NULL));
  mm_pool_detach(pool);
  return status;
}

/* ---- Create: arguments -------------------------------------------------- */

static void names_are_checked(void) {
  char longest[MM_NAME_MAX + 2];
  memset(longest, 'x', sizeof longest);
  longest[MM_NAME_MAX + 1] = 0;
  const char *bad[] = {"",    "a/b", "../x",   "a b", "a\n",  "\xc3\xa4",
                       "a:b", "a,b", longest, "%s",  "a\\b", "a*"};
  for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
    CHECK_STATUS(try_create((mm_pool_options){.size = SIZE, .name = bad[at]}), MM_E_NAME);
  CHECK_STATUS(try_create((mm_pool_options){.size = SIZE}), MM_E_NAME);

  const size_t length = strlen(unique_name());
  memcpy(longest, unique_name(), length);
  longest[MM_NAME_MAX] = 0;
  CHECK_OK(try_create((mm_pool_options){.size = SIZE, .name = longest}));
  char odd[128];
  snprintf(odd, sizeof odd, "..%s._-AZaz09..", unique_name());
  CHECK_OK(try_create((mm_pool_options){.size = SIZE, .name = odd}));
}

static void sizes_are_checked(void) {
  mm_pool_options options = {.name = unique_name()};
  const uint64_t bad[] = {0, MM_SIZE_MAX + 1, UINT64_MAX};
  for (size_t at = 0; at < 3; at++) {
    options.size = bad[at];
    CHECK_STATUS(try_create(options), MM_E_INVALID);
  }
  options.size = SIZE;
  const uint64_t granules[] = {1, 32, 65, 96, UINT64_MAX};
  for (size_t at = 0; at < 5; at++) {
    options.min_block_size = granules[at];
    CHECK_STATUS(try_create(options), MM_E_INVALID);
  }
  options.min_block_size = 0;
  options.max_allocations = MM_SIZE_MAX + 1;
  CHECK_STATUS(try_create(options), MM_E_INVALID);
  options.max_allocations = 0;
  options.mode = 01000;
  CHECK_STATUS(try_create(options), MM_E_INVALID);
  CHECK(!pool_exists(options.name));
}

static void directories_are_checked(void) {
  mm_pool_options options = {.size = SIZE, .name = unique_name()};
  char deep[MM_DIRECTORY_MAX + 2];
  memset(deep, '/', sizeof deep);
  deep[MM_DIRECTORY_MAX + 1] = 0;
  const char *bad[] = {"", "dev/shm", "/proc", "/proc/self/status", deep};
  for (size_t at = 0; at < 5; at++) {
    options.directory = bad[at];
    CHECK_STATUS(try_create(options), MM_E_DIRECTORY);
  }
  options.directory = "/dev/shm/no-such-directory";
  CHECK_STATUS(try_create(options), MM_E_SYSTEM(ENOENT));
  options.directory = "/dev/shm/"; /* another spelling of the default */
  CHECK_OK(try_create(options));
}

static void the_smallest_pool_works(void) {
  mm_pool *pool = new_pool(1);
  const mm_pool_info *info = mm_pool_describe(pool);
  CHECK(info->size >= 1);
  const mm_allocation all = must_alloc(pool, info->size);
  memset(mm_address(pool, &all), 0xff, info->size);
  mm_allocation none;
  CHECK_STATUS(mm_alloc(pool, 0, 0, &none), MM_E_NO_ROOM);
  CHECK_STATUS(mm_alloc(pool, info->size + 1, 0, &none), MM_E_TOO_LARGE);
  CHECK_STATUS(mm_alloc(pool, UINT64_MAX, 0, &none), MM_E_TOO_LARGE);
  destroy_and_detach(pool);
}

static void the_description_says_what_was_asked_for(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = 100000,
                                                  .name = name,
                                                  .uid = UINT64_MAX,
                                                  .min_block_size = 256,
                                                  .max_allocations = 9});
  mm_pool *again = attach_again(pool);
  const mm_pool_info *infos[] = {mm_pool_describe(pool), mm_pool_describe(again)};
  for (int at = 0; at < 2; at++) {
    CHECK(infos[at]->uid == UINT64_MAX);
    CHECK_EQ(infos[at]->size, 102400);
    CHECK_EQ(infos[at]->min_block_size, 256);
    CHECK_EQ(infos[at]->max_allocations, 9);
    CHECK(strcmp(infos[at]->name, name) == 0);
    CHECK(strcmp(infos[at]->directory, "/dev/shm") == 0);
  }
  CHECK(memcmp(infos[0]->identity, infos[1]->identity, 16) == 0);
  CHECK(infos[0]->data != infos[1]->data);
  mm_pool_detach(again);
  destroy_and_detach(pool);
}

/* ---- Create: the file --------------------------------------------------- */

static mode_t mode_of(const char *name) {
  char path[256];
  struct stat status;
  pool_path(name, path);
  CHECK(stat(path, &status) == 0);
  return status.st_mode & 07777;
}

static void modes_are_exact(void) {
  const struct { uint32_t asked; mode_t given; } modes[] = {
      {0, 0600}, {0600, 0600}, {0666, 0666}, {0640, 0640}, {0777, 0777},
      {0400, 0400}, {0007, 0007}, {MM_MODE_NONE, 0}};
  const mode_t masks[] = {0, 022, 077, 0777};
  for (size_t mask = 0; mask < 4; mask++) {
    umask(masks[mask]);
    for (size_t at = 0; at < sizeof modes / sizeof *modes; at++) {
      const char *name = unique_name();
      mm_pool *pool = new_pool_from(
          (mm_pool_options){.size = SIZE, .name = name, .mode = modes[at].asked});
      CHECK_EQ(mode_of(name), modes[at].given);
      CHECK_OK(mm_free(pool, must_alloc(pool, 100).id));
      destroy_and_detach(pool);
    }
  }
}

static void create_under_any_mask(void *argument) {
  (void)argument;
  CHECK(geteuid() != 0 || seteuid(65534) == 0);
  umask(0777);
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK_EQ(mode_of(name), 0600);
  mm_pool *again = attach_again(pool);
  mm_pool_detach(again);
  destroy_and_detach(pool);
}

static void any_mask_will_do_without_privileges(void) {
  finish_child(start_child(create_under_any_mask, NULL));
}

static uint64_t blocks_of(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0);
  return (uint64_t)status.st_blocks * 512;
}

static void a_large_pool_costs_nothing_at_first(void) {
  const char *name = unique_name();
  char path[256];
  mm_pool *pool = new_pool_from((mm_pool_options){.size = 1ull << 30, .name = name});
  pool_path(name, path);
  CHECK(blocks_of(path) <= 256 * 1024);
  destroy_and_detach(pool);
}

static void nothing_is_touched_that_is_not_committed(void) {
  const char *name = unique_name();
  char path[256];
  pool_path(name, path);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = 8u << 20, .name = name});
  /* All that the watermarks allow, touched: it must be there already. */
  const uint64_t before = blocks_of(path);
  volatile uint8_t *table = (volatile uint8_t *)pool->heap.table;
  volatile uint8_t *slots = (volatile uint8_t *)pool->slots;
  for (uint64_t at = 0; at < pool->heap.limit * sizeof(mm__block); at += 64)
    (void)table[at];
  for (uint64_t at = 0; at < pool->header->slots_committed * sizeof(mm__slot); at += 64)
    (void)slots[at];
  CHECK_EQ(blocks_of(path), before);
  /* And what was allocated is committed before it is filled. */
  for (int round = 0; round < 8; round++) {
    const mm_allocation allocation = must_alloc(pool, 1000000);
    const uint64_t committed = blocks_of(path);
    memset(mm_address(pool, &allocation), round, allocation.size);
    CHECK_EQ(blocks_of(path), committed);
  }
  destroy_and_detach(pool);
}

static void more_than_the_file_system_holds_is_refused(void) {
  const char *directory = small_file_system(2u << 20);
  mm_pool_options options = {.size = 4u << 20, .name = "pool", .directory = directory};
  CHECK_STATUS(try_create(options), MM_E_TOO_LARGE);
  options.size = MM_SIZE_MAX;
  CHECK_STATUS(try_create(options), MM_E_TOO_LARGE);
  options.size = 1u << 20;
  CHECK_OK(try_create(options));
}

static void a_limit_on_file_sizes_is_an_error_not_a_signal(void) {
  mm_pool *pool = new_pool(8u << 20);
  const struct rlimit limit = {.rlim_cur = 1u << 20, .rlim_max = 1u << 20};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const char *name = unique_name();
  CHECK_STATUS(try_create((mm_pool_options){.size = 8u << 20, .name = name}),
               MM_E_TOO_LARGE);
  CHECK(!pool_exists(name));
  /* A pool that is there already can be used all the same. */
  mm_allocation allocation = must_alloc(pool, 6u << 20);
  memset(mm_address(pool, &allocation), 1, allocation.size);
  destroy_and_detach(pool);
}

static void a_taken_name_is_refused(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  mm_pool_entry probe;
  CHECK_STATUS(try_create((mm_pool_options){.size = SIZE, .name = name}), MM_E_EXISTS);
  CHECK_OK(mm_pool_probe(name, NULL, &probe));
  CHECK(probe.is_pool && probe.attachments);
  CHECK_EQ(probe.size, SIZE);
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  const size_t length = serialize(pool, descriptor);
  mm_pool_detach(pool); /* an orphan from now on */
  CHECK_STATUS(try_create((mm_pool_options){.size = SIZE, .name = name}), MM_E_EXISTS);
  CHECK_OK(mm_pool_probe(name, NULL, &probe));
  CHECK(probe.is_pool && !probe.attachments);
  CHECK_OK(mm_pool_attach(descriptor, length, &pool));
  destroy_and_detach(pool);
  CHECK_STATUS(mm_pool_probe(name, NULL, &probe), MM_E_NOT_FOUND);
}

struct race { const char *name; uint32_t go, winners, losers; };

static void create_in_a_race(void *argument) {
  struct race *race = argument;
  await(&race->go, 1);
  mm_pool_options options = {.size = SIZE, .name = race->name};
  mm_pool *pool;
  const int status = mm_pool_create(&options, &pool);
  CHECK(status == MM_OK || status == MM_E_EXISTS);
  __atomic_fetch_add(status == MM_OK ? &race->winners : &race->losers, 1,
                     __ATOMIC_SEQ_CST);
}

static void one_of_many_creators_wins(void) {
  for (int round = 0; round < 10; round++) {
    struct race *race = shared_memory(sizeof *race);
    race->name = unique_name();
    pid_t children[8];
    for (int at = 0; at < 8; at++) children[at] = start_child(create_in_a_race, race);
    mm__store_release(&race->go, 1u);
    for (int at = 0; at < 8; at++) finish_child(children[at]);
    CHECK_EQ(race->winners, 1);
    CHECK_EQ(race->losers, 7);
  }
}

/* ---- Detach ------------------------------------------------------------- */

static void allocations_outlive_their_maker(void) {
  mm_pool *pool = new_pool(SIZE);
  mm_pool *maker = attach_again(pool);
  mm_allocation allocation = must_alloc(maker, 1000);
  memset(mm_address(maker, &allocation), 0x5a, 1000);
  mm_pool_detach(maker);
  mm_allocation found;
  CHECK_OK(mm_find(pool, allocation.id, &found));
  CHECK_EQ(found.size, 1000);
  const uint8_t *bytes = mm_address(pool, &found);
  for (int at = 0; at < 1000; at++) CHECK_EQ(bytes[at], 0x5a);
  CHECK_OK(mm_free(pool, allocation.id));
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
  mm_pool_detach(NULL);
}

/* ---- Destroy ------------------------------------------------------------ */

static void after_destroy_every_call_says_so(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  mm_pool *other = attach_again(pool);
  mm_allocation allocation = must_alloc(pool, 100);
  uint8_t *bytes = mm_address(other, &allocation);
  *bytes = 7;
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  const size_t length = serialize(pool, descriptor);
  CHECK_OK(mm_pool_destroy(other)); /* any participant may */
  CHECK(!pool_exists(name));

  mm_pool *handles[] = {pool, other};
  for (int at = 0; at < 2; at++) {
    mm_pool *handle = handles[at];
    mm_allocation entry;
    mm_pool_stats stats;
    uint64_t cursor = 0, size = 0, ticket = 0;
    size_t count = 0, written = 0;
    CHECK_STATUS(mm_alloc(handle, 1, 0, &entry), MM_E_DESTROYED);
    CHECK_STATUS(mm_alloc_blocking(handle, 1, 0, 1000, &entry), MM_E_DESTROYED);
    CHECK_STATUS(mm_alloc_blocking(handle, 1, 0, 0, &entry), MM_E_DESTROYED);
    CHECK_STATUS(mm_free(handle, allocation.id), MM_E_DESTROYED);
    CHECK_STATUS(mm_find(handle, allocation.id, &entry), MM_E_DESTROYED);
    CHECK_STATUS(mm_list(handle, &cursor, MM_ANY_TYPE, &entry, 1, &count), MM_E_DESTROYED);
    CHECK_STATUS(mm_list_free_blocks(handle, &cursor, &size, 1, &count), MM_E_DESTROYED);
    CHECK_STATUS(mm_pool_read_stats(handle, &stats), MM_E_DESTROYED);
    CHECK_STATUS(mm_wait_ticket(handle, &ticket), MM_E_DESTROYED);
    CHECK_STATUS(mm_wait_show(handle, 1, 1, 1), MM_E_DESTROYED);
    CHECK_STATUS(mm_wait_try(handle, 1, 1, 0, &entry), MM_E_DESTROYED);
    CHECK_STATUS(mm_wait(handle, mm_wait_begin(handle), 1000), MM_E_DESTROYED);
    CHECK_STATUS(mm_pool_destroy(handle), MM_E_DESTROYED);
    CHECK_OK(mm_pool_serialize(handle, descriptor, sizeof descriptor, &written));
    CHECK_EQ(written, length);
    CHECK_EQ(mm_pool_describe(handle)->size, SIZE);
  }
  CHECK_EQ(*bytes, 7); /* the memory stays */
  *bytes = 8;
  CHECK_STATUS(try_attach(descriptor, length), MM_E_NOT_FOUND);
  mm_pool *successor = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK_STATUS(try_attach(descriptor, length), MM_E_REPLACED);
  mm_pool_detach(pool);
  mm_pool_detach(other);
  CHECK(pool_exists(name));
  destroy_and_detach(successor);
}

static void destroy_removes_its_own_name_only(void) {
  const char *name = unique_name();
  char path[256];
  pool_path(name, path);
  mm_pool *first = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK(unlink(path) == 0); /* by somebody outside */
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  const size_t length = serialize(first, descriptor);
  CHECK_STATUS(try_attach(descriptor, length), MM_E_NOT_FOUND);
  CHECK_OK(mm_free(first, must_alloc(first, 100).id));
  mm_pool *second = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK_STATUS(try_attach(descriptor, length), MM_E_REPLACED);
  CHECK_OK(mm_pool_destroy(first));
  CHECK(pool_exists(name));
  mm_pool_detach(first);
  destroy_and_detach(second);
}

static void a_pool_moved_away_is_destroyed_all_the_same(void) {
  const char *name = unique_name();
  char path[256], moved[256];
  pool_path(name, path);
  pool_path(unique_name(), moved);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK(rename(path, moved) == 0);
  CHECK_OK(mm_pool_destroy(pool));
  CHECK(access(moved, F_OK) == 0);
  mm_pool_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("create: names are checked", names_are_checked);
  test_case("create: sizes and modes are checked", sizes_are_checked);
  test_case("create: directories are checked", directories_are_checked);
  test_case("create: a size of 1 works", the_smallest_pool_works);
  test_case("describe: says what was asked for", the_description_says_what_was_asked_for);
  test_case("create: modes are exact under any mask", modes_are_exact);
  test_case("create: any mask will do without privileges",
            any_mask_will_do_without_privileges);
  test_case("create: a pool of 1 GiB costs at most 256 KiB",
            a_large_pool_costs_nothing_at_first);
  test_case("create: nothing is touched that is not committed",
            nothing_is_touched_that_is_not_committed);
  test_case("create: more than the file system can hold is refused",
            more_than_the_file_system_holds_is_refused);
  test_case("create: RLIMIT_FSIZE is an error, not a signal",
            a_limit_on_file_sizes_is_an_error_not_a_signal);
  test_case("create: a taken name is refused, and probe says by whom",
            a_taken_name_is_refused);
  test_case("create: one of many at once wins", one_of_many_creators_wins);
  test_case("detach: allocations live on", allocations_outlive_their_maker);
  test_case("destroy: every call afterwards says so", after_destroy_every_call_says_so);
  test_case("destroy: removes its own name only", destroy_removes_its_own_name_only);
  test_case("destroy: of a pool whose file was moved",
            a_pool_moved_away_is_destroyed_all_the_same);
  return harness_end();
}
