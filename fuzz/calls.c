/* calls.c - see calls.h. */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "world.h"

static const scene *on;
static uint64_t chance;
static void (*before_call)(void);

#define MUST(condition) \
  ((condition) ? (void)0 : world_fail("calls.c:%d: %s", __LINE__, #condition))

/* ---- Judging a call ----------------------------------------------------- */

#define MILLISECOND 1000000ull

/* How long a call may wait for one who stands still inside of the lock, and
 * what all the looks at the clock meanwhile may add to that. */
#define PATIENCE_MS 1000u
#define ALLOWANCE_MS 10u

/* A set of statuses. MM_OK is in all of them. */
#define BIT(status) (1u << -(MM_E_##status))
#define SYSTEM_ERROR (1u << 31) /* any MM_E_SYSTEM(..) */
#define GONE BIT(DESTROYED)
#define LOCKING (GONE | BIT(BUSY) | BIT(CORRUPT))
#define ALLOCATING \
  (LOCKING | BIT(TOO_LARGE) | BIT(NO_ROOM) | BIT(LIMIT) | BIT(FS_FULL))
#define ATTACHING                                                          \
  (BIT(NOT_FOUND) | BIT(REPLACED) | BIT(DESTROYED) | BIT(NOT_A_POOL) |     \
   BIT(VERSION) | BIT(NO_SLOT) | BIT(FS_FULL) | BIT(BUSY) | BIT(CORRUPT) | \
   SYSTEM_ERROR)

/* The handle that finds itself in a child after fork(): until it has attached
 * anew, every call on it answers what attaching does. */
static const mm_pool *forked;

static uint32_t rejoining(void) {
  return forked != NULL && *forked->fork_mark == 0 ? ATTACHING | BIT(NO_PROC) : 0;
}

static int judge(const char *call, int status, uint32_t allowed, uint32_t most_ms,
                 uint64_t begun) {
  const uint64_t took = (the_world.now - begun) / MILLISECOND;
  if (took > most_ms + ALLOWANCE_MS)
    world_fail("%s waited for %llu ms, not %u", call, (unsigned long long)took,
               most_ms);
  const uint32_t bit = status <= MM_E_SYSTEM_BASE ? SYSTEM_ERROR
                       : status <= 0 && status > -31 ? 1u << -status
                                                     : 0;
  if (((allowed | 1u) & bit) == 0)
    world_fail("%s answered %d (%s)", call, status, mm_strerror(status));
  MUST((mm_errno(status) != 0) == (bit == SYSTEM_ERROR));
  return status;
}

/* Makes a call that may answer `allowed` and wait `most_ms`. */
#define CALL_WITHIN(most_ms, allowed, call)                       \
  __extension__({                                                 \
    before_call();                                                \
    const uint64_t begun_ = the_world.now;                        \
    const uint32_t allowed_ = (allowed) | rejoining();            \
    judge(#call, (call), allowed_, (most_ms), begun_);            \
  })

#define CALL(allowed, call) CALL_WITHIN(PATIENCE_MS, allowed, call)

/* Makes a call that answers nothing. */
#define DO(call)   \
  do {             \
    before_call(); \
    call;          \
  } while (0)

/* ---- Judging results ---------------------------------------------------- */

static void judge_allocation(mm_pool *pool, const mm_allocation *allocation) {
  const uint64_t size = mm_pool_describe(pool)->size;
  MUST(allocation->id != 0 && allocation->reserved == 0);
  MUST(allocation->offset <= size && allocation->size <= size - allocation->offset);
  MUST(allocation->offset % mm_pool_describe(pool)->min_block_size == 0);
  uint8_t *first = mm_address(pool, allocation);
  MUST(first == (uint8_t *)mm_ffi_data(pool) + allocation->offset);
  if (allocation->size == 0) return;
  world_touch(first);
  world_touch(first + allocation->size - 1);
}

static void judge_text(const char *text, size_t size) {
  MUST(memchr(text, 0, size) != NULL);
}

static void judge_entry(const mm_pool_entry *entry) {
  judge_text(entry->name, sizeof entry->name);
  MUST(entry->is_pool <= 1 && entry->is_destroyed <= 1);
  MUST(entry->processes <= entry->attachments && entry->attachments <= MM_SLOTS_MAX);
  MUST(entry->descriptor_length <= MM_DESCRIPTOR_MAX);
  MUST(!entry->is_pool ||
       (entry->size != 0 && entry->size <= MM_SIZE_MAX && entry->used <= entry->size));
  mm_descriptor descriptor;
  if (entry->is_pool)
    MUST(mm_descriptor_read(entry->descriptor, entry->descriptor_length,
                            &descriptor) == MM_OK);
}

/* ---- Numbers to call with ----------------------------------------------- */

static uint64_t below(uint64_t limit) { return world_random(&chance) % limit; }

static uint64_t some_size(void) {
  const uint64_t size = on->geometry.data_size;
  switch (below(6)) {
    case 0: return 0;
    case 1: return size - below(3);
    case 2: return 1ull << below(64);
    case 3: return 64 * (60 + below(8));
    default: return below(3000);
  }
}

static uint64_t some_id(void) {
  switch (below(4)) {
    case 0: return world_random(&chance);
    case 1: return below(on->geometry.table_capacity + 2);
    default:
      return on->live_count != 0 ? on->live[below(on->live_count)].id : 1;
  }
}

/* ---- Every call ----------------------------------------------------------- */

#define ENTRIES 16u

static void judge_record(const mm_record_view *record) {
  const uint64_t size = on->geometry.data_size;
  MUST(record->state <= MM_RECORD_SPOILT && record->reserved == 0);
  MUST(record->state == MM_RECORD_LIVE ||
       (record->id == 0 && record->size == 0 && record->type == 0));
  MUST(record->offset <= size && record->extent <= size - record->offset);
  MUST(record->size <= record->extent && record->missing_from <= size);
}

static void inspect(void) {
  mm_inspector *inspector = NULL;
  if (CALL(BIT(NOT_FOUND) | BIT(NOT_A_POOL) | BIT(VERSION) | BIT(CORRUPT) | SYSTEM_ERROR,
           mm_inspect_open(SCENE_NAME, WORLD_DIRECTORY, &inspector)) != MM_OK)
    return;
  mm_pool_view view;
  static mm_participant_view participants[2];
  mm_record_view records[ENTRIES];
  size_t count = 0;
  uint64_t cursor = 0, total = 0;
  if (CALL(SYSTEM_ERROR, mm_inspect_pool(inspector, &view)) == MM_OK)
    MUST(view.size == on->geometry.data_size && view.end <= view.size &&
         view.records < on->geometry.table_capacity && view.is_destroyed <= 1);
  if (CALL(SYSTEM_ERROR, mm_inspect_participants(inspector, participants, 2, &count)) == MM_OK)
    MUST(count <= MM_SLOTS_MAX);
  for (size_t at = 0; at < count && at < 2; at++)
    MUST(participants[at].slot < MM_SLOTS_MAX && participants[at].is_waiting <= 1);
  while (CALL(SYSTEM_ERROR, mm_inspect_records(inspector, &cursor, records, ENTRIES,
                                               &count)) == MM_OK &&
         count != 0) {
    for (size_t at = 0; at < count; at++) judge_record(&records[at]);
    MUST((total += count) < on->geometry.table_capacity);
  }
  DO(mm_inspect_close(inspector));
}

static void look_from_outside(void) {
  static mm_pool_entry entry, entries[3];
  size_t count = 0;
  uint8_t host[16];
  if (CALL(BIT(NOT_FOUND) | SYSTEM_ERROR,
           mm_pool_probe(SCENE_NAME, WORLD_DIRECTORY, &entry)) == MM_OK)
    judge_entry(&entry);
  CALL(SYSTEM_ERROR, mm_pool_list(WORLD_DIRECTORY, entries, 3, &count));
  MUST(count <= 1);
  for (size_t at = 0; at < count; at++) judge_entry(&entries[at]);
  inspect();
  CALL(0, mm_host_identity(host));
  MUST(mm_abi_version() == MM_ABI_VERSION);
}

static void describe(mm_pool *pool) {
  unsigned char bytes[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  mm_descriptor descriptor;
  const mm_pool_info *info = mm_pool_describe(pool);
  judge_text(info->name, MM_NAME_MAX + 1);
  judge_text(info->directory, MM_DIRECTORY_MAX + 1);
  CALL(0, mm_pool_serialize(pool, bytes, sizeof bytes, &length));
  CALL(0, mm_descriptor_read(bytes, length, &descriptor));
  CALL(BIT(BUFFER), mm_pool_serialize(pool, bytes, below(100), &length));
  if (on->live_count != 0)
    CALL(0, mm_allocation_serialize(pool, &on->live[0], bytes, sizeof bytes, &length));
  const int written = mm_ffi_pool_serialize(pool, bytes, sizeof bytes);
  MUST(written > 0);
  CALL(0, mm_ffi_descriptor_read(bytes, (uint32_t)written, &descriptor));
  MUST(mm_ffi_allocation_serialize(pool, 1, 1, 1, bytes, sizeof bytes) > 0);
}

static void read_everything(mm_pool *pool) {
  mm_allocation entries[ENTRIES], found;
  mm_pool_stats stats;
  mm_owner owner;
  uint64_t sizes[ENTRIES], cursor = 0, total = 0;
  size_t count = 0;
  const uint64_t most = on->geometry.table_capacity + 2;
  if (CALL(LOCKING, mm_pool_read_stats(pool, &stats)) == MM_OK)
    MUST(stats.free_space <= on->geometry.data_size);
  const int64_t type = below(2) == 0 ? MM_ANY_TYPE : 1;
  while (CALL(GONE | BIT(CORRUPT),
              mm_list(pool, &cursor, type, entries, ENTRIES, &count)) == MM_OK &&
         count != 0) {
    for (size_t at = 0; at < count; at++) judge_allocation(pool, &entries[at]);
    MUST((total += count) <= most);
  }
  cursor = total = 0;
  while (CALL(LOCKING, mm_list_free_blocks(pool, &cursor, sizes, ENTRIES, &count)) ==
             MM_OK &&
         count != 0) {
    for (size_t at = 0; at < count; at++) MUST(sizes[at] <= on->geometry.data_size);
    MUST((total += count) <= most);
  }
  for (uint32_t at = 0; at < 8; at++) {
    const uint64_t id = some_id();
    if (CALL(GONE | BIT(STALE) | BIT(CORRUPT), mm_find(pool, id, &found)) == MM_OK) {
      MUST(found.id == id);
      judge_allocation(pool, &found);
    }
    if (CALL(GONE | BIT(STALE) | BIT(CORRUPT), mm_owner_of(pool, id, &owner)) == MM_OK)
      MUST(owner.is_alive <= 1);
  }
}

static void change_everything(mm_pool *pool) {
  mm_allocation made[8];
  uint32_t count = 0;
  for (uint32_t at = 0; at < 8; at++) {
    const uint64_t size = some_size();
    if (CALL(ALLOCATING, mm_alloc(pool, size, 1, &made[count])) != MM_OK) continue;
    MUST(made[count].size == size);
    judge_allocation(pool, &made[count]);
    count++;
  }
  CALL(LOCKING | BIT(STALE), mm_adopt(pool, some_id()));
  for (uint32_t at = 0; at < 4; at++) {
    mm_allocation resized;
    const uint64_t id = some_id(), size = some_size();
    if (CALL(LOCKING | BIT(STALE) | BIT(TOO_LARGE), mm_resize(pool, id, size)) == MM_OK &&
        CALL(GONE | BIT(STALE) | BIT(CORRUPT), mm_find(pool, id, &resized)) == MM_OK)
      judge_allocation(pool, &resized);
  }
  for (uint32_t at = 0; at < 8; at++)
    CALL(LOCKING | BIT(STALE), mm_free(pool, some_id()));
  while (count > 0) CALL(LOCKING | BIT(STALE), mm_free(pool, made[--count].id));
  uint64_t bytes;
  if (CALL(LOCKING | SYSTEM_ERROR, mm_pool_trim(pool, &bytes)) == MM_OK)
    MUST(bytes <= on->geometry.data_size);
}

static void wait_for_room(mm_pool *pool) {
  mm_allocation made;
  uint64_t ticket = 0;
  CALL(GONE, mm_wait_ticket(pool, &ticket));
  const uint64_t size = some_size();
  CALL_WITHIN(5, LOCKING, mm_wait_show(pool, ticket, size, size));
  const uint32_t seen = mm_wait_begin(pool);
  if (CALL_WITHIN(15, ALLOCATING | BIT(QUEUED),
                  mm_wait_try(pool, ticket, size, 1, &made)) == MM_OK)
    judge_allocation(pool, &made);
  CALL_WITHIN(60, GONE | BIT(TIMEOUT), mm_wait(pool, seen, 60));
  DO(mm_unpark(pool));
  DO(mm_park_prepare(pool));
  CALL_WITHIN(30, GONE | BIT(TIMEOUT), mm_park(pool, mm_wait_begin(pool), 30));
  const int64_t timeout = (int64_t)(1 + below(300));
  if (CALL_WITHIN(300 + 50, ALLOCATING | BIT(TIMEOUT),
                  mm_alloc_blocking(pool, some_size(), 1, timeout, &made)) == MM_OK)
    judge_allocation(pool, &made);
  if (below(2) == 0) CALL_WITHIN(5, LOCKING, mm_wait_show(pool, 0, 0, 0));
}

static uint32_t low(uint64_t id) { return (uint32_t)id; }
static uint32_t high(uint64_t id) { return (uint32_t)(id >> 32); }

/* What reaches beyond the data region is touched by nobody. */
static void call_outside(mm_pool *pool) {
  const double size = (double)on->geometry.data_size;
  const double from = size - (double)below(64), length = 64 + (double)some_size();
  MUST(mm_ffi_hash(pool, from, length) == MM_E_INVALID);
  MUST(mm_ffi_clear(pool, from, length) == MM_E_INVALID);
  MUST(mm_ffi_write(pool, from, length, on->descriptor) == MM_E_INVALID);
  MUST(mm_ffi_copy(pool, from, length, pool, 0) == MM_E_INVALID);
  MUST(mm_ffi_copy(pool, 0, length, pool, from) == MM_E_INVALID);
  MUST(mm_ffi_equals(pool, from, length, pool, 0) == MM_E_INVALID);
  MUST(mm_ffi_equals(pool, 0, length, pool, from) == MM_E_INVALID);
  MUST(mm_ffi_hash(pool, size, 0) == MM_OK);
}

/* The doors for callers whose numbers are doubles. */
static void call_through_doors(mm_pool *pool) {
  const mm_ffi_results *results = mm_ffi_results_of(pool);
  mm_allocation entries[ENTRIES];
  uint64_t sizes[ENTRIES];
  static mm_pool_entry pools[2];
  CALL(LOCKING, mm_ffi_read_stats(pool));
  if (CALL(ALLOCATING | BIT(INVALID), mm_ffi_alloc(pool, (double)some_size(), 1)) == MM_OK)
    judge_allocation(pool, &results->allocation);
  for (uint32_t at = 0; at < 4; at++) {
    const uint64_t id = some_id();
    if (CALL(GONE | BIT(STALE) | BIT(CORRUPT), mm_ffi_find(pool, low(id), high(id))) == MM_OK)
      judge_allocation(pool, &results->allocation);
    CALL(GONE | BIT(STALE) | BIT(CORRUPT), mm_ffi_owner_of(pool, low(id), high(id)));
    CALL(LOCKING | BIT(STALE), mm_ffi_adopt(pool, low(id), high(id)));
    CALL(LOCKING | BIT(STALE) | BIT(TOO_LARGE) | BIT(INVALID),
         mm_ffi_resize(pool, low(id), high(id), (double)some_size()));
    CALL(LOCKING | BIT(STALE), mm_ffi_free(pool, low(id), high(id)));
  }
  call_outside(pool);
  for (uint32_t again = 0; CALL(GONE | BIT(CORRUPT),
                                mm_ffi_list(pool, again == 0, -1, entries, ENTRIES)) == MM_OK &&
                           results->count != 0;
       again++) {
    MUST(again <= on->geometry.table_capacity && results->count <= ENTRIES);
    for (size_t at = 0; at < results->count; at++) judge_allocation(pool, &entries[at]);
  }
  for (uint32_t again = 0; CALL(LOCKING, mm_ffi_list_free_blocks(pool, again == 0, sizes,
                                                                 ENTRIES)) == MM_OK &&
                           results->count != 0;
       again++)
    MUST(again <= on->geometry.table_capacity && results->count <= ENTRIES);
  CALL(GONE, mm_ffi_wait_ticket(pool));
  const double ticket = (double)results->ticket, size = (double)some_size();
  CALL_WITHIN(5, LOCKING | BIT(INVALID), mm_ffi_wait_show(pool, ticket, size, size));
  if (CALL_WITHIN(15, ALLOCATING | BIT(QUEUED) | BIT(INVALID),
                  mm_ffi_wait_try(pool, ticket, size, 1)) == MM_OK)
    judge_allocation(pool, &results->allocation);
  CALL_WITHIN(5, LOCKING, mm_ffi_wait_show(pool, 0, 0, 0));
  CALL(LOCKING, mm_ffi_reclaim(pool));
  const double trimmed = mm_ffi_pool_trim(pool);
  if (trimmed < 0) CALL(LOCKING | SYSTEM_ERROR, (int)trimmed);
  MUST(mm_ffi_pool_list(WORLD_DIRECTORY, pools, 2) <= 1);
}

/* ---- A pool's whole life -------------------------------------------------- */

static mm_pool *attach(void) {
  mm_pool *pool = NULL;
  CALL(ATTACHING, mm_pool_attach(on->descriptor, on->descriptor_length, &pool));
  return pool;
}

static void use(mm_pool *pool) {
  if (pool == NULL) return;
  read_everything(pool);
  change_everything(pool);
}

/* The next call finds itself in a child after fork(). */
static void play_fork(mm_pool *pool) {
  if (pool == NULL) return;
  *pool->fork_mark = 0;
  forked = pool;
  mm_reclaimed reclaimed;
  CALL(LOCKING, mm_reclaim(pool, &reclaimed));
  mm__check(pool);
}

static void create_another(void) {
  const mm_pool_options options = {
      .size = 4096, .name = SCENE_NAME, .directory = WORLD_DIRECTORY};
  mm_pool *pool = NULL;
  const int status = below(2) == 0
                         ? CALL(BIT(EXISTS) | BIT(FS_FULL), mm_pool_create(&options, &pool))
                         : CALL(BIT(EXISTS) | BIT(FS_FULL),
                                mm_ffi_pool_create(4096, SCENE_NAME, 1, 64, 0, 0600,
                                                   WORLD_DIRECTORY, NULL, 0, 0, &pool));
  if (status != MM_OK) return;
  CALL(GONE | SYSTEM_ERROR, mm_pool_destroy(pool));
  DO(mm_pool_detach(pool));
}

static void end(mm_pool *pool) {
  CALL(BIT(IN_USE) | BIT(NOT_FOUND) | SYSTEM_ERROR,
       mm_pool_remove(SCENE_NAME, WORLD_DIRECTORY, 0));
  if (below(4) == 0) create_another(); /* there is one of that name: costly */
  const int is_removed =
      below(2) == 0 &&
      CALL(BIT(NOT_FOUND) | SYSTEM_ERROR,
           mm_pool_remove(SCENE_NAME, WORLD_DIRECTORY, 1)) == MM_OK;
  if (pool != NULL) CALL(GONE | SYSTEM_ERROR, mm_pool_destroy(pool));
  if (!is_removed)
    CALL(BIT(NOT_FOUND) | SYSTEM_ERROR, mm_pool_remove(SCENE_NAME, WORLD_DIRECTORY, 1));
  create_another();
}

static void leave(mm_pool *pool) {
  if (pool == NULL) return;
  if (pool == forked) forked = NULL;
  switch (below(3)) {
    case 0: DO(mm_pool_detach(pool)); break;
    case 1: DO(mm_pool_detach_keep_mapping(pool)); break;
    default: /* while a call is parked, which then lets the handle go */
      DO(mm_park_prepare(pool));
      const uint32_t seen = mm_wait_begin(pool);
      DO(mm_pool_detach(pool));
      CALL_WITHIN(30, GONE | BIT(TIMEOUT), mm_park(pool, seen, 30));
  }
}

void calls_make(const scene *scene, uint64_t variant, void (*on_call)(void)) {
  on = scene;
  chance = variant;
  before_call = on_call;
  forked = NULL;
  mm_pool *first = attach();
  use(first);
  look_from_outside();
  mm_pool *second = attach();
  if (second != NULL) describe(second);
  if (second != NULL) wait_for_room(second);
  if (first != NULL) call_through_doors(first);
  play_fork(first);
  use(second);
  end(first);
  use(second);
  leave(first);
  leave(second);
}
