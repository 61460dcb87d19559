/* rounds.h - how the benchmarks in C and C++ measure: a command line, rounds,
 * their median, and one line of JSON per measure. Knows nothing of what is
 * measured.
 */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 1000

/* Something to measure. One call is one round. */
typedef struct measure {
  const char *name;
  const char *unit;    /* of what `round` returns */
  double (*round)(void);
} measure;

static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline double per_operation(uint64_t start, uint64_t end, size_t operations) {
  return (double)(end - start) / (double)operations;
}

static int compare_numbers(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void run_measure(const measure *what, int rounds) {
  static double values[ROUNDS_MAX], sorted[ROUNDS_MAX];
  what->round(); /* warms up: caches, and memory that is committed once */
  for (int i = 0; i < rounds; i++) values[i] = what->round();
  memcpy(sorted, values, (size_t)rounds * sizeof *values);
  qsort(sorted, (size_t)rounds, sizeof *sorted, compare_numbers);
  const double median = (sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2;
  printf("{\"measure\":\"%s\",\"unit\":\"%s\",\"median\":%.2f,\"rounds\":[",
         what->name, what->unit, median);
  for (int i = 0; i < rounds; i++) printf("%s%.2f", i > 0 ? "," : "", values[i]);
  printf("]}\n");
  fflush(stdout);
}

/* Runs what the command line asks for: [--rounds N] [MEASURE...], by default
 * 15 rounds of everything. The program's exit code. */
static int run_measures(const measure *all, size_t count, int argc, char **argv) {
  int rounds = 15;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
    rounds = atoi(argv[2]);
    first = 3;
  }
  if (rounds < 1 || rounds > ROUNDS_MAX) {
    fprintf(stderr, "--rounds must be from 1 to %d\n", ROUNDS_MAX);
    return 2;
  }
  for (size_t i = 0; first == argc && i < count; i++) run_measure(&all[i], rounds);
  for (int arg = first; arg < argc; arg++) {
    size_t i = 0;
    while (i < count && strcmp(all[i].name, argv[arg]) != 0) i++;
    if (i == count) {
      fprintf(stderr, "there is no measure \"%s\"\n", argv[arg]);
      return 2;
    }
    run_measure(&all[i], rounds);
  }
  return 0;
}

#endif
