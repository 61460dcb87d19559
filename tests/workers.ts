// Workers for tests: `PeerWorker` runs functions of a test in a thread of its own.

import { PendingCalls, type RemoteFunction } from "./fixtures/remote_call.ts";
import { withinDeadline } from "./processes.ts";

/** A Deno Worker that runs what a test tells it. Take it with `using`: its disposal terminates it. */
export class PeerWorker implements Disposable {
  readonly #worker: Worker;
  readonly #calls = new PendingCalls();
  readonly #ready = Promise.withResolvers<void>();

  private constructor() {
    this.#worker = new Worker(
      import.meta.resolve("./fixtures/peer_worker.ts"),
      { type: "module" },
    );
    this.#worker.onmessage = ({ data }) => {
      if (data === "ready") this.#ready.resolve();
      else this.#calls.settle(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The worker failed: ${event.message}`);
      this.#ready.reject(error);
      this.#calls.rejectAll(error);
    };
  }

  /** Starts a Worker and waits until it has loaded the module. */
  static async start(): Promise<PeerWorker> {
    const peer = new PeerWorker();
    await peer.#ready.promise;
    return peer;
  }

  /** Starts some Workers at the same time. */
  static startSome(count: number): Promise<PeerWorker[]> {
    return Promise.all(Array.from({ length: count }, () => PeerWorker.start()));
  }

  /** Runs `work` in the Worker; rejects with `RemoteError` if it throws there. */
  run<A extends unknown[], R>(
    work: RemoteFunction<A, R>,
    ...args: A
  ): Promise<R> {
    return this.runAndTransfer([], work, ...args);
  }

  /** Like {@linkcode run}, and moves the buffers in `transfer` to the Worker. */
  runAndTransfer<A extends unknown[], R>(
    transfer: ArrayBuffer[],
    work: RemoteFunction<A, R>,
    ...args: A
  ): Promise<R> {
    const answer = this.#calls.start(
      work,
      args,
      (call) => this.#worker.postMessage(call, transfer),
    );
    return withinDeadline(answer, () => `The worker did not answer to ${work}`);
  }

  /** Ends the thread, whatever it is doing. */
  terminate(): void {
    this.#worker.terminate();
    this.#calls.rejectAll(new Error("The worker was terminated"));
  }

  [Symbol.dispose](): void {
    this.terminate();
  }
}

/** Some Workers of one test. */
export class PeerWorkerGroup implements Disposable {
  readonly peers: PeerWorker[];

  private constructor(peers: PeerWorker[]) {
    this.peers = peers;
  }

  static async start(count: number): Promise<PeerWorkerGroup> {
    return new PeerWorkerGroup(await PeerWorker.startSome(count));
  }

  /** Runs `work` in all of them at the same time. */
  runAll<A extends unknown[], R>(
    work: RemoteFunction<A, R>,
    ...args: A
  ): Promise<R[]> {
    return Promise.all(this.peers.map((peer) => peer.run(work, ...args)));
  }

  [Symbol.dispose](): void {
    for (const peer of this.peers) peer.terminate();
  }
}
