/* workload.c - the same work in every run, for guard/main.ts, which counts the
 * instructions that the library needs for it.
 *
 *   workload DIRECTORY
 *
 * The directory lies on a tmpfs and has room for 35 MiB; pools are made in it.
 * Only what happens in the functions `counted_...` is counted, for each
 * `part_...` by itself. Each part has a new pool, so that parts may come and go
 * without changing the others' counts. There is one thread and nobody to wait
 * for: nothing that is counted depends on time.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "managed_memory.h"

/* Never inlined: they are found by their names. A part prepares the work, has it
 * counted, and answers how many operations that were. */
#define COUNTED __attribute__((noinline)) static void
#define PART __attribute__((noinline)) static uint32_t

#define POOL_SIZE (32ull << 20) /* bytes */
#define SMALL 512u              /* bytes; what is cached */
#define MANY 10000u             /* small blocks; more than a cache holds */

static mm_pool *pool;
static mm_pool *other; /* another attachment to the same pool */
static mm_allocation live[MANY];
static uint64_t chance;

static void must_be(int status, int expected) {
  if (status == expected) return;
  fprintf(stderr, "workload: %s\n", mm_strerror(status));
  exit(1);
}

static void must(int status) { must_be(status, MM_OK); }

static void take(mm_allocation *allocation, uint64_t size) {
  must(mm_alloc(pool, size, MM_TYPE_DATA, allocation));
}

static void take_all(uint32_t count, uint64_t size) {
  for (uint32_t k = 0; k < count; k++) take(&live[k], size);
}

static void free_all(mm_pool *by, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) must(mm_free(by, live[k].id));
}

/* splitmix64 */
static uint64_t random_below(uint64_t limit) {
  uint64_t z = chance += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % limit;
}

/* ---- Small blocks ------------------------------------------------------- */

#define PAIRS 20000u

COUNTED counted_pair(void) {
  for (uint32_t i = 0; i < PAIRS; i++) {
    take(&live[0], SMALL);
    must(mm_free(pool, live[0].id));
  }
}

PART part_pair(void) {
  take_all(64, SMALL);
  free_all(pool, 64);
  counted_pair();
  return PAIRS;
}

COUNTED counted_batch(void) {
  take_all(MANY, SMALL);
  free_all(pool, MANY);
}

PART part_batch(void) {
  take_all(MANY, SMALL);
  free_all(pool, MANY);
  counted_batch();
  return MANY;
}

#define CHURN_LIVE 2000u
#define CHURN_STEPS 20000u

/* 64 B to 8 KiB, each doubling as likely as the other. */
static uint64_t mixed_size(void) {
  const uint64_t least = 64ull << random_below(7);
  return least + random_below(least);
}

COUNTED counted_churn(void) {
  for (uint32_t i = 0; i < CHURN_STEPS; i++) {
    mm_allocation *allocation = &live[random_below(CHURN_LIVE)];
    must(mm_free(pool, allocation->id));
    take(allocation, mixed_size());
  }
}

PART part_churn(void) {
  for (uint32_t k = 0; k < CHURN_LIVE; k++) take(&live[k], mixed_size());
  counted_churn();
  return CHURN_STEPS;
}

COUNTED counted_free_by_other(void) { free_all(other, MANY); }

PART part_free_by_other(void) {
  take_all(MANY, SMALL);
  counted_free_by_other();
  return MANY;
}

/* ---- Under the lock ----------------------------------------------------- */

#define LARGE_LIVE 100u
#define LARGE_STEPS 5000u

/* More than any cache takes; so freeing merges, and allocating splits. */
static uint64_t large_size(void) { return (48u << 10) + random_below(256u << 10); }

COUNTED counted_large(void) {
  for (uint32_t i = 0; i < LARGE_STEPS; i++) {
    mm_allocation *allocation = &live[random_below(LARGE_LIVE)];
    must(mm_free(pool, allocation->id));
    take(allocation, large_size());
  }
}

PART part_large(void) {
  for (uint32_t k = 0; k < LARGE_LIVE; k++) take(&live[k], large_size());
  counted_large();
  return LARGE_STEPS;
}

#define GROWN 1000u
#define GROWN_SIZE (16u << 10) /* bytes; 8 times what is committed at once */

COUNTED counted_grow(void) { take_all(GROWN, GROWN_SIZE); }

PART part_grow(void) {
  counted_grow();
  return GROWN;
}

/* ---- Lookups ------------------------------------------------------------ */

COUNTED counted_find(void) {
  mm_allocation found;
  for (uint32_t k = 0; k < MANY; k++) must(mm_find(other, live[k].id, &found));
}

PART part_find(void) {
  take_all(MANY, SMALL);
  counted_find();
  return MANY;
}

#define PAGE 1000u /* entries that are listed at a time */

COUNTED counted_list(void) {
  static mm_allocation entries[PAGE];
  uint64_t cursor = 0;
  size_t count;
  do must(mm_list(pool, &cursor, MM_ANY_TYPE, entries, PAGE, &count));
  while (count != 0);
}

PART part_list(void) {
  take_all(MANY, SMALL);
  counted_list();
  return MANY;
}

COUNTED counted_list_free_blocks(void) {
  static uint64_t sizes[PAGE];
  uint64_t cursor = 0;
  size_t count;
  do must(mm_list_free_blocks(pool, &cursor, sizes, PAGE, &count));
  while (count != 0);
}

PART part_list_free_blocks(void) {
  take_all(MANY, SMALL);
  for (uint32_t k = 0; k < MANY; k += 2) must(mm_free(pool, live[k].id));
  counted_list_free_blocks();
  return MANY / 2;
}

/* ---- Owners, attachments ------------------------------------------------ */

COUNTED counted_adopt(void) {
  for (uint32_t k = 0; k < MANY; k++) must(mm_adopt(other, live[k].id));
}

PART part_adopt(void) {
  take_all(MANY, SMALL);
  counted_adopt();
  return MANY;
}

#define ATTACHMENTS 100u

static unsigned char descriptor[MM_DESCRIPTOR_MAX];
static size_t descriptor_length;

COUNTED counted_attach(void) {
  for (uint32_t i = 0; i < ATTACHMENTS; i++) {
    mm_pool *attached;
    must(mm_pool_attach(descriptor, descriptor_length, &attached));
    mm_pool_detach(attached);
  }
}

PART part_attach(void) {
  counted_attach();
  return ATTACHMENTS;
}

/* ---- Waiting ------------------------------------------------------------ */

#define PASSES 1000u
#define WANTED (POOL_SIZE / 4) /* bytes */

/* One pass of a request that waits: but for the sleep. */
static void pass(int expected) {
  uint64_t ticket;
  mm_allocation allocation;
  must(mm_wait_ticket(other, &ticket));
  must(mm_wait_show(other, ticket, WANTED, WANTED));
  mm_wait_begin(other);
  if (expected == MM_OK) must(mm_free(pool, live[3].id));
  must_be(mm_wait_try(other, ticket, WANTED, MM_TYPE_DATA, &allocation), expected);
  must(mm_wait_show(other, 0, 0, 0));
  if (expected == MM_OK) live[3] = allocation;
}

COUNTED counted_wait_in_vain(void) {
  for (uint32_t i = 0; i < PASSES; i++) pass(MM_E_NO_ROOM);
}

PART part_wait_in_vain(void) {
  take_all(4, WANTED);
  counted_wait_in_vain();
  return PASSES;
}

COUNTED counted_wait_served(void) {
  for (uint32_t i = 0; i < PASSES; i++) pass(MM_OK);
}

PART part_wait_served(void) {
  take_all(4, WANTED);
  counted_wait_served();
  return PASSES;
}

/* ---- All of them -------------------------------------------------------- */

typedef struct part {
  const char *name;
  uint32_t (*run)(void);
} part;

static const part parts[] = {
    {"pair", part_pair},
    {"batch", part_batch},
    {"churn", part_churn},
    {"free_by_other", part_free_by_other},
    {"large", part_large},
    {"grow", part_grow},
    {"find", part_find},
    {"list", part_list},
    {"list_free_blocks", part_list_free_blocks},
    {"adopt", part_adopt},
    {"attach", part_attach},
    {"wait_in_vain", part_wait_in_vain},
    {"wait_served", part_wait_served},
};

static void run_part(const part *what, const char *directory) {
  const mm_pool_options options = {
      .size = POOL_SIZE, .name = what->name, .directory = directory};
  chance = 1;
  must(mm_pool_create(&options, &pool));
  must(mm_pool_serialize(pool, descriptor, sizeof descriptor, &descriptor_length));
  must(mm_pool_attach(descriptor, descriptor_length, &other));
  const uint32_t operations = what->run();
  printf("{\"part\":\"%s\",\"operations\":%u}\n", what->name, operations);
  must(mm_pool_destroy(pool));
  mm_pool_detach(other);
  mm_pool_detach(pool);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: workload DIRECTORY\n");
    return 2;
  }
  printf("{\"zig\":\"%s\",\"target\":\"%s\"}\n", GUARD_ZIG, GUARD_TARGET);
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
    run_part(&parts[k], argv[1]);
  return 0;
}
