/* harness.c - see harness.h. */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared.h"

#define SECONDS 20u
#define EXIT_SKIPPED 77

static int passed, failed;
static char *filter[32];
static int filters;
static const char *only; /* the name of the one case that is wanted; NULL: any */
static int is_list;      /* 1: cases are named, not run */

/* In /dev/shm, everything that this program makes has this in its name. */
static char mark[40];

/* ---- Cleaning up -------------------------------------------------------- */

static void remove_leftovers_in(const char *parent) {
  DIR *directory = opendir(parent);
  if (directory == NULL) return;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    if (strstr(entry->d_name, mark) == NULL) continue;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
      umount2(path, MNT_DETACH);
      remove_leftovers_in(path);
      rmdir(path);
    } else {
      unlink(path);
    }
  }
  closedir(directory);
}

static void remove_leftovers(void) { remove_leftovers_in("/dev/shm"); }

/* Children of a case that died become ours (see below): end them, one by one,
 * by their own ids. */
static void reap_orphans(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  for (;;) {
    FILE *file = fopen(path, "r");
    int child = 0;
    const int found = file != NULL && fscanf(file, "%d", &child) == 1;
    if (file != NULL) fclose(file);
    if (!found) return;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
}

/* The case that runs now; 0: none. */
static volatile pid_t running;

/* The program only ever waits while a case runs: what it does here disturbs
 * nothing. */
static void clean_up_and_die(int signal_number) {
  if (running > 0) {
    kill(running, SIGKILL);
    waitpid(running, NULL, 0);
  }
  reap_orphans();
  remove_leftovers();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

static void clean_up_on(int signal_number) {
  const struct sigaction action = {.sa_handler = clean_up_and_die};
  sigaction(signal_number, &action, NULL);
}

/* ---- The program ---------------------------------------------------------- */

static const test_option *option_named(const test_option *options, const char *name) {
  for (; options->name != NULL; options++)
    if (strcmp(options->name, name) == 0) return options;
  fprintf(stderr, "There is no option %s\n", name);
  exit(2);
}

void harness_begin_with(int argc, char **argv, const test_option *options) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  clean_up_on(SIGINT);
  clean_up_on(SIGTERM);
  clean_up_on(SIGHUP);
  snprintf(mark, sizeof mark, "mm-test-%d-", (int)getpid());
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
    const test_option *option = option_named(options, argv[at]);
    *option->number = 1;
    if (!option->is_flag && ++at < argc) *option->number = strtoull(argv[at], NULL, 10);
  }
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

typedef enum outcome { FAILED, PASSED, SKIPPED } outcome;

/* Runs the body in a process of its own, and removes what it leaves. */
static outcome run_case(test_body *body, unsigned seconds) {
  fflush(stdout);
  /* Grandchildren whose parent died come to us instead of to init. */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t runner = getpid();
  const pid_t child = fork();
  if (child < 0) return FAILED;
  if (child == 0) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner) _exit(1);
    alarm(seconds);
    body();
    exit(0);
  }
  int status = 0;
  running = child;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  running = 0;
  reap_orphans();
  remove_leftovers();
  if (WIFSIGNALED(status))
    printf("  ended by signal %d (%s)\n", WTERMSIG(status),
           WTERMSIG(status) == SIGALRM ? "out of time" : strsignal(WTERMSIG(status)));
  if (!WIFEXITED(status)) return FAILED;
  if (WEXITSTATUS(status) == EXIT_SKIPPED) return SKIPPED;
  return WEXITSTATUS(status) == 0 ? PASSED : FAILED;
}

static void run_and_report(const char *name, test_body *body, unsigned seconds, int tries) {
  static const char *const texts[] = {"failed", "ok", "skipped"};
  if (!is_wanted(name)) return;
  if (is_list) {
    printf("case: %s\n", name);
    return;
  }
  const uint64_t begun = now_ms();
  outcome outcome = run_case(body, seconds);
  while (outcome == FAILED && --tries > 0) outcome = run_case(body, seconds);
  printf("%s ... %s (%llu ms)\n", name, texts[outcome],
         (unsigned long long)(now_ms() - begun));
  if (outcome == FAILED)
    failed++;
  else
    passed++;
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
  printf("%d passed, %d failed\n", passed, failed);
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
  snprintf(name, sizeof *names, "%s%d-%u", mark, (int)getpid(), count++);
  return name;
}

const char *own_directory(void) {
  static char path[256];
  snprintf(path, sizeof path, "/dev/shm/%s%d-directory", mark, (int)getpid());
  CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
  return path;
}

const char *small_file_system(uint64_t bytes) {
  static char path[256];
  char options[64];
  snprintf(path, sizeof path, "/dev/shm/%s%d-fs", mark, (int)getpid());
  snprintf(options, sizeof options, "size=%llu", (unsigned long long)bytes);
  if (mkdir(path, 0700) != 0 || mount("none", path, "tmpfs", 0, options) != 0)
    test_skip("this process may not mount a tmpfs");
  return path;
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

void destroy_and_detach(mm_pool *pool) {
  CHECK_OK(mm_pool_destroy(pool));
  mm_pool_detach(pool);
}

void pool_path(const char *name, char path[256]) {
  snprintf(path, 256, "/dev/shm/managed-memory.%s", name);
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

/* ---- Processes ---------------------------------------------------------- */

pid_t start_child(void (*body)(void *argument), void *argument) {
  fflush(stdout);
  const pid_t parent = getpid();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* 0: it is in another PID namespace. */
  if (getppid() != parent && getppid() != 0) _exit(1);
  body(argument);
  fflush(stdout);
  _exit(0); /* not exit(): what a child leaves behind is not a leak */
}

void finish_child(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) CHECK(errno == EINTR);
  if (WIFSIGNALED(status)) CHECK_EQ(WTERMSIG(status), 0);
  CHECK_EQ(WEXITSTATUS(status), 0);
}

void kill_child(pid_t child) {
  CHECK(kill(child, SIGKILL) == 0);
  while (waitpid(child, NULL, 0) < 0) CHECK(errno == EINTR);
}

void stop_child(pid_t child) {
  int status = 0;
  CHECK(kill(child, SIGSTOP) == 0);
  CHECK(waitpid(child, &status, WUNTRACED) == child);
  CHECK(WIFSTOPPED(status));
}

void continue_child(pid_t child) { CHECK(kill(child, SIGCONT) == 0); }

void *shared_memory(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

void await(const uint32_t *word, uint32_t value) {
  const uint64_t give_up = now_ms() + 10000;
  while (mm__load_acquire(word) != value) {
    if (now_ms() > give_up) test_fail(__FILE__, __LINE__, "await: nothing came");
    sleep_ms(1);
  }
}

/* ---- Time, chance ------------------------------------------------------- */

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void sleep_ms(uint64_t milliseconds) {
  struct timespec left = {.tv_sec = (time_t)(milliseconds / 1000),
                          .tv_nsec = (long)(milliseconds % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

uint64_t random_next(uint64_t *seed) {
  uint64_t mixed = *seed += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

uint64_t random_below(uint64_t *seed, uint64_t limit) {
  return random_next(seed) % limit;
}
