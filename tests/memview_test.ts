// Memviews in one process: one ArrayBuffer per handle over the very memory,
// taken away before the memory goes, and safe when the program moved it.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { AllocationError, AllocType, MemoryAlloc, MemoryPool } from "../mod.ts";
import {
  assertEmptied,
  assertFilled,
  assertThrowsPoolOrAllocationError,
  assertWholeAndEmpty,
  createPool,
  fill,
  KIB,
} from "./helpers.ts";
import { removedInTheEnd } from "./libc.ts";

/** Asserts that a view over emptied memory has nothing left to read. */
function assertViewEmpty(view: { length: number; byteLength: number }): void {
  assertEquals(view.length, 0);
  assertEquals(view.byteLength, 0);
}

Deno.test("MemoryAlloc.getMemview() gives an ArrayBuffer of the allocation's size", () => {
  using pool = createPool();
  for (const size of [0, 1, 63, 64, 65, 4096, 100_000]) {
    const memview = pool.alloc(size).getMemview();
    assertInstanceOf(memview, ArrayBuffer);
    assertEquals(memview.byteLength, size);
    assertEquals(memview.resizable, false);
  }
});

Deno.test("MemoryAlloc.getMemview() gives the same ArrayBuffer at every call", () => {
  using pool = createPool();
  for (const size of [0, 1, 1000]) {
    const allocation = pool.alloc(size);
    const memview = allocation.getMemview();
    assertStrictEquals(allocation.getMemview(), memview);
    assertStrictEquals(allocation.getMemview(), memview);
  }
});

Deno.test("MemoryAlloc.getMemview() shows the very memory to every handle", () => {
  using pool = createPool();
  using otherPool = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(1000);
  const handles = [
    allocation,
    MemoryAlloc.attach(allocation.serialize()),
    pool.getAllocById(AllocType.DATA, allocation.id),
    otherPool.getAllocById(AllocType.DATA, allocation.id),
  ];
  for (const [value, writer] of handles.entries()) {
    fill(writer, value + 1);
    for (const reader of handles) assertFilled(reader, value + 1);
  }
});

Deno.test("MemoryAlloc.getMemview() keeps its contents for as long as the allocation lives", () => {
  using pool = createPool();
  const allocation = pool.alloc(1000);
  fill(allocation, 0x5a);
  for (let round = 0; round < 100; round++) pool.alloc(round * 10).free();
  assertFilled(allocation, 0x5a);
  assertFilled(pool.getAllocById(AllocType.DATA, allocation.id), 0x5a);
});

const frees: {
  how: string;
  free(pool: MemoryPool, allocation: MemoryAlloc): void;
}[] = [
  { how: "allocation.free()", free: (_, allocation) => allocation.free() },
  { how: "pool.free()", free: (pool, allocation) => pool.free(allocation) },
  { how: "disposal", free: (_, allocation) => allocation[Symbol.dispose]() },
  {
    how: "free() through a handle that attached",
    free: (_, allocation) => MemoryAlloc.attach(allocation.serialize()).free(),
  },
  {
    how: "free() through a handle looked up by id",
    free: (pool, allocation) =>
      pool.getAllocById(AllocType.DATA, allocation.id).free(),
  },
  {
    how: "free() of another handle of the pool",
    free(pool, allocation) {
      using other = MemoryPool.attach(pool.serialize());
      other.free(allocation);
    },
  },
];

for (const { how, free } of frees) {
  Deno.test(`MemoryAlloc: ${how} empties every memview of the allocation in this thread`, () => {
    using pool = createPool();
    using otherPool = MemoryPool.attach(pool.serialize());
    const allocation = pool.alloc(1000);
    const handles = [
      allocation,
      MemoryAlloc.attach(allocation.serialize()),
      pool.getAllocById(AllocType.DATA, allocation.id),
      otherPool.getAllocById(AllocType.DATA, allocation.id),
    ];
    const memviews = handles.map((handle) => handle.getMemview());
    const bystander = pool.alloc(1000);
    fill(bystander, 7);
    const bystanderMemview = bystander.getMemview();

    free(pool, allocation);
    for (const memview of memviews) assertEmptied(memview);
    for (const handle of handles) {
      assertThrows(() => handle.getMemview(), AllocationError);
    }
    assertStrictEquals(bystander.getMemview(), bystanderMemview);
    assertFilled(bystander, 7);
    bystander.free();
    assertWholeAndEmpty(pool);
  });
}

const poolEndings: { how: string; end(pool: MemoryPool): void }[] = [
  { how: "detach()", end: (pool) => pool.detach() },
  {
    how: "detach() with serialize",
    end: (pool) => pool.detach({ serialize: true }),
  },
  { how: "destroy()", end: (pool) => pool.destroy() },
  { how: "disposal", end: (pool) => pool[Symbol.dispose]() },
];

for (const { how, end } of poolEndings) {
  Deno.test(`MemoryPool: ${how} empties every memview that came through it`, () => {
    const keeper = createPool();
    using _file = removedInTheEnd(keeper);
    const serialized = keeper.serialize();
    keeper.detach();
    const pool = MemoryPool.attach(serialized);
    const first = pool.alloc(1000);
    const second = pool.alloc(2000);
    const memviews = [
      first.getMemview(),
      second.getMemview(),
      pool.getAllocById(AllocType.DATA, first.id).getMemview(),
      pool.unsafeMemview,
    ];
    end(pool);
    for (const memview of memviews) assertEmptied(memview);
    assertThrowsPoolOrAllocationError(() => first.getMemview());
    assertThrowsPoolOrAllocationError(() => second.getMemview());
    if (how !== "destroy()") MemoryPool.attach(serialized).destroy();
  });
}

Deno.test("MemoryPool.destroy() empties every memview of the pool, by whichever handle", () => {
  using pool = createPool();
  const other = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(1000);
  const memviews = [
    allocation.getMemview(),
    MemoryAlloc.attach(allocation.serialize()).getMemview(),
    other.getAllocById(AllocType.DATA, allocation.id).getMemview(),
    other.alloc(10).getMemview(),
  ];
  other.destroy();
  for (const memview of memviews) assertEmptied(memview);
});

Deno.test("MemoryPool.detach() leaves the memory to the other handle of this thread", () => {
  using pool = createPool();
  const other = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(1000);
  fill(allocation, 3);
  const throughOther = other.getAllocById(AllocType.DATA, allocation.id);
  throughOther.getMemview();
  other.detach();
  assertThrowsPoolOrAllocationError(() => throughOther.getMemview());
  assertFilled(allocation, 3);
  assertEquals(allocation.getMemview().byteLength, 1000);
});

Deno.test("MemoryAlloc.detach() empties the memview of its handle alone", () => {
  using pool = createPool();
  const allocation = pool.alloc(1000);
  fill(allocation, 4);
  const memview = allocation.getMemview();
  const attached = MemoryAlloc.attach(allocation.serialize());
  const attachedMemview = attached.getMemview();
  const found = pool.getAllocById(AllocType.DATA, allocation.id);
  const foundMemview = found.getMemview();

  attached.detach();
  assertEmptied(attachedMemview);
  assertThrows(() => attached.getMemview(), AllocationError);
  assertStrictEquals(allocation.getMemview(), memview);
  assertStrictEquals(found.getMemview(), foundMemview);
  assertFilled(allocation, 4);
  assertFilled(found, 4);

  allocation.detach();
  assertEmptied(memview);
  assertFilled(found, 4);
  found.free();
  assertEmptied(foundMemview);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.detach() empties its memview when it lets the pool go", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const poolBytes = pool.serialize();
  const serialized = pool.alloc(1000).serialize();
  pool.detach();
  const first = MemoryAlloc.attach(serialized);
  const second = MemoryAlloc.attach(serialized);
  fill(first, 6);
  const firstMemview = first.getMemview();
  const secondMemview = second.getMemview();
  first.detach();
  assertEmptied(firstMemview);
  assertStrictEquals(second.getMemview(), secondMemview);
  assertFilled(second, 6);
  second.detach();
  assertEmptied(secondMemview);
  MemoryPool.attach(poolBytes).destroy();
});

Deno.test("MemoryAlloc.free() leaves typed arrays and DataViews over the memview empty", () => {
  using pool = createPool();
  const allocation = pool.alloc(1024);
  const memview = allocation.getMemview();
  const views = [
    new Uint8Array(memview),
    new Uint8Array(memview, 100, 50),
    new Int32Array(memview),
    new Float64Array(memview, 512),
    new BigUint64Array(memview, 8, 2),
  ];
  const dataView = new DataView(memview, 16);
  for (const view of views) assert(view.length > 0);
  allocation.free();
  for (const view of views) assertViewEmpty(view);
  assertEquals(views[0]![0], undefined);
  views[0]![0] = 1;
  assertEquals(views[0]![0], undefined);
  assertThrows(() => dataView.getInt8(0), TypeError);
  assertThrows(() => new Uint8Array(memview), TypeError);
});

Deno.test("MemoryAlloc.free() detaches a memview of 0 bytes too", () => {
  using pool = createPool();
  const allocation = pool.alloc(0);
  const memview = allocation.getMemview();
  assertEquals(memview.detached, false);
  allocation.free();
  assertEmptied(memview);
});

Deno.test("MemoryAlloc.getMemview() gives a new ArrayBuffer over the same memory after a move", async (t) => {
  const moves: Record<string, (buffer: ArrayBuffer) => ArrayBuffer> = {
    "transfer()": (buffer) => buffer.transfer(),
    "structuredClone()": (buffer) =>
      structuredClone(buffer, { transfer: [buffer] }),
  };
  for (const [how, move] of Object.entries(moves)) {
    await t.step(how, () => {
      using pool = createPool();
      const allocation = pool.alloc(1000);
      fill(allocation, 1);
      const first = allocation.getMemview();
      const moved = move(first);
      assertEquals(first.detached, true);
      assertEquals(moved.byteLength, 1000);
      const second = allocation.getMemview();
      assertNotStrictEquals(second, first);
      assertEquals(second.byteLength, 1000);
      assertFilled(allocation, 1);
      assertStrictEquals(allocation.getMemview(), second);
      allocation.free();
      assertEmptied(second);
      assertWholeAndEmpty(pool);
    });
  }
  await t.step("transfer(0)", () => {
    using pool = createPool();
    const allocation = pool.alloc(1000);
    fill(allocation, 2);
    const first = allocation.getMemview();
    first.transfer(0);
    assertFilled(allocation, 2);
    assertNotStrictEquals(allocation.getMemview(), first);
  });
});

const afterlives: {
  how: string;
  end(pool: MemoryPool, allocation: MemoryAlloc): void;
}[] = [
  { how: "free()", end: (_, allocation) => allocation.free() },
  { how: "allocation.detach()", end: (_, allocation) => allocation.detach() },
  { how: "pool.detach()", end: (pool) => pool.detach() },
  { how: "pool.destroy()", end: (pool) => pool.destroy() },
];

/** Reads and writes all of a buffer that may outlive its pool: it must not crash. */
function touch(buffer: ArrayBuffer): void {
  const bytes = new Uint8Array(buffer);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = index & 0xff;
  }
  for (let index = 0; index < bytes.length; index++) {
    assertEquals(bytes[index], index & 0xff);
  }
}

for (const { how, end } of afterlives) {
  Deno.test(`MemoryAlloc: a memview moved by transfer() can be used after ${how}`, () => {
    using keeper = createPool();
    const pool = MemoryPool.attach(keeper.serialize());
    const allocation = pool.alloc(10 * KIB);
    const moved = allocation.getMemview().transfer();
    end(pool, allocation);
    keeper[Symbol.dispose]();
    pool.detach();
    assertEquals(moved.byteLength, 10 * KIB);
    touch(moved);
  });

  Deno.test(`MemoryAlloc: a memview moved by structuredClone() can be used after ${how}`, () => {
    using keeper = createPool();
    const pool = MemoryPool.attach(keeper.serialize());
    const allocation = pool.alloc(10 * KIB);
    const memview = allocation.getMemview();
    const moved = structuredClone({ memview }, { transfer: [memview] });
    end(pool, allocation);
    keeper[Symbol.dispose]();
    pool.detach();
    assertEquals(moved.memview.byteLength, 10 * KIB);
    touch(moved.memview);
  });

  Deno.test(`MemoryAlloc: a memview moved by postMessage() can be used after ${how}`, async () => {
    using keeper = createPool();
    const pool = MemoryPool.attach(keeper.serialize());
    const allocation = pool.alloc(10 * KIB);
    const memview = allocation.getMemview();
    const { port1, port2 } = new MessageChannel();
    const received = new Promise<ArrayBuffer>((resolve) => {
      port2.onmessage = ({ data }) => resolve(data);
    });
    port1.postMessage(memview, [memview]);
    assertEquals(memview.detached, true);
    end(pool, allocation);
    keeper[Symbol.dispose]();
    pool.detach();
    const moved = await received;
    port1.close();
    port2.close();
    assertEquals(moved.byteLength, 10 * KIB);
    touch(moved);
  });
}

Deno.test("MemoryAlloc: a pool of which a memview was moved away can be destroyed and made again", () => {
  const moved: ArrayBuffer[] = [];
  using first = createPool();
  const { name } = first;
  moved.push(first.alloc(1000).getMemview().transfer());
  first.destroy();
  for (let round = 0; round < 5; round++) {
    using again = MemoryPool.create(64 * KIB, name, 1);
    const allocation = again.alloc(again.size);
    fill(allocation, 0);
    moved.push(allocation.getMemview().transfer());
    for (const buffer of moved.slice(0, -1)) touch(buffer);
    assertFilled(allocation, 0);
  }
});

Deno.test("MemoryAlloc.getMemview() takes Atomics on its typed arrays", () => {
  using pool = createPool();
  const allocation = pool.alloc(64);
  const other = MemoryAlloc.attach(allocation.serialize());
  const words = new Int32Array(allocation.getMemview());
  const sameWords = new Int32Array(other.getMemview());
  Atomics.store(words, 0, 5);
  assertEquals(Atomics.add(sameWords, 0, 3), 5);
  assertEquals(Atomics.load(words, 0), 8);
  assertEquals(Atomics.compareExchange(words, 0, 8, 100), 8);
  assertEquals(Atomics.compareExchange(sameWords, 0, 8, 200), 100);
  assertEquals(Atomics.exchange(sameWords, 0, 1), 100);
  const longs = new BigInt64Array(allocation.getMemview());
  Atomics.store(longs, 4, -1n);
  assertEquals(Atomics.sub(new BigInt64Array(other.getMemview()), 4, 1n), -1n);
  assertEquals(Atomics.load(longs, 4), -2n);
  assertThrows(() => Atomics.wait(words, 0, 1, 0), TypeError);
  allocation.free();
  assertThrows(() => Atomics.load(words, 0));
});

Deno.test("MemoryPool.unsafeMemview covers the data region", () => {
  using pool = createPool();
  const region = pool.unsafeMemview;
  assertInstanceOf(region, ArrayBuffer);
  assert(region.byteLength >= pool.size);
  assertStrictEquals(pool.unsafeMemview, region);
  for (const size of [1, 100, 5000, 100_000]) {
    const allocation = pool.alloc(size);
    fill(allocation, 0x3c);
    const bytes = new Uint8Array(
      region,
      allocation.byteOffset,
      allocation.size,
    );
    assert(bytes.every((byte) => byte === 0x3c));
    bytes.fill(0xc3);
    assertFilled(allocation, 0xc3);
  }
});

Deno.test("MemoryPool.unsafeMemview is not emptied by free()", () => {
  using pool = createPool();
  const region = pool.unsafeMemview;
  const { byteLength } = region;
  const allocation = pool.alloc(1000);
  const bytes = new Uint8Array(region, allocation.byteOffset, allocation.size);
  allocation.free();
  assertEquals(region.byteLength, byteLength);
  assertEquals(bytes.length, 1000);
  pool.alloc(100).detach();
  assertEquals(region.byteLength, byteLength);
  assertStrictEquals(pool.unsafeMemview, region);
});

Deno.test("MemoryPool.unsafeMemview can be moved away and used after the pool is gone", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const { byteOffset, size } = pool.alloc(1000);
  const moved = pool.unsafeMemview.transfer();
  pool.destroy();
  const bytes = new Uint8Array(moved, byteOffset, size);
  bytes.fill(9);
  assert(bytes.every((byte) => byte === 9));
});

Deno.test("MemoryAlloc.getMemview() keeps thousands of memviews apart", () => {
  using pool = createPool();
  const allocations = Array.from({ length: 2000 }, () => pool.alloc(64));
  for (const [index, allocation] of allocations.entries()) {
    fill(allocation, index % 251);
  }
  const memviews = allocations.map((allocation) => allocation.getMemview());
  for (let index = 0; index < allocations.length; index += 2) {
    allocations[index]!.free();
  }
  for (const [index, allocation] of allocations.entries()) {
    if (index % 2 === 0) assertEmptied(memviews[index]!);
    else assertFilled(allocation, index % 251);
  }
});
