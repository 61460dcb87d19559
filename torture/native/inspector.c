/* inspector.c - see inspector.h. */
#include "inspector.h"

#include "participants.h"
#include "shared.h"

#define SLEEPERS 1ull
#define EPOCH_SHIFT 17

uint64_t inspector_lock(const mm_pool *pool) {
  return mm__load_acquire(&pool->header->lock) & ~SLEEPERS;
}

pid_t inspector_holder(const mm_pool *pool, uint64_t word) {
  const uint32_t slot = mm__lock_slot(word);
  if (word == 0 || slot >= mm__participant_limit(pool)) return 0;
  const pid_t pid = (pid_t)mm__load(&pool->slots[slot].pid);
  return mm__load(&pool->slots[slot].epoch) == (uint32_t)(word >> EPOCH_SHIFT)
             ? pid
             : 0;
}

int inspector_settle(mm_pool *pool) {
  const int status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
  if (status == MM_OK) mm__unlock(pool);
  return status;
}

const char *inspector_check(mm_pool *pool) { return mm__check(pool); }
