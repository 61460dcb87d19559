/* world.c - see world.h. */
#define _GNU_SOURCE
#include "world.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "geometry.h"
#include "os.h"

world the_world;

void world_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "WRONG: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  abort();
}

uint64_t world_random(uint64_t *seed) {
  uint64_t value = *seed += 0x9e3779b97f4a7c15ull;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ value >> 27) * 0x94d049bb133111ebull;
  return value ^ value >> 31;
}

const char *world_path(void) {
  const char *path = getenv("MM_FUZZ_DIRECTORY");
  if (path == NULL) {
    fprintf(stderr, "MM_FUZZ_DIRECTORY must name a directory on a tmpfs\n");
    exit(1);
  }
  return path;
}

/* ---- Time, chance, names ------------------------------------------------ */

#define LOOKING_NS 100u     /* what asking for the time costs */
#define FENCING_NS 1000000u /* what it costs to order the memory of others */
#define COMMITTING_NS 1000u /* what committing costs, and each page more */

uint64_t __wrap_mm__os_now(void);
uint64_t __wrap_mm__os_now(void) { return the_world.now += LOOKING_NS; }

void __wrap_mm__os_sleep(uint64_t nanoseconds);
void __wrap_mm__os_sleep(uint64_t nanoseconds) {
  the_world.now += nanoseconds + LOOKING_NS;
}

void __wrap_mm__os_fence_all(void);
void __wrap_mm__os_fence_all(void) { the_world.now += FENCING_NS; }

static void look_at(const void *address);

void __wrap_mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds);
void __wrap_mm__os_wait(uint32_t *word, uint32_t expected, uint64_t nanoseconds) {
  look_at(word);
  the_world.now += LOOKING_NS;
  if (__atomic_load_n(word, __ATOMIC_RELAXED) == expected)
    the_world.now += nanoseconds;
}

int __wrap_mm__os_random(void *bytes, size_t length);
int __wrap_mm__os_random(void *bytes, size_t length) {
  memset(bytes, 'r', length);
  return 0;
}

int __wrap_mm__os_host_identity(uint8_t identity[16]);
int __wrap_mm__os_host_identity(uint8_t identity[16]) {
  memset(identity, 'h', 16);
  return 0;
}

uint32_t __wrap_mm__os_process_id(void);
uint32_t __wrap_mm__os_process_id(void) { return 4242; }

uint32_t __wrap_mm__os_process_namespace(void);
uint32_t __wrap_mm__os_process_namespace(void) { return 4243; }

uint64_t __wrap_mm__os_process_start(void);
uint64_t __wrap_mm__os_process_start(void) { return 1; }

int __real_mm__os_open_directory(const char *path, int *directory);
int __wrap_mm__os_open_directory(const char *path, int *directory);
int __wrap_mm__os_open_directory(const char *path, int *directory) {
  return __real_mm__os_open_directory(
      strcmp(path, WORLD_DIRECTORY) == 0 ? world_path() : path, directory);
}

int __real_mm__os_commit(int file, uint64_t offset, uint64_t length);
int __wrap_mm__os_commit(int file, uint64_t offset, uint64_t length);
int __wrap_mm__os_commit(int file, uint64_t offset, uint64_t length) {
  the_world.now += COMMITTING_NS + length / WORLD_PAGE * COMMITTING_NS;
  if (the_world.commits_fail != 0) {
    the_world.commits_fail--;
    return -ENOSPC;
  }
  return __real_mm__os_commit(file, offset, length);
}

static void check_release(uint64_t offset, uint64_t length);

void __real_mm__os_release(int file, uint64_t offset, uint64_t length);
void __wrap_mm__os_release(int file, uint64_t offset, uint64_t length);
void __wrap_mm__os_release(int file, uint64_t offset, uint64_t length) {
  the_world.now += COMMITTING_NS + length / WORLD_PAGE * COMMITTING_NS;
  check_release(offset, length);
  __real_mm__os_release(file, offset, length);
}

/* Plain memory: who forgets to free it is found, and forking is played by
 * setting it to 0. */
uint32_t *__wrap_mm__os_fork_mark(void);
uint32_t *__wrap_mm__os_fork_mark(void) {
  uint32_t *mark = calloc(2, sizeof *mark);
  if (mark != NULL) *mark = 1;
  return mark;
}

void __wrap_mm__os_fork_mark_free(uint32_t *mark);
void __wrap_mm__os_fork_mark_free(uint32_t *mark) { free(mark); }

/* ---- Mappings ----------------------------------------------------------- */

/* No 32-bit index, times the size of a record, leads from one into another. */
#define PLACES 8u
#define PLACE_SIZE (1ull << 40)
#define MARGIN (PLACE_SIZE / 2)
#define SIZE_MAX_OF_POOL (1ull << 30)

static uint8_t *places;
static uint64_t sizes[PLACES]; /* 0: nothing is mapped there */
static mm__geometry poisoned[PLACES]; /* how the place's poison lies */

static uint8_t *base_of(uint32_t place) {
  return places + place * PLACE_SIZE + MARGIN;
}

/* The system call, because AddressSanitizer would clear a TiB of its shadow. */
static void *map(void *at, uint64_t size, int protection, int flags, int file) {
  return (void *)syscall(SYS_mmap, at, size, protection, flags, file, 0l);
}

void world_open(void) {
  places = map(NULL, PLACES * PLACE_SIZE, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (places == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
}

static void poison(uint8_t *base, uint64_t from, uint64_t to) {
  __asan_poison_memory_region(base + from, to - from);
}

/* The header is never given back to the system. */
static void check_release(uint64_t offset, uint64_t length) {
  for (uint32_t place = 0; place < PLACES; place++) {
    const mm__geometry *geometry = &poisoned[place];
    if (sizes[place] == 0 || sizes[place] != geometry->file_size) continue;
    if (offset >= geometry->slots_offset && offset <= geometry->file_size &&
        length <= geometry->file_size - offset)
      continue;
    world_fail("releases %llu bytes at %llu", (unsigned long long)length,
               (unsigned long long)offset);
  }
}

/* Leaves the header, all slots, caches and records, by the numbers in the file,
 * which whoever maps all of it has just checked; in a new one they are 0. */
static void poison_gaps(uint32_t place, uint64_t size) {
  uint8_t *base = base_of(place);
  if (size == sizeof(mm__header)) return;
  const mm__geometry geometry =
      ((const mm__header *)(const void *)base)->birth.geometry;
  if (memcmp(&geometry, &poisoned[place], sizeof geometry) == 0) return;
  __asan_unpoison_memory_region(base, poisoned[place].file_size);
  poisoned[place] = geometry;
  if (geometry.file_size == 0) return;
  poison(base, sizeof(mm__header), geometry.slots_offset);
  poison(base, geometry.slots_offset + MM_SLOTS_MAX * sizeof(mm__slot),
         geometry.caches_offset);
  poison(base,
         geometry.caches_offset + MM_SLOTS_MAX * mm__geometry_cache_size(&geometry),
         geometry.table_offset);
  poison(base,
         geometry.table_offset + geometry.table_capacity * sizeof(mm__block),
         geometry.file_size);
}

int __wrap_mm__os_map(int file, uint64_t size, void **address);
int __wrap_mm__os_map(int file, uint64_t size, void **address) {
  uint32_t place = 0;
  while (place < PLACES && sizes[place] != 0) place++;
  if (place == PLACES || size > SIZE_MAX_OF_POOL) return -ENOMEM;
  void *base = map(base_of(place), size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file);
  if (base == MAP_FAILED) return -errno;
  sizes[place] = size;
  the_world.mappings++;
  poison_gaps(place, size);
  *address = base;
  return 0;
}

static void unmap(uint32_t place) {
  const uint64_t whole = (sizes[place] + WORLD_PAGE - 1) / WORLD_PAGE * WORLD_PAGE;
  if (map(base_of(place), whole, PROT_NONE,
          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
          -1) == MAP_FAILED)
    world_fail("cannot unmap");
  sizes[place] = 0;
  the_world.mappings--;
}

void __wrap_mm__os_unmap(void *address, uint64_t size);
void __wrap_mm__os_unmap(void *address, uint64_t size) {
  for (uint32_t place = 0; place < PLACES; place++) {
    if (base_of(place) != address) continue;
    if (sizes[place] == 0 || sizes[place] != size) break;
    unmap(place);
    return;
  }
  world_fail("unmaps %llu bytes at %p, which is not mapped so",
             (unsigned long long)size, address);
}

void world_unmap_all(void) {
  for (uint32_t place = 0; place < PLACES; place++)
    if (sizes[place] != 0) unmap(place);
}

__attribute__((no_sanitize("address"))) void world_touch(void *address) {
  volatile uint8_t *byte = address;
  *byte = (uint8_t)(*byte + 1);
}

/* ---- Looks at mappings -------------------------------------------------- */

static void look_at(const void *address) {
  const uint64_t at = (uint64_t)((const uint8_t *)address - places);
  if (at >= PLACES * PLACE_SIZE) return;
  const uint64_t offset = at % PLACE_SIZE - MARGIN;
  if (offset / WORLD_PAGE < WORLD_PAGES) the_world.touched[offset / WORLD_PAGE] = 1;
  the_world.looks++;
  if (the_world.on_look != NULL) the_world.on_look(offset);
}

/* Called before each load and store of csrc/ (-fsanitize-coverage=trace-loads,
 * trace-stores), but not before those that exchange. */
#define LOOKS(type, width)                             \
  void __sanitizer_cov_load##width(const type *from);  \
  void __sanitizer_cov_load##width(const type *from) { look_at(from); } \
  void __sanitizer_cov_store##width(const type *to);   \
  void __sanitizer_cov_store##width(const type *to) { look_at(to); }

LOOKS(uint8_t, 1)
LOOKS(uint16_t, 2)
LOOKS(uint32_t, 4)
LOOKS(uint64_t, 8)
LOOKS(__uint128_t, 16)
