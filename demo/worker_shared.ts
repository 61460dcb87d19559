/**
 * A child of the demo that works in shared memory: it attaches to the pool,
 * counts its share where it lies, and leaves the tally in an allocation of its
 * own, which outlives it. Needs `--allow-ffi` only.
 */

import { MemoryAlloc, MemoryPool } from "../mod.ts";
import { readMessage } from "./input.ts";
import { Tally } from "./job.ts";
import { type PoolResult, type PoolWork, READY } from "./messages.ts";

console.log(JSON.stringify(READY));
const work = readMessage<PoolWork>();
if (work) {
  using pool = MemoryPool.attach(Uint8Array.fromBase64(work.pool));
  using file = MemoryAlloc.attach(Uint8Array.fromBase64(work.bytes));
  const share = new Uint8Array(file.getMemview(), work.start, work.length);

  // Not `using`: that would free it, and the parent is to read it.
  const result = pool.alloc(Tally.BYTES);
  const tally = new Tally(result.getMemview());
  tally.clear();
  tally.count(share, work.start);

  const answer: PoolResult = { tally: result.serialize().toBase64() };
  console.log(JSON.stringify(answer));
}
