// The benchmark suite: measures everything side by side, prints a table with the
// targets, and writes results.json and a chart. README.md says what the rows mean.
//
//   deno task bench [--quick] [--check] [--rounds N] [--output FOLDER] [SECTION...]

import { isBusy, thisMachine } from "./machine.ts";
import { type Options, readOptions } from "./options.ts";
import { Peers } from "./peers.ts";
import { type Places, type Results, writeResults } from "./results.ts";
import { measureBaseline } from "./rows/baseline.ts";
import { measureCreation } from "./rows/creation.ts";
import { measureFill } from "./rows/fill.ts";
import { measureHand } from "./rows/hand.ts";
import { measureLive } from "./rows/live.ts";
import { measureModule } from "./rows/module.ts";
import { measureNative } from "./rows/native.ts";
import { measureProcesses } from "./rows/processes.ts";
import { measureResume } from "./rows/resume.ts";
import type { Context, Section } from "./section.ts";
import { toTable } from "./table.ts";

const SECTIONS: Record<string, (context: Context) => Promise<Section>> = {
  native: measureNative,
  processes: measureProcesses,
  module: measureModule,
  resume: measureResume,
  creation: measureCreation,
  live: measureLive,
  fill: measureFill,
  hand: measureHand,
  baseline: measureBaseline,
};
/** What runs if no section is named. The baseline is made of the others' rows. */
const USUAL = Object.keys(SECTIONS).filter((name) => name !== "baseline");

const ROOT = new URL("../", import.meta.url);
const KEPT: Places = {
  results: new URL("bench/results.json", ROOT),
  chart: new URL("docs/benchmarks.svg", ROOT),
};
const PASSING = new URL("zig-out/bench/", ROOT);

/** Only a full run replaces what the repository shows. */
function placesOf({ output, isQuick, sections }: Options): Places {
  const isFull = !isQuick && sections === USUAL;
  if (output === undefined && isFull) return KEPT;
  const folder = output === undefined
    ? PASSING
    : new URL(`${output}/`, `file://${Deno.cwd()}/`);
  return {
    results: new URL("results.json", folder),
    chart: new URL("benchmarks.svg", folder),
  };
}

async function measure(options: Options): Promise<Results> {
  const { rounds, isQuick, sections } = options;
  const context = { rounds, isQuick, peers: new Peers({ isQuick }) };
  const machine = thisMachine();
  if (isBusy(machine)) {
    console.error(
      `This machine is busy (load ${
        machine.load.toFixed(1)
      }): figures will be worse than the truth`,
    );
  }
  const measured = new Map<string, Section>();
  for (const name of sections) {
    console.error(`Measuring: ${name}`);
    measured.set(name, await SECTIONS[name]!(context));
  }
  const all = [...measured.values()];
  const courses = [...measured].filter(([, { course }]) => course)
    .map(([name, { course }]) => [name, course]);
  return {
    date: new Date().toISOString(),
    machine,
    rounds,
    isQuick,
    sections,
    rows: all.flatMap(({ rows }) => rows),
    figures: Object.assign({}, ...all.map(({ figures }) => figures)),
    courses: Object.fromEntries(courses),
  };
}

/** Whether no target was missed. */
async function main(args: readonly string[]): Promise<boolean> {
  const options = readOptions(args, Object.keys(SECTIONS), USUAL);
  const results = await measure(options);
  const { cores, cpu, kernel, deno, hugePages, load } = results.machine;
  console.log(
    `${cores} cores, ${cpu}, Linux ${kernel}, Deno ${deno}, ` +
      `huge pages for shared memory: ${hugePages}, ` +
      `load before: ${load.toFixed(1)}; ` +
      `medians of ${results.rounds} interleaved rounds\n`,
  );
  console.log(toTable(results.rows));
  const places = placesOf(options);
  await writeResults(results, places);
  console.error(
    `\nWritten: ${Object.values(places).map(({ pathname }) => pathname)}`,
  );
  const isMissed = results.rows.some(({ isMet }) => isMet === false);
  return !(options.isCheck && isMissed);
}

if (import.meta.main) {
  try {
    if (!(await main(Deno.args))) Deno.exit(1);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
