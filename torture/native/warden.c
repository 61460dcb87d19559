/* warden.c - the torture: starts the population, kills, stops and audits until
 * there were enough kills.
 *
 *   warden NAME KILLS SEED C_WORKERS DENO_WORKERS DENO SCRIPT
 *
 * torture/main.ts calls it. It ends early when its standard input is closed, and
 * exits with 0 if nothing was violated. */
#include "warden.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit.h"
#include "janitor.h"
#include "killing.h"
#include "pools.h"
#include "population.h"
#include "waiters.h"

#define MICROSECOND 1000ull
#define MILLISECOND 1000000ull
#define KILLS_PER_AUDIT 100u
#define KILLS_PER_SWEEP 8u
#define PROGRESS (250 * MILLISECOND)
#define VIOLATIONS_MAX 50u

void warden_nap(uint64_t nanoseconds) { mm__os_sleep(nanoseconds); }

void warden_spin(uint64_t nanoseconds) {
  const uint64_t since = mm__os_now();
  while (mm__os_now() - since < nanoseconds) continue;
}

static int is_told_to_end(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* What happens between two looks at the time. */
static void step(warden *warden) {
  dice *dice = &warden->dice;
  const uint64_t kind = dice_below(dice, 4000);
  if (kind == 0)
    killing_block_all(warden);
  else if (kind < 240)
    killing_stop_one(warden);
  else
    killing_one(warden);
  population_continue(warden, mm__os_now());
  if (dice_percent(dice, 30))
    warden_spin(dice_below(dice, 50) * MICROSECOND);
  else
    warden_nap(dice_below(dice, 500) * MICROSECOND);
}

static void torture(warden *warden) {
  report *report = &warden->report;
  uint64_t audit_at = KILLS_PER_AUDIT, sweep_at = KILLS_PER_SWEEP;
  uint64_t progress_at = 0;
  while (report->kills < warden->options.kills &&
         report->violations < VIOLATIONS_MAX) {
    step(warden);
    if (report->kills >= sweep_at && !population_has_stopped(warden)) {
      janitor_sweep(warden);
      sweep_at = report->kills + KILLS_PER_SWEEP;
    }
    if (report->kills >= audit_at) {
      audit_all(warden);
      audit_at = report->kills + KILLS_PER_AUDIT;
    }
    const uint64_t now = mm__os_now();
    if (now < progress_at) continue;
    progress_at = now + PROGRESS;
    population_count(warden);
    report_progress(report);
    if (is_told_to_end()) break;
  }
  audit_all(warden);
  waiters_judge(warden);
}

static uint64_t number(const char *text) {
  char *end;
  errno = 0;
  const uint64_t value = strtoull(text, &end, 10);
  if (errno != 0 || *text == '\0' || *end != '\0') {
    fprintf(stderr, "\"%s\" is not a number\n", text);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr,
            "usage: %s NAME KILLS SEED C_WORKERS DENO_WORKERS DENO SCRIPT\n",
            argv[0]);
    return 2;
  }
  static warden warden;
  warden.options = (warden_options){
      .name = argv[1],
      .kills = number(argv[2]),
      .seed = number(argv[3]),
      .c_workers = (uint32_t)number(argv[4]),
      .deno_workers = (uint32_t)number(argv[5]),
      .deno = argv[6],
      .script = argv[7],
  };
  warden.members_count = warden.options.c_workers + warden.options.deno_workers;
  if (warden.options.c_workers == 0 || warden.members_count >= MEMBERS_MAX) {
    fprintf(stderr, "1 to %u workers, one in C among them\n", MEMBERS_MAX - 1);
    return 2;
  }
  /* It ends when its standard input does, and cleans up. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  warden.dice.state = dice_mix(warden.options.seed);
  pools_make_board(&warden);
  pools_make_next(&warden);
  pools_take_reserve(&warden);
  for (uint32_t at = 0; at < warden.members_count; at++) {
    warden.members[at].is_deno = at >= warden.options.c_workers;
    population_spawn(&warden, at);
  }
  torture(&warden);
  population_count(&warden);
  const report result = warden.report;
  for (uint32_t at = 0; at < warden.members_count; at++)
    population_kill(&warden, at);
  pools_end(&warden);
  report_summary(&result);
  return result.violations == 0 ? 0 : 1;
}
