/* names.c - see names.h. */
#include "names.h"

#include <string.h>

static int is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

int mm__name_is_valid(const char *name) {
  size_t length = 0;
  for (; name[length] != 0; length++)
    if (length == MM_NAME_MAX || !is_allowed(name[length])) return 0;
  return length != 0;
}

int mm__directory_is_valid(const char *directory) {
  return mm__os_is_absolute(directory) &&
         strnlen(directory, MM_DIRECTORY_MAX + 1) <= MM_DIRECTORY_MAX;
}

const char *mm_default_directory(void) { return mm__os_default_directory(); }

int mm__directory_is_default(const char *directory) {
  return mm__os_default_is_common() &&
         strcmp(directory, MM__DEFAULT_DIRECTORY) == 0;
}

void mm__file_name(const char *name, char file_name[MM__FILE_NAME_SIZE]) {
  memcpy(file_name, MM__FILE_PREFIX, sizeof MM__FILE_PREFIX - 1);
  strcpy(file_name + sizeof MM__FILE_PREFIX - 1, name);
}
