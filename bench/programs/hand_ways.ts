// The ways to hand bytes to another process (or Worker) and get them back. Both
// sides touch every page, and everything that can be used again is.

import { createNamedPool, MIB } from "../pools.ts";
import { makePipes } from "./named_pipes.ts";
import { stamp, verify } from "./pages.ts";

/** There and back once. */
export interface Way {
  hand(): void | Promise<void>;
  close(): void;
}

/** Buffers of the process that hands over, for all ways that copy. */
export class Buffers {
  readonly source: Uint8Array<ArrayBuffer>;
  target: Uint8Array<ArrayBuffer>;

  constructor(size: number) {
    this.source = new Uint8Array(size);
    this.target = new Uint8Array(size);
  }

  get size(): number {
    return this.source.length;
  }
}

/** Makes a way, for bytes of the buffers' size. */
export type Start = (buffers: Buffers) => Way | Promise<Way>;

const SENT = 1;
const RETURNED = 2;
const SIGNAL = new Uint8Array(1);
/** Of a pool beyond what is handed: room for whatever is not contiguous. */
const SPARE = MIB;

export const WAYS: Record<string, Start> = {
  /** This module: both have the allocation, and tell each other whose turn it is. */
  async "managed-memory"({ size }) {
    const { pool, unname } = createNamedPool(size + SPARE);
    const allocation = pool.alloc(size);
    const bytes = new Uint8Array(allocation.getMemview());
    const descriptor = allocation.serialize().toHex();
    const ends = await makePipes((folder) =>
      startChild("managed-memory", folder, descriptor)
    );
    await unname();
    return {
      hand() {
        stamp(bytes, SENT);
        ends.send(SIGNAL);
        ends.receive(SIGNAL);
        verify(bytes, RETURNED);
      },
      close() {
        ends.close();
        pool.detach();
      },
    };
  },

  /** The same with an allocation of its own each time, of which the descriptor travels. */
  async "managed-memory, allocated anew"({ size }) {
    const { pool, unname } = createNamedPool(size + SPARE);
    const descriptor = pool.serialize().toHex();
    const ends = await makePipes((folder) =>
      startChild("managed-memory, allocated anew", folder, descriptor)
    );
    await unname();
    return {
      hand() {
        const allocation = pool.alloc(size);
        const bytes = new Uint8Array(allocation.getMemview());
        stamp(bytes, SENT);
        ends.send(allocation.serialize());
        ends.receive(SIGNAL);
        verify(bytes, RETURNED);
        allocation.free();
      },
      close() {
        ends.close();
        pool.detach();
      },
    };
  },

  /** The child's standard input and output, as `Deno.Command` gives them. */
  pipe(buffers) {
    const child = startChild("pipe", String(buffers.size));
    const output = child.stdin.getWriter();
    const input = child.stdout.getReader({ mode: "byob" });
    return {
      async hand() {
        const { source, size } = buffers;
        stamp(source, SENT);
        await output.write(source);
        let { buffer } = buffers.target;
        for (let at = 0; at < size;) {
          const room = new Uint8Array(buffer, at, size - at);
          const { value } = await input.read(room);
          if (!value?.length) throw new Error("The other process has ended");
          ({ buffer } = value);
          at += value.length;
        }
        buffers.target = new Uint8Array(buffer);
        verify(buffers.target, RETURNED);
      },
      async close() {
        await output.close();
        await input.cancel();
      },
    };
  },

  /** Named pipes, with calls that block. */
  async "named pipe"(buffers) {
    const ends = await makePipes((folder) =>
      startChild("named pipe", folder, String(buffers.size))
    );
    return {
      hand() {
        stamp(buffers.source, SENT);
        ends.send(buffers.source);
        ends.receive(buffers.target);
        verify(buffers.target, RETURNED);
      },
      close: () => ends.close(),
    };
  },

  async "Unix socket"(buffers) {
    const folder = await Deno.makeTempDir({ prefix: "bench-socket-" });
    const path = `${folder}/socket`;
    const listener = Deno.listen({ transport: "unix", path });
    const { status } = startChild("Unix socket", path, String(buffers.size));
    const connection = await Promise.race([
      listener.accept(),
      status.then(() => {
        throw new Error("The other process ended");
      }),
    ]);
    listener.close();
    await Deno.remove(folder, { recursive: true });
    return {
      async hand() {
        const { source, target, size } = buffers;
        stamp(source, SENT);
        for (let at = 0; at < size;) {
          at += await connection.write(source.subarray(at));
        }
        for (let at = 0; at < size;) {
          const length = await connection.read(target.subarray(at));
          if (length === null) throw new Error("The other process has ended");
          at += length;
        }
        verify(target, RETURNED);
      },
      close: () => connection.close(),
    };
  },

  /** A file that both have open, and a byte through a named pipe. */
  async "temporary file"(buffers) {
    const path = await Deno.makeTempFile({ prefix: "bench-file-" });
    const file = await Deno.open(path, { read: true, write: true });
    const ends = await makePipes((folder) =>
      startChild("temporary file", folder, path, String(buffers.size))
    );
    await Deno.remove(path);
    return {
      hand() {
        const { source, target } = buffers;
        stamp(source, SENT);
        writeFile(file, source);
        ends.send(SIGNAL);
        ends.receive(SIGNAL);
        readFile(file, target);
        verify(target, RETURNED);
      },
      close() {
        ends.close();
        file.close();
      },
    };
  },

  /** Not even another process: a Worker, which is sent a copy. */
  "postMessage to a Worker"({ source }) {
    const worker = new Worker(import.meta.resolve("./hand_worker.ts"), {
      type: "module",
    });
    return {
      hand() {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        worker.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
          verify(data, RETURNED);
          resolve();
        };
        worker.onerror = ({ message }) => reject(new Error(message));
        stamp(source, SENT);
        worker.postMessage(source);
        return promise;
      },
      close: () => worker.terminate(),
    };
  },
};

/** Writes the whole file from its start. */
export function writeFile(file: Deno.FsFile, bytes: Uint8Array): void {
  file.seekSync(0, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    at += file.writeSync(bytes.subarray(at));
  }
}

/** Reads the whole file from its start. */
export function readFile(file: Deno.FsFile, bytes: Uint8Array): void {
  file.seekSync(0, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    const length = file.readSync(bytes.subarray(at));
    if (length === null) throw new Error("The file is too short");
    at += length;
  }
}

function startChild(...args: string[]): Deno.ChildProcess {
  const script = import.meta.resolve("./hand_child.ts");
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}
