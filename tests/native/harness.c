/* harness.c - see harness.h. */
#define _GNU_SOURCE
#include "harness.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness_system.h"
#include "shared.h"

#define SECONDS 20u

static int passed, failed, skipped;
static char *filter[32];
static int filters;
static const char *only; /* the name of the one case that is wanted; NULL: any */
static int is_list;      /* 1: cases are named, not run */

harness_errand harness_case, harness_role;

/* ---- The program ---------------------------------------------------------- */

static const test_option *option_named(const test_option *options, const char *name) {
  for (; options->name != NULL; options++)
    if (strcmp(options->name, name) == 0) return options;
  fprintf(stderr, "There is no option %s\n", name);
  exit(2);
}

void harness_begin_with(int argc, char **argv, const test_option *options) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  harness_system_begin();
  for (int at = 1; at < argc; at++) {
    if (argv[at][0] != '-') {
      if (filters < 32) filter[filters++] = argv[at];
      continue;
    }
    if (strcmp(argv[at], "--list") == 0) {
      is_list = 1;
      continue;
    }
    if (strcmp(argv[at], "--only") == 0 && at + 1 < argc) {
      only = argv[++at];
      continue;
    }
    if (strcmp(argv[at], "--case") == 0 && at + 1 < argc) {
      harness_case.name = argv[++at];
      continue;
    }
    if (strcmp(argv[at], "--role") == 0 && at + 2 < argc) {
      harness_role = (harness_errand){argv[at + 1], argv[at + 2]};
      at += 2;
      continue;
    }
    const test_option *option = option_named(options, argv[at]);
    *option->number = 1;
    if (!option->is_flag && ++at < argc) *option->number = strtoull(argv[at], NULL, 10);
  }
}

void harness_offer(const test_role *role) {
  if (harness_role.name == NULL || strcmp(role->name, harness_role.name) != 0) return;
  role->body(harness_role.argument);
  exit(0);
}

void harness_begin(int argc, char **argv) {
  harness_begin_with(argc, argv, &(const test_option){0});
}

static int is_wanted(const char *name) {
  if (only != NULL && strcmp(name, only) != 0) return 0;
  for (int at = 0; at < filters; at++)
    if (strstr(name, filter[at]) != NULL) return 1;
  return filters == 0;
}

/* ---- Cases -------------------------------------------------------------- */

static void run_and_report(const char *name, test_body *body, unsigned seconds, int tries) {
  static const char *const texts[] = {"failed", "ok", "skipped"};
  if (harness_case.name != NULL) {
    if (strcmp(name, harness_case.name) != 0) return;
    body();
    exit(0);
  }
  if (!is_wanted(name)) return;
  if (is_list) {
    printf("case: %s\n", name);
    return;
  }
  const uint64_t begun = now_ms();
  case_outcome outcome = harness_run_case(name, body, seconds);
  while (outcome == FAILED && --tries > 0)
    outcome = harness_run_case(name, body, seconds);
  printf("%s ... %s (%llu ms)\n", name, texts[outcome],
         (unsigned long long)(now_ms() - begun));
  if (outcome == FAILED) failed++;
  if (outcome == PASSED) passed++;
  if (outcome == SKIPPED) skipped++;
}

void test_case(const char *name, test_body *body) {
  run_and_report(name, body, SECONDS, 1);
}

void test_case_within(const char *name, test_body *body, unsigned seconds) {
  run_and_report(name, body, seconds, 1);
}

void test_case_timed(const char *name, test_body *body) {
  run_and_report(name, body, SECONDS, 3);
}

unsigned harness_failures(void) { return (unsigned)failed; }

int harness_end(void) {
  printf("%d passed, %d failed", passed, failed);
  if (skipped != 0) printf(", %d skipped", skipped);
  printf("\n");
  return failed != 0;
}

static char context[256];

void test_context(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context, sizeof context, format, arguments);
  va_end(arguments);
}

void test_fail(const char *file, int line, const char *format, ...) {
  const char *base = strrchr(file, '/');
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  printf("  %s%s%s:%d: %s\n", context, *context != 0 ? ": " : "",
         base != NULL ? base + 1 : file, line, text);
  fflush(stdout);
  _exit(1);
}

void test_skip(const char *why) {
  printf("  skipped: %s\n", why);
  fflush(stdout);
  _exit(EXIT_SKIPPED);
}

/* ---- Pools -------------------------------------------------------------- */

const char *unique_name(void) {
  static char names[64][96];
  static unsigned count;
  char *name = names[count % 64];
  /* The process's id too: children of a case make pools as well. */
  snprintf(name, sizeof *names, "%s%d-%u", harness_mark(), (int)getpid(), count++);
  return name;
}

mm_pool *new_pool_from(mm_pool_options options) {
  if (options.name == NULL) options.name = unique_name();
  mm_pool *pool = NULL;
  CHECK_OK(mm_pool_create(&options, &pool));
  return pool;
}

mm_pool *new_pool(uint64_t size) {
  return new_pool_from((mm_pool_options){.size = size, .uid = 1});
}

mm_pool *attach_again(mm_pool *pool) {
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  CHECK_OK(mm_pool_serialize(pool, descriptor, sizeof descriptor, &length));
  mm_pool *again = NULL;
  CHECK_OK(mm_pool_attach(descriptor, length, &again));
  return again;
}

int bias_slot(mm_pool *pool) {
  if (mm__os_join_fences(1) != 1) return 0;
  CHECK_OK(mm__lock(pool, 0));
  uint32_t *biased = &pool->cache.slot->biased;
  CHECK_EQ(mm__load(biased) & MM__BIAS_MASK, MM__NOT_BIASED);
  mm__store(biased, mm__load(biased) + MM__BIASED);
  mm__unlock(pool);
  return 1;
}

void destroy_and_detach(mm_pool *pool) {
  CHECK_OK(mm_pool_destroy(pool));
  mm_pool_detach(pool);
}

void pool_path(const char *name, char path[256]) {
  snprintf(path, 256, "%s/managed-memory.%s", mm__os_default_directory(), name);
}

int pool_exists(const char *name) {
  char path[256];
  pool_path(name, path);
  return access(path, F_OK) == 0;
}

mm_allocation must_alloc(mm_pool *pool, uint64_t size) {
  mm_allocation allocation = {0};
  CHECK_OK(mm_alloc(pool, size, MM_TYPE_DATA, &allocation));
  return allocation;
}

#define TAGGED_START 4096u
#define TAGGED_END 64u

/* The eight bytes of an allocation from 8 * `word` on. */
static void tag(uint64_t id, uint64_t word, uint8_t bytes[8]) {
  uint64_t seed = id + word;
  const uint64_t value = random_next(&seed);
  memcpy(bytes, &value, 8);
}

/* The word after `word` that is tagged, too. */
static uint64_t next_tagged(uint64_t size, uint64_t word) {
  const uint64_t last = size < TAGGED_END ? 0 : (size - TAGGED_END) / 8;
  return word + 1 >= TAGGED_START / 8 && word + 1 < last ? last : word + 1;
}

void fill_tagged(mm_pool *pool, const mm_allocation *allocation) {
  uint8_t *bytes = mm_address(pool, allocation);
  const uint64_t size = allocation->size;
  for (uint64_t word = 0; word < (size + 7) / 8; word = next_tagged(size, word)) {
    uint8_t expected[8];
    tag(allocation->id, word, expected);
    memcpy(bytes + 8 * word, expected, size - 8 * word < 8 ? size - 8 * word : 8);
  }
}

void check_tagged(mm_pool *pool, const mm_allocation *allocation) {
  const uint8_t *bytes = mm_address(pool, allocation);
  const uint64_t size = allocation->size;
  for (uint64_t word = 0; word < (size + 7) / 8; word = next_tagged(size, word)) {
    uint8_t expected[8];
    tag(allocation->id, word, expected);
    if (memcmp(bytes + 8 * word, expected, size - 8 * word < 8 ? size - 8 * word : 8) != 0)
      test_fail(__FILE__, __LINE__, "a foreign byte near %llu of allocation %llx",
                (unsigned long long)(8 * word), (unsigned long long)allocation->id);
  }
}

void await(const uint32_t *word, uint32_t value) {
  const uint64_t give_up = now_ms() + 10000;
  while (mm__load_acquire(word) != value) {
    if (now_ms() > give_up) test_fail(__FILE__, __LINE__, "await: nothing came");
    sleep_ms(1);
  }
}

/* ---- Time, chance ------------------------------------------------------- */

uint64_t random_next(uint64_t *seed) {
  uint64_t mixed = *seed += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

uint64_t random_below(uint64_t *seed, uint64_t limit) {
  return random_next(seed) % limit;
}
