// Tortures pools: processes in C and Deno use them while others of them are
// killed and stopped at random. See README.md.
//
//   deno run -A torture/main.ts [--processes N] [--kills N] [--seed S]
//   deno run -A torture/main.ts --exhaustive [--jobs N] [--every-busy] [name ...]

import { lines } from "../tests/fixtures/remote_call.ts";
import { type Counts, type Message, summaryOf } from "./counts.ts";
import { runExhaustively } from "./exhaustive.ts";
import { type RandomOptions, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";

const WARDEN = new URL("../zig-out/torture/warden", import.meta.url);
const WORKER = new URL("worker.ts", import.meta.url);
const SHARED_MEMORY = "/dev/shm";
/** Signals that end the torture early, with a summary. */
const STOPPING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];
/** One worker in so many is a Deno process. */
const DENO_SHARE = 5;

/** Runs the warden; answers its summary, or null if it did not come to that. */
async function torture(
  name: string,
  { processes, kills, seed }: RandomOptions,
  signal: AbortSignal,
): Promise<Counts | null> {
  const denoWorkers = Math.ceil(processes / DENO_SHARE);
  const child = new Deno.Command(WARDEN, {
    args: [
      name,
      String(kills),
      String(seed),
      String(processes - denoWorkers),
      String(denoWorkers),
      Deno.execPath(),
      WORKER.href,
    ],
    stdin: "piped", // the warden ends when this process does
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stop = () => child.stdin.close().catch(() => {});
  signal.addEventListener("abort", stop);
  const progress = new Progress(kills);
  let summary: Counts | null = null;
  for await (const line of lines(child.stdout)) {
    const message = JSON.parse(line) as Message;
    switch (message.kind) {
      case "progress":
        progress.show(message);
        break;
      case "summary":
        summary = message;
        break;
      case "violation":
        progress.clear();
        console.error(`after ${message.kills} kills: ${message.text}`);
        break;
    }
  }
  progress.clear();
  const end = await child.status;
  signal.removeEventListener("abort", stop);
  await stop();
  if (summary === null) {
    console.error(`The warden ended with ${end.signal ?? `code ${end.code}`}`);
  }
  return summary;
}

/** Removes what a warden that was killed has left. */
async function removePools(name: string): Promise<void> {
  for await (const entry of Deno.readDir(SHARED_MEMORY)) {
    if (entry.name.startsWith(`managed-memory.${name}.`)) {
      await Deno.remove(`${SHARED_MEMORY}/${entry.name}`);
    }
  }
}

async function runAtRandom(
  options: RandomOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { processes, kills, seed } = options;
  const name = `torture-${crypto.randomUUID()}`;
  console.log(
    `deno task torture --processes ${processes} --kills ${kills} --seed ${seed}` +
      ` (${navigator.hardwareConcurrency} processors)`,
  );
  const started = performance.now();
  try {
    const counts = await torture(name, options, signal);
    if (counts === null) return false;
    console.log(summaryOf(counts, (performance.now() - started) / 1000));
    return counts.violations === 0;
  } finally {
    await removePools(name);
  }
}

async function main(): Promise<boolean> {
  const options = readOptions(Deno.args);
  const ending = new AbortController();
  for (const signal of STOPPING) {
    Deno.addSignalListener(signal, () => ending.abort());
  }
  return options.mode === "exhaustive"
    ? await runExhaustively(options, ending.signal)
    : await runAtRandom(options, ending.signal);
}

try {
  Deno.exit(await main() ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
