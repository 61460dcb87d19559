// Measuring in rounds that take turns: what slows the machine down for a while
// then slows down all that are compared.

/** One thing to measure: a call is one round, and answers the time in any unit. */
export type Round = () => number | Promise<number>;

/**
 * Runs all rounds in turns, after one of each that does not count.
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
  for (let time = -1; time < times; time++) {
    for (const [name, values] of entries) {
      const value = await rounds[name]();
      if (time >= 0) values.push(value);
    }
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
 * How many times as fast one thing is as another: the median of what each turn
 * says, which a machine that changes its speed disturbs less than a ratio of
 * two medians.
 */
export function speedup(
  times: readonly number[],
  ofOther: readonly number[],
): number {
  return median(times.map((time, turn) => ofOther[turn]! / time));
}
