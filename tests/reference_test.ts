// Counterparts of the cases by which the reference implementation is tested,
// as far as one process is enough and no other file has them.

import {
  assertEquals,
  assertGreaterOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  AllocationNotAvailableError,
  AllocTimeoutError,
  AllocType,
  MemoryPool,
  PoolAttachError,
} from "../mod.ts";
import {
  assertFilled,
  assertSound,
  assertWholeAndEmpty,
  createPool,
  fill,
  GIB,
  KIB,
  randomSource,
  uniqueName,
} from "./helpers.ts";
import { withinDeadline } from "./processes.ts";
import { fileMode, fileSystemSize, poolFile, removedInTheEnd } from "./libc.ts";

Deno.test({
  name:
    "MemoryPool.create() takes random sizes from 32 KiB to 2 GiB (needs that much room in /dev/shm)",
  ignore: fileSystemSize("/dev/shm") !== 0 &&
    fileSystemSize("/dev/shm") < 2.5 * GIB,
  fn() {
    const random = randomSource(51);
    for (let round = 0; round < 30; round++) {
      const size = 32 * KIB + random(2 * GIB - 32 * KIB);
      using pool = createPool(size);
      assertGreaterOrEqual(pool.size, size);
      const allocation = pool.alloc(1000);
      fill(allocation, round);
      assertFilled(allocation, round);
      assertSound(pool);
    }
  },
});

Deno.test("MemoryPool.create() and destroy() work many times in a row", async (t) => {
  await t.step("25 times under one name", () => {
    const name = uniqueName();
    for (let round = 0; round < 25; round++) {
      const pool = MemoryPool.create(32 * KIB, name, round);
      using _file = removedInTheEnd(pool);
      assertEquals(pool.uid, BigInt(round));
      pool.alloc(100);
      pool.destroy();
      assertEquals(fileMode(poolFile(name)), undefined);
    }
  });
  await t.step("150 at once", () => {
    const pools = Array.from(
      { length: 150 },
      (_, index) => MemoryPool.create(32 * KIB, uniqueName(), index),
    );
    try {
      const allocations = pools.map((pool) => pool.alloc(1000));
      for (const [index, allocation] of allocations.entries()) {
        fill(allocation, index);
      }
      for (const [index, allocation] of allocations.entries()) {
        assertFilled(allocation, index);
      }
    } finally {
      for (const pool of pools) pool.destroy();
    }
    for (const { name } of pools) {
      assertEquals(fileMode(poolFile(name)), undefined);
    }
  });
});

Deno.test("MemoryPool.destroy() works after attaching and detaching", () => {
  const pool = createPool(32 * KIB);
  using _file = removedInTheEnd(pool);
  const other = MemoryPool.attach(pool.serialize());
  other.detach();
  pool.destroy();
  assertEquals(fileMode(poolFile(pool.name)), undefined);
  assertThrows(() => MemoryPool.attach(pool.serialize()), PoolAttachError);
});

Deno.test("MemoryPool.attach() in a chain of three shares the data", () => {
  using first = createPool(32 * KIB);
  using second = MemoryPool.attach(first.serialize());
  using third = MemoryPool.attach(second.serialize());
  const pools = [first, second, third];
  for (const [value, writer] of pools.entries()) {
    const { id } = writer.alloc(1000);
    fill(writer.getAllocById(AllocType.DATA, id), value);
    for (const reader of pools) {
      assertFilled(reader.getAllocById(AllocType.DATA, id), value);
    }
  }
  for (const pool of pools) assertEquals(pool.currentAllocations, 3);
});

Deno.test("MemoryPool.alloc() throws for 5,000 bytes more than is left after twice 10,000 of 32 KiB", () => {
  using pool = createPool(32 * KIB);
  const first = pool.alloc(10_000);
  const second = pool.alloc(10_000);
  assertThrows(
    () => pool.alloc(pool.freeSpace + 5000),
    AllocationNotAvailableError,
  );
  assertEquals(pool.currentAllocations, 2);
  first.free();
  second.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.allocBlocking() leaves a withdrawn waiter behind in nobody's way", async () => {
  using pool = createPool(64 * KIB);
  const everything = pool.alloc(pool.size);
  await withinDeadline(
    assertRejects(
      () => pool.allocBlocking(pool.size, { timeout: 20 }),
      AllocTimeoutError,
    ),
    () => "allocBlocking() never settled",
  );
  const waiting = pool.allocBlocking(1000);
  everything.free();
  const allocation = await withinDeadline(
    waiting,
    () => "The later waiter got no room",
  );
  allocation.free();
  assertWholeAndEmpty(pool);
});
