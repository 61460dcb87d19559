// What it costs to list a pool's allocations, beside a mere copy of such a list.

import { createPool } from "./pools.ts";

const SIZE = 512;
/** Bytes of one entry in the native library's list. */
const ENTRY_SIZE = 32;

for (const count of [1, 1_000, 100_000]) {
  const group = `list ${count.toLocaleString("en")}`;
  const pool = createPool();
  for (let made = 0; made < count; made++) pool.alloc(SIZE);
  const list = new Uint8Array(count * ENTRY_SIZE);

  Deno.bench({
    name: `copy of ${list.length.toLocaleString("en")} bytes`,
    group,
    baseline: true,
    fn() {
      list.slice();
    },
  });

  Deno.bench({
    name: "getAllocations",
    group,
    fn() {
      pool.getAllocations();
    },
  });

  Deno.bench({
    name: "getAllocations, and look at each",
    group,
    fn() {
      let total = 0;
      for (const { size } of pool.getAllocations()) total += size;
      if (total !== count * SIZE) throw new Error("Listed something else");
    },
  });
}
