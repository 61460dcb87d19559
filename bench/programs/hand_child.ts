// The other process of the row about handing bytes over: takes them, adds one to
// a byte of every page, and gives them back, until the first process closes.
// Its arguments are a way of hand_ways.ts and what that needs.

import { MemoryAlloc, MemoryPool } from "../../mod.ts";
import { readFile, writeFile } from "./hand_ways.ts";
import { joinPipes } from "./named_pipes.ts";
import { restamp } from "./pages.ts";

const DESCRIPTOR_MAX = 1408;
const SIGNAL = new Uint8Array(1);

const ENDS: Record<string, (...args: string[]) => void | Promise<void>> = {
  "managed-memory"(folder, descriptor) {
    using allocation = MemoryAlloc.attach(Uint8Array.fromHex(descriptor!));
    const bytes = new Uint8Array(allocation.getMemview());
    const ends = joinPipes(folder!);
    while (ends.receive(SIGNAL)) {
      restamp(bytes);
      ends.send(SIGNAL);
    }
  },

  "managed-memory, allocated anew"(folder, pool) {
    using _ = MemoryPool.attach(Uint8Array.fromHex(pool!));
    const ends = joinPipes(folder!);
    const message = new Uint8Array(DESCRIPTOR_MAX);
    let length: number;
    while ((length = ends.receiveMessage(message)) > 0) {
      using allocation = MemoryAlloc.attach(message.subarray(0, length));
      restamp(new Uint8Array(allocation.getMemview()));
      ends.send(SIGNAL);
    }
  },

  pipe(size) {
    const bytes = new Uint8Array(Number(size));
    for (;;) {
      for (let at = 0; at < bytes.length;) {
        const length = Deno.stdin.readSync(bytes.subarray(at));
        if (length === null) return;
        at += length;
      }
      restamp(bytes);
      for (let at = 0; at < bytes.length;) {
        at += Deno.stdout.writeSync(bytes.subarray(at));
      }
    }
  },

  "named pipe"(folder, size) {
    const bytes = new Uint8Array(Number(size));
    const ends = joinPipes(folder!);
    while (ends.receive(bytes)) {
      restamp(bytes);
      ends.send(bytes);
    }
  },

  async "Unix socket"(path, size) {
    const bytes = new Uint8Array(Number(size));
    const connection = await Deno.connect({ transport: "unix", path: path! });
    for (;;) {
      for (let at = 0; at < bytes.length;) {
        const length = await connection.read(bytes.subarray(at));
        if (length === null) return connection.close();
        at += length;
      }
      restamp(bytes);
      for (let at = 0; at < bytes.length;) {
        at += await connection.write(bytes.subarray(at));
      }
    }
  },

  "temporary file"(folder, path, size) {
    const bytes = new Uint8Array(Number(size));
    const file = Deno.openSync(path!, { read: true, write: true });
    const ends = joinPipes(folder!);
    while (ends.receive(SIGNAL)) {
      readFile(file, bytes);
      restamp(bytes);
      writeFile(file, bytes);
      ends.send(SIGNAL);
    }
  },
};

const [way, ...args] = Deno.args;
await ENDS[way!]!(...args);
