// One round of allocating and freeing 512 bytes, in a process of its own like
// those of the native programs: prints the nanoseconds of a pair.

import { createPool } from "./pools.ts";

const SIZE = 512;
const PAIRS = 200_000;
/** Until V8 has compiled everything for good. */
const WARM_UP_ROUNDS = 4;

const pool = createPool();

function round(): number {
  const start = performance.now();
  for (let pair = 0; pair < PAIRS; pair++) pool.alloc(SIZE).free();
  return (performance.now() - start) * 1e6 / PAIRS;
}

for (let warmUp = 0; warmUp < WARM_UP_ROUNDS; warmUp++) round();
console.log(round());
