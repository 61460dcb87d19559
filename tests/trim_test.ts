// Giving the memory of free blocks back to the system: MemoryPool.trim(). What
// becomes of it on a file system that is full is in small_file_system_test.ts.

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
} from "@std/assert";
import { MemoryPool, PoolError } from "../mod.ts";
import {
  assertEmptied,
  assertFilled,
  assertOwnError,
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  MIB,
  thrownBy,
} from "./helpers.ts";
import { fileUse, poolFile } from "./libc.ts";
import { PeerGroup, processTest } from "./processes.ts";
import { attachPool, churn, detachPool } from "./remote_functions.ts";

/** More than the parts of pages at both ends of a block. */
const SLACK = 2 * 4096;

/** Memory that the pool takes, in bytes. */
function use(pool: MemoryPool): number {
  return fileUse(poolFile(pool.name))!;
}

/** Trims, and asserts that what it answers is what the system got. */
function trim(pool: MemoryPool): number {
  const before = use(pool);
  const bytes = pool.trim();
  assertEquals(bytes, before - use(pool));
  return bytes;
}

Deno.test("MemoryPool.trim() gives back what was freed, and says how much", () => {
  using pool = createPool(64 * MIB);
  const allocation = pool.alloc(16 * MIB);
  fill(allocation, 1);
  trim(pool);
  assertEquals(trim(pool), 0, "nothing more is free");
  allocation.free();
  assertGreaterOrEqual(use(pool), 16 * MIB, "it does not happen by itself");
  assertGreaterOrEqual(trim(pool), 16 * MIB - SLACK);
  assertEquals(trim(pool), 0, "it was given back already");
  assertEquals(pool.freeSpace, pool.size);
});

Deno.test("MemoryPool.trim() gives back what many small allocations have left", () => {
  using pool = createPool(64 * MIB);
  const allocations = Array.from({ length: 10_000 }, () => pool.alloc(1024));
  for (const allocation of allocations) allocation.free();
  assertGreaterOrEqual(trim(pool), 10_000 * 1024 - SLACK);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.trim() leaves the bytes of what lives, and its memviews", () => {
  using pool = createPool(16 * MIB);
  const allocations = Array.from({ length: 100 }, (_, index) => {
    const allocation = pool.alloc(100_000);
    fill(allocation, index);
    return allocation;
  });
  const views = allocations.map(bytesOf);
  for (let index = 0; index < 100; index += 2) allocations[index]!.free();
  assertGreaterOrEqual(trim(pool), 50 * (100_000 - SLACK));
  for (let index = 1; index < 100; index += 2) {
    assertFilled(allocations[index]!, index);
    assertEquals(views[index]!.length, 100_000);
    assertEmptied(views[index - 1]!.buffer);
  }
  assertSound(pool);
});

Deno.test("MemoryPool.alloc() takes all of the pool after trim(), and any part of it", () => {
  using pool = createPool(16 * MIB);
  for (const size of [pool.size, 100, 4096, 50_000, MIB, pool.size]) {
    const allocations = Array.from(
      { length: Math.min(100, Math.floor(pool.size / size)) },
      () => pool.alloc(size),
    );
    for (const [index, allocation] of allocations.entries()) {
      fill(allocation, index);
    }
    for (const [index, allocation] of allocations.entries()) {
      assertFilled(allocation, index);
      allocation.free();
    }
    assertGreater(trim(pool), 0);
    assertWholeAndEmpty(pool);
    trim(pool);
  }
});

processTest(
  "MemoryPool.trim() takes nothing away from processes that go on meanwhile",
  async () => {
    using pool = createPool(32 * MIB);
    await using group = await PeerGroup.start(2);
    let isWorking = true;
    const work = Promise.all(
      group.peers.map((peer, tag) =>
        peer.run(churn, pool.serialize(), tag, 3000, 200_000)
      ),
    ).finally(() => isWorking = false);
    let given = 0;
    while (isWorking) {
      given += pool.trim();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await work;
    assertGreater(given, 0);
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.trim() works through a handle that attached, for what another freed",
  async () => {
    using pool = createPool(32 * MIB);
    await using group = await PeerGroup.start(1);
    const peer = group.peers[0]!;
    await peer.run(attachPool, pool.serialize());
    pool.alloc(8 * MIB).free();
    const before = use(pool);
    const bytes = await peer.run(({ kept }) => kept.pool!.trim());
    assertEquals(bytes, before - use(pool));
    assertGreaterOrEqual(bytes, 8 * MIB);
    await peer.run(detachPool);
    assertWholeAndEmpty(pool);
  },
);

Deno.test("MemoryPool.trim() throws on a handle that has ended", () => {
  const pool = createPool();
  const detached = MemoryPool.attach(pool.serialize());
  const left = MemoryPool.attach(pool.serialize());
  detached.detach();
  pool.destroy();
  const cases: [MemoryPool, string][] = [
    [detached, "detached"],
    [pool, "destroyed"],
    [left, "destroyed"],
  ];
  for (const [handle, code] of cases) {
    const error = thrownBy(() => handle.trim());
    assertOwnError(error);
    assertInstanceOf(error, PoolError);
    assertEquals(error.code, code);
    assert(error.message.includes(`"${pool.name}"`), error.message);
  }
  left.detach();
});
