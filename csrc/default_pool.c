/* default_pool.c - the pool that a process was given by its environment. */
#include <errno.h>
#include <string.h>

#include "managed_memory.h"
#include "os.h"

/* The value of a base64 character; -1: it is none. */
static int value_of(char character) {
  if (character >= 'A' && character <= 'Z') return character - 'A';
  if (character >= 'a' && character <= 'z') return character - 'a' + 26;
  if (character >= '0' && character <= '9') return character - '0' + 52;
  if (character == '+') return 62;
  return character == '/' ? 63 : -1;
}

int mm_default_pool(void *descriptor, size_t capacity, size_t *length) {
  char value[MM_DESCRIPTOR_MAX / 3 * 4 + 8]; /* longer ones are no descriptors */
  const char *text = value;
  const int error =
      mm__os_environment(MM_DEFAULT_POOL_VARIABLE, value, sizeof value);
  if (error == -ENOSPC) return MM_E_DESCRIPTOR;
  if (error != 0 || *text == 0) return MM_E_NO_DEFAULT;
  uint8_t *bytes = descriptor;
  size_t written = 0;
  uint32_t bits = 0, held = 0;
  for (; *text != 0 && *text != '='; text++) {
    const int six = value_of(*text);
    if (six < 0) return MM_E_DESCRIPTOR;
    held = held << 6 | (uint32_t)six;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    if (written == MM_DESCRIPTOR_MAX) return MM_E_DESCRIPTOR;
    if (written == capacity) return MM_E_BUFFER;
    bytes[written++] = (uint8_t)(held >> bits);
    held &= (1u << bits) - 1;
  }
  /* As it is written: padded, or not at all; without bits that mean nothing. */
  if (bits >= 6 || held != 0 || strspn(text, "=") > 2 ||
      text[strspn(text, "=")] != 0)
    return MM_E_DESCRIPTOR;
  *length = written;
  return MM_OK;
}
