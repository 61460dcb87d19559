/* janitor.c - see janitor.h. */
#include "janitor.h"

#include "payload.h"

#define PORTION 128u
#define OWNERS_MAX 1024u

/* Processes that left an unfinished allocation, in this sweep. */
typedef struct owners {
  uint32_t count;
  uint32_t pid[OWNERS_MAX];
} owners;

static void note_unfinished(warden *warden, owners *owners, uint32_t pid) {
  warden->report.unfinished++;
  for (uint32_t at = 0; at < owners->count; at++)
    if (owners->pid[at] == pid) {
      report_violation(&warden->report,
                       "process %u left more than one unfinished payload", pid);
      return;
    }
  if (owners->count < OWNERS_MAX) owners->pid[owners->count++] = pid;
}

/* PAYLOAD_*, or PAYLOAD_OK for what bears none or was freed meanwhile. */
static int judge(warden *warden, const mm_allocation *allocation) {
  if (allocation->type != PAYLOAD_TYPE) return PAYLOAD_OK;
  const int payload =
      payload_read(mm_address(warden->pool, allocation), allocation);
  mm_allocation found;
  return mm_find(warden->pool, allocation->id, &found) == MM_OK ? payload
                                                                : PAYLOAD_OK;
}

static void verify_orphan(warden *warden, const mm_allocation *allocation,
                          uint32_t pid, owners *owners) {
  switch (judge(warden, allocation)) {
    case PAYLOAD_UNFINISHED: note_unfinished(warden, owners, pid); break;
    case PAYLOAD_FOREIGN:
      report_violation(&warden->report, "foreign byte in %llx of the dead",
                       (unsigned long long)allocation->id);
      break;
  }
}

/* Owned by somebody who lives, but who does not hold it any more. */
static void clear_passed(warden *warden, const mm_allocation *allocation) {
  if (allocation->type != PAYLOAD_TYPE ||
      judge(warden, allocation) != PAYLOAD_OK)
    report_violation(&warden->report, "leak: nobody answers for %llx",
                     (unsigned long long)allocation->id);
  const int status = mm_free(warden->pool, allocation->id);
  if (status != MM_OK)
    report_violation(&warden->report, "mm_free of the janitor: %s",
                     mm_strerror(status));
}

/* Verifies what the dead have left; frees what the living have lost, if asked. */
static void look_through(warden *warden, int clears) {
  owners owners;
  owners.count = 0;
  mm_allocation entries[PORTION];
  uint64_t cursor = 0;
  size_t count = 0;
  do {
    const int status = mm_list(warden->pool, &cursor, MM_ANY_TYPE, entries,
                               PORTION, &count);
    if (status != MM_OK)
      report_violation(&warden->report, "mm_list of the janitor: %s",
                       mm_strerror(status));
    for (size_t at = 0; at < count; at++) {
      mm_owner owner;
      mm_allocation entry; /* its owner may have resized it since it was listed */
      if (entries[at].id == warden->reserve ||
          mm_owner_of(warden->pool, entries[at].id, &owner) != MM_OK ||
          mm_find(warden->pool, entries[at].id, &entry) != MM_OK)
        continue;
      if (!owner.is_alive)
        verify_orphan(warden, &entry, owner.pid, &owners);
      else if (clears)
        clear_passed(warden, &entry);
    }
  } while (count != 0);
}

static void reclaim(warden *warden) {
  mm_reclaimed reclaimed;
  const int status = mm_reclaim(warden->pool, &reclaimed);
  warden->report.reclaimed += reclaimed.allocations;
  if (status != MM_OK && status != MM_E_BUSY)
    report_violation(&warden->report, "mm_reclaim: %s", mm_strerror(status));
}

void janitor_sweep(warden *warden) {
  look_through(warden, 0);
  reclaim(warden);
}

void janitor_clear(warden *warden) {
  look_through(warden, 1);
  reclaim(warden);
}
