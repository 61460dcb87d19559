// Measuring in rounds that take turns: what slows the machine down for a while
// then slows down all that are compared.

/** One thing to measure: a call is one round, and answers the time in any unit. */
export type Round = () => number | Promise<number>;

/**
 * Runs all rounds in turns. Each warms up by itself.
 *
 * @param rounds What to measure, by name.
 * @param times How often.
 * @returns What each round answered, by name.
 */
export async function takeTurns<Name extends string>(
  rounds: Record<Name, Round>,
  times: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(rounds) as Name[];
  const entries = names.map((name): [Name, number[]] => [name, []]);
  for (let time = 0; time < times; time++) {
    for (const [name, values] of entries) values.push(await rounds[name]());
  }
  return Object.fromEntries(entries) as Record<Name, number[]>;
}

/** The middle of the sorted values, or the mean of the two there. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/**
 * The median of what each turn says, which a machine that changes its speed
 * disturbs less than a ratio of two medians.
 */
export function medianRatio(
  values: readonly number[],
  toOther: readonly number[],
): number {
  return median(values.map((value, turn) => value / toOther[turn]!));
}

/** The value that this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}
