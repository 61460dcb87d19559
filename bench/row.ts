// A row of the table: what was measured, beside what, and what was promised.
// Knows nothing of how anything is measured.

import { median, medianRatio } from "./rounds.ts";

export type Unit = "ns" | "µs" | "ms" | "B" | "KiB" | "%";

/** All values of one measure, in the order of the rounds. */
export interface Series {
  readonly unit: Unit;
  readonly values: readonly number[];
}

export interface Limit {
  readonly is: "at most" | "at least" | "under";
  readonly value: number;
}

export interface Row {
  /** What was done, and in which language. */
  readonly work: string;
  /** Null if it could not be measured here. */
  readonly value: number | null;
  readonly unit: Unit;
  /** What it is compared with, and the value of that; null if that is not here. */
  readonly other?: { readonly name: string; readonly value: number | null };
  /** Of the two values, as the target is put. */
  readonly ratio?: number | null;
  /** `time`: value by other's. `speed`: the reverse, how many times as fast. */
  readonly ratioOf?: "time" | "speed";
  /** For the ratio, or for the value if there is none. */
  readonly target?: Limit;
  /** Null without a target, or if there was nothing to compare with. */
  readonly isMet: boolean | null;
}

/** What a row is made from; `other.series` is undefined if it is not here. */
export interface Comparison {
  readonly work: string;
  readonly own: Series | undefined;
  readonly other: {
    readonly name: string;
    readonly series: Series | undefined;
  };
  readonly target?: Limit;
}

/** A row that tells how many times the other's time something takes. */
export function timeBeside(comparison: Comparison): Row {
  return beside(comparison, "time");
}

/** A row that tells how many times as fast as the other something is. */
export function speedBeside(comparison: Comparison): Row {
  return beside(comparison, "speed");
}

/** A row whose value stands by itself. */
export function alone(
  work: string,
  series: Series | undefined,
  target?: Limit,
): Row {
  return judged({ work, ...summaryOf(series) }, target);
}

/** A row of values that are not those of one series. */
export function judged(row: Omit<Row, "isMet">, target?: Limit): Row {
  if (target === undefined) return { ...row, isMet: null };
  const value = row.ratio === undefined ? row.value : row.ratio;
  return {
    ...row,
    target,
    isMet: value === null ? null : keeps(value, target),
  };
}

function beside(
  { work, own, other, target }: Comparison,
  ratioOf: "time" | "speed",
): Row {
  const both = own !== undefined && other.series !== undefined;
  const [over, under] = ratioOf === "time"
    ? [own, other.series]
    : [other.series, own];
  return judged({
    work,
    ...summaryOf(own),
    other: { name: other.name, value: summaryOf(other.series).value },
    ratio: both ? medianRatio(over!.values, under!.values) : null,
    ratioOf,
  }, target);
}

function summaryOf(
  series: Series | undefined,
): { value: number | null; unit: Unit } {
  if (series === undefined) return { value: null, unit: "ns" };
  return { value: median(series.values), unit: series.unit };
}

function keeps(value: number, { is, value: limit }: Limit): boolean {
  if (is === "at least") return value >= limit;
  return is === "at most" ? value <= limit : value < limit;
}
