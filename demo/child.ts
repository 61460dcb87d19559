/**
 * A Deno child of the demo as its parent sees it: started, spoken to in lines of
 * JSON, and always waited for. It knows no pool and no job.
 */

import { READY } from "./messages.ts";

/** A child ended before it gave its result. */
export class ChildError extends Error {
  override readonly name = "ChildError";
}

export class Child {
  readonly number: number;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #received = "";

  /** Starts a Deno process with `--allow-ffi` alone. */
  constructor(script: string, number: number) {
    this.number = number;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-ffi", script],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      // A Ctrl-C at the terminal is for the parent alone, which then ends its children.
      detached: true,
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    // Whoever writes or reads learns of the end; a child that fails while nobody does is seen by `waitForEnd`.
    this.#input.closed.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Waits until the child has loaded its code. */
  async waitUntilReady(): Promise<void> {
    const message = await this.receive();
    if (message !== READY) {
      throw new ChildError(`Child ${this.#title} said ${message} first`);
    }
  }

  async send(message: unknown): Promise<void> {
    await this.write(new TextEncoder().encode(JSON.stringify(message) + "\n"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#input.write(bytes);
    } catch (cause) {
      throw await this.#goneError(cause);
    }
  }

  /** The next line that the child says. */
  async receive<T = unknown>(): Promise<T> {
    for (;;) {
      const newline = this.#received.indexOf("\n");
      if (newline >= 0) {
        const line = this.#received.slice(0, newline);
        this.#received = this.#received.slice(newline + 1);
        return JSON.parse(line);
      }
      const { done, value } = await this.#output.read();
      if (done) throw await this.#goneError();
      this.#received += value;
    }
  }

  /** Waits for the end of a child that has done its work. */
  async waitForEnd(): Promise<void> {
    await this.#input.close().catch(() => {});
    const status = await this.#process.status;
    await this.#output.cancel();
    if (!status.success) {
      throw new ChildError(`Child ${this.#title} ${howItEnded(status)}`);
    }
  }

  /** Ends the child now, whatever it is doing, and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It is gone already, which is what we want.
    }
    await this.#process.status;
    await this.#input.abort().catch(() => {});
    await this.#output.cancel().catch(() => {});
  }

  get #title(): string {
    return `${this.number} (process ${this.pid})`;
  }

  async #goneError(cause?: unknown): Promise<ChildError> {
    const status = await this.#process.status;
    return new ChildError(
      `Child ${this.#title} ${howItEnded(status)} before it gave its result`,
      { cause: cause ?? status },
    );
  }
}

function howItEnded(status: Deno.CommandStatus): string {
  if (status.signal) return `was ended by ${status.signal}`;
  return `ended with exit code ${status.code}`;
}
