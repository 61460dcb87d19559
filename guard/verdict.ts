// What is too much more work than before. Knows nothing of how it was counted.

/** What the library did for a part of the workload. */
export interface Work {
  /** Calls, or pairs of them, that the part consists of. */
  readonly operations: number;
  /** Instructions of the library, without those of libc and the kernel. */
  readonly instructions: number;
  /** Those of them that lock a cache line, which cost as much as dozens. */
  readonly atomics: number;
  /** System calls, reading the clock among them. */
  readonly systemCalls: number;
}

/** How a part compares with what was recorded. */
export type Verdict =
  | "same"
  | "better"
  | "worse"
  | "other work"
  | "not recorded"
  | "gone";

/** A change by more is reported: percent of what was recorded. */
const TOLERANCE = 5;

/** Judges a part by what was recorded and what was counted now. */
export function judgeWork(
  recorded: Work | undefined,
  now: Work | undefined,
): Verdict {
  if (now === undefined) return "gone";
  if (recorded === undefined) return "not recorded";
  if (recorded.operations !== now.operations) return "other work";
  const changes = [
    change(recorded.instructions, now.instructions),
    change(recorded.atomics, now.atomics),
    change(recorded.systemCalls, now.systemCalls),
  ];
  if (changes.some((percent) => percent > TOLERANCE)) return "worse";
  if (changes.some((percent) => percent < -TOLERANCE)) return "better";
  return "same";
}

/** By how many percent of `before` it has become more; below 0 if less. */
export function change(before: number, now: number): number {
  return before === now ? 0 : 100 * (now - before) / before;
}

/** Whether the guard lets it pass. */
export function isAllowed(verdict: Verdict): boolean {
  return verdict === "same" || verdict === "better";
}
