/* descriptor.h - writing descriptors of pools that need not be attached. */
#ifndef MM_DESCRIPTOR_H
#define MM_DESCRIPTOR_H

#include "managed_memory.h"

/* What a descriptor says of a pool. */
typedef struct mm__described {
  const uint8_t *host;     /* 16 bytes */
  const uint8_t *identity; /* 16 bytes */
  uint64_t uid;
  const char *name;
  const char *directory;
} mm__described;

/* Writes the descriptor of a pool, or of an allocation in it (NULL: none).
 * MM_OK or MM_E_BUFFER. */
int mm__descriptor_write(const mm__described *pool,
                         const mm_allocation *allocation, void *buffer,
                         size_t capacity, size_t *length);

#endif
