/* systematic.h - scripts for image_fuzz.c that are not random: each byte and
 * word of header, slots and records is set to a handful of values, before and
 * after attaching, in each scene.
 */
#ifndef SYSTEMATIC_H
#define SYSTEMATIC_H

#include <stddef.h>
#include <stdint.h>

/* Parts that scripts can name, each with all of its kind. */
enum { PART_HEADER = 0, PART_SLOTS = 8, PART_RECORDS = 11, PART_CACHES = 13 };

/* How long a script is. */
#define SYSTEMATIC_SIZE 10u

/* Counts the scripts; the first one is number `first`. */
void systematic_begin(uint64_t first);

/* Writes the next script; after the last comes the first. Returns its length. */
size_t systematic_next(uint8_t *data);

/* Prints how many of them there were. */
void systematic_end(void);

#endif
