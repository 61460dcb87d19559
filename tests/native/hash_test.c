/* hash_test.c - mm_hash() against values of the reference implementation
 * (xxhash 0.8, XXH64 with seed 0). */
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* Byte n is (n * 131 + 7) modulo 256: what the values below were made of. */
static uint8_t *make_bytes(size_t size) {
  uint8_t *bytes = malloc(size + 8);
  CHECK(bytes != NULL);
  for (size_t at = 0; at < size; at++) bytes[at] = (uint8_t)(at * 131 + 7);
  return bytes;
}

static void texts_have_their_known_hashes(void) {
  static const struct {
    const char *text;
    uint64_t hash;
  } known[] = {
      {"", 0xef46db3751d8e999ull},
      {"a", 0xd24ec4f1a98c6e5bull},
      {"abc", 0x44bc2cf5ad770999ull},
      {"asdf", 0x415872f599cea71eull},
      {"Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1ull},
      {"Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2e85470d6fd96ull},
  };
  for (size_t at = 0; at < sizeof known / sizeof *known; at++)
    CHECK_EQ(mm_hash(known[at].text, strlen(known[at].text)), known[at].hash);
  CHECK_EQ(mm_hash(NULL, 0), known[0].hash);
}

static void all_lengths_have_their_known_hashes(void) {
  static const struct {
    size_t size;
    uint64_t hash;
  } known[] = {
      {1, 0xa96c7f0ce858bbb7ull},
      {3, 0xbed43740ee6332bbull},
      {4, 0xfa212ae44b3bb23dull},
      {5, 0xd339dcc9ac8e6776ull},
      {7, 0x2744460dd675d2c0ull},
      {8, 0x994b676b71ce94ddull},
      {9, 0x572b84c18b983af8ull},
      {12, 0xb92f588ce720786eull},
      {15, 0x09e6451ed2ff8b1dull},
      {16, 0x94ad0095e72b24d5ull},
      {31, 0x6711d55e306b5d8full},
      {32, 0x07f7b8e3bc5d6e25ull},
      {33, 0x09f85eeb4e1cbe9full},
      {36, 0xe7ac625222f2b655ull},
      {40, 0xd25150177ba46490ull},
      {47, 0x79bd9d6dd8c15570ull},
      {63, 0xb7c9968c066cb6a5ull},
      {64, 0x50d4159a0411632eull},
      {65, 0xd277176bff863efcull},
      {95, 0x928c35b989d3c594ull},
      {96, 0x18c8f362eb735341ull},
      {127, 0x54cf771b5423f6a7ull},
      {128, 0x0430e433b792e757ull},
      {1000, 0x0bf0bdbcc82eb373ull},
      {4096, 0xcf05adf75aca30cfull},
      {1048579, 0x15fd70e41ecb6d28ull},
  };
  for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
    uint8_t *bytes = make_bytes(known[at].size);
    CHECK_EQ(mm_hash(bytes, known[at].size), known[at].hash);
    /* Wherever they lie. */
    memmove(bytes + 3, bytes, known[at].size);
    CHECK_EQ(mm_hash(bytes + 3, known[at].size), known[at].hash);
    free(bytes);
  }
}

/* Each bit counts: no two of these are the same. */
static void every_bit_counts(void) {
  uint8_t *bytes = make_bytes(100);
  const uint64_t hash = mm_hash(bytes, 100);
  for (size_t bit = 0; bit < 800; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(mm_hash(bytes, 100) != hash);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  CHECK_EQ(mm_hash(bytes, 100), hash);
  free(bytes);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("hash: known texts", texts_have_their_known_hashes);
  test_case("hash: known lengths, at any address", all_lengths_have_their_known_hashes);
  test_case("hash: every bit counts", every_bit_counts);
  return harness_end();
}
