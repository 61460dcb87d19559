/* pool_file_test.c - what may lie at a pool's path: nothing, something else, a
 * pool of another release, a spoilt one, one whose destroyer was killed; and
 * file systems that are full. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define SIZE 65536u

/* A pool that existed, and its descriptor: its path is free to be used. */
static unsigned char descriptor[MM_DESCRIPTOR_MAX];
static size_t length;
static char name[128], path[256];

static void make_path(void) {
  snprintf(name, sizeof name, "%s", unique_name());
  pool_path(name, path);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  destroy_and_detach(pool);
}

static int try_attach(void) {
  mm_pool *pool = NULL;
  const int status = mm_pool_attach(descriptor, length, &pool);
  mm_pool_detach(pool);
  return status;
}

static int try_create(void) {
  mm_pool *pool = NULL;
  const mm_pool_options options = {.size = SIZE, .name = name};
  const int status = mm_pool_create(&options, &pool);
  if (pool != NULL) destroy_and_detach(pool);
  return status;
}

static mm_pool_entry probe(void) {
  mm_pool_entry result;
  CHECK_OK(mm_pool_probe(name, NULL, &result));
  return result;
}

/* What lies there is not a pool, whoever asks. */
static void must_be_no_pool(int attached) {
  CHECK_STATUS(try_attach(), attached);
  CHECK_STATUS(try_create(), MM_E_EXISTS);
  CHECK(!probe().is_pool && !probe().attachments);
}

static void write_file(const void *bytes, size_t size) {
  const int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
  CHECK(file >= 0);
  CHECK(write(file, bytes, size) == (ssize_t)size);
  close(file);
}

/* ---- Not a pool --------------------------------------------------------- */

static void nothing(void) {
  make_path();
  mm_pool_entry result;
  CHECK_STATUS(try_attach(), MM_E_NOT_FOUND);
  CHECK_STATUS(mm_pool_probe(name, NULL, &result), MM_E_NOT_FOUND);
  CHECK_STATUS(mm_pool_probe("", NULL, &result), MM_E_NAME);
  CHECK_STATUS(mm_pool_probe(name, "relative", &result), MM_E_DIRECTORY);
  CHECK_STATUS(mm_pool_probe(name, "/proc", &result), MM_E_DIRECTORY);
}

static void a_symbolic_link(void) {
  make_path();
  char target[256];
  mm_pool *real = new_pool(SIZE);
  pool_path(mm_pool_describe(real)->name, target);
  CHECK(symlink(target, path) == 0);
  must_be_no_pool(MM_E_NOT_A_POOL);
  destroy_and_detach(real);
  must_be_no_pool(MM_E_NOT_A_POOL); /* it leads nowhere now */
}

static void a_named_pipe(void) {
  make_path();
  CHECK(mkfifo(path, 0600) == 0);
  must_be_no_pool(MM_E_NOT_A_POOL); /* and nobody waits for its other end */
}

static void a_directory(void) {
  make_path();
  CHECK(mkdir(path, 0700) == 0);
  must_be_no_pool(MM_E_NOT_A_POOL);
}

static void a_socket(void) {
  make_path();
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path) + 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
  must_be_no_pool(MM_E_NOT_A_POOL);
  close(listener);
}

static void files_of_other_contents(void) {
  make_path();
  static uint8_t bytes[1u << 20];
  const size_t sizes[] = {0, 1, 8, 100, sizeof(mm__birth), sizeof(mm__header) - 1,
                          sizeof(mm__header), sizeof bytes};
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    write_file(bytes, sizes[at]);
    must_be_no_pool(MM_E_NOT_A_POOL);
  }
  uint64_t seed = 31;
  for (size_t at = 0; at < sizeof bytes; at++) bytes[at] = (uint8_t)random_next(&seed);
  write_file(bytes, sizeof bytes);
  must_be_no_pool(MM_E_NOT_A_POOL);
}

/* ---- Pools that are not as they should be -------------------------------- */

/* Opens the file of a new pool of that name, whose descriptor is in place. */
static mm_pool *pool_and_file(int *file) {
  snprintf(name, sizeof name, "%s", unique_name());
  pool_path(name, path);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  *file = open(path, O_RDWR);
  CHECK(*file >= 0);
  return pool;
}

#define POKE(pool, field, value, expected)      \
  do {                                          \
    const __typeof__((pool)->header->field) old = (pool)->header->field; \
    (pool)->header->field = (value);            \
    CHECK_STATUS(try_attach(), expected);       \
    (pool)->header->field = old;                \
    CHECK_OK(try_attach());                     \
  } while (0)

static void another_release(void) {
  int file;
  mm_pool *pool = pool_and_file(&file);
  POKE(pool, birth.magic, 0, MM_E_NOT_A_POOL);
  POKE(pool, birth.layout_version, MM__LAYOUT_VERSION + 1, MM_E_VERSION);
  POKE(pool, birth.header_size, sizeof(mm__header) + 64, MM_E_VERSION);
  pool->header->birth.layout_version++;
  CHECK(!probe().is_pool);
  CHECK_STATUS(try_create(), MM_E_EXISTS);
  CHECK_OK(mm_free(pool, must_alloc(pool, 10).id)); /* who is in stays in */
  close(file);
  destroy_and_detach(pool);
}

static void a_geometry_that_lies(void) {
  int file;
  mm_pool *pool = pool_and_file(&file);
  const mm__geometry g = pool->geometry;
  POKE(pool, birth.geometry.file_size, g.file_size + 4096, MM_E_CORRUPT);
  POKE(pool, birth.geometry.data_size, g.data_size + 4096, MM_E_CORRUPT);
  POKE(pool, birth.geometry.data_size, UINT64_MAX, MM_E_CORRUPT);
  POKE(pool, birth.geometry.data_offset, 0, MM_E_CORRUPT);
  POKE(pool, birth.geometry.slots_offset, UINT64_MAX - 4095, MM_E_CORRUPT);
  POKE(pool, birth.geometry.table_offset, g.table_offset + 64, MM_E_CORRUPT);
  POKE(pool, birth.geometry.table_capacity, UINT32_MAX, MM_E_CORRUPT);
  POKE(pool, birth.geometry.granule_shift, 255, MM_E_CORRUPT);
  POKE(pool, birth.geometry.granule_shift, 0, MM_E_CORRUPT);
  POKE(pool, birth.geometry.page_size, 0, MM_E_CORRUPT);
  POKE(pool, birth.geometry.page_size, 1u << 16, MM_E_CORRUPT);
  POKE(pool, birth.geometry.max_allocations, 0, MM_E_CORRUPT);
  POKE(pool, birth.identity[3], 99, MM_E_REPLACED);
  POKE(pool, destroyed, 1, MM_E_DESTROYED);
  close(file);
  destroy_and_detach(pool);
}

static void a_file_that_was_cut_or_stretched(void) {
  int file;
  mm_pool *pool = pool_and_file(&file);
  const mm__geometry g = pool->geometry;
  mm_pool_detach(pool); /* touching what was cut off would be a signal */
  const uint64_t sizes[] = {g.file_size - 1, g.file_size + 1, g.data_offset,
                            g.table_offset, g.slots_offset, sizeof(mm__header)};
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    CHECK(ftruncate(file, (off_t)sizes[at]) == 0);
    CHECK_STATUS(try_attach(), MM_E_CORRUPT);
    CHECK(!probe().is_pool);
    CHECK_STATUS(try_create(), MM_E_EXISTS);
  }
  CHECK(ftruncate(file, 100) == 0);
  CHECK_STATUS(try_attach(), MM_E_NOT_A_POOL);
  close(file);
}

static void no_permission(void) {
  if (geteuid() != 0) test_skip("needs to change its user");
  int file;
  mm_pool *pool = pool_and_file(&file);
  CHECK(seteuid(65534) == 0);
  mm_pool_entry result;
  CHECK_STATUS(try_attach(), MM_E_SYSTEM(EACCES));
  CHECK_STATUS(mm_pool_probe(name, NULL, &result), MM_E_SYSTEM(EACCES));
  CHECK_STATUS(try_create(), MM_E_EXISTS);
  CHECK(seteuid(0) == 0);
  close(file);
  destroy_and_detach(pool);
}

/* ---- A destroyer that did not finish ------------------------------------ */

static void a_destroyed_pool_whose_name_stayed(void) {
  int file;
  mm_pool *pool = pool_and_file(&file);
  mm__store(&pool->header->destroyed, 1u); /* and killed before the unlink */
  mm_pool_detach(pool);
  CHECK_STATUS(try_attach(), MM_E_DESTROYED);
  CHECK(pool_exists(name));
  const mm_pool_options options = {.size = SIZE, .name = name};
  mm_pool *next = NULL;
  CHECK_OK(mm_pool_create(&options, &next));
  CHECK_STATUS(try_attach(), MM_E_REPLACED);
  destroy_and_detach(next);
  CHECK(!pool_exists(name));
  close(file);
}

/* Holds the lock that whoever unlinks the name holds, and stands still. */
static void a_destroyer_that_stands_still(void) {
  int file;
  mm_pool *pool = pool_and_file(&file);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
  CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
  uint64_t begun = now_ms();
  CHECK_STATUS(mm_pool_destroy(pool), MM_E_BUSY);
  CHECK(now_ms() - begun >= 900 && now_ms() - begun < 3000);
  mm_pool_detach(pool);
  begun = now_ms();
  CHECK_STATUS(try_create(), MM_E_EXISTS);
  CHECK(now_ms() - begun >= 900 && now_ms() - begun < 3000);
  close(file);
  CHECK_OK(try_create());
  CHECK(!pool_exists(name));
}

struct race { uint32_t go, winners; };

static void create_and_keep(void *argument) {
  struct race *race = argument;
  await(&race->go, 1);
  const mm_pool_options options = {.size = SIZE, .name = name};
  mm_pool *pool = NULL;
  const int status = mm_pool_create(&options, &pool);
  CHECK(status == MM_OK || status == MM_E_EXISTS);
  if (status == MM_OK) __atomic_fetch_add(&race->winners, 1, __ATOMIC_SEQ_CST);
}

static void many_find_a_destroyed_pool(void) {
  for (int round = 0; round < 10; round++) {
    int file;
    mm_pool *pool = pool_and_file(&file);
    mm__store(&pool->header->destroyed, 1u);
    mm_pool_detach(pool);
    close(file);
    struct race *race = shared_memory(sizeof *race);
    pid_t children[6];
    for (int at = 0; at < 6; at++) children[at] = start_child(create_and_keep, race);
    mm__store_release(&race->go, 1u);
    for (int at = 0; at < 6; at++) finish_child(children[at]);
    CHECK_EQ(race->winners, 1);
    CHECK(pool_exists(name));
    CHECK(probe().is_pool && !probe().attachments);
  }
}

/* ---- Full file systems --------------------------------------------------- */

static void fill(const char *directory, const char *file_name) {
  char filler[512];
  static char page[4096];
  snprintf(filler, sizeof filler, "%s/%s", directory, file_name);
  const int file = open(filler, O_CREAT | O_WRONLY, 0600);
  CHECK(file >= 0);
  while (write(file, page, sizeof page) == (ssize_t)sizeof page) continue;
  CHECK_EQ(errno, ENOSPC);
  close(file);
}

static void unfill(const char *directory, const char *file_name) {
  char filler[512];
  snprintf(filler, sizeof filler, "%s/%s", directory, file_name);
  CHECK(unlink(filler) == 0);
}

static void full_before_it_is_made(void) {
  const char *directory = small_file_system(4u << 20);
  const mm_pool_options options = {.size = 1u << 20, .name = "p", .directory = directory};
  fill(directory, "filler");
  mm_pool *pool = NULL;
  CHECK_STATUS(mm_pool_create(&options, &pool), MM_E_FS_FULL);
  mm_pool_entry result;
  CHECK_STATUS(mm_pool_probe("p", directory, &result), MM_E_NOT_FOUND);
  unfill(directory, "filler");
  CHECK_OK(mm_pool_create(&options, &pool));
  destroy_and_detach(pool);
}

/* Filled by somebody else once the pool is made: errors, and nobody dies. */
static void full_after_it_is_made(void) {
  const char *directory = small_file_system(4u << 20);
  mm_pool *pool =
      new_pool_from((mm_pool_options){.size = 3u << 20, .name = "p", .directory = directory});
  fill(directory, "filler");
  mm_allocation allocation;
  mm_pool_stats stats;
  CHECK_STATUS(mm_alloc(pool, 100, 0, &allocation), MM_E_FS_FULL);
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  CHECK_EQ(stats.free_space, 3u << 20);
  CHECK_STATUS(mm_alloc_blocking(pool, 100, 0, 30, &allocation), MM_E_TIMEOUT);
  CHECK_SOUND(mm__check(pool));
  mm_pool *again = attach_again(pool);
  CHECK_STATUS(mm_alloc(again, 100, 0, &allocation), MM_E_FS_FULL);
  unfill(directory, "filler");
  CHECK_OK(mm_alloc(again, 3u << 20, 0, &allocation));
  memset(mm_address(again, &allocation), 1, allocation.size);
  CHECK_OK(mm_free(again, allocation.id));
  mm_pool_detach(again);
  destroy_and_detach(pool);
}

/* Allocations are made until there is no more memory: what was given is whole,
 * what was freed can be had again, and every page is there. */
static void full_half_way(void) {
  const char *directory = small_file_system(4u << 20);
  mm_pool *pool = new_pool_from((mm_pool_options){
      .size = 3500u << 10, .name = "p", .min_block_size = 1024, .directory = directory});
  char filler[512];
  snprintf(filler, sizeof filler, "%s/filler", directory);
  const int file = open(filler, O_CREAT | O_RDWR, 0600);
  CHECK(file >= 0 && posix_fallocate(file, 0, 2u << 20) == 0);
  mm_allocation allocations[4000];
  uint32_t count = 0;
  int status;
  while ((status = mm_alloc(pool, 1024, 0, &allocations[count])) == MM_OK) {
    memset(mm_address(pool, &allocations[count]), (int)count, 1024);
    CHECK(++count < 4000);
  }
  CHECK_STATUS(status, MM_E_FS_FULL);
  CHECK(count > 1000);
  CHECK_SOUND(mm__check(pool));
  for (uint32_t at = 0; at < count; at++)
    CHECK_EQ(*(uint8_t *)mm_address(pool, &allocations[at]), (uint8_t)at);
  CHECK_OK(mm_free(pool, allocations[7].id));
  CHECK_OK(mm_alloc(pool, 10, 0, &allocations[7]));
  for (uint32_t at = 0; at < count; at++) CHECK_OK(mm_free(pool, allocations[at].id));
  CHECK_SOUND(mm__check(pool));
  close(file);
  CHECK(unlink(filler) == 0);
  mm_allocation all;
  CHECK_OK(mm_alloc(pool, mm_pool_describe(pool)->size, 0, &all));
  memset(mm_address(pool, &all), 2, all.size);
  destroy_and_detach(pool);
}

/* Data there is, but no page for the records of ever more tiny allocations: the
 * last that has one is given all the rest, and then there is no room. */
static void full_when_the_table_grows(void) {
  const char *directory = small_file_system(4u << 20);
  mm_pool *pool =
      new_pool_from((mm_pool_options){.size = 2u << 20, .name = "p", .directory = directory});
  const uint64_t tiny = MM_MIN_BLOCK_SIZE, most = (2u << 20) / tiny;
  mm_allocation all = must_alloc(pool, 2u << 20);
  CHECK_OK(mm_free(pool, all.id)); /* it stays committed */
  const uint32_t before = pool->header->heap.records_committed;
  fill(directory, "filler");

  mm_allocation *made = calloc(most, sizeof *made);
  uint64_t count = 0;
  int status;
  while ((status = mm_alloc(pool, tiny, 0, &made[count])) == MM_OK) {
    fill_tagged(pool, &made[count]);
    CHECK(++count < most);
  }
  CHECK_STATUS(status, MM_E_NO_ROOM);
  CHECK(count >= before - 1 && pool->header->heap.records_committed < most);
  CHECK_SOUND(mm__check(pool));
  for (uint64_t at = 0; at < count; at++) check_tagged(pool, &made[at]);
  for (int round = 0; round < 10; round++) {
    CHECK_OK(mm_free(pool, made[round].id));
    CHECK_OK(mm_alloc(pool, tiny, 0, &made[round]));
    fill_tagged(pool, &made[round]);
    CHECK_STATUS(mm_alloc(pool, tiny, 0, &all), MM_E_NO_ROOM);
  }

  /* With memory again it goes on from there. */
  unfill(directory, "filler");
  const uint64_t stopped_at = count;
  CHECK_OK(mm_free(pool, made[--count].id));
  while (count < stopped_at + 1000) {
    CHECK_OK(mm_alloc(pool, tiny, 0, &made[count]));
    fill_tagged(pool, &made[count++]);
  }
  while (count > 0) {
    check_tagged(pool, &made[--count]);
    CHECK_OK(mm_free(pool, made[count].id));
  }
  CHECK_SOUND(mm__check(pool));
  must_alloc(pool, 2u << 20);
  destroy_and_detach(pool);
  free(made);
}

/* The slots' pages are committed before they are touched, too. */
static void full_when_many_attach(void) {
  const char *directory = small_file_system(1u << 20);
  mm_pool *pool =
      new_pool_from((mm_pool_options){.size = 65536, .name = "p", .directory = directory});
  fill(directory, "filler");
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  mm_pool *handles[200];
  uint32_t count = 0;
  int status = MM_OK;
  while (count < 200 &&
         (status = mm_pool_attach(descriptor, length, &handles[count])) == MM_OK)
    count++;
  CHECK_STATUS(status, MM_E_FS_FULL);
  CHECK(count >= 31);
  unfill(directory, "filler");
  CHECK_OK(try_attach());
  while (count > 0) mm_pool_detach(handles[--count]);
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("path: nothing", nothing);
  test_case("path: a symbolic link to a pool", a_symbolic_link);
  test_case("path: a named pipe", a_named_pipe);
  test_case("path: a directory", a_directory);
  test_case("path: a socket", a_socket);
  test_case("path: a file of other contents", files_of_other_contents);
  test_case("path: a pool of another release", another_release);
  test_case("path: a pool whose geometry lies", a_geometry_that_lies);
  test_case("path: a pool that was cut or stretched", a_file_that_was_cut_or_stretched);
  test_case("path: a pool of another user", no_permission);
  test_case("path: a destroyed pool whose name stayed", a_destroyed_pool_whose_name_stayed);
  test_case_timed("path: a destroyer that stands still", a_destroyer_that_stands_still);
  test_case("path: many creators find a destroyed pool", many_find_a_destroyed_pool);
  test_case("full file system: create fails and leaves nothing", full_before_it_is_made);
  test_case("full file system: alloc fails, nobody dies", full_after_it_is_made);
  test_case("full file system: reached half-way", full_half_way);
  test_case("full file system: no record for one more allocation, nobody dies",
            full_when_the_table_grows);
  test_case("full file system: attach fails, nobody dies", full_when_many_attach);
  return harness_end();
}
