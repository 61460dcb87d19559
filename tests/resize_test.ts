// MemoryAlloc.resize(): another size within the block, and who sees it when.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AllocationError,
  AllocationNotAvailableError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertEmptied,
  assertOwnError,
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  KIB,
  randomSource,
  thrownBy,
  wrong,
} from "./helpers.ts";
import { PeerProcess, processTest } from "./processes.ts";
import { attachAllocation } from "./remote_functions.ts";
import type { Here } from "./fixtures/remote_call.ts";

Deno.test("MemoryAlloc.resize() changes the size up to the end of the block", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const { byteOffset, id } = allocation;
  for (const size of [128, 0, 1, 127, 100]) {
    allocation.resize(size);
    assertEquals(allocation.size, size);
    assertEquals(allocation.getMemview().byteLength, size);
    assertEquals([...pool.getAllocations()], [
      { type: AllocType.DATA, id, size },
    ]);
    assertSound(pool);
  }
  assertEquals(allocation.byteOffset, byteOffset);
});

Deno.test("MemoryAlloc.resize() keeps the bytes, and the block for freeSpace", () => {
  using pool = createPool();
  const allocation = pool.alloc(10 * KIB);
  fill(allocation, 7);
  const { freeSpace } = pool;
  allocation.resize(10);
  assertEquals([...bytesOf(allocation)], Array(10).fill(7));
  assertEquals(pool.freeSpace, freeSpace);
  allocation.resize(10 * KIB);
  assert(bytesOf(allocation).every((byte) => byte === 7));
  allocation.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.resize() beyond the block is refused, and changes nothing", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const view = allocation.getMemview();
  for (const size of [129, pool.size + 1, Number.MAX_SAFE_INTEGER]) {
    const error = thrownBy(() => allocation.resize(size));
    assert(error instanceof AllocationNotAvailableError);
    assertOwnError(error);
    assertEquals(error.code, "too-large");
  }
  assertEquals(allocation.size, 100);
  assertEquals(allocation.getMemview(), view);
  assertEquals(view.byteLength, 100);
});

Deno.test("MemoryAlloc.resize() reaches as far as minBlockSize says", () => {
  using pool = createPool(64 * KIB, { minBlockSize: 4 * KIB });
  const allocation = pool.alloc(1);
  allocation.resize(4 * KIB);
  assertThrows(
    () => allocation.resize(4 * KIB + 1),
    AllocationNotAvailableError,
  );
  fill(allocation, 1);
});

Deno.test("MemoryAlloc.resize() empties every view of the thread over the old size", () => {
  using pool = createPool();
  using again = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(100);
  const handles = [
    allocation,
    allocation.clone(),
    allocation.clone(10, 5),
    again.getAllocById(AllocType.DATA, allocation.id),
  ];
  for (const size of [90, 120]) {
    const views = handles.map((handle) => handle.getMemview());
    allocation.resize(size);
    views.forEach(assertEmptied);
    const lengths = handles.map((handle) => handle.getMemview().byteLength);
    assertEquals(lengths, [size, size, 5, size]);
    assertEquals(handles.map((handle) => handle.size), lengths);
  }
});

Deno.test("MemoryAlloc.resize() to the same size leaves the views alone", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const view = allocation.getMemview();
  allocation.resize(100);
  assertEquals(allocation.getMemview(), view);
  assertEquals(view.byteLength, 100);
});

Deno.test("MemoryAlloc.resize(): other handles have the new size once they look", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const clone = allocation.clone();
  allocation.resize(50);
  assertEquals(clone.size, 100);
  clone.getMemview();
  assertEquals(clone.size, 50);
  assertEquals(MemoryAlloc.attach(allocation.serialize()).size, 50);
  assertEquals(pool.getAllocById(AllocType.DATA, allocation.id).size, 50);
});

Deno.test("MemoryAlloc.resize(): of a clone's part remains what the allocation has", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(
    Uint8Array.from({ length: 100 }, (_, at) => at),
  );
  const part = allocation.clone(40, 20);
  const rest = allocation.clone(40);
  allocation.resize(50);
  assertEquals([...bytesOf(part)], [40, 41, 42, 43, 44, 45, 46, 47, 48, 49]);
  assertEquals(bytesOf(rest).length, 10);
  allocation.resize(30);
  assertEquals(part.getMemview().byteLength, 0);
  assertEquals(rest.getMemview().byteLength, 0);
  assertEquals(part.clone().size, 0);
  allocation.resize(128);
  assertEquals([bytesOf(part)[0], bytesOf(part).length], [40, 20]);
  assertEquals([bytesOf(rest)[0], bytesOf(rest).length], [40, 88]);
});

Deno.test("MemoryAlloc.resize() through a clone of a part is refused, of all is not", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  for (const part of [allocation.clone(0, 100), allocation.clone(1)]) {
    const error = thrownBy(() => part.resize(10));
    assert(error instanceof AllocationError);
    assertOwnError(error);
    assertEquals(error.code, "partial");
  }
  allocation.clone().resize(60);
  assertEquals(allocation.getMemview().byteLength, 60);
});

Deno.test("MemoryAlloc.resize() rejects what is no size", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  for (const size of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => allocation.resize(size), RangeError);
  }
  for (const size of [undefined, null, "1", 1n, {}]) {
    assertThrows(() => allocation.resize(wrong(size)), TypeError);
  }
  allocation.resize(-0);
  assertEquals(allocation.size, 0);
});

Deno.test("MemoryAlloc.resize() of what was freed, detached or destroyed throws", () => {
  const pool = createPool();
  const freed = pool.alloc(100);
  const clone = freed.clone();
  const view = clone.getMemview();
  MemoryAlloc.attach(freed.serialize()).free();
  assertEquals(thrownBy(() => freed.resize(1)).code, "stale");
  assertEquals(thrownBy(() => clone.resize(1)).code, "stale");
  assertEmptied(view);
  const detached = pool.alloc(100);
  detached.detach();
  assertEquals(thrownBy(() => detached.resize(1)).code, "detached");
  const left = pool.alloc(100);
  pool.destroy();
  const error = thrownBy(() => left.resize(1));
  assert(error instanceof PoolError);
  assertEquals(error.code, "destroyed");
});

Deno.test("MemoryAlloc.resize() of many at random disturbs no neighbour", () => {
  using pool = createPool(256 * KIB);
  const random = randomSource(31);
  const live = Array.from({ length: 200 }, (_, at) => {
    const allocation = pool.alloc(1 + random(1000), at);
    fill(allocation, at);
    return { allocation, most: Math.ceil(allocation.size / 64) * 64 };
  });
  for (let round = 0; round < 2000; round++) {
    const { allocation, most } = live[random(live.length)]!;
    allocation.resize(random(most + 1));
    fill(allocation, allocation.type);
  }
  for (const { allocation } of live) {
    assert(bytesOf(allocation).every((byte) => byte === allocation.type));
  }
  assertSound(pool);
});

function resizeKept({ kept }: Here, size: number): void {
  kept.allocation!.resize(size);
}

function keptLength({ kept }: Here): number {
  return kept.allocation!.getMemview().byteLength;
}

processTest(
  "MemoryAlloc.resize() is seen by other processes, and theirs by this one",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(100);
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    const view = allocation.getMemview();
    await peer.run(resizeKept, 70);
    assertEquals(view.byteLength, 100);
    assertEquals(allocation.getMemview().byteLength, 70);
    assertEmptied(view);
    allocation.resize(128);
    assertEquals(await peer.run(keptLength), 128);
  },
);
