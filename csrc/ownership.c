/* ownership.c - whose an allocation is, and what becomes of it when they go. */
#include "allocate.h"
#include "bias.h"
#include "block.h"
#include "participants.h"

/* The slots that somebody held during this call: asking costs a system call.
 * That nobody holds one is not kept: it may be taken the next moment. */
typedef struct census {
  uint8_t is_held[MM_SLOTS_MAX];
} census;

/* 1 if the attachment that the word names still exists. */
static int is_attached(mm_pool *pool, uint64_t owner, census *known) {
  if (owner == pool->owner) return 1;
  const uint32_t slot = mm__owner_slot(owner);
  if (slot == pool->slot || slot >= mm__participant_limit(pool) ||
      mm__load(&pool->slots[slot].epoch) != mm__owner_epoch(owner))
    return 0;
  if (!known->is_held[slot])
    known->is_held[slot] = (uint8_t)mm__participant_is_alive(pool, slot);
  /* Whoever took the slot meanwhile has raised the epoch first. */
  return known->is_held[slot] &&
         mm__load_acquire(&pool->slots[slot].epoch) == mm__owner_epoch(owner);
}

/* Reads the owner of a live record, without the lock: MM_OK or MM_E_STALE. */
static int read_owner(mm_pool *pool, uint32_t record, uint64_t *id,
                      uint64_t *owner) {
  const mm__heap *heap = &pool->heap;
  const mm__block *block = &heap->table[record];
  const uint64_t state = mm__load_acquire(&block->state);
  if (!mm__is_live(state)) return MM_E_STALE;
  *id = mm__generation(state) << heap->index_bits | record;
  *owner = mm__load(&block->owner);
  mm__fence_acquire();
  return mm__is_same_live(state, mm__load(&block->state)) ? MM_OK : MM_E_STALE;
}

int mm_owner_of(mm_pool *pool, uint64_t id, mm_owner *owner) {
  mm_allocation allocation;
  int status = mm_find(pool, id, &allocation);
  if (status != MM_OK) return status;
  const uint32_t record =
      (uint32_t)(id & ((1ull << pool->heap.index_bits) - 1));
  uint64_t found, word;
  status = read_owner(pool, record, &found, &word);
  if (status != MM_OK) return status;
  if (found != id) return MM_E_STALE;
  census known = {{0}};
  owner->pid = mm__owner_pid(word);
  owner->is_alive = (uint32_t)is_attached(pool, word, &known);
  return MM_OK;
}

int mm_adopt(mm_pool *pool, uint64_t id) {
  int status = mm__enter(pool);
  if (status == MM_OK) status = mm__bias_lock(pool, id);
  if (status != MM_OK) return status;
  status = mm__heap_adopt(&pool->heap, id, pool->owner);
  mm__unlock(pool);
  return status;
}

int mm_reclaim(mm_pool *pool, mm_reclaimed *reclaimed) {
  *reclaimed = (mm_reclaimed){0, 0};
  int status = mm__enter(pool);
  if (status != MM_OK) return status;
  census known = {{0}};
  mm__heap_begin(&pool->heap);
  for (uint32_t record = 1; record < pool->heap.limit; record++) {
    uint64_t id, owner;
    mm_allocation allocation;
    if (read_owner(pool, record, &id, &owner) != MM_OK ||
        is_attached(pool, owner, &known) ||
        mm_find(pool, id, &allocation) != MM_OK)
      continue;
    status = mm__free_owned(pool, id, owner);
    if (status == MM_E_STALE) continue; /* freed or adopted meanwhile */
    if (status != MM_OK) return status;
    reclaimed->allocations++;
    reclaimed->bytes += allocation.size;
  }
  return MM_OK;
}
