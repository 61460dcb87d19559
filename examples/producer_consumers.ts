// One producer, several consumers. Frames lie in the pool, only their
// descriptors go through pipes. There is room for four: a producer that is too
// fast waits in allocBlocking() until a consumer has freed one.
//
//   deno run --allow-ffi --allow-run producer_consumers.ts

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
import process from "node:process";
import { createInterface } from "node:readline";

const CONSUMERS = 3;
const FRAMES = 60;
const FRAME_BYTES = 256 * 1024;
const ROOM = 4; // frames

async function consume(): Promise<void> {
  let pool: MemoryPool | undefined;
  let consumed = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const frame = MemoryAlloc.attach(Uint8Array.fromBase64(line));
    // Kept until the end: else every frame would attach to the pool anew.
    pool ??= MemoryPool.attach(frame.pool.serialize());
    frame.adopt(); // Should this process die now, reclaim() frees the frame.
    const pixels = new Uint8Array(frame.getMemview());
    if (!pixels.every((pixel) => pixel === pixels[0])) throw new Error("Torn");
    frame.free(); // Wakes the producer.
    consumed++;
  }
  console.log(`A consumer got ${consumed} frames`);
}

async function produce(consumers: Deno.ChildProcess[]): Promise<void> {
  const name = `frames-${crypto.randomUUID()}`;
  using pool = MemoryPool.create(ROOM * FRAME_BYTES, name, 1);
  const inputs = consumers.map(({ stdin }) => stdin.getWriter());
  const encoder = new TextEncoder();
  for (let number = 0; number < FRAMES; number++) {
    const frame = await pool.allocBlocking(FRAME_BYTES, { timeout: 60_000 });
    new Uint8Array(frame.getMemview()).fill(number);
    const line = `${frame.serialize().toBase64()}\n`;
    await inputs[number % CONSUMERS]!.write(encoder.encode(line));
    frame.detach(); // It is the consumer's from now on.
  }
  for (const input of inputs) await input.close();
  for (const { status } of consumers) {
    if (!(await status).success) throw new Error("A consumer failed");
  }
  console.log(`${FRAMES} frames went through room for ${ROOM}`);
}

if (Deno.args[0] === "consume") {
  await consume();
} else {
  const consumers = Array.from(
    { length: CONSUMERS },
    () =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-ffi", import.meta.url, "consume"],
        stdin: "piped",
      }).spawn(),
  );
  await produce(consumers);
}
