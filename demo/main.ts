/**
 * The demo: `deno task demo [FILE]` counts the bytes of a file in one process,
 * in children that share a memory pool, and in children that get the bytes
 * through pipes, and sets the times side by side.
 *
 * Exit codes: 0 when all results agree, 1 when they do not or something failed,
 * 128 + n after signal n. Nothing stays behind in shared memory in any case.
 */

import { ManagedMemoryError, type MemoryAlloc, MemoryPool } from "../mod.ts";
import { ChildError } from "./child.ts";
import { Tally } from "./job.ts";
import * as report from "./report.ts";
import {
  type Outcome,
  readInto,
  workAlone,
  workOnPool,
  workThroughPipes,
} from "./ways.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Room for a child's tally, with some to spare for the alignment of blocks. */
const ROOM_PER_CHILD = 2 * Tally.BYTES;

/** The demo cannot go on, for a reason that its user can do something about. */
class DemoError extends Error {
  override readonly name = "DemoError";
}

/** Somebody asked the demo to stop. */
class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(readonly signal: keyof typeof SIGNALS) {
    super(
      `interrupted by ${signal}; the children are ended and the pool is destroyed`,
    );
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const [path = Deno.execPath(), ...more] = args;
  if (more.length > 0 || path.startsWith("-")) {
    throw new DemoError("usage: deno task demo [FILE]");
  }
  using source = await open(path);
  const { size, isFile } = await source.stat();
  if (!isFile) throw new DemoError(`${path} is not a regular file`);
  const children = navigator.hardwareConcurrency;

  report.printTitle(
    `Byte histogram and checksum of ${path}, ${report.bytes(size)}`,
  );
  const name = `demo-${crypto.randomUUID()}`;
  using pool = MemoryPool.create(
    size + children * ROOM_PER_CHILD,
    name,
    Deno.pid,
  );
  console.log(
    `Pool ${pool.name} of ${report.bytes(pool.size)}, ${children} children\n`,
  );
  const file = pool.alloc(size);

  const stage = new report.Stage("reading the file");
  const time = await readInto(file, source, signal, stage);
  stage.finish(`straight into the pool in ${report.milliseconds(time)}`);

  const ways = await workInEveryWay(pool, file, children, signal);
  checkAgreement(ways, size);
  report.printTable(ways, size);
  report.printAgreement(ways["one process"]!.tally);
}

async function workInEveryWay(
  pool: MemoryPool,
  file: MemoryAlloc,
  children: number,
  signal: AbortSignal,
): Promise<Record<string, Outcome>> {
  const ways = {
    "one process": (stage: report.Stage) => workAlone(file, signal, stage),
    "children, pool": (stage: report.Stage) =>
      workOnPool(pool, file, children, signal, stage),
    "children, pipes": (stage: report.Stage) =>
      workThroughPipes(file, children, signal, stage),
  };
  const outcomes: Record<string, Outcome> = {};
  for (const [name, work] of Object.entries(ways)) {
    const stage = new report.Stage(name);
    outcomes[name] = await work(stage);
    stage.finish(`in ${report.milliseconds(outcomes[name].work)}`);
  }
  return outcomes;
}

function checkAgreement(ways: Record<string, Outcome>, size: number): void {
  const [[firstName, first], ...others] = Object.entries(ways) as [
    [string, Outcome],
  ];
  if (first.tally.total !== size) {
    throw new DemoError(
      `${firstName} counted ${first.tally.total} of ${size} bytes`,
    );
  }
  for (const [name, { tally }] of others as [string, Outcome][]) {
    if (!tally.equals(first.tally)) {
      throw new DemoError(
        `the results disagree: ${name} found another one than ${firstName}`,
      );
    }
  }
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw new DemoError(`cannot open ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Prints what went wrong, and returns the exit code that says so. */
function explain(error: unknown): number {
  if (error instanceof Interrupted) {
    report.printFailure(error.message);
    return 128 + SIGNALS[error.signal];
  }
  const expected = error instanceof DemoError || error instanceof ChildError ||
    error instanceof ManagedMemoryError;
  report.printFailure(expected ? error.message : Deno.inspect(error));
  return 1;
}

const interruption = new AbortController();
for (const signal of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
  Deno.addSignalListener(
    signal,
    () => interruption.abort(new Interrupted(signal)),
  );
}

let code = 0;
try {
  await run(Deno.args, interruption.signal);
} catch (error) {
  // Children that we ended because of a signal failed because of it, too.
  code = explain(
    interruption.signal.aborted ? interruption.signal.reason : error,
  );
}
Deno.exit(code);
