/* names.h - what a pool may be called, and its file. */
#ifndef MM_NAMES_H
#define MM_NAMES_H

#include "managed_memory.h"
#include "os.h"

#define MM__DEFAULT_DIRECTORY mm__os_default_directory()

#define MM__FILE_PREFIX "managed-memory."
#define MM__FILE_NAME_SIZE (sizeof MM__FILE_PREFIX + MM_NAME_MAX)

/* 1 if it has 1 to MM_NAME_MAX characters out of [A-Za-z0-9._-]. */
int mm__name_is_valid(const char *name);

/* 1 if it is an absolute path of at most MM_DIRECTORY_MAX bytes. */
int mm__directory_is_valid(const char *directory);

/* 1 if no process of this host needs to be told it. */
int mm__directory_is_default(const char *directory);

/* The name of the pool's file in its directory. */
void mm__file_name(const char *name, char file_name[MM__FILE_NAME_SIZE]);

#endif
