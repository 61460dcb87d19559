/* sweep.c - see cache.h: taking back what is in caches, one's own, another's or
 * those of the dead. */
#include <stdlib.h>

#include "bias.h"
#include "block.h"
#include "cache.h"
#include "geometry.h"
#include "participants.h"
#include "wait.h"

mm__entries mm__cache_entries(const mm_pool *pool, uint32_t slot) {
  const mm__geometry *geometry = &pool->geometry;
  uint32_t count = mm__load_acquire(&pool->slots[slot].cache_used);
  const uint32_t committed = mm__load(&pool->slots[slot].cache_committed);
  if (count > committed) count = committed;
  if (count > geometry->cache_entries) count = geometry->cache_entries;
  uint8_t *base = (uint8_t *)pool->header + geometry->caches_offset +
                  slot * mm__geometry_cache_size(geometry);
  return (mm__entries){.first = (uint32_t *)(void *)base, .count = count};
}

int mm__cache_release(mm_pool *pool, uint32_t record, uint64_t state) {
  int status = mm__heap_release(&pool->heap, record, state);
  if (mm__unlikely(status == MM__INCONSISTENT)) {
    status = mm__recover(pool);
    if (status == MM_OK) status = mm__heap_release(&pool->heap, record, state);
  }
  if (mm__unlikely(status == MM__DONE_REBUILD)) status = mm__recover(pool);
  return status == MM__INCONSISTENT ? MM_E_CORRUPT : status;
}

enum { UNKNOWN, ALIVE, DEAD };

static int is_dead(mm_pool *pool, uint32_t slot, int *known) {
  if (*known == UNKNOWN)
    *known = slot == pool->slot || mm__participant_is_alive(pool, slot) ? ALIVE
                                                                        : DEAD;
  return *known == DEAD;
}

static uint64_t state_of(const mm_pool *pool, uint32_t record) {
  return mm__is_record(&pool->heap, record)
             ? mm__load(&pool->heap.table[record].state)
             : 0;
}

static int sweep_slot(mm_pool *pool, uint32_t slot, int known,
                      uint64_t *released) {
  const mm__entries all = mm__cache_entries(pool, slot);
  if (all.count == 0) return MM_OK;
  /* It may have seen the bias before that was revoked. */
  const uint32_t claim =
      slot == pool->slot ? 0 : mm__load_acquire(&pool->slots[slot].claim);
  for (uint32_t at = 0; at < all.count; at++) {
    uint32_t *entry = &all.first[at];
    uint32_t record = mm__load(entry);
    if (record == 0) continue;
    uint64_t state = state_of(pool, record);
    if (mm__tag(state) != mm__cached(slot) || record == claim) {
      if (!is_dead(pool, slot, &known)) continue;
      /* The dead may have gone on after that look. Now nothing changes. */
      record = mm__load_acquire(entry);
      state = state_of(pool, record);
      if (mm__tag(state) != mm__cached(slot) &&
          mm__tag(state) != mm__claimed(slot)) {
        mm__store(entry, 0u);
        continue;
      }
    }
    const int status = mm__cache_release(pool, record, state);
    if (status == MM_E_CORRUPT) return status;
    if (status != MM_OK) continue; /* its participant was faster */
    *released += 1;
    /* Until we give up the lock nobody can put this record here again. */
    mm__cas(entry, record, 0u);
  }
  return MM_OK;
}

int mm__cache_sweep(mm_pool *pool, uint64_t *released) {
  if (pool->geometry.cache_entries == 0) return MM_OK;
  if (mm__bias_any(pool)) return MM__IS_BIASED;
  __atomic_thread_fence(__ATOMIC_SEQ_CST); /* see cache.h: waiters */
  const uint32_t limit = mm__participant_limit(pool);
  for (uint32_t slot = 0; slot < limit; slot++) {
    const int status = sweep_slot(pool, slot, UNKNOWN, released);
    if (status != MM_OK) return status;
  }
  if (*released != 0) mm__wait_count_free(pool);
  return MM_OK;
}

int mm__cache_lock_swept(mm_pool *pool) {
  for (int round = 0; round < MM__BIAS_ROUNDS_MAX; round++) {
    int status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
    if (status != MM_OK) return status;
    uint64_t released = 0;
    status = mm__cache_sweep(pool, &released);
    if (status == MM_OK) return status;
    mm__unlock(pool);
    if (status != MM__IS_BIASED) return status;
    mm__bias_revoke_all(pool);
  }
  return MM_E_BUSY;
}

int mm__cache_inherit(mm_pool *pool) {
  if (pool->geometry.cache_entries == 0) return MM_OK;
  uint64_t released = 0;
  const int status = sweep_slot(pool, pool->slot, DEAD, &released);
  if (released != 0) mm__wait_count_free(pool);
  if (status == MM_OK)
    mm__store_release(&pool->slots[pool->slot].cache_used, 0u);
  return status;
}

int mm__cache_any(const mm_pool *pool) {
  if (pool->geometry.cache_entries == 0) return 0;
  const uint32_t limit = mm__participant_limit(pool);
  for (uint32_t slot = 0; slot < limit; slot++) {
    const mm__entries all = mm__cache_entries(pool, slot);
    for (uint32_t at = 0; at < all.count; at++)
      if (mm__load(&all.first[at]) != 0) return 1;
  }
  return 0;
}

/* ---- Checking ---------------------------------------------------------- */

static int stands_in(const mm_pool *pool, uint32_t slot, uint32_t record) {
  const mm__entries all = mm__cache_entries(pool, slot);
  for (uint32_t at = 0; at < all.count; at++)
    if (mm__load(&all.first[at]) == record) return 1;
  return 0;
}

const char *mm__cache_check(mm_pool *pool) {
  if (pool->geometry.cache_entries == 0) return NULL;
  const mm__heap *heap = &pool->heap;
  const uint32_t slots = mm__participant_limit(pool);
  /* Where each record was last seen: a slot + 1. */
  uint16_t *seen = calloc(heap->limit, sizeof *seen);
  if (seen == NULL) return "there is no memory for the check";
  for (uint32_t slot = 0; slot < slots; slot++) {
    const mm__entries all = mm__cache_entries(pool, slot);
    for (uint32_t at = 0; at < all.count; at++) {
      const uint32_t record = mm__load(&all.first[at]);
      if (mm__is_record(heap, record)) seen[record] = (uint16_t)(slot + 1);
    }
  }
  const char *broken = NULL;
  for (uint32_t record = 1; record < heap->limit && broken == NULL; record++) {
    const uint64_t state = mm__load_acquire(&heap->table[record].state);
    const uint64_t tag = mm__tag(state);
    const uint32_t slot = (uint32_t)(tag >> MM__SLOT_SHIFT);
    if (!mm__is_taken(state) || mm__is_live(state) || seen[record] == slot + 1)
      continue;
    /* It may have come since: while its state stays, its entry does. */
    if ((slot >= slots || !stands_in(pool, slot, record)) &&
        mm__load(&heap->table[record].state) == state)
      broken = "C1: a block of a cache stands in no entry";
  }
  free(seen);
  return broken;
}
