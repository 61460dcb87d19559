/* header_example_test.c - the example in managed_memory.h's manual compiles as
 * it stands there, and runs; and the header can be included from C and C++.
 *
 * Looks for the header in MM_SOURCE_DIR, if that is defined, else beside this
 * file. Compiles with $CC, cc, clang, gcc or zig cc, whichever is found first.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static char sources[512];
static char compiler[512];
static char folder[64];

/* Runs a command of the shell: its exit status. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...) {
  char command[4096];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  CHECK(length > 0 && (size_t)length < sizeof command);
  fflush(stdout);
  const int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int has_header(const char *path) {
  char header[600];
  snprintf(header, sizeof header, "%s/managed_memory.h", path);
  return access(header, R_OK) == 0;
}

static void find_sources(void) {
#ifdef MM_SOURCE_DIR
  snprintf(sources, sizeof sources, "%s", MM_SOURCE_DIR);
  if (has_header(sources)) return;
#endif
  const char *slash = strrchr(__FILE__, '/');
  const int length = slash != NULL ? (int)(slash - __FILE__) : 0;
  snprintf(sources, sizeof sources, "%.*s%s../../csrc", length, __FILE__,
           length != 0 ? "/" : "");
  if (has_header(sources)) return;
  strcpy(sources, "csrc");
  if (!has_header(sources)) test_skip("cannot find csrc/managed_memory.h from here");
}

static void find_compiler(void) {
  const char *candidates[] = {getenv("CC"), "cc", "clang", "gcc", "zig cc"};
  for (int at = 0; at < 5; at++) {
    const char *candidate = candidates[at];
    if (candidate == NULL || *candidate == 0) continue;
    snprintf(compiler, sizeof compiler, "%s", candidate);
    if (run("echo 'int main(void) { return 0; }' | %s -x c - -o /dev/null >/dev/null 2>&1",
            compiler) == 0)
      return;
  }
  test_skip("there is no C compiler");
}

static void make_folder(void) {
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%.40s/mm-test-XXXXXX", parent != NULL ? parent : "/tmp");
  CHECK(mkdtemp(folder) != NULL);
}

/* Copies the example, with a pool name of its own; the number of its lines. */
static int extract_example(const char *pool_name) {
  char path[600], line[512];
  snprintf(path, sizeof path, "%s/managed_memory.h", sources);
  FILE *header = fopen(path, "r");
  snprintf(path, sizeof path, "%s/example.c", folder);
  FILE *example = fopen(path, "w");
  CHECK(header != NULL && example != NULL);
  int lines = 0, is_inside = 0;
  while (fgets(line, sizeof line, header) != NULL) {
    if (strcmp(line, " * Example\n") == 0) is_inside = 1;
    if (strcmp(line, " * Caveats\n") == 0) break;
    if (!is_inside || strncmp(line, " *   ", 5) != 0) {
      if (is_inside && lines > 0) fputc('\n', example);
      continue;
    }
    char *name = strstr(line, "\"greetings\"");
    if (name != NULL)
      fprintf(example, "%.*s\"%s\"%s", (int)(name - line) - 5, line + 5, pool_name,
              name + strlen("\"greetings\""));
    else
      fputs(line + 5, example);
    lines++;
  }
  fclose(header);
  fclose(example);
  return lines;
}

static void the_example_compiles_and_runs(void) {
  find_sources();
  find_compiler();
  make_folder();
  const char *name = unique_name();
  const int lines = extract_example(name);
  const int compiled = run("%s -std=c11 -Wall -Wextra -Werror -Wno-unused-parameter -I%s -c "
                           "%s/example.c -o %s/example.o",
                           compiler, sources, folder, folder);
  const int linked = run("%s -std=gnu11 -I%s %s/example.o "
                         "$(ls %s/*.c | grep -v -e os_darwin -e os_windows) -o %s/example",
                         compiler, sources, folder, sources, folder);
  const int ended = run("%s/example", folder);
  run("rm -r -- %s", folder);
  CHECK(lines > 20);
  CHECK_EQ(compiled, 0);
  CHECK_EQ(linked, 0);
  CHECK_EQ(ended, 0);
  CHECK(!pool_exists(name));
}

static void the_header_can_be_included_from(const char *language, const char *standard) {
  find_sources();
  find_compiler();
  CHECK_EQ(run("printf '#include <managed_memory.h>\\n#include <managed_memory_ffi.h>\\n' | "
               "%s -x %s -std=%s -Wall -Wextra -Wpedantic -Werror -I%s -fsyntax-only -",
               compiler, language, standard, sources),
           0);
}

static void from_c(void) { the_header_can_be_included_from("c", "c11"); }

static void from_cpp(void) {
  find_compiler();
  if (run("echo '#include <stddef.h>' | %s -x c++ -std=c++11 -fsyntax-only - 2>/dev/null",
          compiler) != 0)
    test_skip("there is no C++ compiler");
  the_header_can_be_included_from("c++", "c++11");
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case_within("header: the example compiles and runs", the_example_compiles_and_runs, 120);
  test_case_within("header: can be included from C", from_c, 60);
  test_case_within("header: can be included from C++", from_cpp, 60);
  return harness_end();
}
