// Runs the guard's workload under valgrind's callgrind, and reads what it
// counted. Knows nothing of what was counted before.

import type { Work } from "./verdict.ts";
import { ownDirectory } from "../tools/own_directory.ts";
import { PARTS } from "../tools/parts.ts";

const FOLDER = new URL(`../${PARTS.guard.folder}`, import.meta.url);
/** Only its instructions count: libc's are other ones on every machine. */
const LIBRARY = "libmanaged_memory.so";
const PROGRAM = "workload";

const CALLGRIND = [
  "--tool=callgrind",
  // Two functions, because one name cannot have both options.
  "--toggle-collect=counted_*",
  "--dump-after=part_*",
  "--collect-bus=yes",
  "--collect-systime=yes",
  "--dump-line=no",
  "--compress-strings=no",
  "--compress-pos=no",
];

/** What the workload says of its own build. */
export interface Build {
  /** The compiler's version. */
  readonly zig: string;
  /** The target and its processor. */
  readonly target: string;
}

/** What one run has counted. */
export interface Measured {
  readonly build: Build;
  /** By the names of the workload's parts, in its order. */
  readonly parts: ReadonlyMap<string, Work>;
}

/** Why nothing can be counted here; undefined if it can. */
export async function missingForCounting(): Promise<string | undefined> {
  try {
    await output("valgrind", ["--version"]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "Counting instructions needs valgrind; " +
      "on Debian: apt-get install valgrind";
  }
  return undefined;
}

/** Runs the workload, which must have been built. */
export async function countWork(): Promise<Measured> {
  const pools = await ownDirectory("guard");
  const dumps = await Deno.makeTempDir({ prefix: "guard-" });
  try {
    const printed = await output("valgrind", [
      ...CALLGRIND,
      `--callgrind-out-file=${dumps}/dump`,
      decodeURIComponent(new URL(PROGRAM, FOLDER).pathname),
      pools,
    ]);
    const counted = await readDumps(dumps);
    const [build, ...lines] = printed.trim().split("\n")
      .map((line) => JSON.parse(line));
    const parts = new Map<string, Work>();
    for (const { part, operations } of lines) {
      const work = counted.get(part);
      if (work === undefined) throw new Error(`Nothing counted for "${part}"`);
      parts.set(part, { operations, ...work });
    }
    return { build, parts };
  } finally {
    await Deno.remove(dumps, { recursive: true });
    await Deno.remove(pools, { recursive: true });
  }
}

type Counted = Omit<Work, "operations">;

async function readDumps(folder: string): Promise<Map<string, Counted>> {
  const counted = new Map<string, Counted>();
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    const part = /^desc: Trigger: --dump-after=part_(\w+)$/m.exec(text)?.[1];
    if (part !== undefined) counted.set(part, readDump(text));
  }
  return counted;
}

/** Adds up the costs of a dump; see callgrind's manual for its format. */
export function readDump(text: string): Counted {
  const events = /^events: (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  const [ran, locked, called] = ["Ir", "Ge", "sysCount"].map((event) => {
    const at = events.indexOf(event);
    if (at < 0) throw new Error(`Callgrind has not counted ${event}`);
    return at + 1; // behind the line's number
  });
  let instructions = 0;
  let atomics = 0;
  let systemCalls = 0;
  let isInLibrary = false;
  let isOfCallee = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("ob=")) {
      isInLibrary = line.endsWith(`/${LIBRARY}`);
    } else if (line.startsWith("calls=")) {
      isOfCallee = true; // what the callee cost in all is in the next line
    } else if (/^\d/.test(line)) {
      if (!isOfCallee) {
        const costs = line.split(" ").map(Number); // without zeros at the end
        systemCalls += costs[called!] ?? 0;
        if (isInLibrary) instructions += costs[ran!] ?? 0;
        if (isInLibrary) atomics += costs[locked!] ?? 0;
      }
      isOfCallee = false;
    }
  }
  return { instructions, atomics, systemCalls };
}

/** What a command prints; an error with all that it said if it fails. */
async function output(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`${command} failed:\n${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}
