// Two named pipes, one there and one back, for calls that wait in the kernel:
// the fastest way of two Deno processes to tell each other something.

/** One process's ends. */
export class PipeEnds {
  readonly #input: Deno.FsFile;
  readonly #output: Deno.FsFile;

  constructor(input: Deno.FsFile, output: Deno.FsFile) {
    this.#input = input;
    this.#output = output;
  }

  send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      at += this.#output.writeSync(bytes.subarray(at));
    }
  }

  /** Fills the bytes; false if the other side has closed. */
  receive(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      const length = this.#input.readSync(bytes.subarray(at));
      if (length === null) return false;
      at += length;
    }
    return true;
  }

  /** The length of a message that was sent at once, and is short; 0 if the other side has closed. */
  receiveMessage(bytes: Uint8Array): number {
    return this.#input.readSync(bytes) ?? 0;
  }

  close(): void {
    this.#input.close();
    this.#output.close();
  }
}

const [THERE, BACK] = ["there", "back"];

/**
 * Makes the pipes, starts the other process, and waits until it has opened them.
 *
 * @param start Starts the process, which is told a folder, for `joinPipes`.
 * @throws {Error} If it ends before.
 */
export async function makePipes(
  start: (folder: string) => Deno.ChildProcess,
): Promise<PipeEnds> {
  const folder = await Deno.makeTempDir({ prefix: "bench-pipes-" });
  try {
    const { success } = await new Deno.Command("mkfifo", {
      args: [`${folder}/${THERE}`, `${folder}/${BACK}`],
    }).output();
    if (!success) throw new Error("Cannot make named pipes");
    const { status } = start(folder);
    const output = await Promise.race([
      Deno.open(`${folder}/${THERE}`, { write: true }),
      status.then(({ code }) => {
        throw new Error(`The other process ended with code ${code}`);
      }),
    ]);
    return new PipeEnds(Deno.openSync(`${folder}/${BACK}`), output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The other process's ends. */
export function joinPipes(folder: string): PipeEnds {
  const input = Deno.openSync(`${folder}/${THERE}`);
  return new PipeEnds(
    input,
    Deno.openSync(`${folder}/${BACK}`, { write: true }),
  );
}
