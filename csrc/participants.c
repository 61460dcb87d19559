/* participants.c - see participants.h. */
#include "participants.h"

#include <errno.h>

#include "shared.h"
#include "wait.h"

uint64_t mm__participant_offset(const mm__geometry *geometry, uint32_t slot) {
  return geometry->slots_offset + (uint64_t)slot * sizeof(mm__slot);
}

uint32_t mm__participant_limit(const mm_pool *pool) {
  const uint32_t committed = mm__load_acquire(&pool->header->slots_committed);
  return committed < MM_SLOTS_MAX ? committed : MM_SLOTS_MAX;
}

int mm__participant_has_file(const mm_pool *pool) {
  mm__os_file now;
  return mm__os_describe(pool->file, &now) == 0 &&
         now.inode == pool->identity.inode && now.device == pool->identity.device;
}

int mm__participant_is_alive(mm_pool *pool, uint32_t slot) {
  if (slot >= MM_SLOTS_MAX) return 0; /* a word that was spoilt: nobody */
  /* Its own word, while it does not hold the lock, is a spoilt one too. */
  if (slot == pool->slot) return 0;
  if (!mm__participant_has_file(pool)) return 1; /* we cannot know */
  return mm__os_is_locked(pool->file,
                          mm__participant_offset(&pool->geometry, slot), 1) != 0;
}

static int is_alive(void *context, uint32_t slot) {
  return mm__participant_is_alive(context, slot);
}

/* Commits the next page of slots. */
static int add_slots(mm_pool *pool, uint32_t committed) {
  const uint32_t page = pool->geometry.page_size;
  const int error =
      mm__os_commit(pool->file, mm__participant_offset(&pool->geometry, committed),
                    page);
  if (error == -ENOSPC) return MM_E_FS_FULL;
  if (error != 0) return MM_E_SYSTEM(-error);
  /* Whoever comes second finds it done. */
  mm__cas(&pool->header->slots_committed, committed,
          committed + page / (uint32_t)sizeof(mm__slot));
  return MM_OK;
}

/* Makes a slot ours whose byte we have just locked. */
static int occupy(mm_pool *pool, uint32_t index) {
  mm__slot *slot = &pool->slots[index];
  const uint32_t epoch = mm__load(&slot->epoch) + 1;
  const int was_left = mm__load(&slot->occupied) == 0;
  mm__store_release(&slot->epoch, epoch); /* nobody mistakes us for the last one */
  const uint32_t pid = mm__os_process_id();
  mm__store(&slot->pid, pid);
  mm__store(&slot->pid_namespace, mm__os_process_namespace());
  mm__store_release(&slot->occupied, 1u);

  pool->slot = index;
  pool->has_slot = 0;
  pool->owner = mm__owner(epoch, pid, index);
  pool->lock_user = (mm__lock_user){
      .word = mm__lock_word(index, epoch), .is_alive = is_alive, .context = pool};

  mm__cache_open(pool);

  int status = MM_OK;
  if (mm__lock_inherit(&pool->header->lock, pool->lock_user.word, index)) {
    status = mm__recover(pool);
    mm__unlock(pool);
  }
  if (status == MM_OK && !was_left) {
    status = mm__lock(pool, MM__LOCK_PATIENCE_MS);
    if (status == MM_OK) {
      mm__wait_clear(pool, index);
      status = mm__cache_inherit(pool);
      mm__unlock(pool);
    }
  }
  pool->has_slot = status == MM_OK;
  return status;
}

int mm__participant_open(mm_pool *pool, int mapped) {
  int file;
  const int error = mm__os_reopen(mapped, &file);
  if (error != 0) return error;
  pool->file = file;
  mm__os_unshare(&pool->unshared, file, pool->fork_mark);
  return 0;
}

void mm__participant_close(mm_pool *pool) {
  mm__os_close_unshared(&pool->unshared);
  pool->file = -1;
}

int mm__participant_join(mm_pool *pool) {
  for (uint32_t index = 0; index < MM_SLOTS_MAX; index++) {
    if (index >= mm__participant_limit(pool)) {
      const int status = add_slots(pool, index);
      if (status != MM_OK) return status;
      if (index >= mm__participant_limit(pool)) return MM_E_CORRUPT;
    }
    const int error = mm__os_lock_byte(
        pool->file, mm__participant_offset(&pool->geometry, index));
    if (error == 0) return occupy(pool, index);
    if (error != -EAGAIN) return MM_E_SYSTEM(-error);
  }
  return MM_E_NO_SLOT;
}

void mm__participant_leave(mm_pool *pool) {
  mm__slot *slot = &pool->slots[pool->slot];
  /* What the last one left is for the next one to take over. */
  int is_clean = pool->has_slot != 0;
  if (is_clean && (mm__load(&slot->ticket) != 0 || !mm__cache_is_empty(pool))) {
    is_clean = mm__lock(pool, MM__WAITER_PATIENCE_MS) == MM_OK;
    if (is_clean) {
      mm__wait_clear(pool, pool->slot);
      is_clean = mm__cache_close(pool) == MM_OK;
      mm__unlock(pool);
    }
  }
  if (is_clean) mm__store_release(&slot->occupied, 0u);
  mm__participant_close(pool);
}

int mm__participant_rejoin(mm_pool *pool) {
  int own;
  const int error = mm__os_reopen(pool->file, &own);
  if (error != 0) return error == -ENOSYS ? MM_E_NO_PROC : MM_E_SYSTEM(-error);
  mm__participant_close(pool); /* it may still be shared with the parent */
  pool->file = own;
  mm__os_unshare(&pool->unshared, own, pool->fork_mark);
  const int status = mm__participant_join(pool);
  if (status == MM_OK) mm__store(pool->fork_mark, 1u);
  return status;
}
