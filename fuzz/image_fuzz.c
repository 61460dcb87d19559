/* image_fuzz.c - damages whole pools, before and while they are used, and makes
 * every call on them.
 *
 * An input is a script:
 *
 *   byte 0      which scene (scenes.h)
 *   byte 1      with what numbers the calls are made (calls.h)
 *   8 bytes     one damage, for as long as there are whole ones:
 *     when      0: with the one before, at first before all calls
 *               1 to 95: when * when looks at shared memory after that
 *               96 to 175: right after look number when - 95 at the word itself,
 *               so that whoever looks again sees something else
 *               176 to 255: when - 175 calls after that
 *     where     bits 0-3: part of the file (`parts`); bits 4-5: width, 1, 2, 4
 *               or 8 bytes; bits 6-7: how many in a row, 1, 2, 4 or 8
 *     place     16 bits: word of that width in the part
 *     what      `choose_value()`; 15: the next commits of memory fail
 *     a         16 bits, and
 *     b         8 bits, for that
 *
 * With MM_FUZZ_SYSTEMATIC=N in the environment, inputs do not come from
 * libFuzzer but from systematic.c, beginning with number N of all.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "geometry.h"
#include "lock.h"
#include "systematic.h"
#include "world.h"

/* ---- Damages -------------------------------------------------------------- */

#define HEAD_SIZE 2u

typedef struct damage {
  uint8_t when;
  uint8_t where;
  uint8_t place[2];
  uint8_t what;
  uint8_t a[2];
  uint8_t b;
} damage;

static uint32_t number_of(const uint8_t bytes[2]) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

typedef struct part {
  uint64_t from; /* bytes from the start of the file */
  uint64_t size;
  uint32_t stride; /* from one of its kind to the next; 0: the width */
  uint64_t gap;    /* after each CACHES_EACH bytes; 0: there is none */
} part;

#define HEADER_PART(first, end, step)                                       \
  {offsetof(mm__header, first), offsetof(mm__header, end) - offsetof(mm__header, first), \
   step, 0}

static part part_of(const scene *scene, uint32_t number) {
  static const part header_parts[] = {
      {0, sizeof(mm__header), 0, 0},
      {0, sizeof(mm__birth), 0, 0},
      HEADER_PART(destroyed, heap, 0),
      HEADER_PART(heap, heap.index, 0),
      HEADER_PART(heap.index, heap.index.heads, 0),
      HEADER_PART(heap.index.heads, heap.index.heads[4], 0),
      HEADER_PART(heap.index.failed, heap.index.failed[4], 0),
      {offsetof(mm__header, waiting), sizeof(mm__header) - offsetof(mm__header, waiting), 0, 0},
  };
  const uint32_t header_count = sizeof header_parts / sizeof *header_parts;
  if (number < header_count) return header_parts[number];
  const mm__geometry *geometry = &scene->geometry;
  const uint64_t records = scene->records * sizeof(mm__block);
  switch (number) {
    case PART_SLOTS:
      return (part){geometry->slots_offset, scene->slots * sizeof(mm__slot), sizeof(mm__slot),
                    0};
    case 9:
    case 10:
      return (part){geometry->slots_offset, 4 * sizeof(mm__slot), sizeof(mm__slot), 0};
    case PART_RECORDS:
      return (part){geometry->table_offset, records, sizeof(mm__block), 0};
    case PART_CACHES:
      if (geometry->cache_entries != 0)
        return (part){geometry->caches_offset, CACHES_SIZE, sizeof(uint32_t),
                      mm__geometry_cache_size(geometry) - CACHES_EACH};
      __attribute__((fallthrough));
    case 12: /* those that are used at first */
      return (part){geometry->table_offset, 16 * sizeof(mm__block), sizeof(mm__block), 0};
    case 14: /* the sentinel */
      return (part){geometry->table_offset, sizeof(mm__block), sizeof(mm__block), 0};
    default:
      return (part){geometry->table_offset, 32 * sizeof(mm__block), sizeof(mm__block), 0};
  }
}

/* Where byte `at` of the part lies in the file. */
static uint64_t in_file(const part *part, uint64_t at) {
  return part->from + at + at / CACHES_EACH * part->gap;
}

/* Reads a word, wherever it may lie; 0 outside of the part. */
static uint64_t word_at(const uint8_t *bytes, const part *part, uint64_t at, size_t width) {
  uint64_t value = 0;
  if (at <= part->size - width) memcpy(&value, bytes + in_file(part, at), width);
  return value;
}

static uint64_t choose_value(const scene *scene, const damage *damage, const part *part,
                             uint64_t at, size_t width) {
  const uint64_t old = word_at(scene->bytes, part, at, width);
  const uint32_t a = number_of(damage->a);
  const uint64_t a_signed = (uint64_t)(int64_t)(int16_t)a;
  const uint64_t b_signed = (uint64_t)(int64_t)(int8_t)damage->b;
  const uint64_t stride = part->stride != 0 ? part->stride : width;
  switch (damage->what % 16) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return old ^ 1ull << a % (8 * width);
    case 3: return old + a_signed;
    case 4: return a; /* a record, a slot, a small number */
    case 5: return a * 64ull + damage->b; /* an offset */
    case 6: return (uint64_t)a << damage->b % 64;
    case 7: return word_at(scene->bytes, part, at + b_signed * stride, width);
    case 8: return scene->geometry.data_size + a_signed;
    case 9:
      return (damage->b % 2 != 0 ? scene->records : scene->geometry.table_capacity) +
             a_signed;
    case 10: { /* a state: of a generation, or of one of the last */
      const uint64_t generation = damage->b % 4 < 2 ? a : MM__GENERATION_MAX - a % 4;
      const uint64_t slot = (uint64_t)(damage->b >> 5) << MM__SLOT_SHIFT;
      return generation << MM__GENERATION_SHIFT | slot | damage->b / 4 % 8;
    }
    case 11: { /* anything */
      uint64_t seed = (uint64_t)a << 8 | damage->b;
      return world_random(&seed);
    }
    case 12: return mm__lock_word(a % 8, damage->b) | (a >> 15);
    case 13: return the_world.now + a_signed * 1000000u;
    default: return word_at(scene->image, part, at, width); /* as it was at first */
  }
}

static size_t width_of(const damage *damage) {
  return (size_t)1 << (damage->where >> 4 & 3);
}

/* Where the damage begins: bytes from the start of the part. */
static uint64_t place_of(const damage *damage, const part *part) {
  const size_t width = width_of(damage);
  return number_of(damage->place) % (part->size / width) * width;
}

static void strike(const scene *scene, const damage *damage) {
  if (damage->what % 16 == 15) {
    the_world.commits_fail = 1 + damage->b % 4;
    return;
  }
  const part part = part_of(scene, damage->where % 16);
  const size_t width = width_of(damage);
  uint64_t at = place_of(damage, &part);
  for (uint32_t left = 1u << (damage->where >> 6);
       left > 0 && at + width <= part.size; left--, at += width) {
    const uint64_t value = choose_value(scene, damage, &part, at, width);
    const uint64_t place = in_file(&part, at);
    the_world.touched[place / WORLD_PAGE] = 1;
    memcpy(scene->bytes + place, &value, width);
  }
}

/* ---- Their order ---------------------------------------------------------- */

static struct {
  const scene *scene;
  const damage *next, *end;
  uint32_t looks; /* until the next; 0: it does not wait for a look */
  uint32_t calls; /* until the next; 0: it does not wait for a call */
  uint32_t looks_at_it; /* until the next; 0: it does not wait for those */
  uint64_t from, to;    /* the word that they are at */
} script;

/* Strikes with all that is due, and sets the time for the next. */
static void go_on(void) {
  script.looks = script.calls = script.looks_at_it = 0;
  while (script.next < script.end && script.next->when == 0)
    strike(script.scene, script.next++);
  if (script.next == script.end) return;
  const uint32_t when = script.next->when;
  if (when < 96) {
    script.looks = when * when;
  } else if (when < 176) {
    const part part = part_of(script.scene, script.next->where % 16);
    script.looks_at_it = when - 95;
    script.from = in_file(&part, place_of(script.next, &part));
    script.to = script.from + width_of(script.next);
  } else {
    script.calls = when - 175;
  }
}

/* The time of the next has come. */
static void go_off(void) {
  strike(script.scene, script.next++);
  go_on();
}

static void on_look(uint64_t at) {
  if (script.looks != 0 && --script.looks == 0) {
    go_off();
  } else if (script.looks_at_it != 0 && at < script.to && at + 8 > script.from &&
             --script.looks_at_it == 0) {
    script.looks = 1; /* this look still sees the old value */
  }
}

static void on_call(void) {
  if (script.calls != 0 && --script.calls == 0) go_off();
}

/* ---- One input -------------------------------------------------------------- */

static int lowest_free_file(void) {
  const int file = fcntl(0, F_DUPFD_CLOEXEC, 3);
  close(file);
  return file;
}

static uint64_t most_looks;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEAD_SIZE) return 0;
  const int files = lowest_free_file();
  const scene *scene = &the_scenes[data[0] % SCENES];
  scene_begin(scene);
  the_world.commits_fail = 0;
  the_world.looks = 0;
  script.scene = scene;
  script.next = (const damage *)(const void *)(data + HEAD_SIZE);
  script.end = script.next + (size - HEAD_SIZE) / sizeof(damage);
  go_on();
  the_world.on_look = on_look;
  calls_make(scene, data[1], on_call);
  the_world.on_look = NULL;
  if (the_world.looks > most_looks) most_looks = the_world.looks;
  world_unmap_all();
  scene_end(scene);
  if (lowest_free_file() != files) world_fail("a file was left open");
  return 0;
}

/* ---- Making inputs ---------------------------------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static int is_systematic;

/* Half of the time, a damage is made anew or put in whole; else libFuzzer does
 * what it likes. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed) {
  if (is_systematic) return systematic_next(data);
  uint64_t chance = seed;
  if (size < HEAD_SIZE || most < HEAD_SIZE + sizeof(damage) || world_random(&chance) % 2 == 0)
    return LLVMFuzzerMutate(data, size, most);
  const size_t count = (size - HEAD_SIZE) / sizeof(damage);
  const size_t at = HEAD_SIZE + world_random(&chance) % (count + 1) * sizeof(damage);
  const int goes_in = at + sizeof(damage) > size || world_random(&chance) % 2 == 0;
  size = HEAD_SIZE + count * sizeof(damage);
  if (goes_in) {
    if (size + sizeof(damage) > most) return LLVMFuzzerMutate(data, size, most);
    memmove(data + at + sizeof(damage), data + at, size - at);
    size += sizeof(damage);
  }
  const uint64_t value = world_random(&chance);
  memcpy(data + at, &value, sizeof value);
  if (world_random(&chance) % 3 == 0) data[at] = 0;
  return size;
}

static void print_most_looks(void) {
  fprintf(stderr, "most looks at shared memory by one input: %llu\n",
          (unsigned long long)most_looks);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  world_open();
  scenes_make();
  atexit(print_most_looks);
  const char *first = getenv("MM_FUZZ_SYSTEMATIC");
  is_systematic = first != NULL;
  if (!is_systematic) return 0;
  systematic_begin(strtoull(first, NULL, 10));
  atexit(systematic_end);
  return 0;
}
