/* stop_test.c - stops a process at an instruction of every operation, while
 * others do everything with the pool; then lets it go on to its end.
 *
 *   stop_test [--sample N] [--busy N] [--seed S] [name ...]
 *   stop_test --exhaustive [--every-busy] [name ...]
 *
 * N points per operation are tried, half of them where shared bytes have just
 * changed; with --exhaustive, every instruction. Where the stopped one holds the
 * lock, the others must say that they are busy, which takes a second each time:
 * so only `busy` such points are tried in all, and the stopped one is let go at
 * once at the others. With --exhaustive the others wait at every point where
 * shared bytes have just changed, which they cannot tell from the instructions
 * that follow it; with --every-busy at those too, which takes hours.
 */
#include <string.h>

#include "harness.h"
#include "scenarios.h"
#include "shared.h"
#include "single_step.h"

#define DEFAULT_SAMPLE 12u
#define DEFAULT_BUSY 4u

/* Operations of fewer instructions, the lookups, are stopped at all of them. */
#define SHORT 200u

static uint64_t sample = DEFAULT_SAMPLE;
static uint64_t busy_left;
static uint64_t seed;
static uint64_t is_exhaustive;
static uint64_t is_every_busy;

/* Shared with the cases. */
static struct totals {
  uint64_t points;   /* processes stopped */
  uint64_t inside;   /* of them, while they held a lock */
  uint64_t busy;     /* of them, with the others waiting for it */
} *totals;

static const scenario *current;

/* ---- What others do meanwhile ---------------------------------------------- */

static void read_all(scene *scene, mm_pool *pool) {
  mm_allocation entries[SCENE_KEPT_MAX + 16], found;
  uint64_t cursor = 0;
  size_t count;
  const uint64_t begun = now_ms();
  for (uint32_t at = 0; at < scene->kept_count; at++) {
    CHECK_OK(mm_find(pool, scene->kept[at].id, &found));
    CHECK_EQ(found.offset, scene->kept[at].offset);
    check_tagged(pool, &found);
  }
  do {
    CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, entries, SCENE_KEPT_MAX + 16, &count));
  } while (count != 0);
  CHECK(now_ms() - begun < 2000);
}

/* Everything that needs the lock; and some records change hands, those that the
 * stopped one may just be looking at among them. */
static void change_all(scene *scene, mm_pool *pool) {
  const uint64_t begun = now_ms();
  mm_pool_stats stats;
  uint64_t sizes[64], cursor = 0, ticket;
  size_t count;
  mm_allocation made[4];
  uint32_t got = 0;
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  do {
    CHECK_OK(mm_list_free_blocks(pool, &cursor, sizes, 64, &count));
  } while (count != 0);
  for (uint32_t at = 0; at < 4; at++) {
    const int status = mm_alloc(pool, 100 + 1000 * (uint64_t)at, 3, &made[got]);
    CHECK(status == MM_OK || status == MM_E_NO_ROOM || status == MM_E_FS_FULL);
    if (status == MM_OK) fill_tagged(pool, &made[got++]);
  }
  for (uint32_t at = 0; at < got; at++) check_tagged(pool, &made[at]);
  while (got > 0) CHECK_OK(mm_free(pool, made[--got].id));
  for (int at = 0; at < 2 && scene->kept_count > 2; at++) {
    mm_allocation *kept = &scene->kept[1];
    CHECK_OK(mm_adopt(pool, kept->id));
    CHECK_OK(mm_free(pool, kept->id));
    if (mm_alloc(pool, kept->size, 4, kept) == MM_OK)
      fill_tagged(pool, kept);
    else
      *kept = scene->kept[--scene->kept_count];
  }
  CHECK_OK(mm_wait_ticket(pool, &ticket));
  CHECK_OK(mm_wait_show(pool, ticket, 1u << 30, 1u << 30));
  CHECK_STATUS(mm_wait_try(pool, ticket, 1u << 30, 0, &made[0]), MM_E_TOO_LARGE);
  CHECK_OK(mm_wait_show(pool, 0, 0, 0));
  CHECK_SOUND(mm__check(pool));
  CHECK(now_ms() - begun < 2000);
}

/* A newcomer, who allocates and stays. */
static void arrive(scene *scene) {
  mm_pool *own = attach_again(scene->pool);
  for (int at = 0; at < 12 && scene->kept_count < SCENE_KEPT_MAX; at++) {
    mm_allocation *kept = &scene->kept[scene->kept_count];
    if (mm_alloc(own, 64, 6, kept) != MM_OK) break;
    fill_tagged(own, kept);
    scene->kept_count++;
  }
  CHECK_SOUND(mm__check(own));
  if (scene->others_count < SCENE_OTHERS_MAX)
    scene->others[scene->others_count++] = own;
  else
    mm_pool_detach(own);
}

/* Those who wait for the stopped one's lock say so after a second. */
static void be_busy(scene *scene) {
  mm_allocation made;
  mm_pool_stats before, stats;
  const uint64_t begun = now_ms();
  memset(&stats, 0x77, sizeof stats);
  before = stats;
  CHECK_STATUS(mm_pool_read_stats(scene->pool, &stats), MM_E_BUSY);
  CHECK(memcmp(&before, &stats, sizeof stats) == 0);
  CHECK_STATUS(mm_wait_try(scene->pool, 0, 64, 0, &made), MM_E_BUSY);
  CHECK(now_ms() - begun >= 900 && now_ms() - begun < 3000);
}

/* ---- One stop ----------------------------------------------------------------- */

/* 1 if others cannot go on, or could not for a second. */
static int is_held_up(const scene *scene) {
  return scene_is_locked(scene) ||
         mm__os_is_locked(scene->pool->file, MM__GROW_BYTE, 1) != 0;
}

/* 1 if those who wait for the lock shall lose their patience at this point. */
static int shall_be_busy(const step_trace *trace, uint32_t done) {
  if (is_exhaustive) return is_every_busy || step_is_new_state(trace, done);
  if (busy_left == 0) return 0;
  busy_left--;
  return 1;
}

static void meddle(scene *scene, const step_trace *trace, uint32_t done) {
  if (scene->pool == NULL || mm__load(&scene->pool->header->destroyed)) return;
  read_all(scene, scene->pool);
  if (is_held_up(scene)) {
    totals->inside++;
    if (!scene_is_locked(scene) || !shall_be_busy(trace, done)) return;
    totals->busy++;
    be_busy(scene);
    return;
  }
  change_all(scene, scene->pool);
  arrive(scene);
  read_all(scene, scene->pool);
}

static void stop_after(const step_trace *trace, uint32_t done) {
  test_context("stopped after %u of %u instructions of \"%s\"", done, trace->count,
               current->name);
  scene scene = {0};
  scene_open(&scene, current);
  step_child child = scene_start(&scene, current);
  step_to(&child, trace, done);
  meddle(&scene, trace, done);
  step_finish(&child);
  step_kill(&child);
  scene_judge(&scene, 1);
  totals->points++;
}

static void stop_in_operation(void) {
  step_trace trace;
  scene scene = {0};
  scene_open(&scene, current);
  step_child child = scene_start(&scene, current);
  step_watch watches[STEP_WATCHES];
  scene_watch(&scene, watches);
  step_record(&child, &trace, watches);
  step_kill(&child);
  scene_judge(&scene, 1);
  const int all = is_exhaustive || trace.count < SHORT;
  step_choose(&trace, all ? UINT64_MAX : sample, &seed, stop_after);
  step_trace_free(&trace);
}

int main(int argc, char **argv) {
  step_prepare(argv);
  busy_left = DEFAULT_BUSY;
  seed = now_ms();
  const test_option options[] = {{"--sample", &sample, 0},
                                 {"--busy", &busy_left, 0},
                                 {"--seed", &seed, 0},
                                 {"--exhaustive", &is_exhaustive, 1},
                                 {"--every-busy", &is_every_busy, 1},
                                 {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  totals = shared_memory(sizeof *totals);
  if (!step_is_supported()) {
    printf("skipped: single steps are not supported on this machine\n");
    return harness_end();
  }
  printf("seed %llu\n", (unsigned long long)seed);
  const uint64_t all_busy = busy_left;
  for (uint32_t at = 0; at < scenarios_count; at++) {
    char name[128];
    current = &scenarios[at];
    if (current->kind == SCENE_CREATES) continue; /* there is nobody else yet */
    /* Each case may use one of the busy points, until all are used. */
    busy_left = totals->busy < all_busy && random_below(&seed, 4) == 0;
    snprintf(name, sizeof name, "stop: %s", current->name);
    test_case_within(name, stop_in_operation, is_exhaustive ? 12 * 3600 : 60);
  }
  printf("stop points tried: %llu, %llu of them inside a lock, %llu with others waiting for it;"
         " failures: %u\n",
         (unsigned long long)totals->points, (unsigned long long)totals->inside,
         (unsigned long long)totals->busy, harness_failures());
  return harness_end();
}
