/* harness_windows.c - harness_system.h for Windows, which has no fork(): a case is
 * the program started once more, with `--case NAME`, and a role with `--role NAME
 * ARGUMENT`. A case is in a job, and so its processes end with it. */
#include <windows.h>

#include "harness_system.h"

#include <stdlib.h>
#include <string.h>

static char mark[40];

const char *harness_mark(void) { return mark; }

void harness_system_begin(void) {
  snprintf(mark, sizeof mark, "mm-test-%lu-", GetCurrentProcessId());
}

/* ---- Processes ---------------------------------------------------------- */

/* Starts this program with `more` at the end of its command. */
static PROCESS_INFORMATION start_again(const char *more, HANDLE job) {
  char command[8192];
  snprintf(command, sizeof command, "%s %s", GetCommandLineA(), more);
  STARTUPINFOA startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  fflush(stdout);
  if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL,
                      &startup, &process))
    test_fail(__FILE__, __LINE__, "CreateProcess: error %lu", GetLastError());
  if (job != NULL) AssignProcessToJobObject(job, process.hProcess);
  ResumeThread(process.hThread);
  CloseHandle(process.hThread);
  return process;
}

pid_t start_role(const test_role *role, const char *argument) {
  char more[4096];
  snprintf(more, sizeof more, "--role %s %s", role->name, argument);
  return (pid_t)start_again(more, NULL).hProcess;
}

void finish_child(pid_t child) {
  DWORD code = 0;
  CHECK(WaitForSingleObject((HANDLE)child, INFINITE) == WAIT_OBJECT_0);
  CHECK(GetExitCodeProcess((HANDLE)child, &code));
  CHECK_EQ(code, 0);
  CloseHandle((HANDLE)child);
}

void kill_child(pid_t child) {
  CHECK(TerminateProcess((HANDLE)child, 1));
  CHECK(WaitForSingleObject((HANDLE)child, INFINITE) == WAIT_OBJECT_0);
  CloseHandle((HANDLE)child);
}

#define NO_FORK "this system has no fork()"

pid_t start_child(void (*body)(void *argument), void *argument) {
  (void)body, (void)argument;
  test_skip(NO_FORK);
}

void *shared_memory(size_t size) {
  (void)size;
  test_skip(NO_FORK);
}

/* ---- Cases -------------------------------------------------------------- */

static void remove_leftovers(DWORD process) {
  char pattern[400];
  snprintf(pattern, sizeof pattern, "%s/*mm-test-%lu-*", mm__os_default_directory(),
           process);
  WIN32_FIND_DATAA found;
  const HANDLE search = FindFirstFileA(pattern, &found);
  if (search == INVALID_HANDLE_VALUE) return;
  do {
    char path[700];
    snprintf(path, sizeof path, "%s/%s", mm__os_default_directory(), found.cFileName);
    DeleteFileA(path);
  } while (FindNextFileA(search, &found));
  FindClose(search);
}

case_outcome harness_run_case(const char *name, test_body *body, unsigned seconds) {
  (void)body;
  char more[400];
  snprintf(more, sizeof more, "--case \"%s\"", name);
  const HANDLE job = CreateJobObjectA(NULL, NULL);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
      .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                          sizeof limits);
  const PROCESS_INFORMATION process = start_again(more, job);
  DWORD code = 1;
  if (WaitForSingleObject(process.hProcess, seconds * 1000) == WAIT_OBJECT_0)
    GetExitCodeProcess(process.hProcess, &code);
  else
    printf("  out of time\n");
  TerminateJobObject(job, 1);
  WaitForSingleObject(process.hProcess, INFINITE);
  CloseHandle(process.hProcess);
  CloseHandle(job);
  remove_leftovers(process.dwProcessId);
  if (code != 0 && code != 1 && code != EXIT_SKIPPED)
    printf("  ended with code %#lx\n", code);
  return code == 0 ? PASSED : code == EXIT_SKIPPED ? SKIPPED : FAILED;
}

/* ---- Time ---------------------------------------------------------------- */

uint64_t now_ms(void) { return GetTickCount64(); }

void sleep_ms(uint64_t milliseconds) { Sleep((DWORD)milliseconds); }
