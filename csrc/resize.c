/* resize.c - changing an allocation's size within its block. */
#include "bias.h"
#include "shared.h"

int mm_resize(mm_pool *pool, uint64_t id, uint64_t size) {
  int status = mm__enter(pool);
  if (status == MM_OK) status = mm__bias_lock(pool, id);
  if (status != MM_OK) return status;
  status = mm__heap_resize(&pool->heap, id, size);
  if (mm__unlikely(status == MM__INCONSISTENT)) {
    status = mm__recover(pool);
    if (status == MM_OK)
      status = mm__tried_again(pool, mm__heap_resize(&pool->heap, id, size));
  }
  mm__unlock(pool);
  return status;
}
