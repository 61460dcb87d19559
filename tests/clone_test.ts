// MemoryAlloc.clone() and isSame(): several handles to one allocation, also to
// parts of it, and what becomes of them when one of them ends.

import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertEmptied,
  assertOwnError,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  OTHER_HOST,
  thrownBy,
  wrong,
} from "./helpers.ts";
import { PeerProcess, processTest } from "./processes.ts";
import { attachAllocation } from "./remote_functions.ts";
import type { Here } from "./fixtures/remote_call.ts";

const COUNTING = Uint8Array.from({ length: 100 }, (_, at) => at);

Deno.test("MemoryAlloc.clone() gives another handle to the same memory", () => {
  using pool = createPool();
  const allocation = pool.alloc(100, 7);
  const clone = allocation.clone();
  assertNotStrictEquals(clone, allocation);
  assertEquals(clone.id, allocation.id);
  assertEquals(clone.type, 7);
  assertEquals(clone.size, 100);
  assertEquals(clone.byteOffset, allocation.byteOffset);
  assertEquals(clone.pool, pool);
  assertNotStrictEquals(clone.getMemview(), allocation.getMemview());
  bytesOf(allocation)[99] = 5;
  assertEquals(bytesOf(clone)[99], 5);
  assertEquals(pool.currentAllocations, 1);
});

Deno.test("MemoryAlloc.clone() covers a part of the bytes", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  for (
    const [offset, length] of [[0, 100], [0, 1], [10, 20], [99, 1], [100, 0]]
  ) {
    const clone = allocation.clone(offset, length);
    assertEquals(clone.size, length);
    assertEquals(clone.byteOffset, allocation.byteOffset + offset!);
    assertEquals(
      [...bytesOf(clone)],
      [...COUNTING.subarray(offset, offset! + length!)],
    );
  }
  assertEquals([...bytesOf(allocation.clone(98))], [98, 99]);
  assertEquals(allocation.clone(100).getMemview().byteLength, 0);
  assertEquals(allocation.clone(-0, -0).size, 0);
});

Deno.test("MemoryAlloc.clone() of a clone counts from that one's first byte", () => {
  using pool = createPool();
  const clone = pool.allocFrom(COUNTING).clone(10, 50).clone(5, 20);
  assertEquals([...bytesOf(clone)], [...COUNTING.subarray(15, 35)]);
  assertEquals([...bytesOf(clone.clone(18))], [33, 34]);
  assertThrows(() => clone.clone(0, 21), RangeError);
});

Deno.test("MemoryAlloc.clone(): its bytes lie in MemoryPool.unsafeMemview where it says", () => {
  using pool = createPool();
  const clone = pool.allocFrom(COUNTING).clone(3, 2);
  const seen = new Uint8Array(
    pool.unsafeMemview,
    clone.byteOffset,
    clone.size,
  );
  assertEquals([...seen], [3, 4]);
});

Deno.test("MemoryAlloc.clone() rejects what is no offset or length within the handle", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  for (const offset of [-1, 0.5, NaN, 101, Infinity, 2 ** 53]) {
    assertThrows(() => allocation.clone(offset), RangeError);
  }
  for (const length of [-1, 0.5, NaN, 91, Infinity]) {
    assertThrows(() => allocation.clone(10, length), RangeError);
  }
  for (const value of ["1", 1n, null, {}]) {
    assertThrows(() => allocation.clone(wrong(value)), TypeError);
    assertThrows(() => allocation.clone(0, wrong(value)), TypeError);
  }
});

Deno.test("MemoryAlloc.free() through a clone of a part frees all, and empties every view", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const clone = allocation.clone(10, 5);
  const views = [allocation, clone, allocation.clone()].map((handle) =>
    handle.getMemview()
  );
  clone.free();
  views.forEach(assertEmptied);
  assertEquals(clone.isAttached, false);
  assertThrows(() => allocation.getMemview(), AllocationError);
  assertThrows(() => allocation.free(), AllocationError);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.free() empties the views of clones, which are stale then", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const clone = allocation.clone(50);
  const view = clone.getMemview();
  pool.free(allocation);
  assertEmptied(view);
  const error = thrownBy(() => clone.getMemview());
  assertOwnError(error);
  assertEquals(error.code, "stale");
  assertEquals(thrownBy(() => clone.clone()).code, "stale");
  assertEquals(thrownBy(() => allocation.clone()).code, "stale");
});

Deno.test("MemoryAlloc.detach() of a clone, and its disposal, end that handle alone", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const view = allocation.getMemview();
  const clone = allocation.clone(1);
  const ofClone = clone.getMemview();
  clone.detach();
  assertEmptied(ofClone);
  assertEquals(thrownBy(() => clone.getMemview()).code, "detached");
  assertEquals(thrownBy(() => clone.clone()).code, "detached");
  {
    using _second = allocation.clone();
  }
  assertEquals(view.byteLength, 100);
  assert(pool.allocationExists(AllocType.DATA, allocation.id));
});

Deno.test("MemoryAlloc.clone() lives on when the handle that it came from ends", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  const clone = allocation.clone(2, 3);
  allocation.detach();
  assertEquals([...bytesOf(clone)], [2, 3, 4]);
});

Deno.test("MemoryAlloc.clone() of an allocation that attached to its pool by itself holds on to the pool", () => {
  const pool = createPool();
  const descriptor = pool.allocFrom(COUNTING).serialize();
  pool.detach();
  const attached = MemoryAlloc.attach(descriptor);
  const clone = attached.clone(7);
  attached.detach();
  assertEquals(bytesOf(clone)[0], 7);
  const last = clone.clone(1);
  clone.detach();
  assertEquals(bytesOf(last)[0], 8);
  last.pool.destroy();
});

Deno.test("MemoryAlloc.serialize() of a clone names the whole allocation", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  const clone = allocation.clone(10, 5);
  assertEquals(clone.serialize(), allocation.serialize());
  using attached = MemoryAlloc.attach(clone.serialize());
  assertEquals(attached.size, 100);
  assertEquals([...bytesOf(attached)], [...COUNTING]);
});

Deno.test("MemoryAlloc: a clone's view ends with the pool's handle, and is safe when moved", () => {
  const pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  const clone = allocation.clone(10, 5);
  const moved = clone.getMemview().transfer();
  const again = clone.getMemview();
  assertEquals(again.byteLength, 5);
  pool.destroy();
  assertEmptied(again);
  assertEquals([...new Uint8Array(moved)], [10, 11, 12, 13, 14]);
  assertThrows(() => clone.getMemview(), PoolError);
  assertThrows(() => clone.clone(), PoolError);
});

Deno.test("MemoryAlloc.isSame() tells handles to one allocation from others", () => {
  using pool = createPool();
  using again = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(100);
  const handles = [
    allocation,
    allocation.clone(),
    allocation.clone(10, 1),
    MemoryAlloc.attach(allocation.serialize()),
    again.getAllocById(AllocType.DATA, allocation.id),
  ];
  const other = pool.alloc(100);
  for (const one of handles) {
    for (const another of handles) assert(one.isSame(another));
    assert(!one.isSame(other) && !other.isSame(one));
  }
  using second = createPool();
  const there = second.alloc(100);
  assertEquals(there.id, allocation.id);
  assert(!there.isSame(allocation));
});

Deno.test("MemoryAlloc.isSame() answers of what has ended, too", () => {
  const pool = createPool();
  const allocation = pool.alloc(100);
  const clone = allocation.clone();
  allocation.free();
  assert(clone.isSame(allocation) && allocation.isSame(clone));
  const next = pool.alloc(100);
  assertEquals(next.byteOffset, allocation.byteOffset);
  assert(!next.isSame(allocation));
  pool.destroy();
  assert(clone.isSame(allocation) && !next.isSame(allocation));
});

Deno.test("MemoryAlloc.isSame() compares what is on another host by its descriptor", () => {
  using pool = createPool();
  const here = pool.alloc(1);
  const there = MemoryAlloc.attach(OTHER_HOST);
  assert(there.isSame(there));
  assert(there.isSame(MemoryAlloc.attach(OTHER_HOST)));
  assert(!there.isSame(here) && !here.isSame(there));
  assertEquals(thrownBy(() => there.clone()).code, "not-local");
});

Deno.test("MemoryAlloc.isSame() takes allocations only", () => {
  using pool = createPool();
  const allocation = pool.alloc(1);
  for (const value of [undefined, null, {}, pool, allocation.id]) {
    assertThrows(() => allocation.isSame(wrong(value)), TypeError);
  }
});

function writeThroughClone({ kept }: Here): void {
  new Uint8Array(kept.allocation!.clone(4, 2).getMemview()).fill(9);
}

processTest(
  "MemoryAlloc.clone() of another process shares the memory",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(8);
    allocation.clear();
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    await peer.run(writeThroughClone);
    assertEquals([...bytesOf(allocation)], [0, 0, 0, 0, 9, 9, 0, 0]);
  },
);
