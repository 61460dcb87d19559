/* kill_test.c - kills a process at every instruction of every operation, and
 * looks whether everybody else can go on with the pool.
 *
 *   kill_test [--sample N] [--seed S] [name ...]
 *   kill_test --exhaustive [name ...]
 *
 * By default N points per operation are tried: half of them where shared bytes
 * have just changed or the kernel was just called, the others anywhere. With
 * --exhaustive every instruction of every operation is tried; and for every
 * state of the shared bytes in which a holder of the lock can die, every state
 * in which the process that recovers from it can die.
 */

#include "harness.h"
#include "scenarios.h"
#include "single_step.h"

#define DEFAULT_SAMPLE 24u
#define SECONDS_SAMPLED 60u
#define SECONDS_EXHAUSTIVE (12u * 3600u)

static uint64_t sample = DEFAULT_SAMPLE;
static uint64_t seed;
static uint64_t is_exhaustive;

/* Shared with the cases. */
static struct totals {
  uint64_t points;       /* processes killed */
  uint64_t instructions; /* of all operations */
  uint64_t recoveries;   /* of the points: killed while recovering */
} *totals;

static const scenario *current;
static const scenario *recoverer;

/* ---- One death ----------------------------------------------------------- */

static void kill_after(const step_trace *trace, uint32_t done) {
  test_context("killed after %u of %u instructions of \"%s\"", done, trace->count,
               current->name);
  scene scene = {0};
  scene_open(&scene, current);
  step_child child = scene_start(&scene, current);
  const int has_finished = !step_to(&child, trace, done);
  step_kill(&child);
  scene_judge(&scene, has_finished);
  totals->points++;
}

static void kill_in_operation(void) {
  step_trace trace;
  scene scene = {0};
  test_context("\"%s\", not killed", current->name);
  scene_open(&scene, current);
  step_child child = scene_start(&scene, current);
  step_watch watches[STEP_WATCHES];
  scene_watch(&scene, watches);
  step_record(&child, &trace, watches);
  step_kill(&child);
  scene_judge(&scene, 1);
  totals->instructions += trace.count;
  step_choose(&trace, is_exhaustive ? UINT64_MAX : sample, &seed, kill_after);
  step_trace_free(&trace);
}

/* ---- Two deaths ---------------------------------------------------------- */

static const step_trace *victim_trace;
static uint32_t victim_done;

/* Kills the victim inside of the lock; the one who will recover is attached
 * already, if it is to be. 0: the victim did not hold the lock there. */
static int open_after_death(scene *scene, step_child *second) {
  scene_open(scene, current);
  if (recoverer->kind == SCENE_ATTACHED) *second = scene_start(scene, recoverer);
  step_child victim = scene_start(scene, current);
  const int is_inside = step_to(&victim, victim_trace, victim_done) && scene_is_locked(scene);
  step_kill(&victim);
  if (recoverer->kind != SCENE_ATTACHED) *second = scene_start(scene, recoverer);
  return is_inside;
}

static void kill_recovery_after(const step_trace *trace, uint32_t done) {
  test_context("killed after %u of %u instructions of %s, after %u of \"%s\"", done,
               trace->count, recoverer->name, victim_done, current->name);
  scene scene = {0};
  step_child second;
  open_after_death(&scene, &second);
  step_to(&second, trace, done);
  step_kill(&second);
  scene_judge(&scene, 0);
  totals->points++;
  totals->recoveries++;
}

/* Set once the sample has its one death inside of the lock. */
static int has_recovered;

static void kill_recovery_from(const step_trace *trace, uint32_t done) {
  if (has_recovered && !is_exhaustive) return;
  test_context("%s after %u of \"%s\"", recoverer->name, done, current->name);
  victim_trace = trace;
  victim_done = done;
  scene scene = {0};
  step_child second;
  if (open_after_death(&scene, &second)) {
    step_trace recovery;
    step_watch watches[STEP_WATCHES];
    scene_watch(&scene, watches);
    step_record(&second, &recovery, watches);
    step_kill(&second);
    CHECK_OK(scene.result->status);
    scene_judge(&scene, 0);
    totals->instructions += recovery.count;
    step_choose_states(&recovery, is_exhaustive ? UINT64_MAX : sample / 2, &seed,
                       kill_recovery_after);
    step_trace_free(&recovery);
    has_recovered = 1;
  } else {
    step_kill(&second);
    scene_judge(&scene, 0);
  }
}

static void kill_in_recovery(void) {
  step_trace trace;
  scene scene = {0};
  scene_open(&scene, current);
  step_child child = scene_start(&scene, current);
  step_watch watches[STEP_WATCHES];
  scene_watch(&scene, watches);
  step_record(&child, &trace, watches);
  step_kill(&child);
  scene_judge(&scene, 1);
  /* By default one death of the victim, as a recovery is long. */
  step_choose_states(&trace, is_exhaustive ? UINT64_MAX : 3, &seed, kill_recovery_from);
  /* None of those was inside of the lock: then the first that is. */
  if (!has_recovered) step_choose_states(&trace, UINT64_MAX, &seed, kill_recovery_from);
  step_trace_free(&trace);
}

static void run(const char *what, const scenario *scenario, test_body *body) {
  char name[128];
  snprintf(name, sizeof name, "%s: %s", what, scenario->name);
  current = scenario;
  random_next(&seed);
  test_case_within(name, body, is_exhaustive ? SECONDS_EXHAUSTIVE : SECONDS_SAMPLED);
}

int main(int argc, char **argv) {
  step_prepare(argv);
  seed = now_ms();
  const test_option options[] = {{"--sample", &sample, 0},
                                 {"--seed", &seed, 0},
                                 {"--exhaustive", &is_exhaustive, 1},
                                 {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  totals = shared_memory(sizeof *totals);
  if (!step_is_supported()) {
    printf("skipped: single steps are not supported on this machine\n");
    return harness_end();
  }
  printf("seed %llu\n", (unsigned long long)seed);
  for (uint32_t at = 0; at < scenarios_count; at++)
    run("kill", &scenarios[at], kill_in_operation);

  static const char *const victims[] = {"alloc split", "alloc grow and records",
                                        "free merging both", "free for a waiter",
                                        "wait show and withdraw", "alloc spent",
                                        "cached alloc of a swept block",
                                        "cached free into a full cache",
                                        "tied free into a full cache",
                                        "free of what is tied to another",
                                        "cached free that withdraws",
                                        "alloc that takes what is offered",
                                        "alloc from all caches", "adopt", "resize",
                                        "trim",
                                        "free beside what was trimmed"};
  for (size_t at = 0; at < sizeof victims / sizeof *victims; at++) {
    recoverer = &recover_by_lock;
    run("kill in recovery by the lock", scenario_named(victims[at]), kill_in_recovery);
    recoverer = &recover_by_attach;
    run("kill in recovery by attach", scenario_named(victims[at]), kill_in_recovery);
  }
  printf("kill points tried: %llu, %llu of them in a recovery (the operations have"
         " %llu instructions); failures: %u\n",
         (unsigned long long)totals->points, (unsigned long long)totals->recoveries,
         (unsigned long long)totals->instructions, harness_failures());
  return harness_end();
}
