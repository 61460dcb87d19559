/* heap_churn_test.c - allocating and freeing at random, against a shadow that knows
 * where everything must be. */
#include <string.h>

#include "harness.h"
#include "heap_fixture.h"

static heap_fixture fixture;

#define MOST 600u

typedef struct shadow {
  uint64_t ids[MOST];
  uint64_t starts[MOST];
  uint64_t lengths[MOST]; /* as asked for, in granules */
  uint32_t count;
  uint8_t *taken; /* by granule */
} shadow;

static void shadow_add(shadow *shadow, uint64_t id, uint64_t granules) {
  const uint64_t start = heap_start(&fixture, id);
  CHECK(heap_length(&fixture, id) >= granules);
  for (uint64_t at = start; at < start + granules; at++) {
    CHECK(!shadow->taken[at]);
    shadow->taken[at] = 1;
  }
  shadow->ids[shadow->count] = id;
  shadow->starts[shadow->count] = start;
  shadow->lengths[shadow->count++] = granules;
}

static void shadow_free(shadow *shadow, uint32_t at) {
  heap_must_free(&fixture, shadow->ids[at]);
  memset(shadow->taken + shadow->starts[at], 0, shadow->lengths[at]);
  shadow->count--;
  shadow->ids[at] = shadow->ids[shadow->count];
  shadow->starts[at] = shadow->starts[shadow->count];
  shadow->lengths[at] = shadow->lengths[shadow->count];
}

static void churn(uint64_t seed, uint64_t granules, uint64_t most,
                  uint32_t records, uint64_t step, unsigned large_bits) {
  static uint8_t taken[1u << 16];
  memset(taken, 0, sizeof taken);
  shadow shadow = {.count = 0, .taken = taken};
  heap_open(&fixture, granules, most, records);
  fixture.step = step;
  fixture.record_step = 16;
  for (int round = 0; round < 20000; round++) {
    /* Filling up and emptying in turns. */
    const int fills = round / 2000 % 2 == 0;
    if (shadow.count < MOST && random_below(&seed, 10) < (fills ? 7 : 3)) {
      const uint64_t wanted =
          1 + random_below(&seed, 1u << random_below(&seed, large_bits));
      const int fits = mm__heap_fits(&fixture.heap, wanted);
      uint64_t id = 0;
      const int status = heap_alloc(&fixture, wanted * GRANULE, &id);
      CHECK_EQ(status == MM_OK, fits);
      if (status == MM_OK) shadow_add(&shadow, id, wanted);
      if (status == MM_E_LIMIT) CHECK_EQ(shadow.count, most);
    } else if (shadow.count > 0) {
      shadow_free(&shadow, (uint32_t)random_below(&seed, shadow.count));
    }
    CHECK_EQ(fixture.shared->taken, shadow.count);
    if (round % 97 == 0) heap_must_be_sound(&fixture);
    if (round % 1999 == 0) {
      CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
      heap_must_be_sound(&fixture);
    }
  }
  while (shadow.count > 0) shadow_free(&shadow, shadow.count - 1);
  CHECK_EQ(heap_count(&fixture).blocks, 1);
  heap_must_alloc(&fixture, granules);
  heap_must_be_sound(&fixture);
  heap_close(&fixture);
}

static void churn_in_a_full_heap(void) { churn(1, 1024, 0, 64, 0, 6); }
static void churn_with_steps(void) { churn(2, 1u << 14, 0, 8, 512 * GRANULE, 9); }
static void churn_with_large_blocks(void) { churn(3, 1u << 16, 0, 64, 0, 13); }
static void churn_with_a_limit(void) { churn(4, 4096, 40, 8, 64 * GRANULE, 8); }

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("heap: churn in a heap that is mostly full", churn_in_a_full_heap);
  test_case("heap: churn that grows in steps", churn_with_steps);
  test_case("heap: churn with large blocks", churn_with_large_blocks);
  test_case("heap: churn against max_allocations", churn_with_a_limit);
  return harness_end();
}
