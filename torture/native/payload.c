/* payload.c - see payload.h. */
#include "payload.h"

#include <string.h>

#define FIRST_FACTOR 0x85ebca6bu
#define STEP 0x9e3779b1u

static uint32_t first_of(uint64_t stamp) {
  return ((uint32_t)(stamp >> 32) ^ (uint32_t)stamp) * FIRST_FACTOR;
}

void payload_write(void *bytes, const mm_allocation *allocation, uint64_t stamp) {
  uint64_t *header = bytes;
  header[1] = allocation->id;
  header[2] = allocation->size;
  header[3] = stamp;
  const uint64_t words = (allocation->size - PAYLOAD_HEADER) / 4;
  uint32_t *body = (uint32_t *)(header + 4);
  uint32_t value = first_of(stamp);
  for (uint64_t word = 0; word < words; word++, value += STEP) body[word] = value;
  memcpy(body + words, &value, allocation->size % 4);
  __atomic_store_n(&header[0], PAYLOAD_WHOLE ^ allocation->id, __ATOMIC_RELEASE);
}

uint64_t payload_stamp(const void *bytes) { return ((const uint64_t *)bytes)[3]; }

void payload_begin_change(void *bytes) {
  __atomic_store_n((uint64_t *)bytes, 0, __ATOMIC_RELEASE);
}

/* 1 if the body is what the header's stamp says, up to that size of the whole. */
static int has_body(const uint64_t *header, uint64_t size) {
  const uint64_t words = (size - PAYLOAD_HEADER) / 4;
  const uint32_t *body = (const uint32_t *)(header + 4);
  uint32_t value = first_of(header[3]);
  uint32_t difference = 0;
  for (uint64_t word = 0; word < words; word++, value += STEP)
    difference |= body[word] ^ value;
  return difference == 0 && memcmp(body + words, &value, size % 4) == 0;
}

int payload_begins(const void *bytes, const mm_allocation *allocation,
                   uint64_t size) {
  const uint64_t *header = bytes;
  return header[1] == allocation->id && header[2] == allocation->size &&
         has_body(header, size);
}

int payload_read(const void *bytes, const mm_allocation *allocation) {
  const uint64_t *header = bytes;
  if (__atomic_load_n(&header[0], __ATOMIC_ACQUIRE) !=
      (PAYLOAD_WHOLE ^ allocation->id))
    return PAYLOAD_UNFINISHED;
  if (header[1] != allocation->id || header[2] != allocation->size)
    return PAYLOAD_FOREIGN;
  const int is_whole = has_body(header, allocation->size);
  /* What was read belongs together only if nothing changes from here on. */
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return is_whole ? PAYLOAD_OK : PAYLOAD_FOREIGN;
}
