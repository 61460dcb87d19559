/* inspect_test.c - looking into a pool from outside. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "shared.h"

#define SIZE 65536u
#define MOST 4096u

static mm_pool *pool;
static mm_inspector *inspector;
static mm_record_view records[MOST];
static mm_participant_view participants[MM_SLOTS_MAX];
static size_t record_count, participant_count;

static void open_pool(uint64_t size) {
  const char *name = unique_name();
  pool = new_pool_from((mm_pool_options){.size = size, .name = name, .uid = 5});
  CHECK_OK(mm_inspect_open(name, NULL, &inspector));
}

static void close_pool(void) {
  mm_inspect_close(inspector);
  CHECK_SOUND(mm__check(pool));
  destroy_and_detach(pool);
}

static mm_pool_view look(void) {
  mm_pool_view view;
  memset(&view, 0xcc, sizeof view);
  CHECK_OK(mm_inspect_pool(inspector, &view));
  return view;
}

/* Reads all records, some at a time. */
static void look_at_records(size_t some) {
  uint64_t cursor = 0;
  size_t count;
  record_count = 0;
  do {
    if (some > MOST - record_count) some = MOST - record_count;
    CHECK_OK(mm_inspect_records(inspector, &cursor, &records[record_count], some, &count));
    CHECK(count <= some);
    record_count += count;
  } while (count != 0 && record_count < MOST);
}

static void look_at_participants(void) {
  memset(participants, 0xcc, sizeof participants);
  CHECK_OK(mm_inspect_participants(inspector, participants, MM_SLOTS_MAX,
                                   &participant_count));
}

static uint64_t frees_seen(void) {
  uint64_t sum = 0;
  for (size_t at = 0; at < record_count; at++) sum += records[at].frees;
  return sum;
}

static uint32_t count_of(uint32_t state) {
  uint32_t count = 0;
  for (size_t at = 0; at < record_count; at++) count += records[at].state == state;
  return count;
}

static const mm_record_view *record_of(uint64_t id) {
  for (size_t at = 0; at < record_count; at++)
    if (records[at].state == MM_RECORD_LIVE && records[at].id == id) return &records[at];
  return NULL;
}

/* ---- What is seen ---------------------------------------------------------- */

static void a_pool_is_seen(void) {
  const char *name = unique_name();
  pool = new_pool_from((mm_pool_options){.size = SIZE,
                                         .name = name,
                                         .uid = 1ull << 63,
                                         .min_block_size = 256,
                                         .max_allocations = 77});
  CHECK_OK(mm_inspect_open(name, NULL, &inspector));
  mm_allocation made[3];
  for (int at = 0; at < 3; at++) made[at] = must_alloc(pool, 100);
  for (int at = 0; at < 3; at++) CHECK_OK(mm_free(pool, made[at].id));
  const mm_pool_view view = look();
  CHECK(view.uid == 1ull << 63);
  CHECK_EQ(view.size, SIZE);
  CHECK_EQ(view.min_block_size, 256);
  CHECK_EQ(view.max_allocations, 77);
  CHECK_EQ(view.most_allocations, 3);
  CHECK_EQ(view.creator_pid, getpid());
  CHECK(view.creator_start > 0);
  CHECK_EQ(view.end, mm__load(&pool->heap.table[0].offset));
  CHECK(view.memory > view.end);
  CHECK_EQ(view.lock_holder, 0);
  CHECK_EQ(view.is_destroyed, 0);
  look_at_records(MOST);
  CHECK_EQ(view.records, record_count);
  CHECK_OK(mm_pool_destroy(pool));
  CHECK_EQ(look().is_destroyed, 1);
  mm_pool_detach(pool);
  CHECK_EQ(look().size, SIZE); /* as long as the inspector is open */
  mm_inspect_close(inspector);
  CHECK_STATUS(mm_inspect_open(name, NULL, &inspector), MM_E_NOT_FOUND);
  CHECK(inspector == NULL);
}

static void allocations_are_seen(void) {
  open_pool(SIZE);
  mm_allocation made[50];
  for (uint32_t at = 0; at < 50; at++)
    CHECK_OK(mm_alloc(pool, 37 * at, at % 7, &made[at]));
  for (size_t some = 1; some < MOST; some = some * 5 + 1) {
    look_at_records(some);
    CHECK_EQ(count_of(MM_RECORD_LIVE), 50);
    look_at_participants();
    CHECK_EQ(participant_count, 1);
    for (uint32_t at = 0; at < 50; at++) {
      const mm_record_view *seen = record_of(made[at].id);
      CHECK(seen != NULL);
      CHECK_EQ(seen->offset, made[at].offset);
      CHECK_EQ(seen->size, made[at].size);
      CHECK_EQ(seen->extent, at == 0 ? 64 : (made[at].size + 63) / 64 * 64);
      CHECK_EQ(seen->type, at % 7);
      CHECK_EQ(seen->owner_pid, getpid());
      CHECK_EQ(seen->owner_slot, participants[0].slot);
      CHECK_EQ(seen->owner_epoch, participants[0].epoch);
      CHECK_EQ(seen->frees, 0);
    }
  }
  CHECK_EQ(count_of(MM_RECORD_SPOILT), 0);
  close_pool();
}

static void what_is_cached_or_trimmed_is_seen(void) {
  open_pool(1u << 20);
  const mm_allocation small = must_alloc(pool, 100);
  const mm_allocation large = must_alloc(pool, 200000);
  must_alloc(pool, 1);
  CHECK_OK(mm_free(pool, small.id));
  CHECK_OK(mm_free(pool, large.id));
  look_at_records(MOST);
  CHECK_EQ(count_of(MM_RECORD_LIVE), 1);
  CHECK_EQ(count_of(MM_RECORD_CACHED), 1);
  CHECK(record_of(small.id) == NULL);
  for (size_t at = 0; at < record_count; at++) {
    if (records[at].state == MM_RECORD_FREE) CHECK_EQ(records[at].missing_from, 0);
    if (records[at].state != MM_RECORD_CACHED) continue;
    CHECK_EQ(records[at].offset, small.offset);
    CHECK_EQ(records[at].extent, 128);
    CHECK_EQ(records[at].frees, 1);
    CHECK_EQ(records[at].id, 0);
  }
  uint64_t bytes;
  CHECK_OK(mm_pool_trim(pool, &bytes));
  CHECK(bytes > 190000);
  look_at_records(MOST);
  CHECK_EQ(count_of(MM_RECORD_CACHED), 0);
  uint32_t trimmed = 0;
  for (size_t at = 0; at < record_count; at++)
    trimmed += records[at].missing_from > records[at].offset;
  CHECK(trimmed >= 1);
  close_pool();
}

/* Every free counts once, whether it goes by a cache or by the lock, and whatever
 * becomes of the block. */
static void frees_are_counted_exactly(void) {
  open_pool(1u << 20);
  uint64_t seed = 7, frees = 0;
  mm_allocation held[64];
  uint32_t count = 0;
  for (int round = 0; round < 20000; round++) {
    if (count < 64 && random_below(&seed, 2) != 0) {
      held[count++] = must_alloc(pool, random_below(&seed, 2) != 0 ? 100 : random_below(&seed, 15000));
    } else if (count > 0) {
      const uint32_t at = (uint32_t)random_below(&seed, count);
      CHECK_OK(mm_free(pool, held[at].id));
      held[at] = held[--count];
      frees++;
    }
    if (round % 1000 == 0) {
      look_at_records(MOST);
      CHECK_EQ(frees_seen(), frees);
      CHECK_EQ(count_of(MM_RECORD_LIVE), count);
    }
  }
  mm_pool_stats stats;
  CHECK_OK(mm_pool_read_stats(pool, &stats)); /* empties the caches */
  look_at_records(MOST);
  CHECK_EQ(frees_seen(), frees);
  close_pool();
}

/* ---- Participants ---------------------------------------------------------- */

static uint32_t *ready;

static void attach_and_wait(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  uint64_t ticket;
  CHECK_OK(mm_wait_ticket(own, &ticket));
  CHECK_OK(mm_wait_show(own, ticket, 1000, 1000));
  mm__store_release(ready, 1u);
  for (;;) sleep_ms(1000);
}

static void participants_are_seen_while_they_live(void) {
  open_pool(SIZE);
  must_alloc(pool, SIZE);
  ready = shared_memory(sizeof *ready);
  const pid_t child = start_child(attach_and_wait, NULL);
  await(ready, 1);
  look_at_participants();
  CHECK_EQ(participant_count, 2);
  const mm_participant_view *own = &participants[0], *other = &participants[1];
  CHECK_EQ(own->pid, getpid());
  CHECK_EQ(own->is_waiting, 0);
  CHECK_EQ(own->waiting_size, 0);
  CHECK_EQ(other->pid, child);
  CHECK_EQ(other->is_waiting, 1);
  CHECK_EQ(other->waiting_size, 1000);
  CHECK(other->slot != own->slot);
  CHECK_EQ(other->pid_namespace, own->pid_namespace);

  size_t count = 0;
  participants[1].pid = 99;
  CHECK_OK(mm_inspect_participants(inspector, participants, 1, &count));
  CHECK_EQ(count, 2);
  CHECK_EQ(participants[1].pid, 99);
  stop_child(child);
  look_at_participants();
  CHECK_EQ(participant_count, 2);
  kill_child(child);
  look_at_participants();
  CHECK_EQ(participant_count, 1);
  close_pool();
}

static void an_owner_is_told_from_its_successor(void) {
  open_pool(SIZE);
  mm_pool *first = attach_again(pool);
  const mm_allocation left = must_alloc(first, 10);
  mm_pool_detach(first);
  mm_pool *second = attach_again(pool);
  look_at_records(MOST);
  look_at_participants();
  const mm_record_view *seen = record_of(left.id);
  CHECK_EQ(participant_count, 2);
  CHECK_EQ(seen->owner_slot, participants[1].slot);
  CHECK(seen->owner_epoch != participants[1].epoch);
  mm_pool_detach(second);
  close_pool();
}

static void take_the_lock(void *argument) {
  (void)argument;
  mm_pool *own = attach_again(pool);
  CHECK_OK(mm__lock(own, 1000));
  mm__store_release(ready, 1u);
  for (;;) sleep_ms(1000);
}

static void the_locks_holder_is_seen(void) {
  open_pool(SIZE);
  const mm_allocation made = must_alloc(pool, 10);
  ready = shared_memory(sizeof *ready);
  const pid_t child = start_child(take_the_lock, NULL);
  await(ready, 1);
  stop_child(child);
  const uint64_t before = now_ms();
  CHECK_EQ(look().lock_holder, child);
  look_at_records(MOST);
  look_at_participants();
  CHECK(record_of(made.id) != NULL);
  CHECK_EQ(participant_count, 2);
  CHECK(now_ms() - before < 500);
  kill_child(child);
  must_alloc(pool, 1);
  CHECK_EQ(look().lock_holder, 0);
  close_pool();
}

/* ---- Nobody is disturbed --------------------------------------------------- */

static uint8_t *contents(const char *name, size_t *size) {
  char path[256];
  pool_path(name, path);
  const int file = open(path, O_RDONLY);
  struct stat description;
  CHECK(file >= 0 && fstat(file, &description) == 0);
  *size = (size_t)description.st_size;
  uint8_t *bytes = malloc(*size);
  CHECK(bytes != NULL && read(file, bytes, *size) == (ssize_t)*size);
  close(file);
  return bytes;
}

static void looking_changes_nothing(void) {
  open_pool(SIZE);
  const mm_allocation made = must_alloc(pool, 5000);
  must_alloc(pool, 1);
  CHECK_OK(mm_free(pool, made.id));
  const char *name = mm_pool_describe(pool)->name;
  size_t size, size_after;
  uint8_t *before = contents(name, &size);
  const uint64_t memory = look().memory;
  look_at_records(MOST);
  look_at_participants();
  mm_inspector *second;
  CHECK_OK(mm_inspect_open(name, NULL, &second));
  mm_inspect_close(second);
  CHECK_EQ(look().memory, memory);
  uint8_t *after = contents(name, &size_after);
  CHECK_EQ(size_after, size);
  CHECK(memcmp(before, after, size) == 0);
  free(before);
  free(after);
  close_pool();
}

typedef struct board {
  uint64_t frees;
  uint32_t ends;
} board;

static board *on;

static void churn(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  mm_pool *own = attach_again(pool);
  uint64_t frees = 0;
  while (mm__load(&on->ends) == 0) {
    mm_allocation held[32];
    uint32_t count = 0;
    while (count < 32 && mm_alloc(own, random_below(&seed, 3000), 1, &held[count]) == MM_OK)
      count++;
    for (frees += count; count > 0;) CHECK_OK(mm_free(own, held[--count].id));
  }
  __atomic_fetch_add(&on->frees, frees, __ATOMIC_SEQ_CST);
  mm_pool_detach(own);
}

static void what_changes_is_seen_as_it_was_at_some_moment(void) {
  open_pool(1u << 20);
  on = shared_memory(sizeof *on);
  pid_t children[3];
  for (uintptr_t at = 0; at < 3; at++) children[at] = start_child(churn, (void *)(at + 1));
  uint64_t last = 0;
  const uint64_t end = now_ms() + 1000;
  while (now_ms() < end) {
    look_at_records(MOST);
    CHECK(record_count < MOST);
    CHECK(frees_seen() >= last);
    last = frees_seen();
    CHECK_EQ(count_of(MM_RECORD_SPOILT), 0);
    for (size_t at = 0; at < record_count; at++) {
      const mm_record_view *one = &records[at];
      CHECK(one->offset % 64 == 0 && one->extent % 64 == 0);
      CHECK(one->extent <= 1u << 20 && one->offset <= (1u << 20) - one->extent);
      CHECK(one->size <= one->extent);
      if (one->state == MM_RECORD_LIVE) CHECK(one->size < 3000 && one->type == 1);
    }
  }
  mm__store(&on->ends, 1u);
  for (int at = 0; at < 3; at++) finish_child(children[at]);
  look_at_records(MOST);
  CHECK_EQ(frees_seen(), on->frees);
  CHECK(last > 0);
  close_pool();
}

/* ---- Bad bytes, bad arguments ---------------------------------------------- */

static void a_spoilt_record_is_called_spoilt(void) {
  open_pool(SIZE);
  const mm_allocation made = must_alloc(pool, 100);
  const mm_allocation other = must_alloc(pool, 100);
  look_at_records(MOST);
  CHECK(record_of(made.id) != NULL);
  const uint32_t record =
      (uint32_t)(made.id & ((1ull << pool->heap.index_bits) - 1));
  mm__block *block = &pool->heap.table[record];
  const mm__block whole = *block;
  mm__block spoilt[5];
  for (int at = 0; at < 5; at++) spoilt[at] = whole;
  spoilt[0].offset = SIZE;
  spoilt[1].offset += 1;
  spoilt[2].size = 129;
  spoilt[3].state += 77;
  spoilt[4].granules = UINT32_MAX;
  for (int at = 0; at < 5; at++) {
    test_context("spoilt in way %d", at);
    *block = spoilt[at];
    look_at_records(MOST);
    CHECK_EQ(count_of(MM_RECORD_SPOILT), 1);
    CHECK_EQ(records[record - 1].state, MM_RECORD_SPOILT);
    CHECK_EQ(records[record - 1].extent, 0);
    CHECK(record_of(other.id) != NULL);
  }
  *block = whole;
  close_pool();
}

static void any_bytes_can_be_looked_at(void) {
  open_pool(SIZE);
  for (int at = 0; at < 20; at++) must_alloc(pool, 100);
  uint64_t seed = 3;
  uint8_t *header = (uint8_t *)pool->header;
  for (int round = 0; round < 300; round++) {
    uint8_t *from = round % 2 == 0 ? header + sizeof(mm__birth)
                                   : (uint8_t *)pool->heap.table;
    const size_t length = round % 2 == 0 ? sizeof(mm__header) - sizeof(mm__birth)
                                         : 21 * sizeof(mm__block);
    for (size_t at = 0; at < length; at++)
      if (random_below(&seed, 3) == 0) from[at] = (uint8_t)random_next(&seed);
    mm_pool_view view = look();
    CHECK(view.end <= SIZE);
    look_at_participants();
    CHECK(participant_count <= 1);
    look_at_records(MOST);
    for (size_t at = 0; at < record_count; at++) {
      CHECK(records[at].extent <= SIZE);
      CHECK(records[at].extent == 0 || records[at].offset <= SIZE - records[at].extent);
    }
  }
  mm_inspect_close(inspector);
}

static void what_cannot_be_opened_is_refused(void) {
  mm_inspector *made = (mm_inspector *)&made;
  CHECK_STATUS(mm_inspect_open(NULL, NULL, &made), MM_E_NAME);
  CHECK(made == NULL);
  CHECK_STATUS(mm_inspect_open("../x", NULL, &made), MM_E_NAME);
  CHECK_STATUS(mm_inspect_open("x", "relative", &made), MM_E_DIRECTORY);
  CHECK_STATUS(mm_inspect_open("x", "/proc", &made), MM_E_DIRECTORY);
  CHECK_STATUS(mm_inspect_open(unique_name(), NULL, &made), MM_E_NOT_FOUND);
  mm_inspect_close(NULL);

  const char *directory = own_directory();
  char path[512];
  snprintf(path, sizeof path, "%s/managed-memory.x", directory);
  const int file = open(path, O_CREAT | O_RDWR, 0600);
  CHECK(file >= 0);
  CHECK_STATUS(mm_inspect_open("x", directory, &made), MM_E_NOT_A_POOL);
  CHECK(ftruncate(file, 1 << 20) == 0);
  CHECK_STATUS(mm_inspect_open("x", directory, &made), MM_E_NOT_A_POOL);
  close(file);
  CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
  CHECK_STATUS(mm_inspect_open("x", directory, &made), MM_E_NOT_A_POOL);

  open_pool(SIZE);
  uint64_t cursor = 0;
  size_t count;
  CHECK_STATUS(mm_inspect_records(inspector, &cursor, records, 0, &count), MM_E_INVALID);
  cursor = UINT64_MAX;
  CHECK_OK(mm_inspect_records(inspector, &cursor, records, 1, &count));
  CHECK_EQ(count, 0);
  close_pool();
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("inspect: a pool's numbers", a_pool_is_seen);
  test_case("inspect: every allocation, its block, type and owner", allocations_are_seen);
  test_case("inspect: what is cached or trimmed", what_is_cached_or_trimmed_is_seen);
  test_case("inspect: frees are counted exactly", frees_are_counted_exactly);
  test_case("inspect: participants while they live, and what they wait for",
            participants_are_seen_while_they_live);
  test_case("inspect: an owner is told from its successor in the slot",
            an_owner_is_told_from_its_successor);
  test_case("inspect: who holds the lock, also when stopped", the_locks_holder_is_seen);
  test_case("inspect: looking changes nothing", looking_changes_nothing);
  test_case("inspect: what changes meanwhile", what_changes_is_seen_as_it_was_at_some_moment);
  test_case("inspect: a spoilt record is called spoilt", a_spoilt_record_is_called_spoilt);
  test_case("inspect: any bytes can be looked at", any_bytes_can_be_looked_at);
  test_case("inspect: what cannot be opened is refused", what_cannot_be_opened_is_refused);
  return harness_end();
}
