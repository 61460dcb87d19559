/* pool_leak_test.c - a pool's life leaves nothing behind, also where descriptors
 * run out in the middle of it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"

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

static unsigned count_lines(const char *path) {
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  unsigned lines = 0;
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static unsigned open_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  unsigned count = 0;
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

/* Mappings of pool files, and of the handles' own pages. */
static unsigned mappings(void) { return count_lines("/proc/self/maps"); }

static void rounds_leave_nothing_behind(void) {
  mm_pool *kept = new_pool(SIZE);
  unsigned descriptors = 0, maps = 0;
  for (int round = 0; round < 150; round++) {
    const char *name = unique_name();
    mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
    mm_pool *again = attach_again(pool);
    const mm_allocation allocation = must_alloc(again, 100);
    CHECK_OK(mm_free(pool, allocation.id));
    CHECK_STATUS(try_create((mm_pool_options){.size = SIZE, .name = name}), MM_E_EXISTS);
    unsigned char descriptor[MM_DESCRIPTOR_MAX];
    const size_t length = serialize(pool, descriptor);
    if (round % 2 == 0) mm_pool_detach(again);
    destroy_and_detach(pool);
    if (round % 2 != 0) mm_pool_detach(again);
    CHECK_STATUS(try_attach(descriptor, length), MM_E_NOT_FOUND);
    CHECK(!pool_exists(name));
    if (round == 2) {
      descriptors = open_descriptors();
      maps = mappings();
    }
  }
  CHECK_EQ(open_descriptors(), descriptors);
  /* The C library's heap may move, and a sanitizer's grow; a leak is 73 at least. */
  CHECK(mappings() <= maps + 20);
  destroy_and_detach(kept);
}

#define FILLERS 64

/* Leaves this process `left` descriptors that it may still open. */
static void take_descriptors(int fillers[FILLERS], int left) {
  const struct rlimit limit = {.rlim_cur = FILLERS, .rlim_max = FILLERS};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int count = 0;
  while (count < FILLERS && (fillers[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
  CHECK(errno == EMFILE && count > left);
  for (int at = count; at < FILLERS; at++) fillers[at] = -1;
  while (left-- > 0) {
    close(fillers[--count]);
    fillers[count] = -1;
  }
}

static void give_descriptors_back(const int fillers[FILLERS]) {
  for (int at = 0; at < FILLERS; at++)
    if (fillers[at] >= 0) close(fillers[at]);
}

static void without_descriptors_calls_fail_and_leak_nothing(void) {
  mm_pool *pool = new_pool(SIZE);
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  const size_t length = serialize(pool, descriptor);
  const unsigned used = open_descriptors();
  const char *name = unique_name();
  for (int left = 0; left < 6; left++) {
    int fillers[FILLERS];
    take_descriptors(fillers, left);
    const int attached = try_attach(descriptor, length);
    const int created = try_create((mm_pool_options){.size = SIZE, .name = name});
    CHECK_OK(mm_free(pool, must_alloc(pool, 64).id));
    give_descriptors_back(fillers);
    CHECK_STATUS(created, left < 3 ? MM_E_SYSTEM(EMFILE) : MM_OK);
    CHECK_STATUS(attached, left < 2 ? MM_E_SYSTEM(EMFILE) : MM_OK);
    CHECK_EQ(open_descriptors(), used);
    CHECK(!pool_exists(name));
  }
  destroy_and_detach(pool);
}

static void destroying_without_descriptors_still_destroys(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  int fillers[FILLERS];
  take_descriptors(fillers, 0);
  CHECK_STATUS(mm_pool_destroy(pool), MM_E_SYSTEM(EMFILE));
  give_descriptors_back(fillers);
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(pool, 1, 0, &allocation), MM_E_DESTROYED);
  mm_pool_detach(pool);
  CHECK_OK(try_create((mm_pool_options){.size = SIZE, .name = name}));
}

static void descriptors_are_beyond_the_standard_ones(void) {
  close(0);
  mm_pool *pool = new_pool(SIZE);
  mm_pool *again = attach_again(pool);
  CHECK(pool->file > 2 && again->file > 2);
  CHECK(fcntl(0, F_GETFD) == -1);
  CHECK(fcntl(pool->file, F_GETFD) == FD_CLOEXEC);
  mm_pool_detach(again);
  destroy_and_detach(pool);
  CHECK(fcntl(0, F_GETFD) == -1);
}

static void a_mapping_can_be_kept(void) {
  mm_pool *pool = new_pool(SIZE);
  const unsigned descriptors = open_descriptors();
  mm_pool *again = attach_again(pool);
  const mm_allocation allocation = must_alloc(again, 8);
  volatile uint8_t *bytes = mm_address(again, &allocation);
  *bytes = 42;
  mm_pool_detach_keep_mapping(again);
  CHECK_EQ(open_descriptors(), descriptors);
  CHECK_EQ(*bytes, 42);
  *bytes = 43;
  CHECK_EQ(*(uint8_t *)mm_address(pool, &allocation), 43);
  destroy_and_detach(pool);
  CHECK_EQ(*bytes, 43);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("create, attach, destroy: 150 rounds leave nothing behind",
            rounds_leave_nothing_behind);
  test_case("create, attach: EMFILE is an error that leaks nothing",
            without_descriptors_calls_fail_and_leak_nothing);
  test_case("destroy: EMFILE still destroys", destroying_without_descriptors_still_destroys);
  test_case("attach: descriptors are beyond 0, 1, 2",
            descriptors_are_beyond_the_standard_ones);
  test_case("detach: the mapping can be kept", a_mapping_can_be_kept);
  return harness_end();
}
