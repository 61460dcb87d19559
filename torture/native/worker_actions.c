/* worker_actions.c - what a worker does in the pool, and how it notices that
 * something is wrong. */
#include <string.h>

#include "fuse.h"
#include "handle.h"
#include "payload.h"
#include "worker.h"

#define LIST_PORTION 64u

/* ---- Making ------------------------------------------------------------ */

static uint64_t pick_size(worker *worker) {
  dice *dice = &worker->dice;
  const uint64_t kind = dice_below(dice, 100);
  if (kind < 5) return dice_below(dice, PAYLOAD_HEADER);
  if (kind < 65) return PAYLOAD_HEADER + dice_below(dice, 256);
  if (kind < 92) return PAYLOAD_HEADER + dice_below(dice, 2048);
  return PAYLOAD_HEADER + dice_below(dice, 8192);
}

static void check_place(worker *worker, const mm_allocation *made) {
  if (made->offset % MM_MIN_BLOCK_SIZE != 0 || made->size > worker->pool_size ||
      made->offset > worker->pool_size - made->size)
    worker_says(worker, "allocation %llx lies outside of the pool",
                (unsigned long long)made->id);
  for (uint32_t at = 0; at < worker->held_count; at++) {
    const mm_allocation *held = &worker->held[at].allocation;
    if (worker->held[at].is_received) continue;
    if (made->id == held->id || (made->offset < held->offset + held->size &&
                                 held->offset < made->offset + made->size))
      worker_says(worker, "double allocation: %llx overlaps %llx",
                  (unsigned long long)made->id, (unsigned long long)held->id);
  }
}

void worker_keep(worker *worker, const mm_allocation *allocation) {
  check_place(worker, allocation);
  worker_held *held = &worker->held[worker->held_count++];
  *held = (worker_held){.allocation = *allocation};
  void *bytes = mm_address(worker->pool, allocation);
  if (allocation->type == PAYLOAD_TYPE) {
    held->stamp = worker->nonce << 32 | (uint64_t)worker->index << 24 |
                  (worker->made++ & 0xffffff);
    payload_write(bytes, allocation, held->stamp);
  } else {
    held->stamp = dice_below(&worker->dice, 256);
    memset(bytes, (int)held->stamp, allocation->size);
  }
}

/* It lives too short for its slot to become biased of itself. */
static void be_biased_soon(worker *worker) {
  if (dice_percent(&worker->dice, 2)) worker->pool->cache.until_bias = 0;
}

static void allocate(worker *worker) {
  if (worker->held_count == WORKER_HELD_MAX) return;
  be_biased_soon(worker);
  const uint64_t size = pick_size(worker);
  const uint32_t type = size >= PAYLOAD_HEADER
                            ? PAYLOAD_TYPE
                            : (uint32_t)dice_below(&worker->dice, 8);
  mm_allocation allocation;
  int status;
  if (dice_percent(&worker->dice, 10)) {
    const int64_t timeout_ms = (int64_t)dice_below(&worker->dice, 30);
    status = FUSED(
        mm_alloc_blocking(worker->pool, size, type, timeout_ms, &allocation));
    if (status == MM_E_TIMEOUT) status = MM_E_NO_ROOM;
  } else {
    status = FUSED(mm_alloc(worker->pool, size, type, &allocation));
  }
  if (status == MM_E_LIMIT) status = MM_E_NO_ROOM;
  if (worker_succeeded(worker, status, MM_E_NO_ROOM, "mm_alloc"))
    worker_keep(worker, &allocation);
}

static void allocate_too_much(worker *worker) {
  mm_allocation allocation;
  const int status =
      mm_alloc(worker->pool, worker->pool_size + 1, MM_TYPE_DATA, &allocation);
  if (worker_succeeded(worker, status, MM_E_TOO_LARGE, "mm_alloc of too much"))
    worker_says(worker, "more than the pool was allocated");
}

/* ---- Verifying --------------------------------------------------------- */

static int has_byte_only(const uint8_t *bytes, uint64_t size, uint8_t byte) {
  for (uint64_t at = 0; at < size; at++)
    if (bytes[at] != byte) return 0;
  return 1;
}

/* A received allocation is gone: only because its maker is gone. */
static void check_maker_gone(worker *worker, const worker_held *held) {
  const board_cell *maker = &worker->board->cells[held->stamp >> 24 & 0xff];
  if (board_load(&maker->nonce) == held->stamp >> 32)
    worker_says(worker, "allocation %llx is gone, although its maker lives",
                (unsigned long long)held->allocation.id);
}

/* 1 if what is held is there and whole. */
static int verify(worker *worker, const worker_held *held) {
  const mm_allocation *own = &held->allocation;
  mm_allocation found;
  int status = mm_find(worker->pool, own->id, &found);
  const int expected = held->is_received ? MM_E_STALE : MM_OK;
  if (!worker_succeeded(worker, status, expected, "mm_find")) {
    if (status == MM_E_STALE && held->is_received) check_maker_gone(worker, held);
    return 0;
  }
  if (found.offset != own->offset || found.size != own->size ||
      found.type != own->type)
    worker_says(worker, "mm_find answers another place for %llx",
                (unsigned long long)own->id);
  const void *bytes = mm_address(worker->pool, own);
  const int is_whole =
      own->type == PAYLOAD_TYPE
          ? payload_read(bytes, own) == PAYLOAD_OK &&
                payload_stamp(bytes) == held->stamp
          : has_byte_only(bytes, own->size, (uint8_t)held->stamp);
  /* What was freed while it was read may hold anything. */
  status = held->is_received ? mm_find(worker->pool, own->id, &found) : MM_OK;
  if (!worker_succeeded(worker, status, MM_E_STALE, "mm_find")) return 0;
  if (!is_whole)
    worker_says(worker, "foreign byte in %llx, %llu bytes at %llu",
                (unsigned long long)own->id, (unsigned long long)own->size,
                (unsigned long long)own->offset);
  return 1;
}

/* Takes one out of what is held. */
static worker_held take_out(worker *worker, uint32_t at) {
  const worker_held held = worker->held[at];
  worker->held[at] = worker->held[--worker->held_count];
  return held;
}

static void verify_one(worker *worker) {
  if (worker->held_count == 0) return;
  const uint32_t at = (uint32_t)dice_below(&worker->dice, worker->held_count);
  if (!verify(worker, &worker->held[at]) && worker->held[at].is_received)
    take_out(worker, at);
}

/* ---- Freeing ----------------------------------------------------------- */

/* 1 unless a stopped peer was in the way. */
static int free_at(worker *worker, uint32_t at) {
  worker_held *held = &worker->held[at];
  verify(worker, held);
  const uint64_t id = held->allocation.id;
  const int status = FUSED(mm_free(worker->pool, id));
  const int expected = held->is_received ? MM_E_STALE : MM_OK;
  if (worker_succeeded(worker, status, expected, "mm_free"))
    worker->freed[dice_below(&worker->dice, WORKER_FREED_MAX)] = id;
  else if (status == MM_E_STALE && held->is_received)
    check_maker_gone(worker, held);
  if (status == MM_E_BUSY) return 0;
  take_out(worker, at);
  return 1;
}

static void free_one(worker *worker) {
  if (worker->held_count != 0)
    free_at(worker, (uint32_t)dice_below(&worker->dice, worker->held_count));
}

void worker_free_all(worker *worker) {
  while (worker->held_count != 0 && !worker->is_gone)
    if (!free_at(worker, worker->held_count - 1)) return;
}

/* What was freed once is nothing for ever. */
static void use_freed(worker *worker) {
  const uint64_t id = worker->freed[dice_below(&worker->dice, WORKER_FREED_MAX)];
  if (id == 0) return;
  mm_allocation found;
  const int status = dice_percent(&worker->dice, 50)
                         ? mm_find(worker->pool, id, &found)
                         : mm_free(worker->pool, id);
  if (worker_succeeded(worker, status, MM_E_STALE, "use of a freed id"))
    worker_says(worker, "%llx was freed and is there again",
                (unsigned long long)id);
}

/* ---- Resizing ---------------------------------------------------------- */

/* Gives one of its own that nobody else knows another size within its block,
 * and a new payload of that size. */
static void resize(worker *worker) {
  if (worker->held_count == 0) return;
  const uint32_t at = (uint32_t)dice_below(&worker->dice, worker->held_count);
  worker_held *held = &worker->held[at];
  if (held->is_received || held->is_adopted ||
      held->allocation.type != PAYLOAD_TYPE || !verify(worker, held))
    return;
  const uint64_t block =
      (held->allocation.size + MM_MIN_BLOCK_SIZE - 1) / MM_MIN_BLOCK_SIZE *
      MM_MIN_BLOCK_SIZE;
  const uint64_t size =
      PAYLOAD_HEADER + dice_below(&worker->dice, block - PAYLOAD_HEADER + 1);
  void *bytes = mm_address(worker->pool, &held->allocation);
  payload_begin_change(bytes); /* whoever finds it when this worker is killed */
  const int status = FUSED(mm_resize(worker->pool, held->allocation.id, size));
  const int is_resized = worker_succeeded(worker, status, MM_OK, "mm_resize");
  const uint64_t kept =
      is_resized && size < held->allocation.size ? size : held->allocation.size;
  if (!payload_begins(bytes, &held->allocation, kept))
    worker_says(worker, "resizing %llx changed its bytes",
                (unsigned long long)held->allocation.id);
  if (is_resized) held->allocation.size = size;
  payload_write(bytes, &held->allocation, held->stamp);
}

/* ---- Passing on -------------------------------------------------------- */

/* 1 if it lives. */
static int is_there(worker *worker, uint64_t id, mm_allocation *found) {
  const int status = mm_find(worker->pool, id, found);
  return worker_succeeded(worker, status, MM_E_STALE, "mm_find of what was passed");
}

static void receive(worker *worker, uint64_t id) {
  worker_held held = {.is_received = 1};
  if (!is_there(worker, id, &held.allocation)) return;
  held.stamp = payload_stamp(mm_address(worker->pool, &held.allocation));
  /* Unless it is still there, that was the stamp of who has the memory now. */
  if (!is_there(worker, id, &held.allocation) || !verify(worker, &held)) return;
  if (dice_percent(&worker->dice, 50)) {
    const int status = FUSED(mm_adopt(worker->pool, id));
    held.is_adopted = worker_succeeded(worker, status, MM_E_STALE, "mm_adopt");
    held.is_received = !held.is_adopted;
    if (status == MM_E_STALE) check_maker_gone(worker, &held);
  }
  worker->held[worker->held_count++] = held;
}

/* Swaps one of its own, or nothing, for what lies in a mailbox. */
static void exchange(worker *worker) {
  uint64_t given = 0;
  if (worker->held_count != 0) {
    const uint32_t at = (uint32_t)dice_below(&worker->dice, worker->held_count);
    if (worker->held[at].allocation.type == PAYLOAD_TYPE &&
        !worker->held[at].is_received && !worker->held[at].is_adopted)
      given = take_out(worker, at).allocation.id;
  }
  if (worker->held_count == WORKER_HELD_MAX) return;
  uint64_t *box =
      &worker->board->mailbox[dice_below(&worker->dice, BOARD_MAILBOXES)];
  const uint64_t taken = board_swap(box, given);
  if (taken != 0) receive(worker, taken);
}

/* ---- Looking around ---------------------------------------------------- */

/* All that it made must be listed exactly once. */
static void list(worker *worker) {
  uint8_t seen[WORKER_HELD_MAX] = {0};
  mm_allocation entries[LIST_PORTION];
  uint64_t cursor = 0;
  size_t count;
  do {
    const int status = mm_list(worker->pool, &cursor, MM_ANY_TYPE, entries,
                               LIST_PORTION, &count);
    if (!worker_succeeded(worker, status, MM_OK, "mm_list")) return;
    for (size_t entry = 0; entry < count; entry++)
      for (uint32_t at = 0; at < worker->held_count; at++)
        seen[at] += worker->held[at].allocation.id == entries[entry].id;
  } while (count != 0);
  for (uint32_t at = 0; at < worker->held_count; at++)
    if (seen[at] > 1 || (seen[at] == 0 && !worker->held[at].is_received))
      worker_says(worker, "%llx is listed %u times",
                  (unsigned long long)worker->held[at].allocation.id, seen[at]);
}

static void list_free_blocks(worker *worker) {
  uint64_t sizes[LIST_PORTION];
  uint64_t cursor = 0;
  size_t count;
  do {
    const int status =
        mm_list_free_blocks(worker->pool, &cursor, sizes, LIST_PORTION, &count);
    if (!worker_succeeded(worker, status, MM_OK, "mm_list_free_blocks")) return;
    for (size_t at = 0; at < count; at++)
      if (sizes[at] == 0 || sizes[at] % MM_MIN_BLOCK_SIZE != 0 ||
          sizes[at] > worker->pool_size)
        worker_says(worker, "a free block of %llu bytes",
                    (unsigned long long)sizes[at]);
  } while (count != 0);
}

static void read_stats(worker *worker) {
  mm_pool_stats stats;
  const int status = FUSED(mm_pool_read_stats(worker->pool, &stats));
  if (!worker_succeeded(worker, status, MM_OK, "mm_pool_read_stats")) return;
  uint64_t made = 0;
  for (uint32_t at = 0; at < worker->held_count; at++)
    made += !worker->held[at].is_received;
  if (stats.free_space > worker->pool_size || stats.allocations < made ||
      stats.most_allocations < stats.allocations)
    worker_says(worker, "the statistics contradict what is held");
}

static void trim(worker *worker) {
  uint64_t bytes;
  const int status = FUSED(mm_pool_trim(worker->pool, &bytes));
  if (worker_succeeded(worker, status, MM_OK, "mm_pool_trim") &&
      bytes > worker->pool_size)
    worker_says(worker, "%llu bytes were trimmed", (unsigned long long)bytes);
}

void worker_act(worker *worker, int may_allocate) {
  /* What takes everybody's cache away is seldom: see csrc/cache.h. */
  const uint64_t kind = dice_below(&worker->dice, 10000);
  if (kind < 4200) {
    if (may_allocate) allocate(worker);
  } else if (kind < 8000) {
    free_one(worker);
  } else if (kind < 8700) {
    verify_one(worker);
  } else if (kind < 9500) {
    exchange(worker);
  } else if (kind < 9800) {
    use_freed(worker);
  } else if (kind < 9900) {
    resize(worker);
  } else if (kind < 9970) {
    list(worker);
  } else if (kind < 9973) {
    list_free_blocks(worker);
  } else if (kind < 9979) {
    read_stats(worker);
  } else if (kind < 9980) {
    trim(worker);
  } else {
    allocate_too_much(worker);
  }
}
