// What a pool tells about its allocations: listing, looking up, types.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocType,
  MemoryAlloc,
  MemoryAllocations,
  MemoryPool,
} from "../mod.ts";
import {
  assertFilled,
  assertSound,
  assertWholeAndEmpty,
  createPool,
  fill,
  KIB,
  MIB,
  randomSource,
} from "./helpers.ts";

type Entry = { type: AllocType; id: bigint; size: number };

function byId(a: Entry, b: Entry): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** What a listing must hold for these allocations, in the order of ids. */
function entriesOf(allocations: Iterable<MemoryAlloc>): Entry[] {
  return [...allocations].map(({ type, id, size }) => ({ type, id, size }))
    .sort(byId);
}

/** What a listing holds, in the order of ids. */
function sorted(listing: MemoryAllocations): Entry[] {
  return [...listing].map(({ type, id, size }) => ({ type, id, size })).sort(
    byId,
  );
}

Deno.test("AllocType has the values of the reference", () => {
  assertEquals({ ...AllocType }, {
    DATA: 0,
    CHANNEL: 1,
    CHANNEL_BUFFER: 2,
    BOOTSTRAP: 3,
  });
});

Deno.test("MemoryPool.getAllocations() is empty for an empty pool, and the pool stays usable", () => {
  using pool = createPool();
  for (let round = 0; round < 3; round++) {
    const listing = pool.getAllocations();
    assert(listing instanceof MemoryAllocations);
    assertEquals(listing.length, 0);
    assertEquals([...listing], []);
    assertThrows(() => listing.allocId(0), RangeError);
    assertThrows(() => listing.allocType(0), RangeError);
    assertEquals(pool.getAllocations(AllocType.CHANNEL).length, 0);
    pool.alloc(100).free();
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.getAllocations() moves from 1 to 0 with alloc() and free()", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const listing = pool.getAllocations();
  assertEquals(listing.length, 1);
  assertEquals(listing.allocId(0), allocation.id);
  assertEquals(listing.allocType(0), AllocType.DATA);
  const found = pool.getAllocById(listing.allocType(0), listing.allocId(0));
  assertEquals(found.byteOffset, allocation.byteOffset);
  allocation.free();
  assertEquals(pool.getAllocations().length, 0);
});

Deno.test("MemoryPool.getAllocations() lists every live allocation once, with type and size", () => {
  using pool = createPool();
  const allocations = [0, 1, 64, 1000, 5000].flatMap((size) =>
    [0, 1, 2, 3, 4, 77, 2 ** 32 - 1].map((type) => pool.alloc(size, type))
  );
  assertEquals(sorted(pool.getAllocations()), entriesOf(allocations));
  const kept = allocations.filter((allocation, index) => {
    if (index % 3 !== 0) return true;
    allocation.free();
    return false;
  });
  assertEquals(sorted(pool.getAllocations()), entriesOf(kept));
  assertSound(pool);
});

Deno.test("MemoryPool.getAllocations() lists one type when a type is given", () => {
  using pool = createPool();
  const types = [0, 1, 2, 3, 4, 1000, 2 ** 31, 2 ** 32 - 1];
  const allocations = types.flatMap((type, index) =>
    Array.from({ length: index + 1 }, () => pool.alloc(10, type))
  );
  for (const [index, type] of types.entries()) {
    const listing = pool.getAllocations(type);
    assertEquals(listing.length, index + 1);
    assertEquals(
      sorted(listing),
      entriesOf(allocations.filter((one) => one.type === type)),
    );
  }
  assertEquals(pool.getAllocations(5).length, 0);
  assertEquals(pool.getAllocations(undefined).length, allocations.length);
});

Deno.test("MemoryPool.getAllocations() lists many allocations once each", () => {
  using pool = createPool(4 * MIB);
  const allocations = Array.from(
    { length: 20_000 },
    (_, index) => pool.alloc(index % 130),
  );
  assertEquals(sorted(pool.getAllocations()), entriesOf(allocations));
  const random = randomSource(31);
  const kept = allocations.filter((allocation) => {
    if (random(4) === 0) return true;
    allocation.free();
    return false;
  });
  assertEquals(sorted(pool.getAllocations()), entriesOf(kept));
});

Deno.test("MemoryAllocations is a snapshot that later calls do not change", () => {
  using pool = createPool();
  const allocations = [pool.alloc(10), pool.alloc(20), pool.alloc(30)];
  const expected = entriesOf(allocations);
  const listing = pool.getAllocations();
  allocations[1]!.free();
  pool.alloc(40);
  assertEquals(listing.length, 3);
  assertEquals(sorted(listing), expected);
  assertNotStrictEquals(pool.getAllocations(), listing);
  pool.destroy();
  assertEquals(sorted(listing), expected);
});

Deno.test("MemoryAllocations answers the same by index and by iteration, as often as asked", () => {
  using pool = createPool();
  for (let index = 0; index < 10; index++) pool.alloc(index, index % 3);
  const listing = pool.getAllocations();
  for (let round = 0; round < 2; round++) {
    let index = 0;
    for (const entry of listing) {
      assertEquals(listing.allocId(index), entry.id);
      assertEquals(listing.allocType(index), entry.type);
      index++;
    }
    assertEquals(index, listing.length);
  }
});

Deno.test("MemoryAllocations throws a RangeError for an index out of bounds", () => {
  using pool = createPool();
  pool.alloc(1);
  pool.alloc(2);
  const listing = pool.getAllocations();
  for (const index of [2, 3, -1, 0.5, NaN, Infinity, 2 ** 32, 2 ** 53]) {
    assertThrows(() => listing.allocId(index), RangeError);
    assertThrows(() => listing.allocType(index), RangeError);
  }
});

Deno.test("MemoryPool.allocationExists() is true for what lives, and false for everything else", () => {
  using pool = createPool();
  const allocation = pool.alloc(100, AllocType.CHANNEL);
  const { id } = allocation;
  assertEquals(pool.allocationExists(AllocType.CHANNEL, id), true);
  assertEquals(pool.allocationExists(AllocType.DATA, id), false);
  assertEquals(pool.allocationExists(2 ** 32 - 1, id), false);
  for (
    const other of [
      0n,
      id + 1n,
      id ^ (1n << 40n),
      id ^ (1n << 63n),
      2n ** 64n - 1n,
    ]
  ) {
    assertEquals(
      pool.allocationExists(AllocType.CHANNEL, other),
      false,
      `Id ${other}`,
    );
  }
  allocation.free();
  assertEquals(pool.allocationExists(AllocType.CHANNEL, id), false);
});

Deno.test("MemoryPool.allocationExists() is false for every id near a live one that nobody has", () => {
  using pool = createPool();
  const allocations = Array.from({ length: 20 }, () => pool.alloc(100));
  const ids = new Set(allocations.map(({ id }) => id));
  for (const id of ids) {
    for (let bit = 0n; bit < 64n; bit++) {
      const other = id ^ (1n << bit);
      assertEquals(
        pool.allocationExists(AllocType.DATA, other),
        ids.has(other),
      );
    }
    for (let near = id > 300n ? id - 300n : 0n; near < id + 300n; near++) {
      assertEquals(pool.allocationExists(AllocType.DATA, near), ids.has(near));
    }
  }
});

Deno.test("MemoryPool.getAllocById() finds the allocation, for every handle of the pool", () => {
  using pool = createPool();
  using other = MemoryPool.attach(pool.serialize());
  for (const type of [AllocType.DATA, AllocType.BOOTSTRAP, 4242]) {
    const allocation = pool.alloc(100, type);
    fill(allocation, type & 0xff);
    for (const through of [pool, other]) {
      const found = through.getAllocById(type, allocation.id);
      assert(found instanceof MemoryAlloc);
      assertEquals(found.id, allocation.id);
      assertEquals(found.type, type);
      assertEquals(found.size, 100);
      assertEquals(found.byteOffset, allocation.byteOffset);
      assertEquals(found.isAttached, true);
      assertEquals(found.pool.name, pool.name);
      assertFilled(found, type & 0xff);
      found.detach();
    }
    assertEquals(allocation.getMemview().byteLength, 100);
  }
});

Deno.test("MemoryPool.getAllocById() finds what another handle allocated", () => {
  using pool = createPool();
  using other = MemoryPool.attach(pool.serialize());
  const { id } = other.alloc(64 * KIB);
  const found = pool.getAllocById(AllocType.DATA, id);
  assertEquals(found.size, 64 * KIB);
  found.free();
  assertWholeAndEmpty(other);
});

Deno.test("MemoryPool.getAllocById() throws when the id is unknown, freed or of another type", () => {
  using pool = createPool();
  const allocation = pool.alloc(100, AllocType.CHANNEL_BUFFER);
  const { id } = allocation;
  assertThrows(() => pool.getAllocById(AllocType.DATA, id), AllocationError);
  for (const other of [0n, id + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    assertThrows(
      () => pool.getAllocById(AllocType.CHANNEL_BUFFER, other),
      AllocationError,
    );
  }
  allocation.free();
  assertThrows(
    () => pool.getAllocById(AllocType.CHANNEL_BUFFER, id),
    AllocationError,
  );
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool finds nothing under an id that was cut to 64 bits to look like a live one", () => {
  using pool = createPool();
  const { id } = pool.alloc(100);
  for (const other of [id + 2n ** 64n, id - 2n ** 64n, id + 2n ** 128n, -id]) {
    let exists = false;
    try {
      exists = pool.allocationExists(AllocType.DATA, other);
    } catch (error) {
      assertInstanceOf(error, RangeError);
    }
    assertEquals(exists, false);
    assertThrows(() => pool.getAllocById(AllocType.DATA, other));
  }
  assert(pool.allocationExists(AllocType.DATA, id));
});

Deno.test("MemoryPool tells types apart over all of their range", () => {
  using pool = createPool();
  for (
    const type of [0, 1, 2, 3, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
  ) {
    const allocation = pool.alloc(1, type);
    assertEquals(allocation.type, type);
    assertEquals(pool.getAllocations(type).allocType(0), type);
    assertEquals(pool.allocationExists(type, allocation.id), true);
    assertEquals(
      pool.allocationExists(type === 0 ? 1 : type - 1, allocation.id),
      false,
    );
    assertEquals(MemoryAlloc.attach(allocation.serialize()).type, type);
    allocation.free();
  }
  assertWholeAndEmpty(pool);
});
