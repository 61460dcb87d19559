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
#define MEASURES_MAX 32

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

static inline int compare_numbers(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline void print_measure(const measure *what, const double *values, int rounds) {
  static double sorted[ROUNDS_MAX];
  memcpy(sorted, values, (size_t)rounds * sizeof *values);
  qsort(sorted, (size_t)rounds, sizeof *sorted, compare_numbers);
  const double median = (sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2;
  printf("{\"measure\":\"%s\",\"unit\":\"%s\",\"median\":%.2f,\"rounds\":[",
         what->name, what->unit, median);
  for (int i = 0; i < rounds; i++) printf("%s%.2f", i > 0 ? "," : "", values[i]);
  printf("]}\n");
}

/* The measures take turns, after one round of each that does not count: it warms
 * up caches, and memory that is committed once. */
static inline void take_turns(const measure *const *chosen, size_t count, int rounds) {
  static double values[MEASURES_MAX][ROUNDS_MAX];
  for (size_t i = 0; i < count; i++) chosen[i]->round();
  for (int round = 0; round < rounds; round++)
    for (size_t i = 0; i < count; i++) values[i][round] = chosen[i]->round();
  for (size_t i = 0; i < count; i++) print_measure(chosen[i], values[i], rounds);
}

/* Runs what the command line asks for: [--rounds N] [MEASURE...], by default
 * 15 rounds of everything. The program's exit code. */
static inline int run_measures(const measure *all, size_t count, int argc, char **argv) {
  const measure *chosen[MEASURES_MAX];
  size_t chosen_count = 0;
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
  if (first == argc)
    while (chosen_count < count) {
      chosen[chosen_count] = &all[chosen_count];
      chosen_count++;
    }
  for (int arg = first; arg < argc; arg++) {
    size_t i = 0;
    while (i < count && strcmp(all[i].name, argv[arg]) != 0) i++;
    if (i == count || chosen_count == MEASURES_MAX) {
      fprintf(stderr, "there is no measure \"%s\"\n", argv[arg]);
      return 2;
    }
    chosen[chosen_count++] = &all[i];
  }
  take_turns(chosen, chosen_count, rounds);
  return 0;
}

#endif
