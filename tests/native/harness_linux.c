/* harness_linux.c - harness_system.h for Linux: a case is a child after fork(). */
#define _GNU_SOURCE
#include "harness_system.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char mark[40];

const char *harness_mark(void) { return mark; }

/* ---- Cleaning up -------------------------------------------------------- */

/* Removes what has the mark in its name, or everything. */
static void remove_in(const char *parent, int everything) {
  DIR *directory = opendir(parent);
  if (directory == NULL) return;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!everything && strstr(entry->d_name, mark) == NULL) continue;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
      umount2(path, MNT_DETACH);
      remove_in(path, 1);
      rmdir(path);
    } else {
      unlink(path);
    }
  }
  closedir(directory);
}

static void remove_leftovers(void) { remove_in("/dev/shm", 0); }

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

void harness_system_begin(void) {
  clean_up_on(SIGINT);
  clean_up_on(SIGTERM);
  clean_up_on(SIGHUP);
  snprintf(mark, sizeof mark, "mm-test-%d-", (int)getpid());
}

/* ---- Cases -------------------------------------------------------------- */

case_outcome harness_run_case(const char *name, test_body *body, unsigned seconds) {
  (void)name;
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

/* ---- Directories -------------------------------------------------------- */

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

typedef struct role_call {
  const test_role *role;
  const char *argument;
} role_call;

static void play(void *argument) {
  const role_call *call = argument;
  call->role->body(call->argument);
}

pid_t start_role(const test_role *role, const char *argument) {
  /* Not started again as a program: an emulator would have to be found first. */
  role_call *call = malloc(sizeof *call);
  CHECK(call != NULL);
  *call = (role_call){role, argument};
  const pid_t child = start_child(play, call);
  free(call);
  return child;
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

/* ---- Time ---------------------------------------------------------------- */

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
