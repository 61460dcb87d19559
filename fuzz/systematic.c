/* systematic.c - see systematic.h. */
#include "systematic.h"

#include <stdio.h>
#include <string.h>

#include "scenes.h"

/* As in a script: see image_fuzz.c. */
typedef struct change {
  uint8_t width; /* 0: 1 byte, 2: 4 bytes, 3: 8 bytes */
  uint8_t what;
  uint16_t a;
  uint8_t b;
} change;

static const change changes[] = {
    {0, 0, 0, 0},  /* 0 */
    {0, 1, 0, 0},  /* all ones */
    {0, 2, 7, 0},  /* the highest bit */
    {0, 3, 1, 0},  /* one more */
    {2, 7, 0, 1},  /* what the next of its kind has */
    {2, 9, 0, 0},  /* beyond the records */
    {3, 1, 0, 0},  /* all ones */
    {3, 8, 64, 0}, /* beyond the data */
    {3, 10, 5, 8}, /* the state of a live block */
    {3, 10, 5, 16}, /* of one in a cache */
    {3, 12, 1, 1}, /* a lock that somebody alive holds */
};

/* Before all calls; after those that come before and with the first attaching. */
static const uint8_t moments[] = {0, 175 + 2};

static const uint8_t parts[] = {PART_HEADER, PART_SLOTS, PART_RECORDS, PART_CACHES};

#define CHANGES (sizeof changes / sizeof *changes)
#define MOMENTS (sizeof moments / sizeof *moments)
#define PARTS (sizeof parts / sizeof *parts)

/* Coprime to the number of scripts: neighbours in the order lie far apart, so
 * that a short run is a sample of all. */
#define STRIDE 1000003u

static uint64_t total, number, made;

/* Of a large table, as many records as are in use. */
#define RECORDS_MOST 128u

static uint64_t size_of_part(const scene *scene, uint32_t part) {
  const uint32_t records =
      scene->records < RECORDS_MOST ? scene->records : RECORDS_MOST;
  switch (part) {
    case PART_HEADER: return sizeof(mm__header);
    case PART_SLOTS: return scene->slots * sizeof(mm__slot);
    case PART_RECORDS: return records * sizeof(mm__block);
    default: return scene->geometry.cache_entries == 0 ? 0 : CACHES_SIZE;
  }
}

static uint64_t words_of(uint32_t scene, uint32_t part, const change *change) {
  return size_of_part(&the_scenes[scene], part) >> change->width;
}

/* Writes script number `left` of all; or only counts. */
static uint64_t write(uint64_t left, uint8_t *data) {
  uint64_t count = 0;
  for (uint32_t scene = 0; scene < SCENES; scene++)
    for (uint32_t part = 0; part < PARTS; part++)
      for (uint32_t at = 0; at < CHANGES; at++) {
        const change *change = &changes[at];
        const uint64_t words = words_of(scene, parts[part], change);
        count += words * MOMENTS;
        if (data == NULL) continue;
        if (left >= words * MOMENTS) {
          left -= words * MOMENTS;
          continue;
        }
        const uint64_t word = left / MOMENTS;
        const uint8_t script[SYSTEMATIC_SIZE] = {
            (uint8_t)scene,
            (uint8_t)(word * 7 + at),
            moments[left % MOMENTS],
            (uint8_t)(parts[part] | change->width << 4),
            (uint8_t)word,
            (uint8_t)(word >> 8),
            change->what,
            (uint8_t)change->a,
            (uint8_t)(change->a >> 8),
            change->b,
        };
        memcpy(data, script, sizeof script);
        return 0;
      }
  return count;
}

void systematic_begin(uint64_t first) {
  total = write(0, NULL);
  number = first % total;
}

size_t systematic_next(uint8_t *data) {
  write(number * STRIDE % total, data);
  number = (number + 1) % total;
  made++;
  return SYSTEMATIC_SIZE;
}

void systematic_end(void) {
  fprintf(stderr, "systematic: %llu of %llu images\n", (unsigned long long)made,
          (unsigned long long)total);
}
