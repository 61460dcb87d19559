// Allocating and freeing in one process: sizes, exact fits, limits, the
// invariants under random work, and that an id or descriptor never leads to
// another allocation than its own.

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocationNotAvailableError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
} from "../mod.ts";
import {
  assertDisjoint,
  assertEmptied,
  assertFilled,
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  KIB,
  MIB,
  randomSource,
} from "./helpers.ts";

/** Allocates `size` bytes each until the pool has no room, or no allocation, left. */
function allocateAll(pool: MemoryPool, size: number): MemoryAlloc[] {
  const allocations: MemoryAlloc[] = [];
  while (true) {
    try {
      allocations.push(pool.alloc(size));
    } catch (error) {
      assertInstanceOf(error, AllocationNotAvailableError);
      return allocations;
    }
  }
}

Deno.test("MemoryPool.alloc() gives an allocation with the properties asked for", () => {
  using pool = createPool();
  const allocation = pool.alloc(1000, AllocType.CHANNEL);
  assert(allocation instanceof MemoryAlloc);
  assertEquals(typeof allocation.id, "bigint");
  assertEquals(allocation.size, 1000);
  assertEquals(allocation.type, AllocType.CHANNEL);
  assertEquals(allocation.byteOffset % 64, 0);
  assertEquals(allocation.isAttached, true);
  assertEquals(allocation.pool.name, pool.name);
  assertEquals(allocation.getMemview().byteLength, 1000);
  assertEquals(pool.currentAllocations, 1);
  assertSound(pool);
  allocation.free();
  assertEquals(allocation.isAttached, false);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() makes AllocType.DATA when no type is given", () => {
  using pool = createPool();
  assertEquals(pool.alloc(1).type, AllocType.DATA);
  assertEquals(pool.alloc(1, undefined).type, AllocType.DATA);
});

Deno.test("MemoryPool.alloc() takes a size of 0", () => {
  using pool = createPool();
  const allocation = pool.alloc(0);
  const second = pool.alloc(0);
  assertEquals(allocation.size, 0);
  assertEquals(allocation.getMemview().byteLength, 0);
  assertEquals(pool.currentAllocations, 2);
  assert(allocation.id !== second.id);
  assertEquals(
    [...pool.getAllocations()].map(({ id, size }) => ({ id, size })).sort((
      a,
      b,
    ) => a.id < b.id ? -1 : 1),
    [allocation, second].map(({ id, size }) => ({ id, size })).sort((a, b) =>
      a.id < b.id ? -1 : 1
    ),
  );
  assertEquals(MemoryAlloc.attach(allocation.serialize()).size, 0);
  assertSound(pool);
  allocation.free();
  assertThrows(() => allocation.free(), AllocationError);
  second.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() and its siblings take -0 for 0", async () => {
  using pool = createPool();
  for (
    const allocation of [
      pool.alloc(-0, -0),
      pool.allocBlockingSync(-0, { type: -0 }),
      await pool.allocBlocking(-0, { type: -0, timeout: -0 }),
    ]
  ) {
    assertEquals([allocation.size, allocation.type], [0, 0]);
  }
});

Deno.test("MemoryPool.getAllocById() on a pool that came with an allocation gives a handle that holds nothing", () => {
  const maker = createPool();
  const [first, second] = [maker.alloc(100), maker.alloc(100)];
  const serialized = first.serialize();
  maker.detach();
  const attached = MemoryAlloc.attach(serialized);
  const view = bytesOf(attached);
  attached.pool.getAllocById(AllocType.DATA, second.id).detach();
  attached.pool.alloc(100).free();
  assertEquals([attached.isAttached, view.length], [true, 100]);
  attached.pool.destroy();
});

Deno.test("MemoryPool.alloc() takes a size of 1", () => {
  using pool = createPool();
  using allocation = pool.alloc(1);
  assertEquals(allocation.size, 1);
  assertEquals(allocation.getMemview().byteLength, 1);
});

Deno.test("MemoryPool.alloc() gives the whole pool as one allocation", () => {
  using pool = createPool(MIB);
  for (let round = 0; round < 3; round++) {
    const allocation = pool.alloc(pool.size);
    const bytes = bytesOf(allocation);
    assertEquals(bytes.length, pool.size);
    bytes[0] = 1;
    bytes[bytes.length - 1] = 2;
    assertEquals(pool.freeSpace, 0);
    assertEquals(pool.utilization, 1);
    assertThrows(() => pool.alloc(1), AllocationNotAvailableError);
    assertSound(pool);
    allocation.free();
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() throws when the size is larger than the pool", () => {
  using pool = createPool(MIB);
  for (
    const size of [
      pool.size + 1,
      2 * pool.size,
      2 ** 40,
      Number.MAX_SAFE_INTEGER,
    ]
  ) {
    assertThrows(() => pool.alloc(size), AllocationNotAvailableError);
    assertThrows(
      () => pool.allocBlockingSync(size),
      AllocationNotAvailableError,
    );
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() throws when no block is large enough", () => {
  using pool = createPool(32 * KIB);
  const blocks = allocateAll(pool, 1000);
  for (let index = 0; index < blocks.length; index += 2) blocks[index]!.free();
  assertGreater(pool.freeSpace, 4000);
  assertThrows(() => pool.alloc(pool.freeSpace), AllocationNotAvailableError);
  assertSound(pool);
});

Deno.test("MemoryPool.alloc() gives all that is left in one piece", () => {
  for (const first of [1, 64, 100, 1000, 4095, 30_000, 500_000]) {
    using pool = createPool(MIB);
    const allocation = pool.alloc(first);
    const rest = pool.alloc(pool.freeSpace);
    assertEquals(pool.freeSpace, 0);
    assertDisjoint(pool, [allocation, rest]);
    rest.free();
    allocation.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.alloc() succeeds for the size of every free block, largest first", () => {
  const random = randomSource(11);
  using pool = createPool(MIB);
  for (let round = 0; round < 10; round++) {
    const held: MemoryAlloc[] = [];
    for (let count = 0; count < 200; count++) {
      try {
        held.push(pool.alloc(random(10_000)));
      } catch (error) {
        assertInstanceOf(error, AllocationNotAvailableError);
      }
    }
    for (let index = held.length - 1; index >= 0; index--) {
      if (random(2) === 0) held.splice(index, 1)[0]!.free();
    }
    // Once all larger ones are taken, only a block of the size itself can serve.
    const sizes = [...pool.freeBlocks].sort(([a], [b]) => b - a);
    assertGreater(sizes.length, 5);
    for (const [size, count] of sizes) {
      for (let taken = 0; taken < count; taken++) held.push(pool.alloc(size));
    }
    assertEquals(pool.freeSpace, 0);
    assertEquals(pool.freeBlocks.size, 0);
    assertDisjoint(pool, held);
    for (const allocation of held) allocation.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.alloc() of one byte works until nothing is available, and all can be freed", () => {
  using pool = createPool(32 * KIB);
  for (let round = 0; round < 3; round++) {
    const allocations = allocateAll(pool, 1);
    assertGreaterOrEqual(allocations.length, 1);
    assert(pool.freeSpace === 0 || allocations.length === pool.maxAllocations);
    assertEquals(pool.currentAllocations, allocations.length);
    assertDisjoint(pool, allocations);
    assertSound(pool);
    for (const allocation of allocations) allocation.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.alloc() of 0 bytes works until nothing is available, and all can be freed", () => {
  using pool = createPool(32 * KIB);
  const allocations = allocateAll(pool, 0);
  assertGreaterOrEqual(allocations.length, 1);
  assertEquals(
    new Set(allocations.map(({ id }) => id)).size,
    allocations.length,
  );
  assertSound(pool);
  for (const allocation of allocations) allocation.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() gives memory that overlaps no other allocation", () => {
  using pool = createPool(MIB);
  const allocations = [1, 63, 64, 65, 0, 1000, 4096, 10_000, 100_000].map(
    (size, index) => {
      const allocation = pool.alloc(size);
      fill(allocation, index + 1);
      return allocation;
    },
  );
  assertDisjoint(pool, allocations);
  for (const [index, allocation] of allocations.entries()) {
    assertFilled(allocation, index + 1);
  }
});

Deno.test("MemoryPool.alloc() and free() move the count from 0 to 1 to 0", () => {
  using pool = createPool();
  for (let round = 0; round < 100; round++) {
    const allocation = pool.alloc(512);
    assertEquals(pool.currentAllocations, 1);
    pool.free(allocation);
    assertEquals(pool.currentAllocations, 0);
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() and free() keep every invariant under random work", async (t) => {
  const configurations = [
    {
      seed: 1,
      size: 32 * KIB,
      largest: 2000,
      steps: 5000,
      attributes: undefined,
    },
    {
      seed: 2,
      size: MIB,
      largest: 20_000,
      steps: 20_000,
      attributes: undefined,
    },
    { seed: 3, size: MIB, largest: 300, steps: 20_000, attributes: undefined },
    {
      seed: 4,
      size: MIB,
      largest: 20_000,
      steps: 5000,
      attributes: { minBlockSize: 4096 },
    },
    {
      seed: 5,
      size: MIB,
      largest: 5000,
      steps: 10_000,
      attributes: { maxAllocations: 50 },
    },
    {
      seed: 6,
      size: 16 * MIB,
      largest: 4 * MIB,
      steps: 2000,
      attributes: undefined,
    },
  ];
  for (const { seed, size, largest, steps, attributes } of configurations) {
    await t.step(`seed ${seed}: ${size} bytes, up to ${largest} each`, () => {
      const random = randomSource(seed);
      using pool = createPool(size, attributes);
      const live: { allocation: MemoryAlloc; tag: number }[] = [];
      let most = 0;
      for (let step = 0; step < steps; step++) {
        if (random(5) < 3) {
          try {
            const allocation = pool.alloc(random(largest + 1));
            const tag = random(256);
            fill(allocation, tag);
            live.push({ allocation, tag });
          } catch (error) {
            assertInstanceOf(error, AllocationNotAvailableError);
          }
        } else if (live.length > 0) {
          const [{ allocation, tag }] = live.splice(random(live.length), 1) as [
            typeof live[0],
          ];
          assertFilled(allocation, tag);
          allocation.free();
        }
        most = Math.max(most, live.length);
        assertEquals(pool.currentAllocations, live.length);
        if (step % 500 === 0) {
          assertSound(pool);
          assertDisjoint(pool, live.map(({ allocation }) => allocation));
        }
      }
      if (attributes?.maxAllocations) {
        assertEquals(pool.maxUsedAllocations, most);
      } else assertGreaterOrEqual(pool.maxUsedAllocations, most);
      for (const { allocation, tag } of live) {
        assertFilled(allocation, tag);
        allocation.free();
      }
      assertWholeAndEmpty(pool);
    });
  }
});

Deno.test("MemoryPool.alloc() fills and empties a pool a thousand times without losing a byte", () => {
  using pool = createPool(64 * KIB);
  let expected: number | undefined;
  for (let round = 0; round < 1000; round++) {
    const step = 500 + (round % 3) * 250;
    const allocations = allocateAll(pool, step);
    if (round % 3 === 0) {
      expected ??= allocations.length;
      assertEquals(allocations.length, expected);
    }
    if (round % 2 === 0) allocations.reverse();
    for (const allocation of allocations) allocation.free();
    assertEquals(pool.currentAllocations, 0);
    assertEquals(pool.freeSpace, pool.size);
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() works in every order of freeing neighbours", () => {
  using pool = createPool(64 * KIB);
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [
    2,
    1,
    0,
  ]];
  for (const order of orders) {
    const allocations = [pool.alloc(5000), pool.alloc(6000), pool.alloc(7000)];
    const fence = pool.alloc(pool.freeSpace);
    for (const index of order) allocations[index]!.free();
    assertEquals(pool.freeBlocks.size, 1);
    const [[merged]] = [...pool.freeBlocks] as [[number, number]];
    assertGreaterOrEqual(merged, 18_000);
    const again = pool.alloc(merged);
    assertEquals(pool.freeSpace, 0);
    again.free();
    fence.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.free() ends the allocation", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const memview = allocation.getMemview();
  pool.free(allocation);
  assertEquals(allocation.isAttached, false);
  assertEmptied(memview);
  assertThrows(() => allocation.getMemview(), AllocationError);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.free() throws when the allocation was freed already, and changes nothing", () => {
  using pool = createPool();
  const bystander = pool.alloc(100);
  fill(bystander, 8);
  const allocation = pool.alloc(100);
  pool.free(allocation);
  const { freeSpace } = pool;
  assertThrows(() => pool.free(allocation), AllocationError);
  assertThrows(() => allocation.free(), AllocationError);
  assertEquals(pool.freeSpace, freeSpace);
  assertEquals(pool.currentAllocations, 1);
  assertFilled(bystander, 8);
  assertSound(pool);
});

Deno.test("MemoryAlloc.free() throws through a stale handle, also after the memory was used again", () => {
  using pool = createPool(4096);
  const first = pool.alloc(pool.size);
  const stale = MemoryAlloc.attach(first.serialize());
  first.free();
  const next = pool.alloc(pool.size);
  assertEquals(next.byteOffset, stale.byteOffset);
  fill(next, 4);
  assertThrows(() => stale.free(), AllocationError);
  assertThrows(() => pool.free(stale), AllocationError);
  assertThrows(() => stale.getMemview(), AllocationError);
  assertThrows(() => first.free(), AllocationError);
  assertEquals(pool.currentAllocations, 1);
  assertFilled(next, 4);
});

Deno.test("MemoryPool.free() throws for an allocation of another pool, and changes nothing", () => {
  using pool = createPool();
  using other = createPool();
  // The same id may well be alive in both.
  const mine = pool.alloc(100);
  const theirs = other.alloc(100);
  fill(mine, 1);
  fill(theirs, 2);
  assertThrows(() => pool.free(theirs), AllocationError);
  assertEquals(pool.currentAllocations, 1);
  assertEquals(other.currentAllocations, 1);
  assertFilled(mine, 1);
  assertFilled(theirs, 2);
  assertEquals(theirs.isAttached, true);
  theirs.free();
  mine.free();
  assertWholeAndEmpty(pool);
  assertWholeAndEmpty(other);
});

Deno.test("MemoryPool.free() works through another handle of the same pool", () => {
  using pool = createPool();
  using other = MemoryPool.attach(pool.serialize());
  const allocation = pool.alloc(100);
  other.free(allocation);
  assertThrows(() => allocation.getMemview(), AllocationError);
  assertThrows(() => allocation.free(), AllocationError);
  assertWholeAndEmpty(pool);
  const back = other.alloc(100);
  pool.free(back);
  assertWholeAndEmpty(other);
});

Deno.test("MemoryAlloc.free() works through a handle that attached", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const other = MemoryAlloc.attach(allocation.serialize());
  other.free();
  assertEquals(other.isAttached, false);
  assertThrows(() => allocation.free(), AllocationError);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.detach() leaves the allocation alive", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  fill(allocation, 5);
  const { id } = allocation;
  allocation.detach();
  assertEquals(allocation.isAttached, false);
  assertEquals(pool.currentAllocations, 1);
  assertThrows(() => allocation.getMemview(), AllocationError);
  assertThrows(() => allocation.free(), AllocationError);
  assertThrows(() => pool.free(allocation), AllocationError);
  assertThrows(() => allocation.serialize(), AllocationError);
  allocation.detach();
  assertEquals(pool.currentAllocations, 1);
  const again = pool.getAllocById(AllocType.DATA, id);
  assertFilled(again, 5);
  again.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.detach() does nothing after free()", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  allocation.free();
  allocation.detach();
  allocation.detach();
  assertEquals(allocation.isAttached, false);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.serialize() still answers after free() and detach() if it did before", () => {
  using pool = createPool();
  const freed = pool.alloc(100);
  const freedBytes = freed.serialize().slice();
  freed.free();
  assertEquals(freed.serialize(), freedBytes);
  const detached = pool.alloc(100);
  const detachedBytes = detached.serialize().slice();
  detached.detach();
  assertEquals(detached.serialize(), detachedBytes);
  const never = pool.alloc(100);
  never.free();
  assertThrows(() => never.serialize(), AllocationError);
  MemoryAlloc.attach(detachedBytes).free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc[Symbol.dispose]() frees through the handle that allocated", async () => {
  using pool = createPool();
  {
    using byAlloc = pool.alloc(100);
    using bySync = pool.allocBlockingSync(100);
    using byPromise = await pool.allocBlocking(100);
    assertEquals([byAlloc, bySync, byPromise].map(({ size }) => size), [
      100,
      100,
      100,
    ]);
    assertEquals(pool.currentAllocations, 3);
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc[Symbol.dispose]() detaches through a handle that attached", () => {
  using pool = createPool();
  using allocation = pool.alloc(100);
  let attached: MemoryAlloc, found: MemoryAlloc;
  {
    using byBytes = MemoryAlloc.attach(allocation.serialize());
    using byId = pool.getAllocById(AllocType.DATA, allocation.id);
    attached = byBytes;
    found = byId;
  }
  assertEquals(attached.isAttached, false);
  assertEquals(found.isAttached, false);
  assertEquals(allocation.isAttached, true);
  assertEquals(pool.currentAllocations, 1);
  assertEquals(allocation.getMemview().byteLength, 100);
});

Deno.test("MemoryAlloc[Symbol.dispose]() never throws because it was done already", () => {
  using pool = createPool();
  const freed = pool.alloc(100);
  freed.free();
  freed[Symbol.dispose]();
  const freedElsewhere = pool.alloc(100);
  const other = MemoryAlloc.attach(freedElsewhere.serialize());
  other.free();
  freedElsewhere[Symbol.dispose]();
  freedElsewhere[Symbol.dispose]();
  other[Symbol.dispose]();
  const attached = MemoryAlloc.attach(pool.alloc(100).serialize());
  attached.detach();
  attached[Symbol.dispose]();
  assertEquals(pool.currentAllocations, 1);
});

Deno.test("MemoryPool never gives an id twice", () => {
  using pool = createPool(64 * KIB);
  const seen = new Set<bigint>();
  for (let round = 0; round < 20_000; round++) {
    const allocation = pool.alloc(round % 200);
    seen.add(allocation.id);
    allocation.free();
  }
  assertEquals(seen.size, 20_000);
});

Deno.test("MemoryPool never resolves an id or a descriptor to a later allocation", () => {
  const random = randomSource(21);
  using pool = createPool(16 * KIB);
  const live: MemoryAlloc[] = [];
  const dead: { id: bigint; serialized: Uint8Array }[] = [];
  for (let step = 0; step < 3000; step++) {
    if (live.length < 20 && random(2) === 0) {
      try {
        live.push(pool.alloc(random(1000)));
      } catch (error) {
        assertInstanceOf(error, AllocationNotAvailableError);
      }
    } else if (live.length > 0) {
      const [allocation] = live.splice(random(live.length), 1) as [MemoryAlloc];
      dead.push({ id: allocation.id, serialized: allocation.serialize() });
      allocation.free();
    }
    for (let sample = 0; sample < 3 && dead.length > 0; sample++) {
      const { id, serialized } = dead[random(dead.length)]!;
      assertEquals(pool.allocationExists(AllocType.DATA, id), false);
      assertThrows(
        () => pool.getAllocById(AllocType.DATA, id),
        AllocationError,
      );
      assertThrows(() => MemoryAlloc.attach(serialized), AllocationError);
    }
  }
  for (const { id, serialized } of dead) {
    assertEquals(pool.allocationExists(AllocType.DATA, id), false);
    assertThrows(() => MemoryAlloc.attach(serialized), AllocationError);
  }
  for (const allocation of live) {
    assertEquals(
      MemoryAlloc.attach(allocation.serialize()).byteOffset,
      allocation.byteOffset,
    );
    allocation.free();
  }
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool never lets a stale handle reach memory that was used again", () => {
  using pool = createPool(16 * KIB);
  const stale: MemoryAlloc[] = [];
  for (let round = 0; round < 500; round++) {
    const allocation = pool.alloc(pool.size);
    stale.push(MemoryAlloc.attach(allocation.serialize()));
    allocation.free();
  }
  using current = pool.alloc(pool.size);
  fill(current, 6);
  for (const handle of stale) {
    assertThrows(() => handle.getMemview(), AllocationError);
    assertThrows(() => handle.free(), AllocationError);
  }
  assertEquals(pool.currentAllocations, 1);
  assertFilled(current, 6);
});
