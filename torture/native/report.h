/* report.h - what the warden counts, and tells torture/main.ts: lines of JSON on
 * the standard output. */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

typedef struct report {
  uint64_t kills;
  uint64_t deno_kills;
  uint64_t kills_by_fuse;     /* at a random instruction of a call */
  uint64_t kills_in_lock;     /* the lock's word named the dead */
  uint64_t kills_in_recovery; /* of those: while it recovered from another death */
  uint64_t freer_kills;       /* between a store and its wake-up, or about there */
  uint64_t stops;
  uint64_t stops_in_lock;
  uint64_t recoveries;
  uint64_t longest_recovery; /* ns from the end of the dead to a whole pool */
  uint64_t waits;            /* waiters for whom room came, and that were timed */
  uint64_t longest_wait;     /* ns from the room to the allocation */
  uint64_t longest_own_wait; /* the same without the time for a processor */
  uint64_t undisturbed_waits; /* of those timed: nobody was killed meanwhile */
  uint64_t prompt_waits;      /* of those: served at once, as who was woken */
  uint64_t operations;
  uint64_t busy;    /* calls that failed behind a stopped lock owner */
  uint64_t reclaimed;  /* allocations of the dead that were freed */
  uint64_t unfinished; /* of those, without a whole payload */
  uint64_t audits;
  uint64_t pools;
  uint64_t violations;
} report;

void report_violation(report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void report_progress(const report *report);

void report_summary(const report *report);

#endif
