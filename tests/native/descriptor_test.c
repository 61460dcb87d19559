/* descriptor_test.c - the bytes that name a pool or an allocation: written,
 * read, and every damage to them.
 *
 *   descriptor_test [--inputs N] [--seed S] [name ...]
 *
 * N is the number of random inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define DEFAULT_INPUTS 300000u

static uint64_t inputs = DEFAULT_INPUTS;
static uint64_t seed;

typedef struct bytes {
  uint8_t at[MM_DESCRIPTOR_MAX + 64];
  size_t length;
} bytes;

/* FNV-1a and a mixer, as descriptor.c documents: made anew here, so that bytes
 * of a random content can have the right one. */
static uint64_t checksum(const uint8_t *at, size_t length) {
  uint64_t hash = 0xcbf29ce484222325ull;
  while (length-- > 0) hash = (hash ^ *at++) * 0x100000001b3ull;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

static void seal(bytes *b) {
  const uint64_t sum = checksum(b->at, b->length - 8);
  for (int byte = 0; byte < 8; byte++)
    b->at[b->length - 8 + (size_t)byte] = (uint8_t)(sum >> (8 * byte));
}

static bytes of_pool(mm_pool *pool) {
  bytes b;
  CHECK_OK(mm_pool_serialize(pool, b.at, MM_DESCRIPTOR_MAX, &b.length));
  return b;
}

static bytes of_allocation(mm_pool *pool, const mm_allocation *allocation) {
  bytes b;
  CHECK_OK(mm_allocation_serialize(pool, allocation, b.at, MM_DESCRIPTOR_MAX, &b.length));
  return b;
}

/* Reads from a buffer of exactly that length, so that a sanitizer sees more. */
static int read_exactly(const bytes *b, mm_descriptor *descriptor) {
  uint8_t *exact = malloc(b->length != 0 ? b->length : 1);
  CHECK(exact != NULL);
  memcpy(exact, b->at, b->length);
  const int status = mm_descriptor_read(exact, b->length, descriptor);
  free(exact);
  return status;
}

static int try_attach(const bytes *b) {
  mm_pool *pool = NULL;
  const int status = mm_pool_attach(b->at, b->length, &pool);
  mm_pool_detach(pool);
  return status;
}

/* ---- Right ones ------------------------------------------------------------- */

static void what_is_written_is_read(void) {
  const char *name = unique_name();
  mm_pool *pool = new_pool_from(
      (mm_pool_options){.size = 65536, .name = name, .uid = 0x0123456789abcdefull});
  const mm_pool_info *info = mm_pool_describe(pool);
  mm_allocation made;
  CHECK_OK(mm_alloc(pool, 100, UINT32_MAX, &made));
  uint8_t host[16];
  CHECK_OK(mm_host_identity(host));
  const bytes both[] = {of_pool(pool), of_allocation(pool, &made)};
  for (int at = 0; at < 2; at++) {
    mm_descriptor descriptor;
    memset(&descriptor, 0xee, sizeof descriptor);
    CHECK(both[at].length < 100 || !mm__os_default_is_common());
    CHECK_OK(read_exactly(&both[at], &descriptor));
    CHECK(memcmp(descriptor.identity, info->identity, 16) == 0);
    CHECK(memcmp(descriptor.host, host, 16) == 0);
    CHECK(descriptor.uid == 0x0123456789abcdefull);
    CHECK(strcmp(descriptor.name, name) == 0);
    CHECK(strcmp(descriptor.directory, mm__os_default_directory()) == 0);
    CHECK_EQ(descriptor.id, at == 0 ? 0 : made.id);
    CHECK_EQ(descriptor.type, at == 0 ? 0 : UINT32_MAX);
    CHECK_OK(try_attach(&both[at])); /* either leads to the pool */
  }
  destroy_and_detach(pool);
}

static void longest_name(char name[MM_NAME_MAX + 1]) {
  snprintf(name, MM_NAME_MAX + 1, "%s", unique_name());
  memset(name + strlen(name), 'n', MM_NAME_MAX - strlen(name));
  name[MM_NAME_MAX] = 0;
}

static void the_longest_name_fits(void) {
  char name[MM_NAME_MAX + 1];
  longest_name(name);
  mm_pool *pool = new_pool_from((mm_pool_options){.size = 4096, .name = name});
  CHECK(of_pool(pool).length < 300 || !mm__os_default_is_common());
  destroy_and_detach(pool);
}

static void the_longest_directory_fits(void) {
  if (strcmp(mm__os_default_directory(), "/dev/shm") != 0)
    test_skip("here a directory's path cannot be made longer by slashes");
  char name[MM_NAME_MAX + 1];
  longest_name(name);
  /* The longest directory that is one: slashes count for nothing. */
  char directory[MM_DIRECTORY_MAX + 1];
  memset(directory, '/', MM_DIRECTORY_MAX);
  memcpy(directory + MM_DIRECTORY_MAX - 7, "dev/shm", 8);
  mm_pool *pool = new_pool_from(
      (mm_pool_options){.size = 4096, .name = name, .directory = directory});
  const mm_allocation made = must_alloc(pool, 1);
  const bytes longest = of_allocation(pool, &made);
  CHECK(longest.length <= MM_DESCRIPTOR_MAX);
  CHECK_OK(try_attach(&longest));
  destroy_and_detach(pool);
}

static void a_buffer_that_is_too_small_is_not_touched(void) {
  mm_pool *pool = new_pool(4096);
  const bytes whole = of_pool(pool);
  for (size_t capacity = 0; capacity < whole.length; capacity++) {
    uint8_t buffer[256];
    size_t length = 77;
    memset(buffer, 0xaa, sizeof buffer);
    CHECK_STATUS(mm_pool_serialize(pool, buffer, capacity, &length), MM_E_BUFFER);
    CHECK_EQ(length, 77);
    for (size_t at = 0; at < sizeof buffer; at++) CHECK_EQ(buffer[at], 0xaa);
  }
  destroy_and_detach(pool);
}

/* ---- Damaged ones ------------------------------------------------------------ */

static void must_be_refused(const bytes *b) {
  mm_descriptor descriptor;
  CHECK_STATUS(read_exactly(b, &descriptor), MM_E_DESCRIPTOR);
  CHECK_STATUS(try_attach(b), MM_E_DESCRIPTOR);
}

static void every_damage_is_noticed(void) {
  mm_pool *pool = new_pool(4096);
  const mm_allocation made = must_alloc(pool, 1);
  const bytes both[] = {of_pool(pool), of_allocation(pool, &made)};
  for (int at = 0; at < 2; at++) {
    const bytes good = both[at];
    bytes bad = good;
    for (bad.length = 0; bad.length < good.length; bad.length++) must_be_refused(&bad);
    for (size_t more = 1; more <= 64; more++) {
      bad = good;
      bad.length += more;
      memset(bad.at + good.length, more % 2 != 0 ? 0 : 0xff, more);
      must_be_refused(&bad);
    }
    for (size_t bit = 0; bit < 8 * good.length; bit++) {
      bad = good;
      bad.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
      must_be_refused(&bad);
    }
    for (size_t byte = 0; byte < good.length; byte++) {
      bad = good;
      bad.at[byte] = (uint8_t)~bad.at[byte];
      must_be_refused(&bad);
    }
  }
  mm_descriptor descriptor;
  CHECK_STATUS(mm_descriptor_read(NULL, 0, &descriptor), MM_E_DESCRIPTOR);
  CHECK_STATUS(mm_descriptor_read(NULL, 100, &descriptor), MM_E_DESCRIPTOR);
  destroy_and_detach(pool);
}

/* ---- Forged ones: the checksum is right --------------------------------------- */

static void forged_fields_are_refused(void) {
  mm_pool *pool = new_pool(4096);
  const mm_allocation made = must_alloc(pool, 1);
  mm_descriptor descriptor;
  bytes forged = of_pool(pool);
  forged.at[3] = '2'; /* another version */
  seal(&forged);
  CHECK_STATUS(read_exactly(&forged, &descriptor), MM_E_VERSION);
  CHECK_STATUS(try_attach(&forged), MM_E_VERSION);
  forged = of_pool(pool);
  forged.at[0] = 'X'; /* nothing of ours */
  seal(&forged);
  CHECK_STATUS(read_exactly(&forged, &descriptor), MM_E_DESCRIPTOR);
  forged = of_pool(pool);
  forged.at[4] ^= 1; /* another host */
  seal(&forged);
  CHECK_OK(read_exactly(&forged, &descriptor));
  CHECK_STATUS(try_attach(&forged), MM_E_NOT_LOCAL);
  forged = of_pool(pool);
  forged.at[20] ^= 1; /* another pool */
  seal(&forged);
  CHECK_STATUS(try_attach(&forged), MM_E_REPLACED);
  forged = of_allocation(pool, &made);
  memset(forged.at + 44, 0, 8); /* id 0 */
  seal(&forged);
  CHECK_STATUS(read_exactly(&forged, &descriptor), MM_E_DESCRIPTOR);

  /* Every length of name and directory but the right ones. */
  for (unsigned name_length = 0; name_length < 256; name_length++)
    for (unsigned directory_length = 0; directory_length < 65536; directory_length += 251) {
      forged = of_pool(pool);
      if (forged.at[44] == name_length && directory_length == 0) continue;
      forged.at[44] = (uint8_t)name_length;
      forged.at[45] = (uint8_t)directory_length;
      forged.at[46] = (uint8_t)(directory_length >> 8);
      seal(&forged);
      CHECK_STATUS(read_exactly(&forged, &descriptor), MM_E_DESCRIPTOR);
    }
  /* Names and directories that are none. */
  static const char names[5][4] = {"a/b", "..\\", "a b", "a\0b", "\x80xy"};
  for (int at = 0; at < 5; at++) {
    forged = of_pool(pool);
    memcpy(forged.at + 47, names[at], 3);
    seal(&forged);
    CHECK_STATUS(read_exactly(&forged, &descriptor), MM_E_DESCRIPTOR);
  }
  destroy_and_detach(pool);
}

/* Whatever a descriptor says, reading it stays within bounds, and what is read
 * is fit for use. */
static void random_contents_are_safe(void) {
  mm_pool *pool = new_pool(4096);
  const mm_allocation made = must_alloc(pool, 1);
  const bytes both[] = {of_pool(pool), of_allocation(pool, &made)};
  uint64_t chance = seed, accepted = 0;
  for (uint64_t input = 0; input < inputs; input++) {
    test_context("--seed %llu, input %llu", (unsigned long long)seed,
                 (unsigned long long)input);
    bytes b = both[input % 2];
    if (random_below(&chance, 8) == 0) {
      b.length = 8 + random_below(&chance, MM_DESCRIPTOR_MAX + 20);
      for (size_t at = 0; at < b.length; at++) b.at[at] = (uint8_t)random_next(&chance);
      if (random_below(&chance, 2) != 0) memcpy(b.at, both[input % 2].at, 4);
    } else if (random_below(&chance, 4) == 0) {
      b.length = 8 + random_below(&chance, b.length);
    }
    for (uint64_t hits = 1 + random_below(&chance, 6); hits > 0; hits--)
      b.at[random_below(&chance, b.length)] = (uint8_t)random_next(&chance);
    seal(&b);
    mm_descriptor descriptor;
    const int status = read_exactly(&b, &descriptor);
    CHECK(status == MM_OK || status == MM_E_DESCRIPTOR || status == MM_E_VERSION);
    if (status != MM_OK) continue;
    accepted++;
    CHECK(strnlen(descriptor.name, sizeof descriptor.name) - 1 < MM_NAME_MAX);
    CHECK(strchr(descriptor.name, '/') == NULL);
    CHECK(mm__os_is_absolute(descriptor.directory));
    CHECK(strnlen(descriptor.directory, sizeof descriptor.directory) <= MM_DIRECTORY_MAX);
    CHECK_EQ(descriptor.id == 0, b.at[2] == 'P');
    if (accepted % 50 != 0) continue;
    mm_pool *other = NULL;
    if (mm_pool_attach(b.at, b.length, &other) == MM_OK) {
      CHECK(memcmp(mm_pool_describe(other)->identity, mm_pool_describe(pool)->identity, 16) == 0);
      mm_pool_detach(other);
    }
  }
  CHECK(accepted > inputs / 100);
  destroy_and_detach(pool);
}

int main(int argc, char **argv) {
  seed = now_ms();
  const test_option options[] = {
      {"--inputs", &inputs, 0}, {"--seed", &seed, 0}, {NULL, NULL, 0}};
  harness_begin_with(argc, argv, options);
  printf("seed %llu, %llu random inputs\n", (unsigned long long)seed,
         (unsigned long long)inputs);
  test_case("descriptor: what is written is read", what_is_written_is_read);
  test_case("descriptor: the longest name fits", the_longest_name_fits);
  test_case("descriptor: the longest directory fits", the_longest_directory_fits);
  test_case("descriptor: a buffer that is too small is not touched",
            a_buffer_that_is_too_small_is_not_touched);
  test_case("descriptor: every damage is noticed", every_damage_is_noticed);
  test_case("descriptor: forged fields are refused", forged_fields_are_refused);
  test_case_within("descriptor: random contents are safe", random_contents_are_safe,
                   60 + (unsigned)(inputs / 20000));
  return harness_end();
}
