/* audit.c - see audit.h. */
#include "audit.h"

#include <inttypes.h>

#include "janitor.h"
#include "killing.h"
#include "pools.h"
#include "population.h"
#include "waiters.h"

#define MILLISECOND 1000000ull
#define DRAIN_LIMIT (20000 * MILLISECOND)
#define LIST_PORTION 128u

/* Waits until no worker holds anything. */
static void drain(warden *warden) {
  board *board = warden->board;
  const uint64_t audit = board_load(&board->audit) + 1;
  board_store(&board->audit, audit);
  board_store(&board->phase, PHASE_DRAIN);
  const uint64_t since = mm__os_now();
  for (uint32_t at = 0; at < warden->members_count; at++) {
    const board_cell *cell = &board->cells[at];
    while (board_load(&cell->state) != STATE_STARTING &&
           board_load(&cell->drained) != audit) {
      if (mm__os_now() - since > DRAIN_LIMIT) {
        report_violation(&warden->report,
                         "worker %u does not get on: state %" PRIu64
                         ", process %d",
                         at, board_load(&cell->state), warden->members[at].pid);
        population_kill(warden, at);
        population_spawn(warden, at);
        break;
      }
      warden_nap(MILLISECOND / 10);
    }
  }
  for (uint32_t box = 0; box < BOARD_MAILBOXES; box++)
    board_store(&board->mailbox[box], 0);
}

static uint64_t free_blocks(warden *warden) {
  uint64_t sizes[LIST_PORTION];
  uint64_t sum = 0, cursor = 0;
  size_t count;
  do {
    if (mm_list_free_blocks(warden->pool, &cursor, sizes, LIST_PORTION, &count) !=
        MM_OK)
      return 0;
    for (size_t at = 0; at < count; at++) sum += sizes[at];
  } while (count != 0);
  return sum;
}

/* The pool is empty: all of it must be there. */
static void check_empty(warden *warden) {
  report *report = &warden->report;
  mm_pool_stats stats;
  const int status = mm_pool_read_stats(warden->pool, &stats);
  if (status != MM_OK)
    report_violation(report, "mm_pool_read_stats: %s", mm_strerror(status));
  else if (stats.free_space != warden->size || stats.allocations != 0)
    report_violation(report,
                     "leak: %" PRIu64 " of %" PRIu64 " bytes are free, %" PRIu64
                     " allocations live",
                     stats.free_space, warden->size, stats.allocations);
  const uint64_t sum = free_blocks(warden);
  if (sum != warden->size)
    report_violation(report, "leak: the free blocks sum up to %" PRIu64, sum);
  mm_allocation all;
  const int allocated =
      mm_alloc(warden->pool, warden->size, MM_TYPE_DATA, &all);
  if (allocated != MM_OK || mm_free(warden->pool, all.id) != MM_OK)
    report_violation(report, "leak: the whole pool is not to be had: %s",
                     mm_strerror(allocated));
  const char *broken = inspector_check(warden->pool);
  if (broken != NULL) report_violation(report, "broken invariant: %s", broken);
}

void audit_all(warden *warden) {
  board *board = warden->board;
  population_continue(warden, UINT64_MAX);
  /* Whoever is silent does not help to notice that somebody died. */
  const int is_silent = dice_percent(&warden->dice, 50);
  board_store(&board->phase, is_silent ? PHASE_SILENCE : PHASE_HUSH);
  killing_recover(warden, mm__os_now());
  waiters_probe(warden);
  drain(warden);
  killing_recover(warden, mm__os_now());
  if (warden->reserve != 0) mm_free(warden->pool, warden->reserve);
  warden->reserve = 0;
  janitor_clear(warden);
  check_empty(warden);
  warden->report.audits++;
  if (dice_percent(&warden->dice, 30)) {
    waiters_probe_destroy(warden);
    mm_pool_detach(warden->pool);
    pools_make_next(warden);
  }
  pools_take_reserve(warden);
  board_store(&board->phase, PHASE_PLAY);
}
