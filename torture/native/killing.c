/* killing.c - see killing.h. */
#include "killing.h"

#include <signal.h>

#include "fuse.h"
#include "population.h"

#define MILLISECOND 1000000ull
#define TAKEOVER_LIMIT (100 * MILLISECOND)
#define BLOCKED (1200 * MILLISECOND) /* longer than the others' patience */

void killing_recover(warden *warden, uint64_t since) {
  report *report = &warden->report;
  const int status = inspector_settle(warden->pool);
  const uint64_t took = mm__os_now() - since;
  if (status != MM_OK)
    report_violation(report, "the pool was not recovered: %s", mm_strerror(status));
  if (warden->unrecovered == 0) return;
  report->recoveries += warden->unrecovered;
  warden->unrecovered = 0;
  if (took > report->longest_recovery) report->longest_recovery = took;
  const char *broken = inspector_check(warden->pool);
  if (broken != NULL)
    report_violation(report, "broken invariant after recovery: %s", broken);
}

/* Waits until a worker has taken the dead one's lock over; answers its word. */
static uint64_t await_takeover(const warden *warden, uint64_t dead_word) {
  const uint64_t since = mm__os_now();
  uint64_t word;
  do {
    word = inspector_lock(warden->pool);
  } while (word == dead_word && mm__os_now() - since < TAKEOVER_LIMIT);
  return word;
}

/* Kills whoever has that word, in the middle of the recovery. Answers when the
 * last of them was gone. */
static uint64_t kill_recoverer(warden *warden, uint64_t word, uint64_t since) {
  const uint32_t index =
      population_find(warden, inspector_holder(warden->pool, word));
  if (index == UINT32_MAX) return since;
  const uint64_t before = warden->report.kills_in_lock;
  const uint64_t gone = population_kill(warden, index);
  warden->report.kills_in_recovery += warden->report.kills_in_lock - before;
  population_spawn(warden, index);
  return gone;
}

static uint32_t pick(warden *warden) {
  const uint32_t deno = warden->options.deno_workers;
  const uint32_t c = warden->options.c_workers;
  if (deno != 0 && dice_below(&warden->dice, 150) == 0)
    return c + (uint32_t)dice_below(&warden->dice, deno);
  return (uint32_t)dice_below(&warden->dice, c);
}

/* Somebody died inside the lock and left `word`: what then happens. */
static void follow(warden *warden, uint64_t word, uint64_t since) {
  const uint64_t kind = dice_below(&warden->dice, 4);
  if (kind < 2) word = await_takeover(warden, word);
  if (kind == 0) since = kill_recoverer(warden, word, since);
  if (kind != 1 && !population_has_stopped(warden)) killing_recover(warden, since);
}

/* Three in ten die inside the lock by a fuse, and as many outside of it. */
static void light_fuse(warden *warden, uint32_t index) {
  const uint64_t kind = dice_below(&warden->dice, 10);
  if (kind >= 6) return;
  warden->report.kills_by_fuse +=
      population_fuse(warden, index, SIGKILL, kind < 3 ? 0 : FUSE_OUTSIDE);
}

void killing_one(warden *warden) {
  const uint32_t index = pick(warden);
  const member *victim = &warden->members[index];
  if (!victim->is_deno && !victim->is_stopped) light_fuse(warden, index);
  const uint64_t before = warden->report.kills_in_lock;
  const uint64_t since = population_kill(warden, index);
  const uint64_t word = inspector_lock(warden->pool);
  const int had_lock = warden->report.kills_in_lock != before;
  /* Whoever comes next takes the dead one's slot, and with it the lock; later,
   * and somebody else has to take it over. */
  const int is_early = dice_percent(&warden->dice, 25);
  if (is_early) population_spawn(warden, index);
  if (had_lock) follow(warden, word, since);
  if (!is_early) population_spawn(warden, index);
}

/* Has it stop itself. If that did not come in time, it might still come: then
 * another takes its place. */
static int stop_in_lock(warden *warden, uint32_t index) {
  if (population_fuse(warden, index, SIGSTOP, 0)) return 1;
  population_kill(warden, index);
  population_spawn(warden, index);
  return 0;
}

void killing_stop_one(warden *warden) {
  const uint32_t index =
      (uint32_t)dice_below(&warden->dice, warden->members_count);
  const uint64_t length = dice_below(&warden->dice, 3 * MILLISECOND);
  const int is_aimed = dice_percent(&warden->dice, 50);
  const member *member = &warden->members[index];
  if (member->is_stopped) return;
  if (is_aimed && !member->is_deno && !stop_in_lock(warden, index)) return;
  population_stop(warden, index, mm__os_now() + length);
}

void killing_block_all(warden *warden) {
  const uint32_t index =
      (uint32_t)dice_below(&warden->dice, warden->options.c_workers);
  population_continue(warden, UINT64_MAX);
  if (!stop_in_lock(warden, index)) return;
  population_stop(warden, index, 0);
  mm__os_sleep(BLOCKED);
  population_continue(warden, UINT64_MAX);
}
