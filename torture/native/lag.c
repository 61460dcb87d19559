/* lag.c - see lag.h. */
#include "lag.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t lag_of_thread(pid_t pid, const char *thread) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  uint64_t ran, waited;
  if (fscanf(file, "%" SCNu64 " %" SCNu64, &ran, &waited) != 2) waited = 0;
  fclose(file);
  return waited;
}

uint64_t lag_of(pid_t pid) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *threads = opendir(path);
  if (threads == NULL) return 0;
  uint64_t sum = 0;
  for (const struct dirent *entry; (entry = readdir(threads)) != NULL;)
    if (entry->d_name[0] != '.') sum += lag_of_thread(pid, entry->d_name);
  closedir(threads);
  return sum;
}
