/* world.h - the world that the library is fuzzed in.
 *
 * The linker puts parts of it in the place of functions of csrc/os.h (--wrap in
 * tools/fuzz_build.ts), so that a run depends on its input alone, waiting costs no
 * time, and no access goes astray unnoticed:
 *
 *   - Time is a number that waiting adds to. Host, process and random bytes are
 *     always the same.
 *   - Every mapping lies alone between unmapped memory; all of it that is not
 *     header, slot, cache or record is poisoned for AddressSanitizer.
 *   - The directory "/fuzz" is the one that MM_FUZZ_DIRECTORY names.
 *   - Every look at a mapping is reported before it happens, so that bytes can
 *     change between any two of them.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define WORLD_DIRECTORY "/fuzz"

#define WORLD_PAGE 4096u

/* Pages of a file from its start whose use is noted. */
#define WORLD_PAGES 4096u

typedef struct world {
  uint64_t now;                 /* ns, what mm__os_now() answers */
  uint64_t looks;               /* at mappings, since the start */
  uint32_t commits_fail;        /* the next so many mm__os_commit() fail */
  uint32_t mappings;            /* that exist */
  void (*on_look)(uint64_t at); /* before each look, `at` bytes from the start
                                   of the file; may be NULL */
  uint8_t touched[WORLD_PAGES]; /* 1: a mapping's page that was looked at */
} world;

extern world the_world;

/* Call it first. */
void world_open(void);

/* The real path of WORLD_DIRECTORY. */
const char *world_path(void);

/* Removes the mappings that were kept (mm_pool_detach_keep_mapping()). */
void world_unmap_all(void);

/* Reads and writes a byte of a mapping that is poisoned for all others. */
void world_touch(void *address);

/* Fails the run: prints what is wrong, and where it stood. */
_Noreturn void world_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* splitmix64 */
uint64_t world_random(uint64_t *seed);

#endif
