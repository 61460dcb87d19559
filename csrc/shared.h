/* shared.h - reading and writing memory that other processes change.
 *
 * Every access to a pool's bytes goes through these, so that each value is
 * read exactly once (a compiler may otherwise read it again after it was
 * checked) and stores appear in program order to whoever reads after a kill.
 */
#ifndef MM_SHARED_H
#define MM_SHARED_H

#include <stdint.h>

/* Plain order: for what the lock protects, and for hints. */
#define mm__load(place) __atomic_load_n((place), __ATOMIC_RELAXED)
#define mm__store(place, value) __atomic_store_n((place), (value), __ATOMIC_RELAXED)

/* For truth, and for whatever publishes other fields. */
#define mm__load_acquire(place) __atomic_load_n((place), __ATOMIC_ACQUIRE)
#define mm__store_release(place, value) \
  __atomic_store_n((place), (value), __ATOMIC_RELEASE)

#define mm__fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define mm__fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)

/* After a compare-and-swap: what is loaded from here on is read after it. */
#if defined(__x86_64__) || defined(__i386__)
#define mm__fence_after_cas() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#else
#define mm__fence_after_cas() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* Replaces *place by `next` if it is `expected`; 1 if it did. */
#define mm__cas(place, expected, next)                                       \
  __extension__({                                                            \
    __typeof__(*(place)) mm__expected = (expected);                          \
    __atomic_compare_exchange_n((place), &mm__expected, (next), 0,           \
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);         \
  })

/* Begins to fetch the line of a place that will soon be written to: another core may
 * have it. */
#if defined(__x86_64__)
#define mm__fetch_to_write(place) __asm__ volatile("prefetchw %0" : : "m"(*(place)))
#else
#define mm__fetch_to_write(place) __builtin_prefetch((place), 1)
#endif

#define mm__likely(condition) __builtin_expect(!!(condition), 1)
#define mm__unlikely(condition) __builtin_expect(!!(condition), 0)

/* Internal assertions: programming errors, never bad input or bad bytes. */
#if defined(MM_ASSERT) && MM_ASSERT
#include <stdlib.h>
#define mm__assert(condition) ((condition) ? (void)0 : abort())
#else
#define mm__assert(condition) ((void)0)
#endif

#endif
