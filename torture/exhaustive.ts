// Kills and stops a process at every instruction of every operation: runs the
// cases of kill_test and stop_test (tests/native/), some at a time.

import { ensureBuilt } from "../tools/build.ts";
import { PARTS } from "../tools/parts.ts";
import { count } from "./counts.ts";
import type { ExhaustiveOptions } from "./options.ts";

const PROGRAMS = ["kill_test", "stop_test"];
const FOLDER = new URL(`../${PARTS.tests.folder}`, import.meta.url);

const CASE = /^case: (.+)$/;
const KILLS = /^kill points tried: (\d+), (\d+) of them in a recovery/;
const STOPS =
  /^stop points tried: (\d+), (\d+) of them inside a lock, (\d+) with others/;
/** Lines of a program's output that say nothing about its case. */
const FRAME = /^(?:seed \d+|\d+ passed, \d+ failed)$/;

/** One case of a test program. */
interface Case {
  readonly program: string;
  readonly name: string;
}

/** What all cases counted. */
interface Totals {
  cases: number;
  failures: number;
  skipped: number;
  kills: number;
  killsInRecovery: number;
  stops: number;
  stopsInLock: number;
  stopsBusy: number;
}

/**
 * Runs all cases, and shows what they print and counted.
 *
 * @param options Which, and how many at a time.
 * @param signal Ends it early.
 * @returns Whether there were any, and all passed.
 */
export async function runExhaustively(
  { jobs, everyBusy, names }: ExhaustiveOptions,
  signal: AbortSignal,
): Promise<boolean> {
  await ensureBuilt(PARTS.tests);
  const started = performance.now();
  const cases: Case[] = [];
  for (const program of PROGRAMS) {
    cases.push(...await casesOf(program, names));
  }
  const options = everyBusy ? ["--every-busy"] : [];
  const totals: Totals = {
    cases: 0,
    failures: 0,
    skipped: 0,
    kills: 0,
    killsInRecovery: 0,
    stops: 0,
    stopsInLock: 0,
    stopsBusy: 0,
  };
  const work = async () => {
    for (let next; (next = cases.shift()) && !signal.aborted;) {
      const more = next.program === "stop_test" ? options : [];
      await runCase(next, more, signal, totals);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(summaryOf(totals, (performance.now() - started) / 1000));
  if (signal.aborted) console.log("ended early");
  return totals.cases > 0 && totals.failures === 0 && !signal.aborted;
}

async function casesOf(
  program: string,
  names: readonly string[],
): Promise<Case[]> {
  const { lines, success, reason } = await run(program, ["--list", ...names]);
  if (!success) throw new Error(`Cannot list the cases: ${program} ${reason}`);
  const cases = lines.map((line) => CASE.exec(line)?.[1])
    .filter((name) => name !== undefined)
    .map((name) => ({ program, name }));
  // Where instructions cannot be counted there are none, and the program says so.
  if (cases.length === 0) {
    for (const line of lines) {
      if (line.startsWith("skipped")) console.log(`${program} ${line}`);
    }
  }
  return cases;
}

async function runCase(
  { program, name }: Case,
  more: string[],
  signal: AbortSignal,
  totals: Totals,
): Promise<void> {
  const { lines, success, reason } = await run(
    program,
    ["--exhaustive", ...more, "--only", name],
    signal,
  );
  totals.cases++;
  for (const line of lines) {
    const kills = KILLS.exec(line)?.slice(1).map(Number);
    const stops = STOPS.exec(line)?.slice(1).map(Number);
    if (kills !== undefined) {
      totals.kills += kills[0]!;
      totals.killsInRecovery += kills[1]!;
    } else if (stops !== undefined) {
      totals.stops += stops[0]!;
      totals.stopsInLock += stops[1]!;
      totals.stopsBusy += stops[2]!;
    } else if (!FRAME.test(line)) {
      console.log(line);
    }
    if (line.startsWith(`${name} ... skipped`)) totals.skipped++;
  }
  if (success) return;
  totals.failures++;
  console.log(`${program} ${reason} in "${name}"`);
}

/** Runs a test program; it cleans up after itself when it is ended early. */
async function run(
  program: string,
  args: string[],
  signal?: AbortSignal,
): Promise<{ lines: string[]; success: boolean; reason: string }> {
  const end = await new Deno.Command(new URL(program, FOLDER), {
    args,
    stdin: "null",
    stderr: "inherit",
    ...(signal === undefined ? {} : { signal }),
  }).output();
  return {
    lines: new TextDecoder().decode(end.stdout).trimEnd().split("\n"),
    success: end.success,
    reason: `ended with ${end.signal ?? `code ${end.code}`}`,
  };
}

function summaryOf(totals: Totals, seconds: number): string {
  return [
    `kill points       ${count(totals.kills)}, of those ` +
    `${count(totals.killsInRecovery)} in a recovery`,
    `stop points       ${count(totals.stops)}, of those ` +
    `${count(totals.stopsInLock)} inside a lock, ` +
    `${count(totals.stopsBusy)} with others waiting for it`,
    `cases             ${count(totals.cases)}, of those ` +
    `${count(totals.skipped)} skipped`,
    `time              ${seconds.toFixed(1)} s`,
    `failures          ${count(totals.failures)}`,
  ].join("\n");
}
