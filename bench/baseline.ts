// What must hold from the start, measured in one run on this machine: times as
// ratios, side by side with Boost.Interprocess, and memory. Prints a table and
// ends with code 1 if a target is missed.
//
//   deno task baseline [ROUNDS]

import { ownProgram, peerProgram } from "./peers.ts";
import { createPoolAndFile, GIB, MIB } from "./pools.ts";
import { median, speedup, takeTurns } from "./rounds.ts";

const ROUNDS = 25;
const ROUNDS_MIN = 5;
const SIZE = 512;

/**
 * So many that they take whole steps of what a pool commits at a time, 2 MiB of
 * data and 64 KiB of records: what is committed for allocations to come is not
 * counted with those that are there.
 */
const ALLOCATIONS = 50 * MIB / SIZE;

/** A line of the table. */
interface Row {
  readonly work: string;
  readonly result: string;
  readonly comparison: string;
  readonly target: string;
  /** Undefined where there is no target, or nothing to compare with. */
  readonly isMet: boolean | undefined;
}

/** Nanoseconds of an allocation and its free, in a process of its own. */
async function pair(): Promise<number> {
  const script = new URL("pair.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", script],
    stderr: "inherit",
  });
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`Cannot measure with ${script}`);
  return Number(new TextDecoder().decode(stdout));
}

/** Milliseconds that it takes to create a pool of 1 GiB. */
function create(): number {
  const start = performance.now();
  const { pool, file } = createPoolAndFile(GIB);
  const time = performance.now() - start;
  file.close();
  pool.detach();
  return time;
}

async function measureTimes(rounds: number): Promise<Row[]> {
  const library = ownProgram();
  const boost = await peerProgram("boost");
  const isAlone = typeof boost === "string";
  if (isAlone) console.log(`Boost.Interprocess is skipped: ${boost}\n`);
  const times = await takeTurns({
    typescript: pair,
    boost: () => isAlone ? NaN : boost.measure("pair"),
    c: () => library.measure("pair"),
    create,
    createInC: () => library.measure("create"),
  }, rounds);

  const compare = (
    own: number[],
    least?: number,
  ): Pick<Row, "comparison" | "isMet"> => {
    if (isAlone) return { comparison: "", isMet: undefined };
    const ratio = speedup(own, times.boost);
    return {
      comparison: `${ratio.toFixed(2)} x as fast as Boost in C++, ${
        nanoseconds(times.boost)
      }`,
      isMet: least === undefined ? undefined : ratio >= least,
    };
  };
  return [{
    work: "TypeScript: alloc + free of 512 B",
    result: nanoseconds(times.typescript),
    target: "at least 1.5 x",
    ...compare(times.typescript, 1.5),
  }, {
    work: "C: alloc + free of 512 B",
    result: nanoseconds(times.c),
    target: "",
    ...compare(times.c),
  }, {
    work: "TypeScript: creating a pool of 1 GiB",
    result: `${median(times.create).toFixed(2)} ms`,
    comparison: `C: ${(median(times.createInC) / 1000).toFixed(2)} ms`,
    target: "under 2 ms",
    isMet: median(times.create) < 2,
  }];
}

function measureMemory(): Row[] {
  const created = createPoolAndFile(GIB);
  using pool = created.pool;
  using file = created.file;
  // On Linux there is always a number of blocks; they are of 512 bytes.
  const used = () => file.statSync().blocks! * 512;
  const empty = used();
  for (let made = 0; made < ALLOCATIONS; made++) pool.alloc(SIZE);
  const overhead = (used() - empty) / ALLOCATIONS - SIZE;
  return [{
    work: "an empty pool of 1 GiB",
    result: `${empty / 1024} KiB`,
    comparison: "",
    target: "at most 256 KiB",
    isMet: empty <= 256 * 1024,
  }, {
    work: `${ALLOCATIONS.toLocaleString("en")} live allocations of 512 B`,
    result: `${overhead.toFixed(1)} B`,
    comparison: "each, on top of its data",
    target: "at most 64 B",
    isMet: overhead <= 64,
  }];
}

function nanoseconds(times: readonly number[]): string {
  return `${median(times).toFixed(1)} ns`;
}

function printTable(rows: readonly Row[]): void {
  const cells = rows.map(({ work, result, comparison, target, isMet }) => {
    return [work, result, comparison, target, target && verdictOn(isMet)];
  });
  const lines = [["work", "result", "", "target", ""], ...cells];
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  for (const line of lines) {
    const text = line.map((cell, column) => cell.padEnd(widths[column]!));
    console.log(text.join("  ").trimEnd());
  }
}

function verdictOn(isMet: boolean | undefined): string {
  if (isMet === undefined) return "skipped";
  return isMet ? "met" : "MISSED";
}

function parseRounds(text: string | undefined): number {
  if (text === undefined) return ROUNDS;
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= ROUNDS_MIN) return rounds;
  throw new Error(`ROUNDS must be a whole number of at least ${ROUNDS_MIN}`);
}

/** Whether no target was missed. */
async function main(): Promise<boolean> {
  const rounds = parseRounds(Deno.args[0]);
  const { hardwareConcurrency: cores } = navigator;
  console.log(
    `${cores} cores, ${Deno.build.target}, Deno ${Deno.version.deno}; ` +
      `times are medians of ${rounds} interleaved rounds\n`,
  );
  const rows = [...await measureTimes(rounds), ...measureMemory()];
  printTable(rows);
  return rows.every(({ isMet }) => isMet !== false);
}

if (import.meta.main) {
  try {
    if (!(await main())) Deno.exit(1);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
