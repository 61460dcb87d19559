/* rebuild_test.c - mm__heap_rebuild(): everything derived, from the chain alone. */
#include <string.h>

#include "block.h"
#include "harness.h"
#include "heap_fixture.h"

#define GRANULES 512u
#define ROUNDS 300

static heap_fixture fixture;

/* What the live blocks say, by record; the truth that must survive. */
typedef struct truth {
  uint64_t id[GRANULES + 64];
  uint64_t offset[GRANULES + 64];
  uint64_t size[GRANULES + 64];
  uint64_t owner[GRANULES + 64];
  uint32_t type[GRANULES + 64];
  uint32_t live;
} truth;

static uint64_t id_of(uint32_t record) {
  return mm__generation(fixture.table[record].state) << fixture.heap.index_bits | record;
}

static void read_truth(truth *truth) {
  memset(truth, 0, sizeof *truth);
  CHECK(fixture.heap.capacity <= GRANULES + 64);
  for (uint32_t at = fixture.table[0].next; at != 0; at = fixture.table[at].next) {
    const mm__block *block = &fixture.table[at];
    if (mm__tag(block->state) != MM__LIVE) continue;
    truth->id[at] = id_of(at);
    truth->offset[at] = block->offset;
    truth->size[at] = block->size;
    truth->owner[at] = block->owner;
    truth->type[at] = block->type;
    truth->live++;
  }
}

/* A heap with a random mixture of blocks; the sentinel somewhere inside. */
static void open_random(uint64_t *seed) {
  heap_open(&fixture, GRANULES, 0, 8);
  fixture.step = 64 * GRANULE;
  fixture.record_step = 8;
  uint64_t ids[GRANULES];
  uint32_t count = 0;
  const uint64_t rounds = random_below(seed, 400);
  for (uint64_t round = 0; round < rounds; round++) {
    uint64_t id = 0;
    if (random_below(seed, 3) != 0) {
      if (heap_alloc(&fixture, random_below(seed, 20 * GRANULE), &id) == MM_OK)
        ids[count++] = id;
    } else if (count > 0) {
      const uint32_t at = (uint32_t)random_below(seed, count);
      heap_must_free(&fixture, ids[at]);
      ids[at] = ids[--count];
    }
  }
  heap_must_be_sound(&fixture);
}

static void must_be_the_same(const truth *before) {
  truth after;
  read_truth(&after);
  CHECK(memcmp(before, &after, sizeof after) == 0);
  CHECK_EQ(fixture.shared->taken, before->live);
  heap_must_be_sound(&fixture);
}

static void free_all_and_take_all(void) {
  for (uint32_t at = 1; at < fixture.heap.limit; at++) {
    const uint64_t state = fixture.table[at].state;
    if (mm__is_live(state)) {
      /* Also if the damage tied it to a slot: above the heap that is undone. */
      fixture.table[at].state += MM__LIVE - mm__tag(state);
      heap_must_free(&fixture, id_of(at));
    } else if (mm__is_taken(state)) { /* the damage made it a cached block */
      CHECK_OK(mm__heap_release(&fixture.heap, at, state));
    }
  }
  heap_must_be_sound(&fixture);
  CHECK_EQ(fixture.shared->taken, 0);
  heap_must_alloc(&fixture, GRANULES);
}

/* ---- Derived fields ----------------------------------------------------- */

static void spoil(uint64_t *seed, void *bytes, size_t length) {
  uint8_t *at = bytes;
  for (size_t index = 0; index < length; index++) at[index] = (uint8_t)random_next(seed);
}

static void spoil_derived(uint64_t *seed) {
  mm__heap_shared *shared = fixture.shared;
  spoil(seed, &shared->records_fresh, sizeof shared->records_fresh);
  spoil(seed, &shared->unused_head, sizeof shared->unused_head);
  spoil(seed, &shared->taken, sizeof shared->taken);
  spoil(seed, &shared->taken_bytes, sizeof shared->taken_bytes);
  spoil(seed, &shared->index, sizeof shared->index);
  for (uint32_t at = 0; at < fixture.heap.limit; at++) {
    mm__block *block = &fixture.table[at];
    spoil(seed, &block->prev, sizeof block->prev);
    spoil(seed, &block->free_next, sizeof block->free_next);
    spoil(seed, &block->free_prev, sizeof block->free_prev);
    if (at == 0 || mm__tag(block->state) == MM__LIVE) continue;
    spoil(seed, &block->size, sizeof block->size);
    spoil(seed, &block->owner, sizeof block->owner);
    spoil(seed, &block->type, sizeof block->type);
    if (mm__tag(block->state) != MM__UNUSED) continue;
    spoil(seed, &block->offset, sizeof block->offset);
    spoil(seed, &block->next, sizeof block->next);
  }
}

static void derived_fields_do_not_matter(void) {
  uint64_t seed = 21;
  for (int round = 0; round < ROUNDS; round++) {
    open_random(&seed);
    truth before;
    read_truth(&before);
    spoil_derived(&seed);
    CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
    must_be_the_same(&before);
    CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
    must_be_the_same(&before);
    free_all_and_take_all();
    heap_close(&fixture);
  }
}

static void the_mark_of_damage_goes(void) {
  uint64_t seed = 22;
  open_random(&seed);
  fixture.shared->damaged = 1;
  CHECK(mm__heap_check(&fixture.heap) != NULL);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  heap_must_be_sound(&fixture);
  heap_close(&fixture);
}

static void the_high_water_mark_is_kept(void) {
  uint64_t seed = 23;
  open_random(&seed);
  const uint64_t most = fixture.shared->most_taken;
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  CHECK_EQ(fixture.shared->most_taken, most);
  fixture.shared->most_taken = 0; /* died before it could raise it */
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  CHECK_EQ(fixture.shared->most_taken, fixture.shared->taken);
  heap_close(&fixture);
}

static void an_empty_heap_is_rebuilt_too(void) {
  heap_open(&fixture, GRANULES, 0, 8);
  uint64_t seed = 24;
  spoil_derived(&seed);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  heap_must_be_sound(&fixture);
  heap_must_alloc(&fixture, GRANULES);
  heap_close(&fixture);
}

/* ---- States in which a process may die ----------------------------------- */

static void free_neighbours_are_merged(void) {
  uint64_t seed = 25;
  for (int round = 0; round < ROUNDS; round++) {
    open_random(&seed);
    /* As after frees that were killed at once: FREE, and nothing else done. */
    for (uint32_t at = 1; at < fixture.heap.limit; at++) {
      mm__block *block = &fixture.table[at];
      if (mm__tag(block->state) == MM__LIVE && random_below(&seed, 2) != 0)
        block->state = mm__state(mm__generation(block->state) + 1, MM__FREE);
    }
    truth before;
    read_truth(&before);
    CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
    must_be_the_same(&before);
    free_all_and_take_all();
    heap_close(&fixture);
  }
}

static void an_empty_block_at_the_end_is_dropped(void) {
  for (int has_blocks = 0; has_blocks < 2; has_blocks++) {
    heap_open(&fixture, GRANULES, 0, 8);
    if (has_blocks) heap_must_alloc(&fixture, 5);
    truth before;
    read_truth(&before);
    /* As after an extension that was killed before its second store. */
    const uint32_t last = fixture.table[0].prev;
    fixture.table[6] = (mm__block){.state = mm__state(0, MM__FREE),
                                   .offset = fixture.table[0].offset,
                                   .prev = last};
    fixture.table[last].next = 6;
    CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
    CHECK_EQ(heap_count(&fixture).free, 0);
    must_be_the_same(&before);
    free_all_and_take_all();
    heap_close(&fixture);
  }
}

static void half_made_records_are_taken_back(void) {
  heap_open(&fixture, GRANULES, 0, 16);
  heap_commit_all(&fixture);
  const uint64_t id = heap_must_alloc(&fixture, 5);
  truth before;
  read_truth(&before);
  /* A FREE record that was not linked yet, and one that a hostile process
   * called LIVE: neither is on the chain. */
  fixture.table[9] = (mm__block){.state = mm__state(3, MM__FREE), .offset = 64, .next = 1};
  fixture.table[10] = (mm__block){.state = mm__state(3, MM__LIVE), .offset = 64, .next = 1};
  fixture.shared->records_fresh = 11;
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  CHECK_EQ(fixture.table[9].state, mm__state(3, MM__UNUSED));
  CHECK_EQ(fixture.table[10].state, mm__state(4, MM__UNUSED));
  must_be_the_same(&before);
  heap_must_free(&fixture, id);
  free_all_and_take_all();
  heap_close(&fixture);
}

static void spent_records_stay_out_of_use(void) {
  heap_open(&fixture, GRANULES, 0, 16);
  heap_commit_all(&fixture);
  const uint64_t limit = fixture.heap.generation_limit;
  fixture.table[9].state = mm__state(limit, MM__UNUSED);
  fixture.table[10].state = mm__state(limit, MM__FREE);
  CHECK_EQ(mm__heap_rebuild(&fixture.heap), MM_OK);
  heap_must_be_sound(&fixture);
  fixture.records_end = 1;
  for (int at = 0; at < 12; at++) {
    const uint32_t record = heap_record(&fixture, heap_must_alloc(&fixture, 1));
    CHECK(record != 9 && record != 10);
  }
  heap_close(&fixture);
}

/* ---- Corrupt chains ------------------------------------------------------ */

/* Four blocks: live, free, live, free. */
static void open_four(uint32_t records[4]) {
  heap_open(&fixture, 64, 0, 64);
  heap_commit_all(&fixture);
  heap_must_alloc(&fixture, 5);
  const uint64_t hole = heap_must_alloc(&fixture, 5);
  heap_must_alloc(&fixture, 5);
  heap_must_free(&fixture, hole);
  uint32_t at = fixture.table[0].next;
  for (int block = 0; block < 4; block++, at = fixture.table[at].next)
    records[block] = at;
  CHECK_EQ(at, 0);
}

#define MUST_BE_CORRUPT(damage)                               \
  do {                                                        \
    uint32_t r[4];                                            \
    open_four(r);                                             \
    mm__block *t = fixture.table;                             \
    damage;                                                   \
    CHECK_STATUS(mm__heap_rebuild(&fixture.heap), MM_E_CORRUPT); \
    CHECK_EQ(fixture.shared->damaged, 1);                     \
    heap_close(&fixture);                                     \
    (void)r, (void)t;                                         \
  } while (0)

static void broken_chains_are_corrupt(void) {
  MUST_BE_CORRUPT(t[r[2]].next = r[1]);              /* a loop */
  MUST_BE_CORRUPT(t[r[2]].next = r[2]);              /* to itself */
  MUST_BE_CORRUPT(t[0].next = 0);                    /* lost altogether */
  MUST_BE_CORRUPT(t[r[1]].next = 40);                /* to an unused record */
  MUST_BE_CORRUPT(t[r[1]].next = 64);                /* beyond the watermark */
  MUST_BE_CORRUPT(t[r[1]].next = UINT32_MAX);
  MUST_BE_CORRUPT(t[r[1]].offset = 0);               /* a live block that is empty */
  MUST_BE_CORRUPT(t[r[2]].offset += 1);              /* not a granule */
  MUST_BE_CORRUPT(t[r[2]].offset = UINT64_MAX);
  MUST_BE_CORRUPT(t[r[2]].state = mm__state(1, 77)); /* no such tag */
  MUST_BE_CORRUPT(t[r[2]].state |= 1u << 20);        /* a bit that no state has */
  MUST_BE_CORRUPT(t[r[2]].state = mm__state(fixture.heap.generation_limit, MM__LIVE));
  MUST_BE_CORRUPT(t[r[2]].state = mm__state(1, MM__UNUSED));
  MUST_BE_CORRUPT(t[r[0]].size = 6 * GRANULE);       /* larger than its block */
  MUST_BE_CORRUPT(t[0].offset += GRANULE);           /* beyond the data region */
  MUST_BE_CORRUPT(t[0].offset = UINT64_MAX);
  MUST_BE_CORRUPT(t[0].offset -= 1);
  MUST_BE_CORRUPT(t[0].offset = 10 * GRANULE);       /* before the last block */
  MUST_BE_CORRUPT(fixture.shared->records_committed = 0);
  MUST_BE_CORRUPT(fixture.shared->records_committed = 3);
}

/* Whatever lies in the table, rebuild ends; and where it says that all is
 * well, the check agrees. */
static void any_damage_ends(void) {
  uint64_t seed = 26;
  uint64_t repaired = 0;
  for (int round = 0; round < 20 * ROUNDS; round++) {
    open_random(&seed);
    for (uint64_t hits = 1 + random_below(&seed, 3); hits > 0; hits--) {
      uint32_t record = (uint32_t)random_below(&seed, fixture.heap.limit);
      uint64_t *word = (uint64_t *)(void *)&fixture.table[record] + random_below(&seed, 8);
      switch (random_below(&seed, 4)) {
        case 0: *word = random_next(&seed); break;
        case 1: *word ^= 1ull << random_below(&seed, 64); break;
        case 2: *word = random_below(&seed, 64) * GRANULE; break;
        default: *word = random_below(&seed, 40) << 32 | random_below(&seed, 40);
      }
    }
    const int status = mm__heap_rebuild(&fixture.heap);
    CHECK(status == MM_OK || status == MM_E_CORRUPT);
    if (status == MM_OK) {
      repaired++;
      heap_must_be_sound(&fixture);
      free_all_and_take_all();
    }
    heap_close(&fixture);
  }
  CHECK(repaired > 20);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("rebuild: derived fields do not matter", derived_fields_do_not_matter);
  test_case("rebuild: the mark of damage goes", the_mark_of_damage_goes);
  test_case("rebuild: the high-water mark is kept", the_high_water_mark_is_kept);
  test_case("rebuild: an empty heap", an_empty_heap_is_rebuilt_too);
  test_case("rebuild: free neighbours are merged", free_neighbours_are_merged);
  test_case("rebuild: an empty block at the end is dropped",
            an_empty_block_at_the_end_is_dropped);
  test_case("rebuild: half-made records are taken back", half_made_records_are_taken_back);
  test_case("rebuild: spent records stay out of use", spent_records_stay_out_of_use);
  test_case("rebuild: broken chains are corrupt", broken_chains_are_corrupt);
  test_case("rebuild: any damage to the table ends", any_damage_ends);
  return harness_end();
}
