// Compares how many instructions the library needs for guard/native/workload.c with
// what was recorded. See README.md.
//
//   deno run -A guard/main.ts [--record]

import { ensureBuilt } from "../tools/build.ts";
import {
  type Build,
  countWork,
  type Measured,
  missingForCounting,
} from "./callgrind.ts";
import { toLine } from "../tools/counts.ts";
import {
  change,
  isAllowed,
  judgeWork,
  type Verdict,
  type Work,
} from "./verdict.ts";
import { PARTS } from "../tools/parts.ts";

const FILE = new URL("./recorded.json", import.meta.url);
const RECORD = "deno task guard --record";

/** What was counted on one architecture, and of which build. */
interface Baseline extends Build {
  readonly parts: Readonly<Record<string, Work>>;
}

/** By architecture. */
type Recorded = Readonly<Record<string, Baseline>>;

/** Why nothing can be compared here; undefined if it can. */
export async function missingForGuard(): Promise<string | undefined> {
  if ((await readRecorded())[Deno.build.arch] === undefined) {
    return `No counts are recorded for ${Deno.build.arch}: ${RECORD}`;
  }
  return await missingForCounting();
}

async function readRecorded(): Promise<Recorded> {
  return JSON.parse(await Deno.readTextFile(FILE));
}

async function record({ build, parts }: Measured): Promise<void> {
  const recorded: Recorded = {
    ...await readRecorded(),
    [Deno.build.arch]: { ...build, parts: Object.fromEntries(parts) },
  };
  await Deno.writeTextFile(FILE, JSON.stringify(recorded, null, 2) + "\n");
  console.log(`Recorded ${parts.size} parts for ${Deno.build.arch}`);
}

async function compare({ build, parts }: Measured): Promise<boolean> {
  const before = (await readRecorded())[Deno.build.arch]!;
  const names = new Set([...parts.keys(), ...Object.keys(before.parts)]);
  const verdicts: Verdict[] = [];
  console.log(row(HEADINGS));
  for (const name of names) {
    const [was, is] = [before.parts[name], parts.get(name)];
    const verdict = judgeWork(was, is);
    verdicts.push(verdict);
    console.log(row(cells(name, was, is, verdict)));
  }
  for (const key of ["zig", "target"] as const) {
    if (build[key] === before[key]) continue;
    console.log(`\nRecorded with ${before[key]}, built with ${build[key]}`);
  }
  const passed = verdicts.filter(isAllowed).length;
  const failed = verdicts.length - passed;
  if (failed > 0) console.log(`\nIf that must be so: ${RECORD}`);
  else if (verdicts.includes("better")) {
    console.log(`\nLess work than recorded. To keep it so: ${RECORD}`);
  }
  console.log(`\n${toLine({ passed, failed, skipped: 0 })}`);
  return failed === 0;
}

const HEADINGS = [
  "part",
  "operations",
  "instructions",
  "change",
  "atomics",
  "change",
  "system calls",
  "change",
  "verdict",
];

/** What the table shows for each operation. */
const MEASURES = ["instructions", "atomics", "systemCalls"] as const;

function cells(
  name: string,
  was: Work | undefined,
  is: Work | undefined,
  verdict: Verdict,
): string[] {
  const shown = is ?? was!;
  const measures = MEASURES.flatMap((measure) => [
    (shown[measure] / shown.operations).toFixed(2),
    was && is ? percent(change(was[measure], is[measure])) : "",
  ]);
  return [name, String(shown.operations), ...measures, verdict];
}

function row([part, ...rest]: string[]): string {
  const verdict = rest.pop();
  const widths = [10, 14, 10, 9, 10, 14, 10];
  const numbers = rest.map((cell, k) => cell.padStart(widths[k]!));
  return `${part!.padEnd(16)}${numbers.join("")}  ${verdict}`;
}

function percent(value: number): string {
  if (value === Infinity) return "new"; // there were none
  return `${value < 0 ? "" : "+"}${value.toFixed(1)} %`;
}

async function main(args: string[]): Promise<boolean> {
  const isRecording = args.includes("--record");
  const unknown = args.find((arg) => arg !== "--record");
  if (unknown !== undefined) throw new Error(`Unknown option "${unknown}"`);
  const missing = await (isRecording ? missingForCounting : missingForGuard)();
  if (missing !== undefined) throw new Error(missing);
  await ensureBuilt(PARTS.guard);
  const measured = await countWork();
  if (!isRecording) return await compare(measured);
  await record(measured);
  return true;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args) ? 0 : 1);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
