/* population.c - see population.h. */
#include "population.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse.h"
#include "worker.h"

#define FUSE_LIMIT 20000000ull /* ns; whoever waits for room does not burn it */
#define FUSE_LOOK 20000ull     /* ns */

static _Noreturn void become_deno(const warden *warden, uint32_t index,
                                  uint64_t seed) {
  char index_text[16], seed_text[32];
  snprintf(index_text, sizeof index_text, "%u", index);
  snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, STDOUT_FILENO);
  execl(warden->options.deno, warden->options.deno, "run", "--quiet",
        "--no-prompt", "--allow-ffi", warden->options.script,
        warden->board_descriptor, index_text, seed_text, (char *)NULL);
  perror(warden->options.deno);
  _exit(1);
}

void population_spawn(warden *warden, uint32_t index) {
  member *member = &warden->members[index];
  board_cell *cell = &warden->board->cells[index];
  const uint64_t seed = dice_stream(warden->options.seed, warden->spawned++);
  board_store(&cell->command, 0);
  board_store(&cell->done, 0);
  board_store(&cell->drained, 0);
  board_store(&cell->fuse, 0);
  board_store(&cell->state, STATE_STARTING);
  /* The number of the pool that the child inherits; later there may be another. */
  const uint64_t number = board_load(&warden->board->pool);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(1);
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    if (member->is_deno) become_deno(warden, index, seed);
    worker_run(warden->board, index, seed, warden->pool, number);
  }
  member->pid = pid;
  member->is_stopped = 0;
}

static void wait_for(pid_t pid, int *status, int options) {
  while (waitpid(pid, status, options) < 0)
    if (errno != EINTR) {
      perror("waitpid");
      exit(1);
    }
}

int population_bury(warden *warden, pid_t pid, const char *who) {
  int status;
  wait_for(pid, &status, 0);
  warden->report.kills++;
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    report_violation(&warden->report, "a %s ended by itself: %s %d", who,
                     WIFSIGNALED(status) ? "signal" : "code",
                     WIFSIGNALED(status) ? WTERMSIG(status)
                                         : WEXITSTATUS(status));
  const uint64_t word = inspector_lock(warden->pool);
  const int had_lock = word != 0 && inspector_holder(warden->pool, word) == pid;
  warden->report.kills_in_lock += had_lock;
  warden->unrecovered += had_lock;
  return had_lock;
}

uint64_t population_kill(warden *warden, uint32_t index) {
  member *member = &warden->members[index];
  board_cell *cell = &warden->board->cells[index];
  kill(member->pid, SIGKILL);
  population_bury(warden, member->pid, member->is_deno ? "Deno worker" : "C worker");
  board_store(&cell->nonce, 0); /* not earlier: it may just have attached anew */
  warden->report.deno_kills += member->is_deno;
  board_store(&cell->state, STATE_STARTING);
  member->pid = 0;
  member->is_stopped = 0;
  return mm__os_now();
}

int population_stop(warden *warden, uint32_t index, uint64_t continue_at) {
  member *member = &warden->members[index];
  int status;
  kill(member->pid, SIGSTOP);
  wait_for(member->pid, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) {
    report_violation(&warden->report, "a worker ended by itself: status %x",
                     (unsigned)status);
    population_spawn(warden, index);
    return 0;
  }
  member->is_stopped = 1;
  member->continue_at = continue_at;
  const int has_lock = inspector_holder(
      warden->pool, inspector_lock(warden->pool)) == member->pid;
  warden->report.stops++;
  warden->report.stops_in_lock += has_lock;
  return has_lock;
}

int population_fuse(warden *warden, uint32_t index, int signal, uint64_t place) {
  if (!FUSE_WORKS) return 0;
  const pid_t pid = warden->members[index].pid;
  uint64_t *fuse = &warden->board->cells[index].fuse;
  /* More than a call has: it counts on over the next. Or within a rebuild. */
  const uint64_t most = dice_percent(&warden->dice, 10) ? 4000 : 400;
  const uint64_t instructions = 1 + dice_below(&warden->dice, most);
  board_store(fuse, instructions << FUSE_SIGNAL_BITS | place | (uint64_t)signal);
  const uint64_t since = mm__os_now();
  siginfo_t end = {.si_pid = 0};
  while (end.si_pid != pid && mm__os_now() - since < FUSE_LIMIT) {
    warden_nap(FUSE_LOOK);
    waitid(P_PID, (id_t)pid, &end, WEXITED | WSTOPPED | WNOHANG | WNOWAIT);
  }
  board_store(fuse, 0);
  return end.si_pid == pid;
}

void population_continue(warden *warden, uint64_t now) {
  for (uint32_t at = 0; at < warden->members_count; at++) {
    member *member = &warden->members[at];
    if (!member->is_stopped || member->continue_at > now) continue;
    kill(member->pid, SIGCONT);
    member->is_stopped = 0;
  }
}

int population_has_stopped(const warden *warden) {
  for (uint32_t at = 0; at < warden->members_count; at++)
    if (warden->members[at].is_stopped) return 1;
  return 0;
}

uint32_t population_find(const warden *warden, pid_t pid) {
  for (uint32_t at = 0; at < warden->members_count; at++)
    if (pid != 0 && warden->members[at].pid == pid) return at;
  return UINT32_MAX;
}

void population_count(warden *warden) {
  report *report = &warden->report;
  report->operations = 0;
  report->busy = 0;
  for (uint32_t at = 0; at < warden->members_count; at++) {
    board_cell *cell = &warden->board->cells[at];
    report->operations += board_load(&cell->operations);
    report->busy += board_load(&cell->busy);
    const uint64_t violations = board_load(&cell->violations);
    if (violations == warden->members[at].violations_seen) continue;
    warden->members[at].violations_seen = violations;
    char text[BOARD_TEXT];
    memcpy(text, cell->text, sizeof text);
    text[sizeof text - 1] = '\0';
    report_violation(report, "%s %u: %s",
                     warden->members[at].is_deno ? "Deno worker" : "C worker", at,
                     text);
  }
}
