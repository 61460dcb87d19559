/* lock.c - see lock.h. */
#include "lock.h"

#include "managed_memory.h"
#include "os.h"
#include "shared.h"

#define SLEEPERS 1ull
#define SPINS 200

/* The first sleep is short: most owners are gone by then, and asking whether
 * one is alive costs a system call. */
#define FIRST_SLICE_NS 2000000ull
#define SLICE_NS 50000000ull

uint64_t mm__lock_word(uint32_t slot, uint32_t epoch) {
  return (uint64_t)epoch << 17 | (uint64_t)(slot + 1) << 1;
}

uint32_t mm__lock_slot(uint64_t word) {
  return (uint32_t)(word >> 1 & 0xffff) - 1;
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* The half of the lock that sleepers watch: the low one. */
static uint32_t *futex_of(uint64_t *lock) { return (uint32_t *)(void *)lock; }

static int take_slowly(uint64_t *lock, const mm__lock_user *user,
                       uint32_t milliseconds) {
  for (int spin = 0; spin < SPINS; spin++) {
    if (mm__load(lock) == 0 && mm__cas(lock, 0, user->word)) return MM_OK;
    pause_briefly();
  }

  const uint64_t give_up = mm__os_now() + (uint64_t)milliseconds * 1000000u;
  uint64_t slice = FIRST_SLICE_NS;
  for (;;) {
    uint64_t word = mm__load(lock);
    if (word == 0) {
      /* Others may sleep: whoever has slept wakes the next one. */
      if (mm__cas(lock, 0, user->word | SLEEPERS)) return MM_OK;
      continue;
    }
    const uint64_t asleep = word | SLEEPERS;
    if (word != asleep && !mm__cas(lock, word, asleep)) continue;

    const uint64_t now = mm__os_now();
    const uint64_t left = now < give_up ? give_up - now : 0;
    /* Not for nothing: a wake-up that came meanwhile would be lost to others. */
    if (left != 0)
      mm__os_wait(futex_of(lock), (uint32_t)asleep, slice < left ? slice : left);
    slice = SLICE_NS;

    word = mm__load(lock);
    if (word == asleep && !user->is_alive(user->context, mm__lock_slot(word)) &&
        mm__cas(lock, word, user->word | SLEEPERS))
      return MM__TAKEN_OVER;
    if (left == 0 && mm__load(lock) != 0) return MM_E_BUSY;
  }
}

int mm__lock_take(uint64_t *lock, const mm__lock_user *user,
                  uint32_t milliseconds) {
  if (mm__likely(mm__cas(lock, 0, user->word))) return MM_OK;
  return take_slowly(lock, user, milliseconds);
}

int mm__lock_inherit(uint64_t *lock, uint64_t word, uint32_t slot) {
  for (;;) {
    const uint64_t old = mm__load(lock);
    if (old == 0 || mm__lock_slot(old) != slot) return 0;
    if (mm__cas(lock, old, word | SLEEPERS)) return 1;
  }
}

void mm__lock_leave(uint64_t *lock) {
  const uint64_t word = __atomic_exchange_n(lock, 0, __ATOMIC_RELEASE);
  if (mm__unlikely(word & SLEEPERS)) mm__os_wake(futex_of(lock), 1);
}
