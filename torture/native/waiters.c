/* waiters.c - see waiters.h. */
#include "waiters.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lag.h"
#include "population.h"

#define MICROSECOND 1000ull
#define MILLISECOND 1000000ull
#define WAITERS_MAX 4u
#define READY_LIMIT (300 * MILLISECOND)
#define GIVE_UP (12000 * MILLISECOND) /* beyond the time limit of their calls */
#define LOOK (200 * MICROSECOND)
#define PROMPT (5 * MILLISECOND) /* whoever is not woken looks after 25 ms */
#define PROMPT_PERCENT 90u       /* of those undisturbed */
#define JUDGED_FROM 20u          /* undisturbed waits */
#define COMMAND_SHIFT 32

typedef struct waiters {
  uint32_t count;
  uint32_t index[WAITERS_MAX];
  uint64_t command[WAITERS_MAX];
  int is_timed[WAITERS_MAX]; /* 0: served already, killed or not ready */
  int is_undisturbed;        /* 1: nobody is killed since they wait */
  const char *room_came_by;  /* for messages */
} waiters;

static board_cell *cell_of(warden *warden, const waiters *waiters, uint32_t at) {
  return &warden->board->cells[waiters->index[at]];
}

static int is_done(warden *warden, const waiters *waiters, uint32_t at) {
  return board_load(&cell_of(warden, waiters, at)->done) == waiters->command[at];
}

static int is_chosen(const waiters *waiters, uint32_t index) {
  for (uint32_t at = 0; at < waiters->count; at++)
    if (waiters->index[at] == index) return 1;
  return 0;
}

/* Commands some running workers to wait for `size` bytes each, until they do. */
static void choose(warden *warden, uint64_t size, waiters *waiters) {
  const uint64_t wanted = 1 + dice_below(&warden->dice, WAITERS_MAX);
  waiters->count = 0;
  for (uint32_t tries = 0; tries < 16 && waiters->count < wanted; tries++) {
    const uint32_t index =
        (uint32_t)dice_below(&warden->dice, warden->members_count);
    board_cell *cell = &warden->board->cells[index];
    if (is_chosen(waiters, index) || board_load(&cell->state) != STATE_RUNNING)
      continue;
    const uint64_t number = (board_load(&cell->done) >> COMMAND_SHIFT) + 1;
    const uint32_t at = waiters->count++;
    waiters->index[at] = index;
    waiters->command[at] = number << COMMAND_SHIFT | size;
    board_store(&cell->command, waiters->command[at]);
  }
  const uint64_t since = mm__os_now();
  uint32_t ready = 0;
  while (ready < waiters->count && mm__os_now() - since < READY_LIMIT) {
    warden_nap(LOOK);
    ready = 0;
    for (uint32_t at = 0; at < waiters->count; at++) {
      waiters->is_timed[at] =
          board_load(&cell_of(warden, waiters, at)->state) == STATE_WAITING;
      ready += waiters->is_timed[at] || is_done(warden, waiters, at);
    }
  }
  warden_nap(dice_below(&warden->dice, 2000) * MICROSECOND);
}

static void kill_and_replace(warden *warden, uint32_t index) {
  population_kill(warden, index);
  population_spawn(warden, index);
}

/* Frees the reserve in a process that is killed while it does so; 1 if that had
 * the lock. */
static int free_by_victim(warden *warden) {
  dice *dice = &warden->dice;
  const uint64_t child_delay = dice_below(dice, 8000);
  const uint64_t parent_delay = dice_below(dice, 12000);
  uint64_t *signal_word = &warden->board->cells[warden->members_count].state;
  board_store(signal_word, 0);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mm_allocation found;
    mm_find(warden->pool, warden->reserve, &found); /* attaches anew */
    board_store(signal_word, 1);
    warden_spin(child_delay);
    mm_free(warden->pool, warden->reserve);
    for (;;) pause();
  }
  while (board_load(signal_word) == 0) warden_nap(20 * MICROSECOND);
  warden_spin(parent_delay);
  kill(pid, SIGKILL);
  warden->report.freer_kills++;
  return population_bury(warden, pid, "freer");
}

static void free_reserve(warden *warden, waiters *waiters) {
  mm_allocation found;
  waiters->room_came_by = "a free";
  if (dice_percent(&warden->dice, 50)) {
    waiters->is_undisturbed = 0;
    const int had_lock = free_by_victim(warden);
    if (mm_find(warden->pool, warden->reserve, &found) == MM_E_STALE)
      waiters->room_came_by = had_lock ? "a free by one killed inside the lock"
                                       : "a free by one killed after it";
  }
  int status = mm_find(warden->pool, warden->reserve, &found);
  if (status == MM_OK) status = mm_free(warden->pool, warden->reserve);
  if (status != MM_OK && status != MM_E_STALE)
    report_violation(&warden->report, "freeing the reserve: %s",
                     mm_strerror(status));
  warden->reserve = 0;
}

/* For how long the machine has kept the warden and the waiters from running. */
static uint64_t lag_of_all(const warden *warden, const waiters *waiters) {
  uint64_t sum = lag_of(getpid());
  for (uint32_t at = 0; at < waiters->count; at++)
    sum += lag_of(warden->members[waiters->index[at]].pid);
  return sum;
}

static void note_wait(warden *warden, const waiters *waiters, uint32_t at,
                      uint64_t took, uint64_t lag, uint64_t answer) {
  report *report = &warden->report;
  const uint64_t own = took > lag ? took - lag : 0;
  const uint32_t index = waiters->index[at];
  report->waits++;
  if (took > report->longest_wait) report->longest_wait = took;
  if (own > report->longest_own_wait) report->longest_own_wait = own;
  report->undisturbed_waits += waiters->is_undisturbed;
  report->prompt_waits += waiters->is_undisturbed && own < PROMPT;
  if (own > WAITERS_LIMIT_NS)
    report_violation(report,
                     "%s worker %u waited for %llu ms after %s, %llu ms of them"
                     " for a processor",
                     warden->members[index].is_deno ? "Deno" : "C", index,
                     (unsigned long long)(took / MILLISECOND),
                     waiters->room_came_by,
                     (unsigned long long)(lag / MILLISECOND));
  if (board_load(&cell_of(warden, waiters, at)->answer) != answer)
    report_violation(report, "worker %u: the wait ended wrongly", index);
}

/* Waits until all are done, and times them from now. */
static void time_all(warden *warden, waiters *waiters, uint64_t answer) {
  const uint64_t since = mm__os_now();
  const uint64_t lag_before = lag_of_all(warden, waiters);
  uint32_t left;
  do {
    const uint64_t took = mm__os_now() - since;
    /* Only the slow are worth the look. */
    const uint64_t lag_now =
        took > PROMPT ? lag_of_all(warden, waiters) : lag_before;
    const uint64_t lag = lag_now > lag_before ? lag_now - lag_before : 0;
    left = 0;
    for (uint32_t at = 0; at < waiters->count; at++) {
      if (!waiters->is_timed[at]) continue;
      if (is_done(warden, waiters, at)) {
        note_wait(warden, waiters, at, took, lag, answer);
        waiters->is_timed[at] = 0;
      } else {
        left++;
      }
    }
    if (left != 0 && took > GIVE_UP) {
      report_violation(&warden->report, "%u waiters do not get on after %s", left,
                       waiters->room_came_by);
      return;
    }
    if (left != 0) warden_nap(LOOK);
  } while (left != 0);
}

/* Kills one of the waiters; before the room comes, or just when it has. */
static void kill_a_waiter(warden *warden, waiters *waiters) {
  if (waiters->count == 0) return;
  const uint32_t at = (uint32_t)dice_below(&warden->dice, waiters->count);
  kill_and_replace(warden, waiters->index[at]);
  waiters->is_timed[at] = 0;
}

void waiters_probe(warden *warden) {
  if (warden->reserve == 0) return;
  dice *dice = &warden->dice;
  waiters waiters;
  const uint64_t part = warden->size / 10 - 64 * dice_below(dice, 64);
  choose(warden, part, &waiters);
  const unsigned disturbance = (unsigned)dice_below(dice, 5);
  waiters.is_undisturbed = disturbance > 2;
  if (disturbance == 0) kill_a_waiter(warden, &waiters);
  free_reserve(warden, &waiters);
  if (disturbance == 1) kill_a_waiter(warden, &waiters);
  if (disturbance == 2) {
    const uint32_t index = (uint32_t)dice_below(dice, warden->members_count);
    if (!is_chosen(&waiters, index)) kill_and_replace(warden, index);
  }
  /* Where few allocations may live, half of the bytes is room for one only. */
  if (warden->has_limit)
    for (uint32_t at = 0; at < waiters.count; at++) waiters.is_timed[at] = 0;
  time_all(warden, &waiters, ANSWER_SERVED);
}

void waiters_probe_destroy(warden *warden) {
  mm_allocation all;
  if (mm_alloc(warden->pool, warden->size, MM_TYPE_DATA, &all) != MM_OK)
    report_violation(&warden->report, "all of an empty pool was not to be had");
  waiters waiters;
  choose(warden, warden->size / 2, &waiters);
  if (dice_percent(&warden->dice, 30)) kill_a_waiter(warden, &waiters);
  const int status = mm_pool_destroy(warden->pool);
  if (status != MM_OK)
    report_violation(&warden->report, "mm_pool_destroy: %s", mm_strerror(status));
  waiters.room_came_by = "the pool was destroyed";
  waiters.is_undisturbed = 0;
  time_all(warden, &waiters, ANSWER_DESTROYED);
}

void waiters_judge(warden *warden) {
  report *report = &warden->report;
  const uint64_t waits = report->undisturbed_waits;
  if (waits >= JUDGED_FROM && report->prompt_waits * 100 < waits * PROMPT_PERCENT)
    report_violation(report, "only %llu of %llu undisturbed waiters were woken",
                     (unsigned long long)report->prompt_waits,
                     (unsigned long long)waits);
}
