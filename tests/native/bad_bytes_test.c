/* bad_bytes_test.c - spoils a pool's header, slots and records, and makes every
 * call on it: none may crash, hang, or reach outside of the mapping.
 *
 *   bad_bytes_test [--rounds N] [--seed S] [--first R] [name ...]
 *
 * Each round is spoilt as the seed and its number say, so that
 * `--seed S --first R --rounds 1` plays round R again.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define DEFAULT_ROUNDS 2000u
#define SIZE 65536u
#define ALARM_SECONDS 5u
#define SLOWEST_MS 2000u
#define RECORDS 64u /* committed ones */
#define LIVE_MAX 24u

static uint64_t rounds = DEFAULT_ROUNDS;
static uint64_t first;
static uint64_t seed;

/* ---- The pool and its image ----------------------------------------------- */

typedef struct stage {
  mm_pool *pool;   /* slot 0 */
  mm_pool *waiter; /* slot 1, shows a request */
  mm_allocation live[LIVE_MAX];
  uint32_t live_count;
  unsigned char descriptor[MM_DESCRIPTOR_MAX];
  size_t descriptor_length;
  ino_t inode;
  mm__header header;   /* as they are when all is well */
  mm__slot slots[32];
  mm__block records[RECORDS];
} stage;

static stage the_stage;
static stage *const on = &the_stage;
static const char *name;

static ino_t inode_of_name(void) {
  char path[256];
  struct stat status;
  pool_path(name, path);
  return stat(path, &status) == 0 ? status.st_ino : 0;
}

static void set_stage(void) {
  if (name == NULL) name = unique_name();
  memset(on, 0, sizeof *on);
  on->pool = new_pool_from((mm_pool_options){.size = SIZE, .name = name});
  on->waiter = attach_again(on->pool);
  mm_allocation hole[8];
  for (int at = 0; at < 8; at++) {
    hole[at] = must_alloc(on->pool, 300);
    on->live[on->live_count++] = must_alloc(on->pool, 100 * (uint64_t)at);
  }
  for (int at = 0; at < 8; at += 2) CHECK_OK(mm_free(on->pool, hole[at].id));
  uint64_t ticket;
  CHECK_OK(mm_wait_ticket(on->waiter, &ticket));
  CHECK_OK(mm_wait_show(on->waiter, ticket, SIZE, SIZE));
  CHECK_OK(mm_pool_serialize(on->pool, on->descriptor, sizeof on->descriptor,
                             &on->descriptor_length));
  on->inode = inode_of_name();
  on->header = *on->pool->header;
  memcpy(on->slots, on->pool->slots, sizeof on->slots);
  memcpy(on->records, on->pool->heap.table, sizeof on->records);
}

static void restore(void) {
  *on->pool->header = on->header;
  memcpy(on->pool->slots, on->slots, sizeof on->slots);
  memcpy(on->pool->heap.table, on->records, sizeof on->records);
}

static void clear_stage(void) {
  restore();
  mm_pool_destroy(on->pool);
  mm_pool_detach(on->waiter);
  mm_pool_detach(on->pool);
  char path[256];
  pool_path(name, path);
  unlink(path);
}

/* ---- Spoiling ------------------------------------------------------------- */

typedef struct place {
  uint8_t *bytes;
  size_t length; /* 4 or 8 */
} place;

static place choose_place(uint64_t *chance) {
  static const struct { size_t from, to; } parts[] = {
      {0, sizeof(mm__birth)},
      {offsetof(mm__header, destroyed), offsetof(mm__header, heap)},
      {offsetof(mm__header, heap), offsetof(mm__header, heap.index)},
      {offsetof(mm__header, heap.index), offsetof(mm__header, waiting)},
      {offsetof(mm__header, waiting), sizeof(mm__header)},
  };
  const size_t length = random_below(chance, 2) != 0 ? 8 : 4;
  uint8_t *base;
  size_t from = 0, to;
  const uint64_t part = random_below(chance, 12);
  if (part < 5) {
    base = (uint8_t *)on->pool->header;
    from = parts[part].from;
    to = parts[part].to;
  } else if (part < 7) {
    base = (uint8_t *)on->pool->slots;
    to = 4 * sizeof(mm__slot);
  } else {
    base = (uint8_t *)on->pool->heap.table;
    to = (part < 11 ? 30 : RECORDS) * sizeof(mm__block);
  }
  const size_t words = (to - from) / length;
  return (place){base + from + random_below(chance, words) * length, length};
}

static uint64_t choose_value(uint64_t *chance, uint64_t old) {
  static const uint64_t odd[] = {0, 1, 2, 63, 64, 65, RECORDS - 1, RECORDS, 1041,
                                 SIZE - 64, SIZE, SIZE + 64, UINT32_MAX,
                                 UINT32_MAX - 1, 1ull << 31, 1ull << 32, 1ull << 63,
                                 INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
  switch (random_below(chance, 7)) {
    case 0: return random_next(chance);
    case 1: return old ^ 1ull << random_below(chance, 64);
    case 2: return random_below(chance, 1100);
    case 3: return random_below(chance, SIZE / 64 + 2) * 64;
    case 4: return random_below(chance, 40) << 32 | random_below(chance, 40);
    case 5: return old + random_below(chance, 129) - 64;
    default: return odd[random_below(chance, sizeof odd / sizeof *odd)];
  }
}

static void spoil(uint64_t *chance) {
  for (uint64_t hits = 1 + random_below(chance, 4); hits > 0; hits--) {
    const place place = choose_place(chance);
    uint64_t value = 0;
    memcpy(&value, place.bytes, place.length);
    value = choose_value(chance, value);
    memcpy(place.bytes, &value, place.length);
  }
}

/* ---- Every call ----------------------------------------------------------- */

/* Makes a call and looks at its time. A call that is busy is right, when the
 * lock names somebody alive; but then so will be all others: enough. */
#define CALL(call)                                                         \
  __extension__({                                                          \
    const uint64_t begun_ = now_ms();                                      \
    const int status_ = (call);                                            \
    if (now_ms() - begun_ > SLOWEST_MS)                                    \
      test_fail(__FILE__, __LINE__, "%s took %llu ms", #call,              \
                (unsigned long long)(now_ms() - begun_));                  \
    if (status_ == MM_E_BUSY) _exit(0);                                    \
    status_;                                                               \
  })

static void check_inside(const mm_pool *pool, const mm_allocation *allocation) {
  const uint64_t size = mm_pool_describe(pool)->size;
  CHECK(allocation->offset <= size && allocation->size <= size - allocation->offset);
}

static void read_everything(mm_pool *pool, uint64_t *chance) {
  mm_allocation entries[16], found;
  uint64_t sizes[16], cursor = 0, total = 0;
  size_t count = 0;
  mm_pool_stats stats;
  CALL(mm_pool_read_stats(pool, &stats));
  do {
    if (CALL(mm_list(pool, &cursor, MM_ANY_TYPE, entries, 16, &count)) != MM_OK) break;
    for (size_t at = 0; at < count; at++) check_inside(pool, &entries[at]);
    CHECK((total += count) < 10000);
  } while (count != 0);
  cursor = total = 0;
  do {
    if (CALL(mm_list_free_blocks(pool, &cursor, sizes, 16, &count)) != MM_OK) break;
    for (size_t at = 0; at < count; at++) CHECK(sizes[at] <= SIZE);
    CHECK((total += count) < 10000);
  } while (count != 0);
  for (uint32_t at = 0; at < on->live_count; at++)
    if (CALL(mm_find(pool, on->live[at].id, &found)) == MM_OK) check_inside(pool, &found);
  for (int at = 0; at < 8; at++)
    if (CALL(mm_find(pool, random_next(chance), &found)) == MM_OK) check_inside(pool, &found);
}

static void change_everything(mm_pool *pool, uint64_t *chance) {
  mm_allocation made[16];
  uint32_t count = 0;
  for (int at = 0; at < 12; at++) {
    const uint64_t size = at == 0 ? 0 : at == 1 ? SIZE : random_below(chance, 5000);
    if (CALL(mm_alloc(pool, size, 1, &made[count])) != MM_OK) continue;
    check_inside(pool, &made[count]);
    memset(mm_address(pool, &made[count]), 1, made[count].size);
    count++;
  }
  for (uint32_t at = 0; at < on->live_count; at++) CALL(mm_free(pool, on->live[at].id));
  for (int at = 0; at < 8; at++) CALL(mm_free(pool, random_next(chance)));
  while (count > 0) CALL(mm_free(pool, made[--count].id));
}

static void wait_for_everything(mm_pool *pool) {
  mm_allocation made;
  uint64_t ticket = 0;
  CALL(mm_wait_ticket(pool, &ticket));
  CALL(mm_wait_show(pool, ticket, 1000, 1000));
  CALL(mm_wait_try(pool, ticket, 1000, 1, &made));
  CALL(mm_wait(pool, mm_wait_begin(pool), 2));
  CALL(mm_wait_show(pool, 0, 0, 0));
  if (CALL(mm_alloc_blocking(pool, 1000, 1, 3, &made)) == MM_OK) check_inside(pool, &made);
  mm_unpark(pool);
}

static void call_everything(mm_pool *pool, uint64_t *chance) {
  read_everything(pool, chance);
  change_everything(pool, chance);
  if (random_below(chance, 3) == 0) wait_for_everything(pool);
  mm__check(pool);
  read_everything(pool, chance);
}

static void meet_the_pool(void *argument) {
  uint64_t *chance = argument;
  alarm(ALARM_SECONDS);
  mm_pool_entry probe;
  CALL(mm_pool_probe(name, NULL, &probe));
  mm_pool *fresh = NULL;
  if (CALL(mm_pool_attach(on->descriptor, on->descriptor_length, &fresh)) == MM_OK)
    call_everything(fresh, chance);
  /* The handle that was there before, too; after fork() it attaches anew. */
  call_everything(on->pool, chance);
  CALL((mm_pool_detach(on->pool), MM_OK));
  if (random_below(chance, 16) == 0 && fresh != NULL) CALL(mm_pool_destroy(fresh));
  const mm_pool_options options = {.size = SIZE, .name = name};
  mm_pool *other = NULL;
  CALL(mm_pool_create(&options, &other));
  mm_pool_detach(other);
  CALL((mm_pool_detach(fresh), MM_OK));
  _exit(0);
}

static void spoilt_images(void) {
  set_stage();
  const pid_t runner = getpid();
  for (uint64_t round = first; round < first + rounds; round++) {
    uint64_t mixed = seed ^ round * 0xd1342543de82ef95ull;
    uint64_t chance = random_next(&mixed);
    test_context("--seed %llu --first %llu --rounds 1", (unsigned long long)seed,
                 (unsigned long long)round);
    spoil(&chance);
    finish_child(start_child(meet_the_pool, &chance));
    CHECK_EQ(getpid(), runner);
    restore();
    if (inode_of_name() != on->inode) { /* destroyed, or finished by a creator */
      clear_stage();
      set_stage();
    }
  }
  restore();
  CHECK_SOUND(mm__check(on->pool));
  clear_stage();
}

/* ---- A writer that spoils while others work -------------------------------- */

/* A link or an offset of one of the first records, which are in use all the
 * time. */
static uint32_t *choose_link(uint64_t *chance) {
  mm__block *block = &on->pool->heap.table[random_below(chance, 16)];
  uint32_t *const links[] = {&block->next, &block->prev, &block->free_next,
                             &block->free_prev, (uint32_t *)(void *)&block->offset};
  return links[random_below(chance, 5)];
}

/* Spoils a link many times for moments, each time putting it right again: who
 * looks at it twice sees two values. */
static void flip_link(uint64_t *chance) {
  uint32_t *link = choose_link(chance);
  const uint32_t bad = (uint32_t)random_next(chance) | 1u << (16 + random_below(chance, 16));
  for (int flips = 0; flips < 2000; flips++) {
    const uint32_t old = mm__load(link);
    mm__store(link, bad);
    mm__cas(link, bad, old);
    for (uint64_t pause = random_below(chance, 30); pause > 0; pause--)
      __atomic_signal_fence(__ATOMIC_SEQ_CST);
  }
}

/* Spoils words for moments. Leaves the lock alone, and the flag that would end
 * all calls at once. */
static void scribble(void *argument) {
  uint64_t *chance = argument;
  uint8_t *header = (uint8_t *)on->pool->header;
  for (;;) {
    if (random_below(chance, 2) != 0) {
      flip_link(chance);
      continue;
    }
    const place place = choose_place(chance);
    const ptrdiff_t at = place.bytes - header;
    if (at >= (ptrdiff_t)offsetof(mm__header, destroyed) &&
        at < (ptrdiff_t)offsetof(mm__header, frees))
      continue;
    uint64_t old = 0;
    memcpy(&old, place.bytes, place.length);
    const uint64_t value = choose_value(chance, old);
    memcpy(place.bytes, &value, place.length);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(place.bytes, &old, place.length);
  }
}

static void work_and_leave(void *argument) {
  uint64_t *chance = argument;
  mm_pool *fresh = NULL;
  alarm(ALARM_SECONDS);
  CALL(mm_pool_attach(on->descriptor, on->descriptor_length, &fresh));
  if (fresh == NULL) _exit(0);
  call_everything(fresh, chance);
  const uint64_t end = now_ms() + 15;
  while (now_ms() < end) {
    mm_allocation made[8];
    uint32_t count = 0;
    for (int at = 0; at < 8; at++)
      if (mm_alloc(fresh, 64, 1, &made[count]) == MM_OK) check_inside(fresh, &made[count++]);
    while (count > 0) {
      const uint64_t at = random_below(chance, count);
      mm_free(fresh, made[at].id);
      made[at] = made[--count];
    }
  }
  _exit(0);
}

static void a_scribbling_neighbour(void) {
  uint64_t chance = seed;
  set_stage();
  const uint64_t end = now_ms() + 4000;
  uint32_t turns = 0;
  while (now_ms() < end) {
    test_context("--seed %llu, turn %u", (unsigned long long)seed, turns++);
    random_next(&chance);
    const pid_t scribbler = start_child(scribble, &chance);
    random_next(&chance);
    finish_child(start_child(work_and_leave, &chance));
    kill_child(scribbler);
    restore();
  }
  CHECK(turns > 10);
  CHECK_SOUND(mm__check(on->pool));
  clear_stage();
}

/* ---- What the fuzzers found (fuzz/README.md) -------------------------------- */

/* Beyond what is committed: committed records again and again. */
static void a_count_of_records_that_is_too_large(void) {
  mm_pool *pool = new_pool(SIZE);
  mm__store(&pool->header->heap.records_fresh, UINT32_MAX);
  const uint32_t grown = mm__load(&pool->header->grown);
  must_alloc(pool, 100);
  CHECK(mm__load(&pool->header->grown) - grown < 10);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static void a_count_of_bytes_that_is_too_large(void) {
  mm_pool *pool = new_pool(SIZE);
  mm__store(&pool->header->heap.taken_bytes, UINT64_MAX);
  mm_pool_entry entry;
  CHECK_OK(mm_pool_probe(mm_pool_describe(pool)->name, NULL, &entry));
  CHECK_EQ(entry.used, entry.size);
  destroy_and_detach(pool);
}

static void park_and_detach(void *argument) {
  mm_pool *pool = argument;
  mm_park_prepare(pool);
  const uint32_t seen = mm_wait_begin(pool);
  mm_pool_detach(pool);
  mm_park(pool, seen, 100);
}

/* The pool may be too spoilt for a child to attach anew: its handle is not
 * freed under a parked call for that. */
static void a_child_that_parks_without_attaching(void) {
  mm_pool *pool = new_pool(SIZE);
  finish_child(start_child(park_and_detach, pool));
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  seed = now_ms();
  const test_option options[] = {{"--rounds", &rounds, 0},
                                 {"--seed", &seed, 0},
                                 {"--first", &first, 0},
                                 {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
  test_case_within("bad bytes: every call on spoilt images", spoilt_images,
                   120 + (unsigned)(rounds / 50));
  test_case_within("bad bytes: beside a writer that scribbles", a_scribbling_neighbour, 60);
  test_case("bad bytes: a count of records that is too large is made anew",
            a_count_of_records_that_is_too_large);
  test_case("bad bytes: mm_pool_probe() shows no more bytes than there are",
            a_count_of_bytes_that_is_too_large);
  test_case("bad bytes: mm_park() in a child that could not attach",
            a_child_that_parks_without_attaching);
  return harness_end();
}
