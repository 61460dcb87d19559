/* descriptor.c - the bytes that name a pool or an allocation.
 *
 *   bytes  what (all numbers little-endian)
 *   4      "MMP1" a pool, "MMA1" an allocation
 *   16     host identity
 *   16     pool identity
 *   8      uid
 *   12     allocation only: id (8), type (4)
 *   1      length of the name
 *   2      length of the directory; 0: the default one
 *   ..     name, directory, without terminating NULs
 *   8      checksum of everything before
 *
 * The checksum finds damage, not malice: what a descriptor says is checked
 * against the pool wherever it is used.
 */
#include <errno.h>
#include <string.h>

#include "descriptor.h"
#include "handle.h"
#include "names.h"

#define HEAD_SIZE 44u
#define ALLOCATION_SIZE 12u
#define LENGTHS_SIZE 3u
#define CHECKSUM_SIZE 8u

static const char pool_magic[4] = {'M', 'M', 'P', '1'};
static const char allocation_magic[4] = {'M', 'M', 'A', '1'};

/* FNV-1a over bytes, then mixed so that every bit counts everywhere. */
static uint64_t checksum(const uint8_t *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t at = 0; at < length; at++)
    hash = (hash ^ bytes[at]) * 0x100000001b3ull;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

/* ---- Writing ----------------------------------------------------------- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}

static uint8_t *put_number(uint8_t *at, uint64_t number, size_t length) {
  for (size_t byte = 0; byte < length; byte++)
    *at++ = (uint8_t)(number >> (8 * byte));
  return at;
}

int mm__descriptor_write(const mm__described *pool,
                         const mm_allocation *allocation, void *buffer,
                         size_t capacity, size_t *length) {
  const size_t name_length = strlen(pool->name);
  const size_t directory_length =
      mm__directory_is_default(pool->directory) ? 0 : strlen(pool->directory);
  const size_t size = HEAD_SIZE + (allocation != NULL ? ALLOCATION_SIZE : 0) +
                      LENGTHS_SIZE + name_length + directory_length +
                      CHECKSUM_SIZE;
  if (capacity < size) return MM_E_BUFFER;
  uint8_t *at = buffer;
  at = put(at, allocation != NULL ? allocation_magic : pool_magic, 4);
  at = put(at, pool->host, 16);
  at = put(at, pool->identity, 16);
  at = put_number(at, pool->uid, 8);
  if (allocation != NULL) {
    at = put_number(at, allocation->id, 8);
    at = put_number(at, allocation->type, 4);
  }
  at = put_number(at, name_length, 1);
  at = put_number(at, directory_length, 2);
  at = put(at, pool->name, name_length);
  at = put(at, pool->directory, directory_length);
  put_number(at, checksum(buffer, size - CHECKSUM_SIZE), CHECKSUM_SIZE);
  *length = size;
  return MM_OK;
}

static mm__described described(const mm_pool *pool) {
  return (mm__described){
      .host = pool->host,
      .identity = pool->info.identity,
      .uid = pool->info.uid,
      .name = pool->name,
      .directory = pool->directory,
  };
}

int mm_pool_serialize(const mm_pool *pool, void *buffer, size_t capacity,
                      size_t *length) {
  const mm__described self = described(pool);
  return mm__descriptor_write(&self, NULL, buffer, capacity, length);
}

int mm_allocation_serialize(const mm_pool *pool, const mm_allocation *allocation,
                            void *buffer, size_t capacity, size_t *length) {
  const mm__described self = described(pool);
  return mm__descriptor_write(&self, allocation, buffer, capacity, length);
}

/* ---- Reading ----------------------------------------------------------- */

static uint64_t get_number(const uint8_t *at, size_t length) {
  uint64_t number = 0;
  for (size_t byte = 0; byte < length; byte++)
    number |= (uint64_t)at[byte] << (8 * byte);
  return number;
}

/* Copies text into a zeroed field; 0 if it holds a NUL. */
static int get_text(char *field, const uint8_t *at, size_t length) {
  memcpy(field, at, length);
  return memchr(field, 0, length) == NULL;
}

int mm_descriptor_read(const void *bytes, size_t length,
                       mm_descriptor *descriptor) {
  const uint8_t *all = bytes;
  if (all == NULL || length < HEAD_SIZE + LENGTHS_SIZE + CHECKSUM_SIZE ||
      length > MM_DESCRIPTOR_MAX)
    return MM_E_DESCRIPTOR;
  const size_t body = length - CHECKSUM_SIZE;
  if (checksum(all, body) != get_number(all + body, CHECKSUM_SIZE))
    return MM_E_DESCRIPTOR;
  const int is_allocation = memcmp(all, allocation_magic, 4) == 0;
  if (!is_allocation && memcmp(all, pool_magic, 4) != 0)
    return memcmp(all, pool_magic, 2) == 0 ? MM_E_VERSION : MM_E_DESCRIPTOR;

  size_t fixed = HEAD_SIZE + LENGTHS_SIZE;
  if (is_allocation) fixed += ALLOCATION_SIZE;
  if (body < fixed) return MM_E_DESCRIPTOR;
  const uint8_t *lengths = all + fixed - LENGTHS_SIZE;
  const size_t name_length = get_number(lengths, 1);
  const size_t directory_length = get_number(lengths + 1, 2);
  if (name_length > MM_NAME_MAX || directory_length > MM_DIRECTORY_MAX ||
      body != fixed + name_length + directory_length)
    return MM_E_DESCRIPTOR;

  memset(descriptor, 0, sizeof *descriptor);
  memcpy(descriptor->host, all + 4, 16);
  memcpy(descriptor->identity, all + 20, 16);
  descriptor->uid = get_number(all + 36, 8);
  if (is_allocation) {
    descriptor->id = get_number(all + HEAD_SIZE, 8);
    descriptor->type = (uint32_t)get_number(all + HEAD_SIZE + 8, 4);
    if (descriptor->id == 0) return MM_E_DESCRIPTOR;
  }
  if (!get_text(descriptor->name, all + fixed, name_length) ||
      !get_text(descriptor->directory, all + fixed + name_length,
                directory_length) ||
      !mm__name_is_valid(descriptor->name))
    return MM_E_DESCRIPTOR;
  if (directory_length == 0)
    strcpy(descriptor->directory, MM__DEFAULT_DIRECTORY);
  else if (!mm__directory_is_valid(descriptor->directory))
    return MM_E_DESCRIPTOR;
  return MM_OK;
}

int mm_host_identity(uint8_t identity[16]) {
  const int error = mm__os_host_identity(identity);
  if (error == 0) return MM_OK;
  return error == -ENOENT ? MM_E_NO_PROC : MM_E_SYSTEM(-error);
}
