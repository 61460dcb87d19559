// Random numbers that a seed decides.

export class Dice {
  #state: number;

  constructor(seed: bigint) {
    this.#state = Number((seed ^ seed >> 32n) & 0xffffffffn) | 0;
  }

  /** A whole number from 0 to 2^32 - 1. */
  roll(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let value = this.#state;
    value = Math.imul(value ^ value >>> 16, 0x21f0aaad);
    value = Math.imul(value ^ value >>> 15, 0x735a2d97);
    return (value ^ value >>> 15) >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return this.roll() % limit;
  }

  /** True in `chance` per cent of all calls. */
  percent(chance: number): boolean {
    return this.below(100) < chance;
  }
}
