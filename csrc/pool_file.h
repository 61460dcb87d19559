/* pool_file.h - a pool's file, as long as it is not mapped.
 *
 * What creating, attaching, looking and removing have in common. Internal.
 */
#ifndef MM_POOL_FILE_H
#define MM_POOL_FILE_H

#include "layout.h"
#include "os.h"

/* What a negative errno means where nothing more is known; 0: MM_OK. */
int mm__system_status(int error);

/* Opens the directory of a pool's file: MM_OK, MM_E_DIRECTORY, MM_E_SYSTEM. */
int mm__file_directory(const char *path, int *directory);

/* Reads and checks what never changes: MM_OK, MM_E_NOT_A_POOL, MM_E_VERSION,
 * MM_E_CORRUPT, MM_E_SYSTEM. */
int mm__file_birth(int file, const mm__os_file *description, mm__birth *birth);

/* Reads whether the pool was destroyed. */
int mm__file_destroyed(int file, uint32_t *destroyed);

/* Removes the name, if it still leads to that file. One at a time per file, so
 * that between the check and the removal nobody can put another pool there.
 * Holds the lock on MM__UNLINK_BYTE until the file is closed. MM_OK, MM_E_BUSY,
 * MM_E_SYSTEM. */
int mm__file_unlink(int file, int directory, const char *file_name);

/* A destroyer that was killed leaves the name of a destroyed pool behind:
 * finishes its work. 1 if the name is free now. */
int mm__file_finish_destroyed(int directory, const char *file_name);

#endif
