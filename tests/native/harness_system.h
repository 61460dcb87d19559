/* harness_system.h - what the harness asks of the operating system.
 *
 * harness_linux.c and harness_windows.c implement it, and the parts of harness.h
 * that need processes, directories and clocks.
 */
#ifndef HARNESS_SYSTEM_H
#define HARNESS_SYSTEM_H

#include "harness.h"

typedef enum case_outcome { FAILED, PASSED, SKIPPED } case_outcome;

/* What a case exits with that cannot run here. */
#define EXIT_SKIPPED 77

/* Cleans up also when the program is interrupted. */
void harness_system_begin(void);

/* Everything that this program makes where pools are has this in its name. */
const char *harness_mark(void);

/* Runs the body in a process of its own, and removes what it leaves. */
case_outcome harness_run_case(const char *name, test_body *body, unsigned seconds);

/* A process of its own for one case or one role, where there is no fork(): the
 * program started again. What it is to run, or NULL. */
typedef struct harness_errand {
  const char *name;     /* of the case, or the role */
  const char *argument; /* of the role */
} harness_errand;
extern harness_errand harness_case, harness_role;

#endif
