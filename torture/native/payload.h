/* payload.h - what is written into allocations, so that any reader can tell
 * whether it is whole, without other knowledge.
 *
 *   word 0   PAYLOAD_WHOLE ^ id, stored last: no other allocation's is the same
 *   word 1   id
 *   word 2   size in bytes
 *   word 3   stamp: nonce of the maker << 32 | its cell << 24 | counter
 *   then     32-bit words of a sequence that the stamp begins; the last may be
 *            cut short
 *
 * torture/payload.ts writes and reads the same.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "managed_memory.h"

#define PAYLOAD_HEADER 32u /* bytes; what is smaller bears no payload */
#define PAYLOAD_WHOLE 0x5741524445443031ull
#define PAYLOAD_TYPE 4711u /* of allocations that bear one */

enum {
  PAYLOAD_OK,
  PAYLOAD_UNFINISHED, /* its maker died, or is still writing */
  PAYLOAD_FOREIGN,    /* holds what its maker has not written */
};

void payload_write(void *bytes, const mm_allocation *allocation, uint64_t stamp);

int payload_read(const void *bytes, const mm_allocation *allocation);

/* Makes it unfinished, until it is written anew. */
void payload_begin_change(void *bytes);

/* 1 if the first `size` bytes of an unfinished payload, at least its header, are
 * as they were written. */
int payload_begins(const void *bytes, const mm_allocation *allocation,
                   uint64_t size);

/* The stamp of a payload. */
uint64_t payload_stamp(const void *bytes);

#endif
