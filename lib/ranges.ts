// Which bytes a range of fill() means. Knows nothing of pools.

/**
 * What of `size` bytes lies from `start` to `end`, as TypedArray.fill() has it:
 * negative ones count from the end, fractions are cut off, and what lies outside
 * is left out.
 */
export function fillRange(
  start: number,
  end: number,
  size: number,
): { from: number; length: number } {
  const from = clamp(start, size);
  return { from, length: Math.max(clamp(end, size) - from, 0) };
}

function clamp(index: number, size: number): number {
  const whole = Math.trunc(index) || 0; // NaN and -0 are 0
  return whole < 0 ? Math.max(size + whole, 0) : Math.min(whole, size);
}
