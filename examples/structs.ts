// Structs and typed arrays in shared memory: a counter that several processes
// raise with Atomics, and behind it a table of structs, one for each of them.
//
//   deno run --allow-ffi --allow-run structs.ts

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";

const PROCESSES = 3;
const STEPS = 100_000;
const HEAD_BYTES = 64; // The counter has a cache line for itself.

/** A struct where it lies: fields at fixed offsets, little-endian for all. */
class Particle {
  static readonly BYTES = 16;
  readonly #view: DataView;

  constructor(table: ArrayBuffer, index: number) {
    const offset = HEAD_BYTES + index * Particle.BYTES;
    this.#view = new DataView(table, offset, Particle.BYTES);
  }

  get mass(): number {
    return this.#view.getFloat64(0, true);
  }
  set mass(value: number) {
    this.#view.setFloat64(0, value, true);
  }

  get charge(): number {
    return this.#view.getInt16(8, true);
  }
  set charge(value: number) {
    this.#view.setInt16(8, value, true);
  }
}

function work(table: ArrayBuffer, index: number): void {
  const counter = new Int32Array(table, 0, 1);
  for (let step = 0; step < STEPS; step++) Atomics.add(counter, 0, 1);
  const particle = new Particle(table, index);
  particle.mass = index + 0.5;
  particle.charge = -index;
}

if (Deno.args.length > 0) {
  const descriptor = await new Response(Deno.stdin.readable).bytes();
  using table = MemoryAlloc.attach(descriptor);
  work(table.getMemview(), Number(Deno.args[0]));
} else {
  using pool = MemoryPool.create(4096, `particles-${crypto.randomUUID()}`, 1);
  using table = pool.alloc(HEAD_BYTES + PROCESSES * Particle.BYTES);
  const buffer = table.getMemview();
  new Uint8Array(buffer).fill(0); // Memory comes as it was left.
  await Promise.all(Array.from({ length: PROCESSES }, async (_, index) => {
    const { stdin, status } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-ffi", import.meta.url, `${index}`],
      stdin: "piped",
    }).spawn();
    await ReadableStream.from([table.serialize()]).pipeTo(stdin);
    if (!(await status).success) throw new Error(`Process ${index} failed`);
  }));
  console.log(`Counted to ${new Int32Array(buffer, 0, 1)[0]}`);
  for (let index = 0; index < PROCESSES; index++) {
    const { mass, charge } = new Particle(buffer, index);
    console.log(`A particle of mass ${mass} and charge ${charge}`);
  }
}
