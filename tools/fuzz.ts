// Runs the fuzzers of descriptors and of pool images. See fuzz/README.md.

import { toLine } from "./counts.ts";
import { buildFuzzers, missingForFuzzing } from "./fuzz_build.ts";
import { ownDirectory } from "./own_directory.ts";

const ROOT = new URL("../", import.meta.url);
const FOLDER = "zig-out/fuzz/";
/** Signals that end the fuzzing, with everything cleaned up. */
const STOPPING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];
/** Lines of a failed run that are shown. */
const SHOWN_LINES = 60;

const USAGE =
  "deno task fuzz [--quick] [descriptor] [image] [systematic] [--runs N] " +
  "[--seed S] [--replay FILE]";

/** One way to run a fuzzer. */
interface Target {
  readonly name: string;
  readonly program: string;
  /** Inputs to begin with; relative to the repository. */
  readonly seeds: string;
  /** Longest input in bytes. */
  readonly longest: number;
  /** Inputs that are tried unless `--runs` says otherwise. */
  readonly runs: number;
  /** The same with `--quick`. */
  readonly quickRuns: number;
}

const TARGETS: readonly Target[] = [{
  name: "descriptor",
  program: "descriptor_fuzz",
  seeds: "fuzz/seeds/descriptor",
  longest: 1472,
  runs: 10_000_000,
  quickRuns: 400_000,
}, {
  name: "image",
  program: "image_fuzz",
  seeds: "fuzz/seeds/image",
  longest: 130,
  runs: 1_000_000,
  quickRuns: 10_000,
}, {
  name: "systematic",
  program: "image_fuzz",
  seeds: "fuzz/seeds/image",
  longest: 130,
  runs: 1_900_000, // a little more than there are
  quickRuns: 6_000,
}];

/** A quick run ends after so many seconds, however slow the machine is. */
const QUICK_SECONDS = 20;

interface Options {
  readonly targets: readonly Target[];
  readonly isQuick: boolean;
  readonly runs: number | undefined;
  readonly seed: number;
  readonly replay: string | undefined;
}

function readOptions(args: readonly string[]): Options {
  const names = new Set<string>();
  let isQuick = false;
  let runs: number | undefined;
  let seed = 1 + crypto.getRandomValues(new Uint32Array(1))[0]! % 0xffff_fffe;
  let replay: string | undefined;
  const rest = args.flatMap((arg) => arg.split("="));
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--quick") {
      isQuick = true;
    } else if (word === "--runs") {
      runs = readNumber(word, rest.shift());
    } else if (word === "--seed") {
      seed = readNumber(word, rest.shift());
    } else if (word === "--replay") {
      replay = rest.shift();
      if (replay === undefined) throw new Error(`${word} needs a file`);
    } else if (TARGETS.some(({ name }) => name === word)) {
      names.add(word);
    } else {
      throw new Error(`Unknown option ${word}\nUsage: ${USAGE}`);
    }
  }
  const targets = TARGETS.filter(({ name }) =>
    names.size === 0 || names.has(name)
  );
  if (replay !== undefined && names.size !== 1) {
    throw new Error(`--replay needs the name of one fuzzer\nUsage: ${USAGE}`);
  }
  return { targets, isQuick, runs, seed, replay };
}

function readNumber(option: string, value = ""): number {
  if (!/^[1-9]\d{0,9}$/.test(value) || Number(value) > 0xffff_ffff) {
    throw new Error(
      `${option} needs a number from 1 to ${0xffff_ffff}\nUsage: ${USAGE}`,
    );
  }
  return Number(value);
}

/** What libFuzzer is told. */
async function argsOf(target: Target, options: Options): Promise<string[]> {
  const args = ["-timeout=1", `-artifact_prefix=${FOLDER}failures/`];
  if (options.replay !== undefined) return [...args, options.replay];
  const found = `${FOLDER}found/${target.name}`;
  await empty(found);
  const usual = options.isQuick ? target.quickRuns : target.runs;
  args.push(
    `-runs=${options.runs ?? usual}`,
    `-seed=${options.seed}`,
    `-max_len=${target.longest}`,
  );
  if (options.isQuick) args.push(`-max_total_time=${QUICK_SECONDS}`);
  return [...args, found, target.seeds];
}

async function empty(folder: string): Promise<void> {
  const url = new URL(`${folder}/`, ROOT);
  try {
    await Deno.remove(url, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(url, { recursive: true });
}

/** What a fuzzer says of itself while it runs. */
class Log {
  readonly #lines: string[] = [];
  #pulse = performance.now();
  inputs = 0;
  edges = 0;
  allEdges = 0;
  /** What the fuzzer itself has to say in the end. */
  readonly remarks: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 2000) this.#lines.splice(0, 1000);
    const loaded = /Loaded \d+ PC tables \((\d+) PCs\)/.exec(line);
    if (loaded !== null) this.allEdges = Number(loaded[1]);
    const status = /^#(\d+)\s.*\bcov: (\d+)/.exec(line);
    if (status !== null) {
      this.inputs = Number(status[1]);
      this.edges = Number(status[2]);
      this.#show();
    }
    const done = /^Done (\d+) runs/.exec(line);
    if (done !== null) this.inputs = Number(done[1]);
    if (/^(systematic|most looks)/.test(line)) this.remarks.push(line);
  }

  #show(): void {
    if (performance.now() - this.#pulse < 30_000) return;
    this.#pulse = performance.now();
    console.error(`  ${this.inputs} inputs, ${this.edges} edges`);
  }

  /** The report of what went wrong. */
  failure(): string {
    const at = this.#lines.findIndex((line) =>
      /^WRONG|ERROR: |runtime error: /.test(line)
    );
    const from = at >= 0 ? at : Math.max(0, this.#lines.length - SHOWN_LINES);
    const shown = this.#lines.slice(from, from + SHOWN_LINES);
    const unit = this.#lines.filter((line) => line.includes("unit written to"));
    return [...shown, ...unit].join("\n");
  }
}

/** Runs a fuzzer until it has tried all, or one input has failed. */
async function runTarget(
  target: Target,
  options: Options,
  signal: AbortSignal,
): Promise<boolean> {
  const directory = await ownDirectory("fuzz");
  const env: Record<string, string> = { MM_FUZZ_DIRECTORY: directory };
  if (target.name === "systematic") env.MM_FUZZ_SYSTEMATIC = `${options.seed}`;
  const started = performance.now();
  const log = new Log();
  try {
    const child = new Deno.Command(new URL(FOLDER + target.program, ROOT), {
      args: await argsOf(target, options),
      env,
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal,
    }).spawn();
    for await (const line of linesOf(child.stderr)) log.add(line);
    const { success } = await child.status;
    const seconds = (performance.now() - started) / 1000;
    if (!success) {
      console.error(signal.aborted ? "Stopped by a signal" : log.failure());
    }
    for (const remark of log.remarks) console.log(`  ${remark}`);
    const verdict = success ? "ok" : "FAILED";
    console.log(
      options.replay !== undefined
        ? `${verdict} fuzz ${target.name} --replay ${options.replay}`
        : `${verdict} fuzz ${target.name} --seed ${options.seed}:` +
          ` ${log.inputs} inputs in ${seconds.toFixed(1)} s,` +
          ` ${log.edges} of ${log.allEdges} edges`,
    );
    return success;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function main(): Promise<boolean> {
  const options = readOptions(Deno.args);
  const missing = await missingForFuzzing();
  if (missing !== undefined) throw new Error(missing);
  await buildFuzzers();
  await Deno.mkdir(new URL(`${FOLDER}failures/`, ROOT), { recursive: true });
  const stopping = new AbortController();
  for (const signal of STOPPING) {
    Deno.addSignalListener(signal, () => stopping.abort());
  }
  let passed = 0;
  for (const target of options.targets) {
    if (stopping.signal.aborted) break;
    if (await runTarget(target, options, stopping.signal)) passed++;
  }
  const failed = options.targets.length - passed;
  console.log(`\n${toLine({ passed, failed, skipped: 0 })}`);
  return failed === 0;
}

try {
  Deno.exit(await main() ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
