/* hash.c - XXH64 with seed 0, as the specification of xxHash has it
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Knows nothing
 * of pools. Bytes that change meanwhile give some hash, and do no harm. */
#include <string.h>

#include "managed_memory.h"

#define PRIME_1 0x9e3779b185ebca87ull
#define PRIME_2 0xc2b2ae3d27d4eb4full
#define PRIME_3 0x165667b19e3779f9ull
#define PRIME_4 0x85ebca77c2b2ae63ull
#define PRIME_5 0x27d4eb2f165667c5ull

#define STRIPE 32u /* bytes: one word for each of four lanes */

static uint64_t rotate(uint64_t value, int bits) {
  return value << bits | value >> (64 - bits);
}

static uint64_t word_at(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static uint32_t half_at(const uint8_t *at) {
  uint32_t half;
  memcpy(&half, at, sizeof half);
  return half;
}

static uint64_t round_of(uint64_t lane, uint64_t word) {
  return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge(uint64_t hash, uint64_t lane) {
  return (hash ^ round_of(0, lane)) * PRIME_1 + PRIME_4;
}

/* Takes in whole stripes, and moves *at behind them. */
static uint64_t hash_stripes(const uint8_t **at, const uint8_t *end) {
  uint64_t a = PRIME_1 + PRIME_2, b = PRIME_2, c = 0, d = 0 - PRIME_1;
  const uint8_t *from = *at;
  for (; (uint64_t)(end - from) >= STRIPE; from += STRIPE) {
    a = round_of(a, word_at(from));
    b = round_of(b, word_at(from + 8));
    c = round_of(c, word_at(from + 16));
    d = round_of(d, word_at(from + 24));
  }
  *at = from;
  const uint64_t hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  return merge(merge(merge(merge(hash, a), b), c), d);
}

uint64_t mm_hash(const void *bytes, uint64_t size) {
  if (size == 0) bytes = ""; /* also where there are none */
  const uint8_t *at = bytes;
  const uint8_t *end = at + size;
  uint64_t hash = (size >= STRIPE ? hash_stripes(&at, end) : PRIME_5) + size;
  for (; end - at >= 8; at += 8)
    hash = rotate(hash ^ round_of(0, word_at(at)), 27) * PRIME_1 + PRIME_4;
  if (end - at >= 4) {
    hash = rotate(hash ^ half_at(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotate(hash ^ *at * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ hash >> 33) * PRIME_2;
  hash = (hash ^ hash >> 29) * PRIME_3;
  return hash ^ hash >> 32;
}
