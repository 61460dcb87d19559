// What the parts of the suite have in common: each measures a few rows.

import type { PeerName, Peers } from "./peers.ts";
import type { Program } from "./programs.ts";
import { type Round, takeTurns } from "./rounds.ts";
import type { Row, Series, Unit } from "./row.ts";

/** What a section is told. */
export interface Context {
  /** How often everything is measured. */
  readonly rounds: number;
  /** Whether to be done in seconds: with less of everything, and so less exactly. */
  readonly isQuick: boolean;
  readonly peers: Peers;
}

/** What a section measured. */
export interface Section {
  readonly rows: readonly Row[];
  /** Everything behind the rows, by name. */
  readonly figures: Readonly<Record<string, Series>>;
  /** What changes in the course of a long run, as its program prints it. */
  readonly course?: unknown;
}

/** One thing to measure; without a round it is not here. */
export interface Measure {
  readonly unit: Unit;
  readonly round: Round | undefined;
}

/** A measure of a program, in nanoseconds. */
export function timed(program: Program | undefined, name: string): Measure {
  return {
    unit: "ns",
    round: program && (() => program.measure(name)),
  };
}

/** A measure of a peer, in nanoseconds. */
export async function timedPeer(
  { peers }: Context,
  peer: PeerName,
  name: string,
): Promise<Measure> {
  return timed(await peers.get(peer), name);
}

/** Measures in turns; undefined for what is not here. */
export async function measureInTurns<Name extends string>(
  measures: Record<Name, Measure>,
  times: number,
): Promise<Record<Name, Series | undefined>> {
  const all = Object.entries(measures) as [Name, Measure][];
  const here: Partial<Record<Name, Round>> = {};
  for (const [name, { round }] of all) {
    if (round !== undefined) here[name] = round;
  }
  const values = await takeTurns(here as Record<Name, Round>, times);
  const series = all.map(([name, { unit }]) => [
    name,
    name in here ? { unit, values: values[name] } : undefined,
  ]);
  return Object.fromEntries(series);
}

/** Those that are here, with a prefix to their names. */
export function figuresOf(
  prefix: string,
  series: Readonly<Record<string, Series | undefined>>,
): Record<string, Series> {
  const figures: Record<string, Series> = {};
  for (const [name, one] of Object.entries(series)) {
    if (one !== undefined) figures[prefix + name] = one;
  }
  return figures;
}
