// What a descriptor costs: the first time, and when the handle has it already.

import { createPool } from "./pools.ts";

const SIZE = 512;
const pool = createPool();

Deno.bench({
  name: "alloc + free",
  group: "serialize for the first time",
  baseline: true,
  fn() {
    pool.alloc(SIZE).free();
  },
});

Deno.bench({
  name: "alloc + serialize + free",
  group: "serialize for the first time",
  fn() {
    const allocation = pool.alloc(SIZE);
    allocation.serialize();
    allocation.free();
  },
});

const allocation = pool.alloc(SIZE);
const serialized = allocation.serialize();

Deno.bench({
  name: "copy of a descriptor",
  group: "serialize again",
  baseline: true,
  fn() {
    serialized.slice();
  },
});

Deno.bench({
  name: "allocation.serialize",
  group: "serialize again",
  fn() {
    allocation.serialize();
  },
});

Deno.bench({
  name: "pool.serialize",
  group: "serialize again",
  fn() {
    pool.serialize();
  },
});
