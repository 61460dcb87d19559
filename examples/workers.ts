/// <reference lib="deno.worker" />
// Sharing with Workers, the threads of one process. Each thread attaches for
// itself: handles cannot be posted, descriptors can. Other processes could
// attach to the same pool at the same time.
//
//   deno run --allow-ffi --allow-read workers.ts

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";

const WORKERS = 3;
const LENGTH = 300_000;

interface Share {
  descriptor: Uint8Array;
  start: number;
  end: number;
}

/** In a Worker: computes its share of the square roots, in place. */
function work({ descriptor, start, end }: Share): void {
  using allocation = MemoryAlloc.attach(descriptor);
  const roots = new Float64Array(allocation.getMemview());
  for (let n = start; n < end; n++) roots[n] = Math.sqrt(n);
}

/** Has a Worker do a share; resolves when it is done. */
function employ(share: Share): Promise<void> {
  const worker = new Worker(import.meta.url, { type: "module" });
  return new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(share);
  }).finally(() => worker.terminate());
}

if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = ({ data }: MessageEvent<Share>) => {
    work(data);
    self.postMessage("done");
  };
} else {
  const size = LENGTH * Float64Array.BYTES_PER_ELEMENT;
  using pool = MemoryPool.create(size, `roots-${crypto.randomUUID()}`, 1);
  using allocation = pool.alloc(size);
  const descriptor = allocation.serialize();
  const share = LENGTH / WORKERS;
  await Promise.all(
    Array.from(
      { length: WORKERS },
      (_, index) =>
        employ({ descriptor, start: index * share, end: (index + 1) * share }),
    ),
  );
  const roots = new Float64Array(allocation.getMemview());
  console.log(`${WORKERS} threads: the root of 250000 is ${roots[250_000]}`);
}
