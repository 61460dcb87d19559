// What a run leaves: results.json and a chart.

import { toChart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Row, Series } from "./row.ts";

/** The content of results.json. */
export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  /** Whether less was measured than in a full run. */
  readonly isQuick: boolean;
  readonly sections: readonly string[];
  readonly rows: readonly Row[];
  /** Everything behind the rows. */
  readonly figures: Readonly<Record<string, Series>>;
  /** What changed in the course of long runs, by section. */
  readonly courses: Readonly<Record<string, unknown>>;
}

/** Where results go. */
export interface Places {
  readonly results: URL;
  readonly chart: URL;
}

/** Writes both files. */
export async function writeResults(
  results: Results,
  { results: resultsFile, chart }: Places,
): Promise<void> {
  for (const file of [resultsFile, chart]) {
    await Deno.mkdir(new URL("./", file), { recursive: true });
  }
  await Deno.writeTextFile(resultsFile, toJson(results));
  await Deno.writeTextFile(chart, toChart(results));
}

/** Numbers to as many digits as mean something, and lists of them in one line. */
function toJson(results: Results): string {
  const text = JSON.stringify(
    results,
    (_, value) =>
      typeof value === "number" && !Number.isInteger(value)
        ? Number(value.toPrecision(6))
        : value,
    2,
  );
  const lists = /\[[\s\d.,eE+-]+\]/g;
  return text.replaceAll(lists, (list) => list.replaceAll(/\s+/g, " ")) + "\n";
}
