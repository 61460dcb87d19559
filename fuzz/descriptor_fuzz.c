/* descriptor_fuzz.c - reads any bytes as a descriptor, and attaches with those
 * that can be read.
 *
 * Each input is read twice: as it is, and with its checksum put right, since a
 * wrong one ends everything. In the world (world.h) there is one pool that the
 * seeds name, "pool" in "/fuzz".
 */
#include <stdlib.h>
#include <string.h>

#include "descriptor.h"
#include "handle.h"
#include "world.h"

#define CHECKSUM_SIZE 8u
#define SIZE_MOST (MM_DESCRIPTOR_MAX + 64u)

/* As descriptor.c has it. */
static uint64_t checksum(const uint8_t *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t at = 0; at < length; at++)
    hash = (hash ^ bytes[at]) * 0x100000001b3ull;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

#define MUST(condition) \
  ((condition) ? (void)0 : world_fail("line %d: %s", __LINE__, #condition))

/* Whoever reads a descriptor can write the same bytes again, unless they name
 * the default directory in full. */
static void judge(const mm_descriptor *descriptor, const uint8_t *bytes, size_t size) {
  MUST(memchr(descriptor->name, 0, sizeof descriptor->name) != NULL);
  MUST(memchr(descriptor->directory, 0, sizeof descriptor->directory) != NULL);
  MUST(descriptor->reserved == 0);
  const mm__described described = {
      .host = descriptor->host,
      .identity = descriptor->identity,
      .uid = descriptor->uid,
      .name = descriptor->name,
      .directory = descriptor->directory,
  };
  const mm_allocation allocation = {.id = descriptor->id, .type = descriptor->type};
  uint8_t again[MM_DESCRIPTOR_MAX];
  size_t length = 0;
  MUST(mm__descriptor_write(&described, descriptor->id != 0 ? &allocation : NULL, again,
                            sizeof again, &length) == MM_OK);
  MUST(length < size || (length == size && memcmp(again, bytes, size) == 0));
}

/* Whoever attaches finds the pool as it is, and the allocation, or none. */
static void attach(const mm_descriptor *descriptor, const uint8_t *bytes, size_t size) {
  mm_pool *pool = NULL;
  const int status = mm_pool_attach(bytes, size, &pool);
  MUST(status <= 0);
  if (status != MM_OK) return;
  MUST(memcmp(mm_pool_describe(pool)->identity, descriptor->identity, 16) == 0);
  mm_allocation found;
  if (mm_find(pool, descriptor->id, &found) == MM_OK) {
    MUST(found.id == descriptor->id);
    if (found.size != 0) world_touch(mm_address(pool, &found));
  }
  mm_pool_detach(pool);
}

static void read_one(const uint8_t *bytes, size_t size) {
  mm_descriptor *descriptor = malloc(sizeof *descriptor);
  if (descriptor == NULL) abort();
  const int status = mm_descriptor_read(bytes, size, descriptor);
  MUST(status == MM_OK || status == MM_E_DESCRIPTOR || status == MM_E_VERSION);
  MUST(mm_ffi_descriptor_read(bytes, (uint32_t)size, descriptor) == status);
  if (status == MM_OK) {
    judge(descriptor, bytes, size);
    attach(descriptor, bytes, size);
  } else {
    mm_pool *pool = NULL;
    MUST(mm_pool_attach(bytes, size, &pool) == status);
  }
  free(descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > SIZE_MOST) return -1;
  the_world.now = 0;
  read_one(data, size);
  if (size < CHECKSUM_SIZE) return 0;
  uint8_t *repaired = malloc(size);
  if (repaired == NULL) abort();
  const size_t body = size - CHECKSUM_SIZE;
  memcpy(repaired, data, body);
  const uint64_t sum = checksum(data, body);
  for (size_t byte = 0; byte < CHECKSUM_SIZE; byte++)
    repaired[body + byte] = (uint8_t)(sum >> 8 * byte);
  read_one(repaired, size);
  free(repaired);
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  world_open();
  const mm_pool_options options = {
      .size = 4096, .name = "pool", .uid = 7, .directory = WORLD_DIRECTORY};
  mm_pool *pool;
  mm_allocation allocation;
  if (mm_pool_create(&options, &pool) != MM_OK ||
      mm_alloc(pool, 100, MM_TYPE_DATA, &allocation) != MM_OK)
    world_fail("cannot make the pool");
  mm_pool_detach(pool);
  return 0;
}
