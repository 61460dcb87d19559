/* harness.h - what every native test program shares.
 *
 * A program is a list of test_case() calls between harness_begin() and
 * harness_end(). Each case runs in a process of its own, under a time limit, so
 * that a crash or a hang is one failed case. Whatever it leaves behind (pools,
 * directories, children) is removed when it ends, however it ends; also when the
 * program is interrupted or told to terminate.
 *
 * With arguments that are not options, a program runs only the cases whose name
 * contains one of them. `--only NAME` runs the one case of that name; `--list`
 * names the cases, in lines of "case: NAME", and runs none.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "handle.h"

typedef void test_body(void);

void harness_begin(int argc, char **argv);

/* An option of a program: `--name NUMBER`, or, if it is a flag, `--name`, which
 * is 1 then. */
typedef struct test_option {
  const char *name;
  uint64_t *number;
  int is_flag;
} test_option;

/* As harness_begin(), for a program with options; the last one has no name. */
void harness_begin_with(int argc, char **argv, const test_option *options);

/* What a process of its own does in some case, on systems without fork() too. The
 * argument is a word without spaces. */
typedef struct test_role {
  const char *name;
  void (*body)(const char *argument);
} test_role;

/* Between harness_begin() and the first case, for each role. */
void harness_offer(const test_role *role);

/* Runs one case; 20 seconds at most. */
void test_case(const char *name, test_body *body);

/* As test_case(), with a time limit of its own. */
void test_case_within(const char *name, test_body *body, unsigned seconds);

/* Cases that have failed so far. */
unsigned harness_failures(void);

/* As test_case(), for a case that measures how soon something happens: on a busy
 * machine it may be late by no fault of the library, so it has three tries. */
void test_case_timed(const char *name, test_body *body);

/* Prints "N passed, N failed", and how many were skipped; the program's exit status. */
int harness_end(void);

/* What a check that fails says about where the test stood; "" at first. */
void test_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends a case that cannot run here, and says why. */
_Noreturn void test_skip(const char *why);

/* ---- Checks: the first that fails ends the case ------------------------- */

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(condition)                                         \
  do {                                                           \
    if (!(condition)) test_fail(__FILE__, __LINE__, "%s", #condition); \
  } while (0)

/* Compares two whole numbers. */
#define CHECK_EQ(actual, expected)                                         \
  do {                                                                     \
    const long long actual_ = (long long)(actual);                         \
    const long long expected_ = (long long)(expected);                     \
    if (actual_ != expected_)                                              \
      test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, \
                expected_);                                                \
  } while (0)

/* Compares two statuses, and says their texts. */
#define CHECK_STATUS(actual, expected)                                      \
  do {                                                                      \
    const int actual_ = (actual);                                           \
    const int expected_ = (expected);                                       \
    if (actual_ != expected_)                                               \
      test_fail(__FILE__, __LINE__, "%s: %d (%s), not %d", #actual, actual_, \
                mm_strerror(actual_), expected_);                           \
  } while (0)

#define CHECK_OK(actual) CHECK_STATUS(actual, MM_OK)

/* Takes what mm__check() and its like answer. */
#define CHECK_SOUND(broken)                                                \
  do {                                                                     \
    const char *broken_ = (broken);                                        \
    if (broken_ != NULL) test_fail(__FILE__, __LINE__, "%s: %s", #broken, broken_); \
  } while (0)

/* ---- Pools -------------------------------------------------------------- */

/* A pool name that nobody else has; valid until 64 more were asked for. */
const char *unique_name(void);

/* A directory in /dev/shm for pools of this case only. Linux only. */
const char *own_directory(void);

/* Linux only: an empty directory on a tmpfs of that many bytes of its own; ends the case
 * as skipped where this process may not mount. */
const char *small_file_system(uint64_t bytes);

mm_pool *new_pool(uint64_t size);
mm_pool *new_pool_from(mm_pool_options options); /* name NULL: a unique one */
mm_pool *attach_again(mm_pool *pool);

/* Biases a participant's slot as many allocations would: 0 where the system has no
 * way to. */
int bias_slot(mm_pool *pool);
void destroy_and_detach(mm_pool *pool);

/* The path of the file of a pool in the default directory. */
void pool_path(const char *name, char path[256]);

/* 1 if a pool of that name has a file there. */
int pool_exists(const char *name);

mm_allocation must_alloc(mm_pool *pool, uint64_t size);

/* Fills an allocation with bytes that follow from its id, and looks whether
 * they are still there. Of large ones, the first page and the last bytes. */
void fill_tagged(mm_pool *pool, const mm_allocation *allocation);
void check_tagged(mm_pool *pool, const mm_allocation *allocation);

/* ---- Processes ---------------------------------------------------------- */

/* Starts a child that runs body(argument) and exits with 0. It dies with the
 * case. Where there is no fork(), ends the case as skipped. */
pid_t start_child(void (*body)(void *argument), void *argument);

/* Starts a child in a role. */
pid_t start_role(const test_role *role, const char *argument);

/* Waits for a child, which must exit with 0. */
void finish_child(pid_t child);

/* Kills a child and waits until it is gone. */
void kill_child(pid_t child);

/* Stops a child and waits until it stands still. Linux only. */
void stop_child(pid_t child);
void continue_child(pid_t child);

/* Zeroed memory that is shared with children started later. */
void *shared_memory(size_t size);

/* Waits for a word that another process sets; fails after 10 seconds. */
void await(const uint32_t *word, uint32_t value);

/* ---- Time, chance ------------------------------------------------------- */

uint64_t now_ms(void);
void sleep_ms(uint64_t milliseconds);

/* splitmix64: the next number of the sequence that *seed names. */
uint64_t random_next(uint64_t *seed);

/* A number below `limit`. */
uint64_t random_below(uint64_t *seed, uint64_t limit);

#endif
