/* default_pool_test.c - the pool that the environment names. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static unsigned char bytes[MM_DESCRIPTOR_MAX];

static int read_as(const char *text, size_t capacity, size_t *length) {
  CHECK(setenv(MM_DEFAULT_POOL_VARIABLE, text, 1) == 0);
  return mm_default_pool(bytes, capacity, length);
}

static void base64_is_read_as_it_is_written(void) {
  static const struct {
    const char *text, *bytes;
  } known[] = {/* the test vectors of RFC 4648, padded and not */
               {"Zg==", "f"}, {"Zg", "f"}, {"Zm8=", "fo"}, {"Zm8", "fo"}, {"Zm9v", "foo"},
               {"Zm9vYg==", "foob"}, {"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"},
               {"+/+/", "\xfb\xff\xbf"}};
  for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
    size_t length = 0;
    CHECK_OK(read_as(known[at].text, sizeof bytes, &length));
    CHECK_EQ(length, strlen(known[at].bytes));
    CHECK(memcmp(bytes, known[at].bytes, length) == 0);
  }
}

static void other_texts_are_refused(void) {
  static const char *const texts[] = {"Z",     "Zg=\n", " Zg==", "Zh==", "Zm9v-_", "Zg===",
                                      "Zg==Zg", "Zm9=",  "\xff\xfe", "Zm 9v", "ZZZZZ"};
  size_t length;
  for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
    CHECK_STATUS(read_as(texts[at], sizeof bytes, &length), MM_E_DESCRIPTOR);
}

static void sizes_are_minded(void) {
  char text[4 * MM_DESCRIPTOR_MAX];
  size_t length = 0;
  memset(text, 'A', sizeof text);
  text[sizeof text - 1] = 0;
  CHECK_STATUS(read_as(text, sizeof bytes, &length), MM_E_DESCRIPTOR);
  CHECK_STATUS(read_as("Zm9vYmFy", 5, &length), MM_E_BUFFER);
  CHECK_OK(read_as("Zm9vYmFy", 6, &length));
}

static void none_is_told_apart(void) {
  size_t length;
  CHECK_STATUS(read_as("", sizeof bytes, &length), MM_E_NO_DEFAULT);
  unsetenv(MM_DEFAULT_POOL_VARIABLE);
  CHECK_STATUS(mm_default_pool(bytes, sizeof bytes, &length), MM_E_NO_DEFAULT);
  CHECK(strcmp(mm_strerror(MM_E_NO_DEFAULT), "unknown status") != 0);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  test_case("default pool: base64", base64_is_read_as_it_is_written);
  test_case("default pool: not base64", other_texts_are_refused);
  test_case("default pool: sizes", sizes_are_minded);
  test_case("default pool: none", none_is_told_apart);
  return harness_end();
}
