// Surviving a worker that is killed. What it allocated lives on: the parent
// finds it by its owner, adopts what is finished, frees the rest, and goes on.
//
//   deno run --allow-ffi --allow-run killed_worker.ts

import { MemoryPool } from "@dragon/managed-memory";

/** A type of allocation of our own. Its first byte says how far it is. */
const RESULT = 1000;
const DRAFT = 0;
const FINISHED = 1;

/** Makes two results, begins a third, and never ends. */
async function work(): Promise<void> {
  const descriptor = await new Response(Deno.stdin.readable).bytes();
  const pool = MemoryPool.attach(descriptor);
  for (const number of [1, 2, 3]) {
    const bytes = new Uint8Array(pool.alloc(1000, RESULT).getMemview());
    Atomics.store(bytes, 0, DRAFT);
    if (number === 3) break;
    bytes.fill(number, 1);
    Atomics.store(bytes, 0, FINISHED); // Last, when all else is there.
  }
  console.log("Two results, and half of a third");
  setInterval(() => {}, 1000);
}

/** Starts a worker, and kills it when it has said something. */
async function killWorker(pool: MemoryPool): Promise<void> {
  const worker = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", import.meta.url, "work"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await ReadableStream.from([pool.serialize()]).pipeTo(worker.stdin);
  for await (const _output of worker.stdout) worker.kill("SIGKILL");
  console.log(`The worker ended by ${(await worker.status).signal}`);
}

/** Saves what is finished of the results that nobody living owns. */
function saveResults(pool: MemoryPool): void {
  for (const { type, id } of pool.getAllocations(RESULT)) {
    using result = pool.getAllocById(type, id);
    if (result.owner.alive) continue;
    const bytes = new Uint8Array(result.getMemview());
    if (Atomics.load(bytes, 0) !== FINISHED) continue;
    result.adopt(); // Ours now: reclaim() leaves it alone.
    console.log(`Saved a result: ${bytes[1]} ${bytes[2]} ${bytes[3]} ...`);
  }
}

if (Deno.args[0] === "work") {
  await work();
} else {
  using pool = MemoryPool.create(2 ** 20, `results-${crypto.randomUUID()}`, 1);
  await killWorker(pool);
  saveResults(pool);
  const { allocations, bytes } = pool.reclaim();
  console.log(`Reclaimed ${allocations} allocation of ${bytes} bytes`);
  console.log(`${pool.currentAllocations} allocations are left`);
}
