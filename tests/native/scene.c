/* scene.c - see scenarios.h: setting the stage, and judging what is left. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "geometry.h"
#include "scenarios.h"
#include "shared.h"

/* ---- Before ------------------------------------------------------------- */

void scene_open(scene *scene, const scenario *scenario) {
  scene_result *result = scene->result;
  memset(scene, 0, sizeof *scene);
  scene->result = result != NULL ? result : shared_memory(sizeof *result);
  memset(scene->result, 0, sizeof *scene->result);
  scene->scenario = scenario;
  scene->request = SCENE_NO_REQUEST;
  /* The same name every time, so that every run has the same instructions. */
  static const char *name;
  if (name == NULL) name = unique_name();
  snprintf(scene->name, sizeof scene->name, "%s", name);
  static const char *own;
  if (scenario->file_system != 0 && own == NULL)
    own = scenario->file_system == SCENE_ALONE ? own_directory()
                                               : small_file_system(scenario->file_system);
  scene->directory = scenario->file_system != 0 ? own : "/dev/shm";
  if (scenario->kind != SCENE_CREATES) {
    const mm_pool_options options = {
        .size = scenario->size, .name = name, .uid = 9, .directory = scene->directory};
    CHECK_OK(mm_pool_create(&options, &scene->pool));
    CHECK_OK(mm_pool_serialize(scene->pool, scene->descriptor,
                               sizeof scene->descriptor, &scene->descriptor_length));
  }
  scenario->prepare(scene);
  if (scene->pool != NULL) CHECK_SOUND(mm__check(scene->pool));
}

void scene_filler(const scene *scene, char path[512]) {
  snprintf(path, 512, "%s/filler", scene->directory);
}

void scene_keep(scene *scene, uint64_t size) {
  CHECK(scene->kept_count < SCENE_KEPT_MAX);
  mm_allocation *kept = &scene->kept[scene->kept_count++];
  *kept = must_alloc(scene->pool, size);
  fill_tagged(scene->pool, kept);
}

/* A child's part in a scene. */
typedef struct role {
  scene *scene;
  const scenario *part;
} role;

static void play(void *argument) {
  const role *role = argument;
  scene *scene = role->scene;
  mm_pool *pool = NULL;
  if (role->part->kind == SCENE_ATTACHED || role->part->kind == SCENE_DESTROYS)
    CHECK_OK(mm_pool_attach(scene->descriptor, scene->descriptor_length, &pool));
  if (role->part->kind == SCENE_INHERITED) pool = scene->pool;
  if (role->part->warm != NULL) role->part->warm(scene, pool);
  step_begin();
  scene->result->status = role->part->act(scene, pool);
  step_end();
  _Exit(0);
}

step_child scene_start(scene *scene, const scenario *part) {
  role role = {.scene = scene, .part = part};
  step_child child = step_start(play, &role);
  child.on_sleep = part->on_sleep;
  child.context = scene;
  return child;
}

void scene_watch(const scene *scene, step_watch watches[STEP_WATCHES]) {
  for (int at = 0; at < STEP_WATCHES; at++) watches[at] = (step_watch){"", 0};
  if (scene->pool == NULL) return;
  const mm_pool *pool = scene->pool;
  const size_t slots = (scene->others_count + 4) * sizeof(mm__slot);
  watches[0] = (step_watch){pool->header, sizeof *pool->header};
  watches[1] = (step_watch){pool->slots, slots};
  /* The second page of records is a hole at first: where there is no memory it
   * must not be touched. */
  const size_t pages = scene->scenario->file_system != 0 ? 1 : 2;
  watches[2] = (step_watch){pool->heap.table, pages * 64 * sizeof(mm__block)};
  const uint64_t caches = 4 * mm__geometry_cache_size(&pool->geometry);
  if (scene->scenario->file_system == 0 && caches != 0)
    watches[3] = (step_watch){
        (const uint8_t *)pool->header + pool->geometry.caches_offset, caches};
}

int scene_is_locked(const scene *scene) {
  return scene->pool != NULL && mm__load(&scene->pool->header->lock) != 0;
}

/* ---- After -------------------------------------------------------------- */

#define LIST_MAX (SCENE_KEPT_MAX + 8)

static uint32_t list_all(mm_pool *pool, mm_allocation *entries) {
  uint64_t cursor = 0;
  uint32_t total = 0;
  for (;;) {
    size_t count = 0;
    CHECK_OK(mm_list(pool, &cursor, MM_ANY_TYPE, entries + total, LIST_MAX - total, &count));
    if (count == 0) return total;
    total += (uint32_t)count;
    CHECK(total < LIST_MAX);
  }
}

static void check_disjoint(const mm_allocation *entries, uint32_t count) {
  for (uint32_t a = 0; a < count; a++)
    for (uint32_t b = 0; b < count; b++)
      CHECK(a == b || entries[a].offset + entries[a].size <= entries[b].offset ||
            entries[b].offset + entries[b].size <= entries[a].offset ||
            entries[a].size == 0 || entries[b].size == 0);
}

static int is_same(const mm_allocation *a, const mm_allocation *b) {
  return a->id == b->id && a->offset == b->offset && a->size == b->size && a->type == b->type;
}

static int is_among(const mm_allocation *one, const mm_allocation *all, uint32_t count) {
  for (uint32_t at = 0; at < count; at++)
    if (is_same(one, &all[at])) return 1;
  return 0;
}

/* What a dead process made is its own, so that it can be reclaimed. */
static void check_orphan(mm_pool *pool, uint64_t id) {
  mm_owner owner;
  CHECK_OK(mm_owner_of(pool, id, &owner));
  CHECK(!owner.is_alive);
}

/* What lives is what must live, and of the rest only what the child may have
 * made or not freed. */
static void check_live(const scene *scene, const mm_allocation *entries, uint32_t count,
                       int has_finished) {
  uint32_t kept = 0, made = 0, not_freed = 0, resized = 0;
  for (uint32_t at = 0; at < count; at++) {
    if (is_among(&entries[at], scene->kept, scene->kept_count))
      kept++;
    else if (is_among(&entries[at], &scene->resized, 1))
      resized++;
    else if (is_among(&entries[at], scene->going, scene->going_count))
      not_freed++;
    else if (entries[at].type == SCENE_TYPE && entries[at].size == scene->request) {
      made++;
      check_orphan(scene->pool, entries[at].id);
    } else
      test_fail(__FILE__, __LINE__, "allocation %llx of %llu bytes came from nowhere",
                (unsigned long long)entries[at].id, (unsigned long long)entries[at].size);
  }
  CHECK_EQ(kept + resized, scene->kept_count);
  CHECK(made <= 1);
  if (!has_finished) return;
  const scene_result *result = scene->result;
  CHECK_EQ(resized, scene->resized.id != 0 && result->status == MM_OK);
  CHECK_EQ(not_freed, result->status == MM_OK ? 0 : scene->going_count);
  CHECK_EQ(made, scene->request != SCENE_NO_REQUEST && result->status == MM_OK);
  if (made == 1) CHECK(is_among(&result->allocation, entries, count));
}

static void check_stats(mm_pool *pool, const mm_allocation *entries, uint32_t count) {
  mm_pool_stats stats;
  uint64_t sizes[64], cursor = 0, free_space = 0, used = 0;
  size_t got = 0;
  do {
    CHECK_OK(mm_list_free_blocks(pool, &cursor, sizes, 64, &got));
    for (size_t at = 0; at < got; at++) free_space += sizes[at];
  } while (got != 0);
  CHECK_OK(mm_pool_read_stats(pool, &stats));
  for (uint32_t at = 0; at < count; at++)
    used += entries[at].size != 0 ? (entries[at].size + 63) / 64 * 64 : 64;
  CHECK_EQ(stats.allocations, count);
  CHECK_EQ(stats.free_space, free_space);
  CHECK_EQ(stats.free_space, mm_pool_describe(pool)->size - used);
}

/* The pool serves everybody: frees all, takes all. */
static void check_usable(scene *scene, mm_pool *fresh, const mm_allocation *entries,
                         uint32_t count) {
  for (uint32_t at = 0; at < count; at++)
    CHECK_OK(mm_free(at % 2 != 0 ? fresh : scene->pool, entries[at].id));
  const uint64_t size = mm_pool_describe(fresh)->size;
  const mm_allocation all = must_alloc(fresh, size);
  fill_tagged(fresh, &all);
  check_tagged(scene->pool, &all);
  CHECK_OK(mm_free(scene->pool, all.id));
  CHECK_SOUND(mm__check(fresh));
}

/* The waiter gets the room that came, also when whoever made it died before
 * telling, and whoever recovered knows of nothing. */
static void check_waiter(const scene *scene) {
  mm_allocation found;
  if (scene->waiter_is_second) CHECK_SOUND(mm__check(scene->pool));
  if (mm_find(scene->pool, scene->going[0].id, &found) == MM_OK) return;
  CHECK_OK(mm_wait(scene->waiter, scene->waiter_seen, 250));
  CHECK_OK(mm_wait_try(scene->waiter, scene->waiter_ticket, scene->waiter_size, 0, &found));
  CHECK_OK(mm_free(scene->waiter, found.id));
}

static void judge_pool(scene *scene, int has_finished) {
  if (scene->waiter != NULL) check_waiter(scene);
  CHECK_SOUND(mm__check(scene->pool));
  mm_pool *fresh = attach_again(scene->pool);
  /* The dead do not keep their slots, nor what they showed there. */
  CHECK(fresh->slot <= scene->others_count + 1);
  CHECK_EQ(mm__load(&fresh->slots[fresh->slot].ticket), 0);
  CHECK_SOUND(mm__check(fresh));
  mm_allocation entries[LIST_MAX];
  const uint32_t count = list_all(fresh, entries);
  check_live(scene, entries, count, has_finished);
  check_disjoint(entries, count);
  for (uint32_t at = 0; at < scene->kept_count; at++) check_tagged(fresh, &scene->kept[at]);
  check_stats(fresh, entries, count);
  check_usable(scene, fresh, entries, count);
  mm_pool_detach(fresh);
  destroy_and_detach(scene->pool);
}

static void judge_created(scene *scene, int has_finished) {
  mm_pool_entry probe;
  const int status = mm_pool_probe(scene->name, NULL, &probe);
  if (status == MM_OK) {
    CHECK(probe.is_pool && probe.attachments == 0);
    CHECK_EQ(probe.size, scene->scenario->size);
  }
  if (has_finished) {
    CHECK_OK(scene->result->status);
    CHECK_OK(status);
  }
  const mm_pool_options options = {.size = scene->scenario->size, .name = scene->name};
  /* Either there is a whole pool, or the name is free. */
  if (mm_pool_create(&options, &scene->pool) == MM_E_EXISTS)
    CHECK_OK(mm_pool_attach(probe.descriptor, probe.descriptor_length, &scene->pool));
  CHECK(scene->pool != NULL);
  judge_pool(scene, 0);
}

static void judge_destroyed(scene *scene, int has_finished) {
  const int is_destroyed = mm__load(&scene->pool->header->destroyed) != 0;
  if (has_finished)
    CHECK(scene->result->status != MM_OK || (is_destroyed && !pool_exists(scene->name)));
  if (!is_destroyed) {
    judge_pool(scene, 0);
    return;
  }
  mm_allocation allocation;
  CHECK_STATUS(mm_alloc(scene->pool, 1, 0, &allocation), MM_E_DESTROYED);
  for (uint32_t at = 0; at < scene->kept_count; at++)
    check_tagged(scene->pool, &scene->kept[at]);
  mm_pool *pool = NULL;
  const int status =
      mm_pool_attach(scene->descriptor, scene->descriptor_length, &pool);
  CHECK(status == MM_E_DESTROYED || status == MM_E_NOT_FOUND);
  const mm_pool_options options = {.size = scene->scenario->size, .name = scene->name};
  CHECK_OK(mm_pool_create(&options, &pool));
  mm_pool_detach(scene->pool);
  destroy_and_detach(pool);
}

void scene_judge(scene *scene, int has_finished) {
  const int kind = scene->scenario->kind;
  if (scene->scenario->file_system != 0) {
    char filler[512];
    scene_filler(scene, filler);
    unlink(filler);
  }
  if (kind == SCENE_CREATES)
    judge_created(scene, has_finished);
  else if (kind == SCENE_DESTROYS)
    judge_destroyed(scene, has_finished);
  else
    judge_pool(scene, has_finished);
  while (scene->others_count > 0) mm_pool_detach(scene->others[--scene->others_count]);
  CHECK(!pool_exists(scene->name));
}
