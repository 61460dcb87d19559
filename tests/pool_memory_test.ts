// What attributes of a pool say about its memory: preAllocate and numaNode.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type ManagedMemoryError,
  MemoryPool,
  PoolCreateError,
} from "../mod.ts";
import {
  assertOwnError,
  assertWholeAndEmpty,
  createPool,
  fill,
  MIB,
  thrownBy,
  uniqueName,
  wrong,
} from "./helpers.ts";
import { permittedTest } from "./processes.ts";

/** Bytes of memory that the pool's file takes. */
function committed(pool: MemoryPool): number {
  return Deno.statSync(`/dev/shm/managed-memory.${pool.name}`).blocks! * 512;
}

permittedTest(
  "MemoryPool.create() with preAllocate commits memory for allocations of these sizes",
  ["read"],
  () => {
    using pool = createPool(64 * MIB, {
      preAllocate: [4 * MIB, 0, ...Array<number>(100).fill(8192)],
      maxAllocations: 1000,
    });
    const before = committed(pool);
    assert(before >= 4 * MIB + 100 * 8192 && before < 12 * MIB, `${before}`);
    assertEquals(pool.freeSpace, pool.size);
    assertEquals(pool.maxUsedAllocations, 0);
    fill(pool.alloc(4 * MIB), 1);
    for (let count = 0; count < 100; count++) fill(pool.alloc(8192), 2);
    assertEquals(committed(pool), before);
    fill(pool.alloc(16 * MIB), 3);
    assert(committed(pool) > before);
  },
);

Deno.test("MemoryPool.create() with preAllocate takes any list, and an empty one", () => {
  for (
    const preAllocate of [[], undefined, new Set([100]), new Uint16Array([9])]
  ) {
    using pool = createPool(MIB, { preAllocate });
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.create() with more in preAllocate than there can be fails, and leaves nothing", () => {
  const name = uniqueName();
  for (
    const attributes of [
      { preAllocate: [MIB, 1] },
      { preAllocate: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] },
      { preAllocate: [1, 1, 1], maxAllocations: 2 },
    ]
  ) {
    const error = thrownBy(() => MemoryPool.create(MIB, name, 1, attributes));
    assert(error instanceof PoolCreateError);
    assertOwnError(error);
    assertEquals(error.code, "too-large");
  }
  MemoryPool.create(MIB, name, 1, { preAllocate: [MIB] }).destroy();
});

Deno.test("MemoryPool.create() rejects what is no preAllocate", () => {
  for (const preAllocate of [5, "12", null, {}, ["1"], [1n], [null]]) {
    assertThrows(
      () => createPool(MIB, { preAllocate: wrong(preAllocate) }),
      TypeError,
    );
  }
  for (const size of [-1, 0.5, NaN, Infinity]) {
    assertThrows(() => createPool(MIB, { preAllocate: [size] }), RangeError);
  }
});

Deno.test("MemoryPool.create() with numaNode 0 makes a pool, or says why it cannot", () => {
  try {
    using pool = createPool(4 * MIB, { numaNode: 0, preAllocate: [MIB] });
    fill(pool.alloc(3 * MIB), 1);
  } catch (error) {
    assert(error instanceof PoolCreateError);
    assertOwnError(error);
    assertEquals(error.code, "system"); // no NUMA in this kernel, or not allowed
  }
});

Deno.test("MemoryPool.create() with a numaNode that is not there fails, and leaves nothing", () => {
  const name = uniqueName();
  const error: ManagedMemoryError = thrownBy(() =>
    MemoryPool.create(MIB, name, 1, { numaNode: 1023 })
  );
  assert(error instanceof PoolCreateError);
  assertOwnError(error);
  assertEquals(error.code, "system");
  MemoryPool.create(MIB, name, 1).destroy();
});

Deno.test("MemoryPool.create() rejects what is no numaNode", () => {
  for (const numaNode of [-1, 0.5, NaN, 1024, Infinity]) {
    assertThrows(() => createPool(MIB, { numaNode }), RangeError);
  }
  for (const numaNode of ["0", 0n, null, {}]) {
    assertThrows(
      () => createPool(MIB, { numaNode: wrong(numaNode) }),
      TypeError,
    );
  }
});
