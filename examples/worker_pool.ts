// A pool of worker processes. They take chunks of work by a shared counter and
// leave the results in place: nothing is copied, and the fast take more.
//
//   deno run --allow-ffi --allow-run worker_pool.ts

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";

const WORKERS = 4;
const CHUNKS = 200;
const CHUNK = 1000;

/** How many primes there are from `start` up to, not including, `end`. */
function countPrimes(start: number, end: number): number {
  let count = 0;
  for (let n = Math.max(start, 2); n < end; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor++;
    if (divisor * divisor > n) count++;
  }
  return count;
}

/** The shared table: which chunk is next, then a result per chunk. */
const TABLE_BYTES = (1 + CHUNKS) * Int32Array.BYTES_PER_ELEMENT;

async function work(): Promise<void> {
  const descriptor = await new Response(Deno.stdin.readable).bytes();
  using job = MemoryAlloc.attach(descriptor);
  const table = new Int32Array(job.getMemview());
  for (;;) {
    const chunk = Atomics.add(table, 0, 1);
    if (chunk >= CHUNKS) break;
    table[1 + chunk] = countPrimes(chunk * CHUNK, (chunk + 1) * CHUNK);
  }
}

async function employ(job: MemoryAlloc): Promise<void> {
  const worker = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", import.meta.url, "work"],
    stdin: "piped",
  }).spawn();
  await ReadableStream.from([job.serialize()]).pipeTo(worker.stdin);
  const { success, code } = await worker.status;
  if (!success) throw new Error(`A worker ended with exit code ${code}`);
}

if (Deno.args[0] === "work") {
  await work();
} else {
  using pool = MemoryPool.create(TABLE_BYTES, `job-${crypto.randomUUID()}`, 1);
  using job = pool.alloc(TABLE_BYTES);
  const table = new Int32Array(job.getMemview()).fill(0);
  await Promise.all(Array.from({ length: WORKERS }, () => employ(job)));
  const sum = table.subarray(1).reduce((one, other) => one + other);
  console.log(`${WORKERS} workers found ${sum} primes below ${CHUNKS * CHUNK}`);
}
