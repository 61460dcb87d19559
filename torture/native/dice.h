/* dice.h - random numbers that a seed decides (SplitMix64). */
#ifndef DICE_H
#define DICE_H

#include <stdint.h>

typedef struct dice {
  uint64_t state;
} dice;

static inline uint64_t dice_mix(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ value >> 27) * 0x94d049bb133111ebull;
  return value ^ value >> 31;
}

static inline uint64_t dice_roll(dice *dice) {
  return dice_mix(dice->state += 0x9e3779b97f4a7c15ull);
}

/* From 0 to `limit` - 1. */
static inline uint64_t dice_below(dice *dice, uint64_t limit) {
  return dice_roll(dice) % limit;
}

/* 1 in `chance` per cent of all rolls. */
static inline int dice_percent(dice *dice, unsigned chance) {
  return dice_below(dice, 100) < chance;
}

/* A seed for the `number`th stream of its own. */
static inline uint64_t dice_stream(uint64_t seed, uint64_t number) {
  return dice_mix(seed ^ dice_mix(number + 1));
}

#endif
