// What it costs to attach to an allocation whose pool is attached already.

import { MemoryAlloc } from "../mod.ts";
import { createPool } from "./pools.ts";

const pool = createPool();
const allocation = pool.alloc(512);
const { type, id } = allocation;
const serialized = allocation.serialize();

Deno.bench({
  name: "getAllocById + detach",
  group: "attach to an allocation, pool attached",
  baseline: true,
  fn() {
    pool.getAllocById(type, id).detach();
  },
});

Deno.bench({
  name: "MemoryAlloc.attach + detach",
  group: "attach to an allocation, pool attached",
  fn() {
    MemoryAlloc.attach(serialized).detach();
  },
});
