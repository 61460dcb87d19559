// Ids of allocations: 64 bits, which the native library takes and gives as two
// halves that JavaScript keeps as small integers.

const wide = new BigUint64Array(1);
const halves = new Int32Array(wide.buffer);

/** The id of two halves. */
export function idOf(low: number, high: number): bigint {
  halves[0] = low;
  halves[1] = high;
  return wide[0]!;
}

/** Low half of an id in [0, 2^64). */
export function lowHalf(id: bigint): number {
  wide[0] = id;
  return halves[0]!;
}

/** High half of an id in [0, 2^64). */
export function highHalf(id: bigint): number {
  wide[0] = id;
  return halves[1]!;
}
