// What it costs to allocate and free, and to get at the bytes.

import { createPool } from "./pools.ts";

const SIZE = 512;
const pool = createPool();
const region = pool.unsafeMemview;

Deno.bench({
  name: "new Uint8Array",
  group: "alloc and free, 512 B",
  baseline: true,
  fn() {
    new Uint8Array(SIZE);
  },
});

Deno.bench({
  name: "alloc + free",
  group: "alloc and free, 512 B",
  fn() {
    pool.alloc(SIZE).free();
  },
});

// Memory of this process's own, to see what Deno takes for a memview as such.
const memory = new Uint8Array(SIZE);
const pointer = Deno.UnsafePointer.of(memory)!;

Deno.bench({
  name: "getArrayBuffer + transfer(0)",
  group: "alloc, view and free, 512 B",
  baseline: true,
  fn() {
    Deno.UnsafePointerView.getArrayBuffer(pointer, SIZE).transfer(0);
  },
});

Deno.bench({
  name: "alloc + getMemview + free",
  group: "alloc, view and free, 512 B",
  fn() {
    const allocation = pool.alloc(SIZE);
    allocation.getMemview();
    allocation.free();
  },
});

Deno.bench({
  name: "alloc + Uint8Array over unsafeMemview + free",
  group: "alloc, view and free, 512 B",
  fn() {
    const allocation = pool.alloc(SIZE);
    new Uint8Array(region, allocation.byteOffset, SIZE);
    allocation.free();
  },
});
