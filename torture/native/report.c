/* report.c - see report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* A text as JSON has it; what JSON forbids becomes a space. */
static void print_text(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    const unsigned char byte = (unsigned char)*text;
    putchar(byte < ' ' || byte == '"' || byte == '\\' ? ' ' : byte);
  }
  putchar('"');
}

void report_violation(report *report, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  report->violations++;
  printf("{\"kind\":\"violation\",\"kills\":%" PRIu64 ",\"text\":", report->kills);
  print_text(text);
  printf("}\n");
  fflush(stdout);
}

static void print_counts(const char *kind, const report *report) {
  const struct {
    const char *name;
    uint64_t value;
  } counts[] = {
      {"kills", report->kills},
      {"denoKills", report->deno_kills},
      {"killsByFuse", report->kills_by_fuse},
      {"killsInLock", report->kills_in_lock},
      {"killsInRecovery", report->kills_in_recovery},
      {"freerKills", report->freer_kills},
      {"stops", report->stops},
      {"stopsInLock", report->stops_in_lock},
      {"recoveries", report->recoveries},
      {"longestRecovery", report->longest_recovery},
      {"waits", report->waits},
      {"longestWait", report->longest_wait},
      {"longestOwnWait", report->longest_own_wait},
      {"undisturbedWaits", report->undisturbed_waits},
      {"promptWaits", report->prompt_waits},
      {"operations", report->operations},
      {"busy", report->busy},
      {"reclaimed", report->reclaimed},
      {"unfinished", report->unfinished},
      {"audits", report->audits},
      {"pools", report->pools},
      {"violations", report->violations},
  };
  printf("{\"kind\":\"%s\"", kind);
  for (unsigned at = 0; at < sizeof counts / sizeof counts[0]; at++)
    printf(",\"%s\":%" PRIu64, counts[at].name, counts[at].value);
  printf("}\n");
  fflush(stdout);
}

void report_progress(const report *report) { print_counts("progress", report); }

void report_summary(const report *report) { print_counts("summary", report); }
