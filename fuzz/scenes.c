/* scenes.c - see scenes.h. */
#define _GNU_SOURCE
#include "scenes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block.h"
#include "handle.h"
#include "names.h"
#include "participants.h"
#include "world.h"

scene the_scenes[SCENES];

static char name_path[256];

static void must(int holds, const char *what) {
  if (!holds) world_fail("cannot set the scene: %s (%s)", what, strerror(errno));
}

/* ---- What is in them ---------------------------------------------------- */

static mm_allocation take(mm_pool *pool, uint64_t size) {
  mm_allocation allocation;
  must(mm_alloc(pool, size, 1, &allocation) == MM_OK, "mm_alloc()");
  return allocation;
}

static void keep(scene *scene, mm_pool *pool, uint64_t size) {
  must(scene->live_count < SCENE_LIVE_MAX, "too many allocations");
  scene->live[scene->live_count++] = take(pool, size);
}

/* Three more participants. */
#define OTHERS 3u
static mm_pool *others[OTHERS];

static void let_attach(const scene *scene) {
  for (uint32_t at = 0; at < OTHERS; at++)
    must(mm_pool_attach(scene->descriptor, scene->descriptor_length, &others[at]) ==
             MM_OK,
         "mm_pool_attach()");
}

/* They wait for so many bytes. */
static void let_wait(const scene *scene, const uint64_t wanted[OTHERS]) {
  let_attach(scene);
  for (uint32_t at = 0; at < OTHERS; at++) {
    uint64_t ticket;
    must(mm_wait_ticket(others[at], &ticket) == MM_OK &&
             mm_wait_show(others[at], ticket, wanted[at], wanted[at]) == MM_OK,
         "waiters");
  }
}

/* Frees so many blocks of that size into the participant's cache. */
static void cache(mm_pool *pool, uint64_t size, uint32_t count) {
  mm_allocation made[16];
  for (uint32_t at = 0; at < count; at++) made[at] = take(pool, size);
  for (uint32_t at = 0; at < count; at++)
    must(mm_free(pool, made[at].id) == MM_OK, "mm_free()");
}

/* Live blocks of several sizes, free ones between them, and waiters. */
static void fill_usual(scene *scene, mm_pool *pool) {
  mm_allocation holes[8];
  for (uint32_t at = 0; at < 8; at++) {
    holes[at] = take(pool, 40 + 90 * at);
    keep(scene, pool, 100 * at);
  }
  for (uint32_t at = 0; at < 8; at += 2) mm_free(pool, holes[at].id);
  for (uint32_t at = 1; at < 8; at += 2) scene->live[scene->live_count++] = holes[at];
  let_wait(scene, (uint64_t[]){16384, 9000, 12000});
}

static void fill_nothing(scene *scene, mm_pool *pool) {
  (void)scene;
  (void)pool;
}

/* Not a byte is free. */
static void fill_full(scene *scene, mm_pool *pool) {
  for (uint32_t at = 0; at < 64; at++) keep(scene, pool, 64);
  let_wait(scene, (uint64_t[]){64, 4096, 0});
}

/* The next split needs a record that is not committed yet. */
static void fill_short_of_records(scene *scene, mm_pool *pool) {
  for (uint32_t at = 0; at < 62; at++) keep(scene, pool, 64);
  let_wait(scene, (uint64_t[]){16384, 16384, 64});
}

/* Large blocks, few allocations, data that is not committed yet, or not any more. */
static void fill_large(scene *scene, mm_pool *pool) {
  uint64_t bytes;
  const mm_allocation hole = take(pool, 300000);
  for (uint32_t at = 0; at < 6; at++) keep(scene, pool, 5000 * at);
  mm_free(pool, hole.id);
  must(mm_pool_trim(pool, &bytes) == MM_OK && bytes > 0, "mm_pool_trim()");
  let_wait(scene, (uint64_t[]){3 << 20, 4 << 20, 5 << 20});
}

/* Forty free blocks of one class. */
static void fill_fragmented(scene *scene, mm_pool *pool) {
  mm_allocation holes[40];
  for (uint32_t at = 0; at < 40; at++) {
    holes[at] = take(pool, 64 * (64 + at % 2));
    if (at % 2 == 0)
      keep(scene, pool, 64);
    else
      take(pool, 1);
  }
  for (uint32_t at = 0; at < 40; at++) mm_free(pool, holes[at].id);
  let_wait(scene, (uint64_t[]){64 * 64, 64 * 65, 200000});
}

/* Everybody's cache holds something; one of the dead was about to allocate. */
static void fill_caches(scene *scene, mm_pool *pool) {
  let_attach(scene);
  for (uint32_t at = 0; at < 8; at++) {
    keep(scene, others[at % OTHERS], 100 * at);
    cache(others[at % OTHERS], 30 + 50 * at, 3);
  }
  cache(pool, 200, 3);
  uint64_t *state = &pool->heap.table[pool->cache.entries[0]].state;
  must(mm__tag(*state) == mm__cached(pool->slot), "a cached block");
  *state += MM__CLAIMED - MM__CACHED;
}

static const struct {
  const char *title;
  mm_pool_options options;
  void (*fill)(scene *scene, mm_pool *pool);
} plans[SCENES] = {
    {"usual", {.size = 16384}, fill_usual},
    {"fresh", {.size = 16384}, fill_nothing},
    {"full", {.size = 4096}, fill_full},
    {"short of records", {.size = 16384}, fill_short_of_records},
    {"large",
     {.size = 5 << 20, .min_block_size = 4096, .max_allocations = 10},
     fill_large},
    {"fragmented", {.size = 256 << 10, .max_allocations = 2000}, fill_fragmented},
    {"cached", {.size = 256 << 10}, fill_caches},
};

/* ---- Images ------------------------------------------------------------- */

/* Takes the locks of those who live. */
static void hold_slots(scene *scene) {
  scene->neighbours = open(name_path, O_RDWR | O_CLOEXEC);
  must(scene->neighbours >= 0, "open()");
  const uint32_t alive[] = {SCENE_ALIVE_A, SCENE_ALIVE_B};
  for (uint32_t at = 0; at < 2; at++) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    lock.l_start = (off_t)mm__participant_offset(&scene->geometry, alive[at]);
    must(fcntl(scene->neighbours, F_OFD_SETLK, &lock) == 0, "lock");
  }
}

/* Reads the head; what is a hole in it stays one. */
static void take_image(scene *scene, mm_pool *pool) {
  const size_t head = (size_t)pool->geometry.data_offset;
  must(head / WORLD_PAGE <= WORLD_PAGES, "WORLD_PAGES");
  const int file = open(name_path, O_RDWR | O_CLOEXEC);
  uint8_t *image = malloc(head);
  must(file >= 0 && image != NULL &&
           pread(file, image, head, 0) == (ssize_t)head,
       "read");
  scene->image = image;
  scene->geometry = pool->geometry;
  scene->slots = pool->header->slots_committed;
  scene->records = pool->header->heap.records_committed;
  scene->bytes = mmap(NULL, head, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  must(scene->bytes != MAP_FAILED, "mmap()");
  close(file);
}

static void make(scene *scene, uint32_t number) {
  scene->title = plans[number].title;
  mm_pool_options options = plans[number].options;
  options.name = SCENE_NAME;
  options.directory = WORLD_DIRECTORY;
  mm_pool *pool;
  must(mm_pool_create(&options, &pool) == MM_OK, "mm_pool_create()");
  must(mm_pool_serialize(pool, scene->descriptor, sizeof scene->descriptor,
                         &scene->descriptor_length) == MM_OK,
       "mm_pool_serialize()");
  plans[number].fill(scene, pool);
  must(mm__check(pool) == NULL, "mm__check()");
  take_image(scene, pool);
  scene->now = the_world.now;
  snprintf(scene->link, sizeof scene->link, "%s/kept-%u", world_path(), number);
  must(link(name_path, scene->link) == 0, "link()");
  mm_pool_detach(pool);
  for (uint32_t at = 0; at < OTHERS; at++) {
    mm_pool_detach(others[at]);
    others[at] = NULL;
  }
  hold_slots(scene);
  unlink(name_path);
}

void scenes_make(void) {
  char file_name[MM__FILE_NAME_SIZE];
  mm__file_name(SCENE_NAME, file_name);
  snprintf(name_path, sizeof name_path, "%s/%s", world_path(), file_name);
  the_world.now = 1000000000000ull;
  for (uint32_t number = 0; number < SCENES; number++)
    make(&the_scenes[number], number);
  memset(the_world.touched, 0, sizeof the_world.touched);
}

void scene_begin(const scene *scene) {
  unlink(name_path);
  if (link(scene->link, name_path) != 0)
    world_fail("cannot link the scene: %s", strerror(errno));
  the_world.now = scene->now + 1000000;
}

void scene_end(const scene *scene) {
  const uint64_t pages = scene->geometry.data_offset / WORLD_PAGE;
  const uint64_t slots = scene->geometry.slots_offset / WORLD_PAGE;
  const uint64_t records = scene->geometry.table_offset / WORLD_PAGE;
  for (uint64_t page = 0; page < pages; page++) {
    /* Exchanges are not noted: where they may be is always put back. */
    if (the_world.touched[page] || page <= slots || page == records)
      memcpy(scene->bytes + page * WORLD_PAGE, scene->image + page * WORLD_PAGE,
             WORLD_PAGE);
  }
  memset(the_world.touched, 0, sizeof the_world.touched);
}
