// Runs every test: the C programs of tests/native/, those of threads once more
// under ThreadSanitizer, some for other systems under emulators, the regression
// guard, short runs of the fuzzers, the smaller models, the tests of Deno, and
// those of garbage collection, which need a flag of V8. The last line is the sum
// of what they counted. (Named test.ts, this file would be a test itself.)

import { missingForGuard } from "../guard/main.ts";
import { ensureBuilt } from "./build.ts";
import {
  type Counts,
  countsOfDeno,
  countsOfNative,
  sum,
  toLine,
} from "./counts.ts";
import { PARTS } from "./parts.ts";
import { EMULATED, type Emulated } from "./emulated.ts";
import { missingForFuzzing } from "./fuzz_build.ts";
import { missingForModels } from "./model.ts";
import { ensureNatives } from "./release.ts";
import { type Outcome, run } from "./run.ts";

const ROOT = new URL("../", import.meta.url);
const DENO_TEST = ["test", "-A", "--sanitize-ops", "--sanitize-resources"];

async function testNative(): Promise<Counts[]> {
  await ensureBuilt(PARTS.tests);
  const counts: Counts[] = [];
  for (const name of await PARTS.tests.outputs()) {
    console.log(`\ntests/native/${name}.c`);
    const program = new URL(PARTS.tests.folder + name, ROOT);
    const outcome = await run(program, []);
    counts.push(judge(name, outcome, countsOfNative(outcome.output)));
  }
  return counts;
}

async function testRaces(): Promise<Counts[]> {
  await ensureBuilt(PARTS.races);
  const counts: Counts[] = [];
  for (const name of await PARTS.races.outputs()) {
    console.log(`\ntests/native/${name}.c under ThreadSanitizer`);
    const program = new URL(PARTS.races.folder + name, ROOT);
    const outcome = await run(program, ["--milliseconds", "3000"]);
    counts.push(judge(name, outcome, countsOfNative(outcome.output)));
  }
  return counts;
}

async function testEmulated(): Promise<Counts[]> {
  const counts: Counts[] = [];
  for (const system of EMULATED) {
    counts.push(await group(() => testSystem(system)));
  }
  return counts;
}

async function testSystem(system: Emulated): Promise<Counts[]> {
  const missing = await system.missing();
  if (missing !== undefined) {
    console.log(`\nC tests for ${system.title}\nignored: ${missing}`);
    return [{ passed: 0, failed: 0, skipped: 1 }];
  }
  await ensureBuilt(system.tests);
  const counts: Counts[] = [];
  for (const file of await system.tests.outputs()) {
    console.log(`\n${file}: ${system.title}`);
    const { name, args, env } = await system.command(
      system.tests.folder + file,
    );
    const outcome = await run(name, args, env);
    counts.push(judge(file, outcome, countsOfNative(outcome.output)));
  }
  return counts;
}

/** A tool of the repository that counts as the C tests do. */
interface Tool {
  readonly name: string;
  readonly command: readonly string[];
  /** Why it cannot run here; undefined if it can. */
  missing(): Promise<string | undefined>;
}

const GUARD: Tool = {
  name: "guard",
  command: ["guard/main.ts"],
  missing: missingForGuard,
};

const FUZZ: Tool = {
  name: "fuzz --quick",
  command: ["tools/fuzz.ts", "--quick"],
  missing: missingForFuzzing,
};

const MODEL: Tool = {
  name: "model --quick",
  command: ["tools/model.ts", "--quick"],
  missing: missingForModels,
};

async function testBy({ name, command, missing }: Tool): Promise<Counts[]> {
  console.log(`\n${name}`);
  const reason = await missing();
  if (reason !== undefined) {
    console.log(`ignored: ${reason}`);
    return [{ passed: 0, failed: 0, skipped: 1 }];
  }
  const outcome = await run(Deno.execPath(), ["run", "-A", ...command]);
  return [judge(name, outcome, countsOfNative(outcome.output))];
}

async function testDeno(): Promise<Counts[]> {
  const gc = await gcTests();
  console.log("\ndeno test");
  if (gc.length === 0) return [await denoTest([])];
  const counts = [await denoTest([`--ignore=${gc.join(",")}`])];
  console.log("\ndeno test --v8-flags=--expose-gc");
  counts.push(await denoTest(["--v8-flags=--expose-gc", ...gc]));
  return counts;
}

async function denoTest(args: string[]): Promise<Counts> {
  const outcome = await run(Deno.execPath(), [...DENO_TEST, ...args]);
  return judge("deno test", outcome, countsOfDeno(outcome.output));
}

async function gcTests(): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(new URL("tests/", ROOT))) {
    if (entry.name.endsWith("gc_test.ts")) files.push(`tests/${entry.name}`);
  }
  return files.sort();
}

/** What a run counted, and a failure more if it ended badly without naming one. */
function judge(
  name: string,
  { success, reason }: Outcome,
  counts: Counts | undefined,
): Counts {
  if (counts === undefined) {
    console.log(`${name} ${reason} without counting its tests`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  if (!success && counts.failed === 0) {
    console.log(`${name} ${reason} although no test failed`);
    return { ...counts, failed: 1 };
  }
  return counts;
}

/** Runs a group of tests; one that cannot even start is a failure. */
async function group(tests: () => Promise<Counts[]>): Promise<Counts> {
  try {
    return sum(await tests());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const total = await group(async () => {
  await ensureBuilt();
  await ensureNatives();
  return [
    await group(testNative),
    await group(testRaces),
    await group(testEmulated),
    await group(() => testBy(GUARD)),
    await group(() => testBy(FUZZ)),
    await group(() => testBy(MODEL)),
    await group(testDeno),
  ];
});
console.log(`\n${toLine(total)}`);
Deno.exit(total.failed === 0 ? 0 : 1);
