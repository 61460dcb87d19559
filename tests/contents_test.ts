// What is in an allocation: MemoryPool.allocFrom(), MemoryAlloc.copy(), clear(),
// equals() and hash().

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocationNotAvailableError,
  AllocTimeoutError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertOwnError,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  KIB,
  MIB,
  OTHER_HOST,
  thrownBy,
  wrong,
} from "./helpers.ts";
import { PeerProcess, processTest } from "./processes.ts";
import { attachAllocation } from "./remote_functions.ts";
import type { Here } from "./fixtures/remote_call.ts";

const COUNTING = Uint8Array.from({ length: 100 }, (_, at) => at);

// MemoryPool.allocFrom()

Deno.test("MemoryPool.allocFrom() copies buffers and views of every kind", () => {
  using pool = createPool();
  const shared = new SharedArrayBuffer(4);
  new Uint8Array(shared).set([1, 2, 3, 4]);
  const resizable = new ArrayBuffer(4, { maxByteLength: 8 });
  new Uint8Array(resizable).set([1, 2, 3, 4]);
  const kinds: [ArrayBufferView | ArrayBufferLike, number[]][] = [
    [COUNTING, [...COUNTING]],
    [COUNTING.buffer, [...COUNTING]],
    [COUNTING.subarray(10, 13), [10, 11, 12]],
    [new DataView(COUNTING.buffer, 98), [98, 99]],
    [new Uint16Array([0x0201, 0x0403]), [1, 2, 3, 4]],
    [new Float64Array([2]), [0, 0, 0, 0, 0, 0, 0, 64]],
    [shared, [1, 2, 3, 4]],
    [new Uint8Array(shared, 1, 2), [2, 3]],
    [resizable, [1, 2, 3, 4]],
    [new Uint8Array(resizable), [1, 2, 3, 4]],
    [new Uint8Array(), []],
    [new ArrayBuffer(0), []],
  ];
  for (const [bytes, expected] of kinds) {
    const allocation = pool.allocFrom(bytes);
    assertEquals(allocation.type, AllocType.DATA);
    assertEquals([...bytesOf(allocation)], expected);
  }
  const memview = pool.allocFrom(COUNTING, 77).getMemview();
  const copy = pool.allocFrom(memview, 78);
  assertEquals([...bytesOf(copy)], [...COUNTING]);
  assertEquals(copy.type, 78);
});

Deno.test("MemoryPool.allocFrom() keeps nothing of what it was given", () => {
  using pool = createPool();
  const bytes = new Uint8Array([1, 2, 3]);
  using allocation = pool.allocFrom(bytes);
  bytes.fill(9);
  assertEquals([...bytesOf(allocation)], [1, 2, 3]);
});

Deno.test("MemoryPool.allocFrom() rejects what is no buffer, and detached ones", () => {
  using pool = createPool();
  for (const value of [undefined, null, 3, "abc", [1, 2], {}, pool]) {
    assertThrows(() => pool.allocFrom(wrong(value)), TypeError);
  }
  const view = new Uint8Array(8);
  view.buffer.transfer();
  assertThrows(() => pool.allocFrom(view), TypeError);
  assertThrows(() => pool.allocFrom(view.buffer), TypeError);
  assertThrows(() => pool.allocFrom(COUNTING, -1), RangeError);
  assertThrows(() => pool.allocFrom(COUNTING, wrong("1")), TypeError);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.allocFrom() throws what alloc() does", () => {
  const pool = createPool(64 * KIB);
  assertThrows(
    () => pool.allocFrom(new Uint8Array(pool.size + 1)),
    AllocationNotAvailableError,
  );
  pool.destroy();
  assertThrows(() => pool.allocFrom(COUNTING), PoolError);
});

// MemoryAlloc.copy()

Deno.test("MemoryAlloc.copy() makes an allocation of its own in the same pool", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING, 7);
  {
    using copy = allocation.copy();
    assertEquals(copy.type, 7);
    assertEquals(copy.pool, pool);
    assert(copy.id !== allocation.id);
    bytesOf(allocation).fill(0);
    assertEquals([...bytesOf(copy)], [...COUNTING]);
    assertEquals(pool.currentAllocations, 2);
  }
  assertEquals(pool.currentAllocations, 1);
});

Deno.test("MemoryAlloc.copy() goes to another pool, and takes another type", () => {
  using pool = createPool();
  using second = createPool();
  const allocation = pool.allocFrom(COUNTING, 7);
  const copy = allocation.copy(second, { type: 9 });
  assertEquals(copy.pool, second);
  assertEquals(copy.type, 9);
  allocation.free();
  assertEquals([...bytesOf(copy)], [...COUNTING]);
  assertEquals(second.getAllocations(9).length, 1);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.copy() copies what the handle covers", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  assertEquals([...bytesOf(allocation.clone(5, 3).copy())], [5, 6, 7]);
  assertEquals(pool.alloc(0).copy().size, 0);
  const clone = allocation.clone();
  allocation.resize(2);
  assertEquals([...bytesOf(clone.copy())], [0, 1]);
});

Deno.test("MemoryAlloc.copy() of an allocation that attached to its pool by itself outlives it", () => {
  const pool = createPool();
  const serialized = pool.serialize();
  const descriptor = pool.allocFrom(COUNTING).serialize();
  pool.detach();
  let copy: MemoryAlloc;
  {
    using attached = MemoryAlloc.attach(descriptor);
    copy = attached.copy();
  }
  assertEquals([...bytesOf(copy)], [...COUNTING]);
  copy[Symbol.dispose]();
  const again = MemoryPool.attach(serialized);
  assertEquals(again.currentAllocations, 1);
  assertEquals(again.reclaim().allocations, 1);
  again.destroy();
});

Deno.test("MemoryAlloc.copy() without room throws, and leaves nothing", () => {
  using pool = createPool(64 * KIB);
  const allocation = pool.alloc(40 * KIB);
  const { freeSpace } = pool;
  const error = thrownBy(() => allocation.copy());
  assert(error instanceof AllocationNotAvailableError);
  assert(!(error instanceof AllocTimeoutError));
  assertThrows(
    () => allocation.copy(undefined, { timeout: 0 }),
    AllocationNotAvailableError,
  );
  assertThrows(
    () => allocation.copy(undefined, { timeout: 5 }),
    AllocTimeoutError,
  );
  assertEquals(pool.freeSpace, freeSpace);
});

Deno.test("MemoryAlloc.copy() rejects wrong arguments", () => {
  using pool = createPool();
  const allocation = pool.alloc(10);
  for (const value of [null, {}, "pool", allocation]) {
    assertThrows(() => allocation.copy(wrong(value)), TypeError);
  }
  assertThrows(() => allocation.copy(pool, wrong(5)), TypeError);
  assertThrows(() => allocation.copy(pool, wrong(null)), TypeError);
  assertThrows(() => allocation.copy(pool, { type: wrong("1") }), TypeError);
  assertThrows(() => allocation.copy(pool, { type: 2 ** 32 }), RangeError);
  assertThrows(() => allocation.copy(pool, { timeout: -1 }), RangeError);
  assertThrows(() => allocation.copy(pool, { timeout: NaN }), RangeError);
  assertThrows(() => allocation.copy(pool, { timeout: wrong("1") }), TypeError);
  assertEquals(pool.currentAllocations, 1);
});

// MemoryAlloc.clear()

Deno.test("MemoryAlloc.clear() makes the range zero that TypedArray.fill() fills", () => {
  using pool = createPool();
  const edges = [
    ...[undefined, 0, -0, 1, 50, 99, 100, 101, 2 ** 53, Infinity],
    ...[-1, -99, -100, -101, -Infinity, 10.9, -10.9, 0.5, NaN],
  ];
  for (const start of edges) {
    for (const end of edges) {
      using allocation = pool.allocFrom(COUNTING);
      allocation.clear(start, end);
      assertEquals(
        [...bytesOf(allocation)],
        [...COUNTING.slice().fill(0, start, end)],
        `from ${start} to ${end}`,
      );
    }
  }
});

Deno.test("MemoryAlloc.clear() through a clone keeps to its part", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING.subarray(1, 7));
  const neighbour = pool.allocFrom(COUNTING.subarray(1, 7));
  allocation.clone(2, 3).clear();
  assertEquals([...bytesOf(allocation)], [1, 2, 0, 0, 0, 6]);
  allocation.clear();
  assertEquals([...bytesOf(allocation)], [0, 0, 0, 0, 0, 0]);
  assertEquals([...bytesOf(neighbour)], [1, 2, 3, 4, 5, 6]);
  pool.alloc(0).clear();
});

Deno.test("MemoryAlloc.clear() takes numbers only", () => {
  using pool = createPool();
  const allocation = pool.allocFrom(COUNTING);
  for (const value of [null, "1", 1n, {}]) {
    assertThrows(() => allocation.clear(wrong(value)), TypeError);
    assertThrows(() => allocation.clear(0, wrong(value)), TypeError);
  }
  assertEquals([...bytesOf(allocation)], [...COUNTING]);
});

// MemoryAlloc.equals()

Deno.test("MemoryAlloc.equals() compares sizes and bytes, in one pool and across two", () => {
  using pool = createPool();
  using second = createPool();
  const allocation = pool.allocFrom(COUNTING, 1);
  const others = [
    allocation,
    allocation.clone(),
    allocation.copy(),
    allocation.copy(second),
  ];
  for (const other of others) {
    assert(allocation.equals(other) && other.equals(allocation));
  }
  const copy = others[3]!;
  for (const index of [0, 50, 99]) {
    bytesOf(copy)[index]! ^= 1;
    assert(!allocation.equals(copy) && !copy.equals(allocation));
    bytesOf(copy)[index]! ^= 1;
  }
  assert(!allocation.equals(allocation.clone(0, 99)));
  assert(pool.alloc(0).equals(second.alloc(0)));
  assert(allocation.clone(20, 5).equals(copy.clone(20, 5)));
  assert(!allocation.clone(20, 5).equals(copy.clone(21, 5)));
});

Deno.test("MemoryAlloc.equals() takes allocations only", () => {
  using pool = createPool();
  const allocation = pool.alloc(1);
  for (const value of [undefined, null, {}, pool, allocation.getMemview()]) {
    assertThrows(() => allocation.equals(wrong(value)), TypeError);
  }
});

// MemoryAlloc.hash()

Deno.test("MemoryAlloc.hash() is XXH64 with seed 0", () => {
  using pool = createPool();
  const known: [string, bigint][] = [
    ["", 0xef46db3751d8e999n],
    ["a", 0xd24ec4f1a98c6e5bn],
    ["abc", 0x44bc2cf5ad770999n],
    ["asdf", 0x415872f599cea71en],
    ["Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1n],
    [
      "Call me Ishmael. Some years ago--never mind how long precisely-",
      0x02a2e85470d6fd96n,
    ],
  ];
  for (const [text, hash] of known) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(pool.allocFrom(bytes).hash(), hash);
    const around = pool.alloc(bytes.length + 20);
    bytesOf(around).set(bytes, 13);
    assertEquals(around.clone(13, bytes.length).hash(), hash);
  }
});

Deno.test("MemoryAlloc.hash() follows the bytes", () => {
  using pool = createPool(4 * MIB);
  const allocation = pool.alloc(3 * MIB + 1);
  allocation.clear();
  const zeros = allocation.hash();
  bytesOf(allocation)[3 * MIB] = 1;
  assertNotEquals(allocation.hash(), zeros);
  allocation.clear(-1);
  assertEquals(allocation.hash(), zeros);
});

// All of them

const calls: [string, (allocation: MemoryAlloc) => unknown][] = [
  ["copy", (allocation) => allocation.copy()],
  ["clear", (allocation) => allocation.clear()],
  ["equals", (allocation) => allocation.equals(allocation)],
  ["hash", (allocation) => allocation.hash()],
  ["clone", (allocation) => allocation.clone()],
  ["resize", (allocation) => allocation.resize(1)],
];

for (const [name, call] of calls) {
  Deno.test(`MemoryAlloc.${name}() of what was freed, detached or destroyed throws`, () => {
    const pool = createPool();
    const freed = pool.alloc(10);
    const stale = freed.clone();
    freed.free();
    const detached = pool.alloc(10);
    detached.detach();
    const ofDetached = MemoryPool.attach(pool.serialize()).alloc(10);
    ofDetached.pool.detach();
    for (
      const [handle, code] of [
        [freed, "stale"],
        [stale, "stale"],
        [detached, "detached"],
        [ofDetached, "detached"],
      ] as const
    ) {
      const error = thrownBy(() => call(handle));
      assert(error instanceof AllocationError);
      assertOwnError(error);
      assertEquals(error.code, code);
    }
    const other = pool.alloc(10);
    pool.destroy();
    const error = thrownBy(() => call(other));
    assert(error instanceof PoolError);
    assertOwnError(error);
    assertEquals(error.code, "destroyed");
  });

  Deno.test(`MemoryAlloc.${name}() of an allocation on another host throws`, () => {
    const there = MemoryAlloc.attach(OTHER_HOST);
    const error = thrownBy(() => call(there));
    assert(error instanceof PoolError);
    assertOwnError(error);
    assertEquals(error.code, "not-local");
  });
}

Deno.test("MemoryAlloc.equals() looks at the other handle as well", () => {
  using pool = createPool();
  const allocation = pool.alloc(10);
  const freed = pool.alloc(10);
  freed.free();
  assertThrows(() => allocation.equals(freed), AllocationError);
  assertThrows(
    () => allocation.equals(MemoryAlloc.attach(OTHER_HOST)),
    PoolError,
  );
});

Deno.test("MemoryAlloc.copy() to a pool that is gone throws", () => {
  using pool = createPool();
  const allocation = pool.alloc(10);
  const gone = createPool();
  gone.destroy();
  assertEquals(thrownBy(() => allocation.copy(gone)).code, "destroyed");
  const detached = MemoryPool.attach(pool.serialize());
  detached.detach();
  assertEquals(thrownBy(() => allocation.copy(detached)).code, "detached");
  assertEquals(pool.currentAllocations, 1);
});

function lookAt({ kept }: Here): [bigint, number[]] {
  return [kept.allocation!.hash(), [...kept.view!]];
}

function clearKept({ kept }: Here): void {
  kept.allocation!.clear(1);
}

processTest(
  "MemoryAlloc.clear(), hash() and MemoryPool.allocFrom() are of one memory in all processes",
  async () => {
    using pool = createPool();
    const allocation = pool.allocFrom(new Uint8Array([1, 2, 3]));
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    assertEquals(await peer.run(lookAt), [allocation.hash(), [1, 2, 3]]);
    allocation.clear(2);
    assertEquals(await peer.run(lookAt), [allocation.hash(), [1, 2, 0]]);
    await peer.run(clearKept);
    assertEquals([...bytesOf(allocation)], [1, 0, 0]);
  },
);
