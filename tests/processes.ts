// Child processes for tests: `PeerProcess` runs functions of a test in a Deno
// process of its own, under `--allow-ffi` alone. Ends only what it started, by
// its handle, and leaves none behind.

import { assert, assertRejects } from "@std/assert";
import {
  type Answer,
  decode,
  encode,
  lines,
  PendingCalls,
  RemoteError,
  type RemoteFunction,
} from "./fixtures/remote_call.ts";

/** Far above what anything here takes: reached only by what hangs. */
const DEADLINE = 60_000;

/** A peer ended before it answered. */
export class PeerGoneError extends Error {
  override readonly name = "PeerGoneError";
}

/** How a process ended, and what it wrote to its standard error. */
export interface PeerEnd extends Deno.CommandStatus {
  stderr: string;
}

export interface PeerOptions {
  /** Permissions of the process. Default: `--allow-ffi`. */
  permissions?: string[];
  /** The script that answers to `run`. Default: the one of this repository. */
  fixture?: string;
}

/**
 * A Deno process that runs what a test tells it. Take it with `await using`,
 * after the pool that it attaches to: its disposal waits until it has ended by
 * itself, and fails if it did not, or not well.
 */
export class PeerProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #calls = new PendingCalls();
  readonly #ready = Promise.withResolvers<void>();
  readonly #end: Promise<PeerEnd>;
  #mayEndBadly = false;

  private constructor({
    permissions = ["--allow-ffi"],
    fixture = import.meta.resolve("./fixtures/peer.ts"),
  }: PeerOptions) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", ...permissions, fixture],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#end = this.#listen();
  }

  /** Starts a process and waits until it has loaded the module. */
  static async start(options: PeerOptions = {}): Promise<PeerProcess> {
    const peer = new PeerProcess(options);
    await peer.#ready.promise;
    return peer;
  }

  /** Starts some processes at the same time. */
  static startSome(
    count: number,
    options: PeerOptions = {},
  ): Promise<PeerProcess[]> {
    return Promise.all(
      Array.from({ length: count }, () => PeerProcess.start(options)),
    );
  }

  /** How it ended, once it has. */
  get ended(): Promise<PeerEnd> {
    return this.#end;
  }

  /** Runs `work` in the process; rejects with `RemoteError` if it throws there. */
  run<A extends unknown[], R>(
    work: RemoteFunction<A, R>,
    ...args: A
  ): Promise<R> {
    const answer = this.#calls.start(work, args, (call) => {
      this.#input.write(new TextEncoder().encode(encode(call) + "\n")).catch(
        () => {},
      );
    });
    return withinDeadline(answer, () => `The peer did not answer to ${work}`);
  }

  /** Sends a signal; after this, the process need not end by itself, or well. */
  kill(signal: Deno.Signal): void {
    this.#mayEndBadly = true;
    this.#process.kill(signal);
  }

  /** Kills the process and waits until it is gone. */
  async killAndWait(): Promise<PeerEnd> {
    this.kill("SIGKILL");
    return await this.ended;
  }

  /** Closes its standard input, so that it ends as soon as nothing keeps it. */
  async closeInput(): Promise<void> {
    await this.#input.close().catch(() => {});
  }

  /** The end of a process that ends by itself, in whatever way. */
  async waitForEnd(): Promise<PeerEnd> {
    this.#mayEndBadly = true;
    return await withinDeadline(this.ended, () => "The peer did not end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mayEndBadly) {
      try {
        this.#process.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await this.closeInput();
    try {
      const end = await withinDeadline(
        this.ended,
        () => "The peer did not end by itself",
      );
      assert(
        this.#mayEndBadly || end.success,
        `The peer ended badly: ${describeEnd(end)}`,
      );
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      this.#process.kill("SIGKILL");
      await this.ended;
      throw error;
    }
  }

  async #listen(): Promise<PeerEnd> {
    const [status, stderr] = await Promise.all([
      this.#process.status,
      new Response(this.#process.stderr).text(),
      this.#receive(),
    ]);
    const end = { ...status, stderr };
    const gone = new PeerGoneError(`The peer ended: ${describeEnd(end)}`);
    this.#ready.reject(gone);
    this.#calls.rejectAll(gone);
    return end;
  }

  async #receive(): Promise<void> {
    for await (const line of lines(this.#process.stdout)) {
      const message = decode<Answer | "ready">(line);
      if (message === "ready") this.#ready.resolve();
      else this.#calls.settle(message);
    }
  }
}

/** Peers of one test: disposes of all, also when the disposal of one fails. */
export class PeerGroup implements AsyncDisposable {
  readonly peers: PeerProcess[];

  private constructor(peers: PeerProcess[]) {
    this.peers = peers;
  }

  static async start(
    count: number,
    options: PeerOptions = {},
  ): Promise<PeerGroup> {
    return new PeerGroup(await PeerProcess.startSome(count, options));
  }

  /** Runs `work` in all of them at the same time. */
  runAll<A extends unknown[], R>(
    work: RemoteFunction<A, R>,
    ...args: A
  ): Promise<R[]> {
    return Promise.all(this.peers.map((peer) => peer.run(work, ...args)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = await Promise.allSettled(
      this.peers.map((peer) => peer[Symbol.asyncDispose]()),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

function describeEnd({ code, signal, stderr }: PeerEnd): string {
  return `${signal ?? `exit code ${code}`}\n${stderr}`;
}

class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** Awaits what should come soon, so that a test fails rather than hangs. */
export async function withinDeadline<T>(
  promise: Promise<T>,
  describe: () => string,
  deadline: number = DEADLINE,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new DeadlineError(describe())),
    deadline,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `condition` holds: for what no event tells. */
export async function until(
  condition: () => boolean,
  description: string,
): Promise<void> {
  const started = performance.now();
  while (!condition()) {
    if (performance.now() - started > DEADLINE) {
      throw new Error(`Never came: ${description}`);
    }
    await sleep(2);
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Asserts that a call to a peer failed there with an error of the class `className`. */
export async function assertRejectsAtPeer(
  call: Promise<unknown>,
  className: string,
  expected: { message?: RegExp } = {},
): Promise<void> {
  const { remote } = await assertRejects(() => call, RemoteError);
  assert(
    remote.classes.includes(className),
    `Expected ${className}, got ${encode(remote)}`,
  );
  if (expected.message !== undefined) {
    assert(
      expected.message.test(remote.message),
      `${remote.message} is not ${expected.message}`,
    );
  }
}

/** Defines a test that starts processes; without the permission it is reported as ignored, and why. */
export function processTest(name: string, test: () => Promise<void>): void {
  permittedTest(name, ["run"], test);
}

/** Defines a test that is reported as ignored, and why, when it lacks a permission. */
export function permittedTest(
  name: string,
  permissions: ("run" | "read" | "write")[],
  test: () => Promise<void> | void,
): void {
  const missing = permissions.filter((one) =>
    Deno.permissions.querySync({ name: one }).state !== "granted"
  );
  Deno.test({
    name: missing.length === 0
      ? name
      : `${name} (ignored: needs ${
        missing.map((one) => `--allow-${one}`).join(", ")
      })`,
    ignore: missing.length > 0,
    sanitizeOps: true,
    sanitizeResources: true,
    fn: test,
  });
}
