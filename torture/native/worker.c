/* worker.c - see worker.h: how a worker attaches, and follows the phases. */
#include "worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuse.h"

#define COMMAND_TIMEOUT_MS 10000

void worker_says(worker *worker, const char *format, ...) {
  board_cell *cell = worker->cell;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(cell->text, sizeof cell->text, format, arguments);
  va_end(arguments);
  board_store(&cell->violations, cell->violations + 1);
}

int worker_succeeded(worker *worker, int status, int expected, const char *call) {
  board_store(&worker->cell->operations, worker->cell->operations + 1);
  if (status == MM_OK) return 1;
  if (status == MM_E_DESTROYED)
    worker->is_gone = 1;
  else if (status == MM_E_BUSY)
    board_store(&worker->cell->busy, worker->cell->busy + 1);
  else if (status != expected)
    worker_says(worker, "%s answered %d: %s", call, status, mm_strerror(status));
  return 0;
}

static void doze(void) {
  nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* ---- Attaching --------------------------------------------------------- */

static void detach(worker *worker) {
  board_store(&worker->cell->nonce, 0);
  fuse_set(NULL, 0);
  mm_pool_detach(worker->pool);
  worker->pool = NULL;
  worker->held_count = 0;
  memset(worker->freed, 0, sizeof worker->freed);
}

static void settle_in(worker *worker, mm_pool *pool, uint64_t number) {
  worker->pool = pool;
  worker->pool_number = number;
  worker->pool_size = mm_pool_describe(pool)->size;
  worker->is_gone = 0;
  worker->nonce = (uint32_t)dice_roll(&worker->dice) | 1;
  board_store(&worker->cell->nonce, worker->nonce);
}

/* Reads the board's descriptor; 0 if it changed meanwhile. */
static size_t read_descriptor(const board *board, uint64_t number,
                              uint8_t descriptor[BOARD_DESCRIPTOR]) {
  const uint64_t length = board_load(&board->descriptor_length);
  if (length > BOARD_DESCRIPTOR) return 0;
  for (uint64_t at = 0; at < length; at++)
    descriptor[at] = board_load(&board->descriptor[at]);
  return board_load(&board->pool) == number ? length : 0;
}

/* Attaches to the present pool, unless that is the one that is gone. */
static void attach(worker *worker) {
  const uint64_t number = board_load(&worker->board->pool);
  uint8_t descriptor[BOARD_DESCRIPTOR];
  const size_t length = read_descriptor(worker->board, number, descriptor);
  if (number == 0 || length == 0 ||
      (worker->is_gone && number == worker->pool_number)) {
    doze();
    return;
  }
  mm_pool *pool = NULL;
  const int status = mm_pool_attach(descriptor, length, &pool);
  if (status == MM_OK) {
    settle_in(worker, pool, number);
    return;
  }
  /* Its name goes before the board says so. */
  const int was_removed = status == MM_E_NOT_FOUND || status == MM_E_REPLACED;
  worker_succeeded(worker, status, was_removed ? status : MM_E_DESTROYED,
                   "mm_pool_attach");
  doze();
}

/* ---- Phases ------------------------------------------------------------ */

/* Waits for room, as the warden commands. */
static void obey(worker *worker) {
  board_cell *cell = worker->cell;
  const uint64_t command = board_load(&cell->command);
  if (command == 0 || command == board_load(&cell->done)) return;
  if (worker->held_count == WORKER_HELD_MAX) worker_free_all(worker);
  if (worker->held_count == WORKER_HELD_MAX) return;
  mm_allocation allocation;
  board_store(&cell->state, STATE_WAITING);
  const int status =
      mm_alloc_blocking(worker->pool, (uint32_t)command, MM_TYPE_DATA,
                        COMMAND_TIMEOUT_MS, &allocation);
  board_store(&cell->answer, status == MM_OK            ? ANSWER_SERVED
                             : status == MM_E_DESTROYED ? ANSWER_DESTROYED
                                                        : ANSWER_OTHER);
  board_store(&cell->done, command);
  board_store(&cell->state, STATE_RUNNING);
  if (worker_succeeded(worker, status, MM_E_DESTROYED, "mm_alloc_blocking"))
    worker_keep(worker, &allocation);
}

static void follow_fuse(worker *worker) {
  const uint64_t fuse = board_load(&worker->cell->fuse);
  if (fuse == worker->fuse) return;
  worker->fuse = fuse;
  fuse_set(worker->pool, fuse);
}

static void drain(worker *worker, uint64_t audit) {
  worker_free_all(worker);
  if (worker->held_count == 0) board_store(&worker->cell->drained, audit);
  doze();
}

_Noreturn void worker_run(board *board, uint32_t index, uint64_t seed,
                          mm_pool *inherited, uint64_t inherited_number) {
  worker worker = {
      .board = board,
      .cell = &board->cells[index],
      .index = index,
      .dice = {.state = seed},
  };
  if (dice_percent(&worker.dice, 50))
    settle_in(&worker, inherited, inherited_number);
  else
    mm_pool_detach(inherited);
  for (;;) {
    if (worker.pool != NULL && worker.is_gone) detach(&worker);
    if (worker.pool == NULL) {
      attach(&worker);
      continue;
    }
    /* Whoever is not running yet is not waited for: say so before looking. */
    board_store(&worker.cell->state, STATE_RUNNING);
    const uint64_t audit = board_load(&board->audit);
    const uint64_t phase = board_load(&board->phase);
    follow_fuse(&worker);
    obey(&worker);
    if (worker.is_gone) continue;
    if (phase == PHASE_HUSH) doze(); /* leaves the processors to those timed */
    if (phase == PHASE_SILENCE)
      doze();
    else if (phase == PHASE_DRAIN)
      drain(&worker, audit);
    else if (dice_below(&worker.dice, 2000) != 0)
      worker_act(&worker, phase == PHASE_PLAY);
    else {
      worker_free_all(&worker);
      if (worker.held_count == 0) detach(&worker);
    }
  }
}
