// A pool's life: creating, its attributes and properties, detaching,
// destroying, disposing, and what a handle answers afterwards.

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AllocationNotAvailableError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "../mod.ts";
import { nativeLibrary } from "../lib/library.ts";
import { E_NO_SLOT, OK } from "../lib/status.ts";
import {
  assertEmptied,
  assertFilled,
  assertReturnsOrThrowsOwnError,
  assertSound,
  assertThrowsPoolOrAllocationError,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  GIB,
  KIB,
  MIB,
  thrownBy,
  uniqueName,
} from "./helpers.ts";
import { PeerProcess, processTest, withinDeadline } from "./processes.ts";
import type { Here } from "./fixtures/remote_call.ts";
import {
  fileMode,
  fileSystemSize,
  poolFile,
  removedInTheEnd,
  withUmask,
} from "./libc.ts";

Deno.test("MemoryPool.create() makes an empty pool with the properties asked for", () => {
  const name = uniqueName();
  using pool = MemoryPool.create(MIB, name, 42);
  assert(pool instanceof MemoryPool);
  assertEquals(pool.name, name);
  assertEquals(pool.uid, 42n);
  assertGreaterOrEqual(pool.size, MIB);
  assertEquals(pool.freeSpace, pool.size);
  assertEquals(pool.utilization, 0);
  assertEquals(pool.currentAllocations, 0);
  assertEquals(pool.maxUsedAllocations, 0);
  assertGreaterOrEqual(pool.maxAllocations, 1);
  assertEquals(pool.isLocal, true);
  assertEquals(pool.isAttached, true);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.create() takes sizes that are no multiple of anything", () => {
  for (const size of [1, 2, 63, 64, 65, 4095, 4096, 4097, 100_003, MIB + 1]) {
    using pool = createPool(size);
    assertGreaterOrEqual(pool.size, size);
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.create() makes a pool of one byte, of which all can be allocated", () => {
  using pool = createPool(1);
  assertGreaterOrEqual(pool.size, 1);
  using allocation = pool.alloc(1);
  bytesOf(allocation)[0] = 0xa5;
  assertEquals(bytesOf(allocation), new Uint8Array([0xa5]));
});

Deno.test("MemoryPool.create() throws a RangeError for a size of 0 and leaves nothing behind", () => {
  const name = uniqueName();
  assertThrows(() => MemoryPool.create(0, name, 1), RangeError);
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test({
  name:
    "MemoryPool.create() makes a pool of 2 GiB (needs that much room in /dev/shm)",
  ignore: fileSystemSize("/dev/shm") !== 0 &&
    fileSystemSize("/dev/shm") < 2.5 * GIB,
  fn() {
    using pool = createPool(2 ** 31);
    assertGreaterOrEqual(pool.size, 2 ** 31);
    assertEquals(pool.freeSpace, pool.size);
    using allocation = pool.alloc(1000);
    assertEquals(allocation.size, 1000);
    assertSound(pool);
  },
});

Deno.test("MemoryPool.create() throws for a size that no machine can hold", () => {
  for (const size of [2 ** 50, Number.MAX_SAFE_INTEGER]) {
    const name = uniqueName();
    assertThrows(() => MemoryPool.create(size, name, 1), PoolCreateError);
    assertEquals(fileMode(poolFile(name)), undefined);
  }
});

Deno.test({
  name:
    "MemoryPool.create() throws for a size just above what /dev/shm can hold (needs a limit there)",
  ignore: fileSystemSize("/dev/shm") === 0,
  fn() {
    const name = uniqueName();
    const size = fileSystemSize("/dev/shm") + 1;
    assertThrows(() => MemoryPool.create(size, name, 1), PoolCreateError);
    assertEquals(fileMode(poolFile(name)), undefined);
  },
});

Deno.test("MemoryPool.create() takes every allowed character in a name", () => {
  const unique = crypto.randomUUID();
  const names = [
    `.${unique}`,
    `..${unique}`,
    `-${unique}`,
    `_${unique}`,
    `${unique}.`,
    `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-${unique}`,
    unique.padEnd(200, "x"),
  ];
  for (const name of names) {
    using pool = MemoryPool.create(KIB, name, 1);
    assertEquals(pool.name, name);
    using other = MemoryPool.attach(pool.serialize());
    assertEquals(other.name, name);
  }
});

Deno.test("MemoryPool.create() throws for a name that is empty, too long or has other characters", () => {
  const names = [
    "",
    "x".repeat(201),
    "x".repeat(4096),
    "a/b",
    "/absolute",
    "../up",
    "a b",
    "a\0b",
    "a\n",
    "a:b",
    "a\\b",
    "caf\u00e9",
    "\u{1f600}",
    "\ud800",
  ];
  for (const name of names) {
    const error = thrownBy(() => MemoryPool.create(KIB, name, 1));
    assertInstanceOf(error, PoolCreateError, `Name ${JSON.stringify(name)}`);
  }
});

Deno.test("MemoryPool.create() throws when the name is in use, and says that a process is attached", () => {
  using pool = createPool(64 * KIB);
  const error = thrownBy(() => MemoryPool.create(64 * KIB, pool.name, 2));
  assertInstanceOf(error, PoolCreateError);
  assertStringIncludes(error.message, pool.name);
  assertMatch(error.message, /attached/);
  assertNotMatch(error.message, /orphan/i);
  assertEquals(pool.uid, 1n);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.create() says that a pool in its way is an orphan and how to remove it", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const { name } = pool;
  const serialized = pool.serialize();
  pool.detach();
  const error = thrownBy(() => MemoryPool.create(64 * KIB, name, 1));
  assertInstanceOf(error, PoolCreateError);
  assertStringIncludes(error.message, name);
  assertMatch(error.message, /orphan/i);
  assertMatch(error.message, /remove|delete|destroy|\brm\b/i);
  MemoryPool.attach(serialized).destroy();
  using again = MemoryPool.create(64 * KIB, name, 1);
  assertWholeAndEmpty(again);
});

Deno.test("MemoryPool.create() takes uids from 0 to 2^64 - 1, as number or bigint", () => {
  const cases: [number | bigint, bigint][] = [
    [0, 0n],
    [0n, 0n],
    [7, 7n],
    [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    [2n ** 53n + 1n, 2n ** 53n + 1n],
    [2n ** 63n + 1234n, 2n ** 63n + 1234n],
    [2n ** 64n - 1n, 2n ** 64n - 1n],
  ];
  for (const [given, expected] of cases) {
    using pool = MemoryPool.create(KIB, uniqueName(), given);
    assertStrictEquals(pool.uid, expected);
    assertStrictEquals(MemoryPool.describe(pool.serialize()).uid, expected);
    using other = MemoryPool.attach(pool.serialize());
    assertStrictEquals(other.uid, expected);
  }
});

Deno.test("MemoryPool.create() throws a RangeError for a uid out of range and leaves nothing behind", () => {
  for (
    const uid of [-1n, 2n ** 64n, 2n ** 70n, -1, 2 ** 53, 1.5, NaN, Infinity]
  ) {
    const name = uniqueName();
    assertThrows(() => MemoryPool.create(KIB, name, uid), RangeError);
    assertEquals(fileMode(poolFile(name)), undefined);
  }
});

Deno.test("MemoryPool.create() keeps two pools of one uid apart", () => {
  using first = MemoryPool.create(64 * KIB, uniqueName(), 5);
  using second = MemoryPool.create(64 * KIB, uniqueName(), 5);
  using inFirst = first.alloc(1000);
  fill(inFirst, 1);
  assertEquals(second.currentAllocations, 0);
  using inSecond = second.alloc(1000);
  fill(inSecond, 2);
  assertFilled(inFirst, 1);
  using attached = MemoryPool.attach(second.serialize());
  assertEquals(attached.name, second.name);
  assertEquals(bytesOf(MemoryAlloc.attach(inSecond.serialize()))[0], 2);
});

Deno.test("MemoryPool.create() leaves no file when its arguments are wrong, and takes the name next time", () => {
  const name = uniqueName();
  assertThrows(() => MemoryPool.create(KIB, name, 1, { minBlockSize: 32 }));
  assertThrows(() => MemoryPool.create(KIB, name, 1, { maxAllocations: -1 }));
  assertThrows(() =>
    MemoryPool.create(KIB, name, 1, { directory: "/nowhere" })
  );
  assertEquals(fileMode(poolFile(name)), undefined);
  using pool = MemoryPool.create(KIB, name, 1);
  assertEquals(pool.name, name);
});

Deno.test("MemoryPool.create() aligns allocations to attribute minBlockSize", () => {
  for (const minBlockSize of [64, 128, 4096, 65536]) {
    using pool = createPool(MIB, { minBlockSize });
    const allocations = [1, 0, 65, 4097, 100, 64].map((size) =>
      pool.alloc(size)
    );
    for (const allocation of allocations) {
      assertEquals(allocation.byteOffset % minBlockSize, 0);
    }
    assertSound(pool);
    for (const allocation of allocations) allocation.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.create() aligns allocations to 64 bytes without attribute minBlockSize", () => {
  using pool = createPool();
  for (const size of [1, 65, 100, 3]) {
    assertEquals(pool.alloc(size).byteOffset % 64, 0);
  }
});

Deno.test("MemoryPool.create() throws for an attribute minBlockSize that is no power of two of at least 64", () => {
  for (const minBlockSize of [1, 32, 63, 65, 96, 100]) {
    assertThrows(() => createPool(MIB, { minBlockSize }), RangeError);
  }
});

Deno.test("MemoryPool.create() limits live allocations to attribute maxAllocations", () => {
  using pool = createPool(MIB, { maxAllocations: 10 });
  assertEquals(pool.maxAllocations, 10);
  const allocations = Array.from({ length: 10 }, () => pool.alloc(100));
  assertThrows(() => pool.alloc(100), AllocationNotAvailableError);
  assertThrows(() => pool.alloc(0), AllocationNotAvailableError);
  assertEquals(pool.currentAllocations, 10);
  assertSound(pool);
  allocations.pop()!.free();
  allocations.push(pool.alloc(100));
  assertThrows(() => pool.alloc(100), AllocationNotAvailableError);
  for (const allocation of allocations) allocation.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.create() lets each of maxAllocations be made, however the heap is split", () => {
  using pool = createPool(MIB, { maxAllocations: 100 });
  for (let round = 0; round < 3; round++) {
    const allocations = Array.from(
      { length: 100 },
      (_, index) => pool.alloc(64 * (index % 7)),
    );
    assertThrows(() => pool.alloc(64), AllocationNotAvailableError);
    const kept = allocations.filter((allocation, index) => {
      if (index % 2 === 1) return true;
      allocation.free();
      return false;
    });
    for (let count = kept.length; count < 100; count++) {
      kept.push(pool.alloc(64));
    }
    assertThrows(() => pool.alloc(64), AllocationNotAvailableError);
    assertEquals(pool.maxUsedAllocations, 100);
    for (const allocation of kept) allocation.free();
    assertWholeAndEmpty(pool);
  }
});

Deno.test("MemoryPool.create() sets attribute mode exactly, whatever the umask is", () => {
  for (const mode of [0o600, 0o640, 0o660, 0o666, 0o777, 0o400, 0o000]) {
    using pool = withUmask(0o077, () => createPool(KIB, { mode }));
    assertEquals(
      fileMode(poolFile(pool.name)),
      mode,
      `Mode ${mode.toString(8)}`,
    );
  }
});

Deno.test("MemoryPool.create() makes a pool for its owner alone without attribute mode", () => {
  using pool = withUmask(0o000, () => createPool(KIB));
  assertEquals(fileMode(poolFile(pool.name)), 0o600);
});

Deno.test("MemoryPool.create() takes the default directory by its name", () => {
  using pool = createPool(KIB, { directory: "/dev/shm" });
  assert(fileMode(poolFile(pool.name)) !== undefined);
  using other = MemoryPool.attach(pool.serialize());
  assertEquals(other.uid, pool.uid);
});

Deno.test("MemoryPool.create() throws for a directory that is relative, absent, too long or no tmpfs", () => {
  for (
    const directory of [
      "",
      "dev/shm",
      "./",
      "/nowhere/at/all",
      "/proc",
      `/${"x".repeat(5000)}`,
      "/dev/null",
    ]
  ) {
    const error = thrownBy(() => createPool(KIB, { directory }));
    assertInstanceOf(error, PoolCreateError, `Directory "${directory}"`);
  }
});

Deno.test("MemoryPool.create() takes attributes that are undefined as not given", () => {
  using pool = createPool(MIB, {
    minBlockSize: undefined,
    maxAllocations: undefined,
    mode: undefined,
    directory: undefined,
  });
  using plain = createPool(MIB);
  assertEquals(pool.maxAllocations, plain.maxAllocations);
  assertEquals(fileMode(poolFile(pool.name)), 0o600);
  using none = MemoryPool.create(KIB, uniqueName(), 1, undefined);
  assertEquals(none.isAttached, true);
});

Deno.test("MemoryPool.maxUsedAllocations is exact with an explicit maxAllocations", () => {
  using pool = createPool(MIB, { maxAllocations: 100 });
  assertEquals(pool.maxUsedAllocations, 0);
  const first = [pool.alloc(1), pool.alloc(2), pool.alloc(3)];
  assertEquals(pool.maxUsedAllocations, 3);
  for (const allocation of first) allocation.free();
  assertEquals(pool.maxUsedAllocations, 3);
  using one = pool.alloc(4);
  assertEquals(one.size, 4);
  assertEquals(pool.maxUsedAllocations, 3);
});

Deno.test("MemoryPool.maxUsedAllocations is never below the truth", () => {
  using pool = createPool();
  const allocations = Array.from({ length: 500 }, () => pool.alloc(64));
  assertGreaterOrEqual(pool.maxUsedAllocations, 500);
  for (const allocation of allocations) allocation.free();
  assertGreaterOrEqual(pool.maxUsedAllocations, 500);
});

Deno.test("MemoryPool.freeSpace and utilization follow alloc() and free()", () => {
  using pool = createPool(MIB);
  const half = pool.alloc(MIB / 2);
  assert(pool.freeSpace <= pool.size - MIB / 2);
  assert(pool.utilization >= 0.5 * MIB / pool.size);
  assertSound(pool);
  const rest = pool.alloc(pool.freeSpace);
  assertEquals(pool.freeSpace, 0);
  assertEquals(pool.utilization, 1);
  assertEquals(pool.freeBlocks.size, 0);
  assertSound(pool);
  half.free();
  rest.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.freeBlocks is one block of the whole pool when nothing is allocated", () => {
  using pool = createPool(MIB);
  assertEquals([...pool.freeBlocks], [[pool.size, 1]]);
  pool.alloc(1000).free();
  assertEquals([...pool.freeBlocks], [[pool.size, 1]]);
});

Deno.test("MemoryPool.detach() ends this handle and leaves the pool and its allocations alive", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const allocation = pool.alloc(100);
  fill(allocation, 7);
  const { id } = allocation;
  const serialized = pool.serialize();
  pool.detach();
  assertEquals(pool.isAttached, false);
  assert(fileMode(poolFile(pool.name)) !== undefined);

  const again = MemoryPool.attach(serialized);
  assertEquals(again.isAttached, true);
  assertEquals(again.currentAllocations, 1);
  assertFilled(again.getAllocById(AllocType.DATA, id), 7);
  again.destroy();
  assertEquals(fileMode(poolFile(pool.name)), undefined);
});

Deno.test("MemoryPool.detach() does nothing when called again", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const serialized = pool.serialize();
  using other = MemoryPool.attach(serialized);
  pool.detach();
  pool.detach();
  pool.detach({ serialize: true });
  assertEquals(pool.isAttached, false);
  assertWholeAndEmpty(other);
  other.destroy();
  pool.detach();
  other.detach();
});

Deno.test("MemoryPool.detach() with serialize keeps a descriptor for later", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  pool.detach({ serialize: true });
  const serialized = pool.serialize();
  const again = MemoryPool.attach(serialized);
  assertEquals(again.name, pool.name);
  again.destroy();
});

Deno.test("MemoryPool.detach() without serialize keeps no descriptor", async (t) => {
  const optionSets = [undefined, {}, { serialize: false }, {
    serialize: undefined,
  }];
  for (const options of optionSets) {
    await t.step(`options ${JSON.stringify(options)}`, () => {
      using pool = createPool(64 * KIB);
      const other = MemoryPool.attach(pool.serialize());
      other.detach(options);
      assertThrows(() => other.serialize(), PoolError);
    });
  }
});

Deno.test("MemoryPool.serialize() still answers after detach() and destroy() if it did before", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const before = pool.serialize().slice();
  const other = MemoryPool.attach(before);
  other.serialize();
  other.detach();
  assertEquals(other.serialize(), before);
  pool.destroy();
  assertEquals(pool.serialize(), before);
  assertThrows(() => MemoryPool.attach(pool.serialize()), PoolAttachError);
});

Deno.test("MemoryPool.destroy() removes the name at once", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const { name } = pool;
  assert(fileMode(poolFile(name)) !== undefined);
  pool.destroy();
  assertEquals(pool.isAttached, false);
  assertEquals(fileMode(poolFile(name)), undefined);
  using again = MemoryPool.create(64 * KIB, name, 1);
  assertWholeAndEmpty(again);
});

Deno.test("MemoryPool.destroy() throws when this handle destroyed or detached already", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const other = MemoryPool.attach(pool.serialize());
  other.detach();
  assertThrows(() => other.destroy(), PoolError);
  assertWholeAndEmpty(pool);
  pool.destroy();
  assertThrows(() => pool.destroy(), PoolError);
});

Deno.test("MemoryPool.destroy() works through a handle that attached", () => {
  const creator = createPool(64 * KIB);
  using _file = removedInTheEnd(creator);
  const allocation = creator.alloc(100);
  const other = MemoryPool.attach(creator.serialize());
  other.destroy();
  assertEquals(fileMode(poolFile(creator.name)), undefined);
  assertThrows(() => creator.alloc(1), PoolError);
  assertThrows(() => creator.getAllocations(), PoolError);
  assertThrowsPoolOrAllocationError(() => allocation.getMemview());
  assertThrowsPoolOrAllocationError(() => allocation.free());
  creator.detach();
  assertEquals(creator.isAttached, false);
});

Deno.test("MemoryPool.destroy() leaves a pool made again under the name alone", () => {
  const old = createPool(64 * KIB);
  using _file = removedInTheEnd(old);
  const { name } = old;
  const other = MemoryPool.attach(old.serialize());
  old.destroy();
  using again = MemoryPool.create(64 * KIB, name, 1);
  using allocation = again.alloc(100);
  fill(allocation, 3);
  assertThrows(() => other.alloc(1), PoolError);
  assertThrows(() => other.destroy(), PoolError);
  other.detach();
  assert(fileMode(poolFile(name)) !== undefined);
  assertEquals(again.currentAllocations, 1);
  assertFilled(allocation, 3);
});

Deno.test("MemoryPool[Symbol.dispose]() destroys through the handle that created", () => {
  const name = uniqueName();
  {
    using pool = MemoryPool.create(64 * KIB, name, 1);
    assert(fileMode(poolFile(pool.name)) !== undefined);
  }
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool[Symbol.dispose]() detaches through a handle that attached", () => {
  using pool = createPool(64 * KIB);
  let kept: MemoryPool;
  {
    using other = MemoryPool.attach(pool.serialize());
    kept = other;
    assertEquals(kept.isAttached, true);
  }
  assertEquals(kept.isAttached, false);
  assert(fileMode(poolFile(pool.name)) !== undefined);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool[Symbol.dispose]() never throws because it was done already", () => {
  const destroyed = createPool(64 * KIB);
  using _file = removedInTheEnd(destroyed);
  destroyed.destroy();
  destroyed[Symbol.dispose]();
  destroyed[Symbol.dispose]();

  const creator = createPool(64 * KIB);
  using _creatorFile = removedInTheEnd(creator);
  const other = MemoryPool.attach(creator.serialize());
  const detached = MemoryPool.attach(creator.serialize());
  detached.detach();
  detached[Symbol.dispose]();
  other.destroy();
  creator[Symbol.dispose]();
  other[Symbol.dispose]();
  assertEquals(creator.isAttached, false);
});

const endings: { ending: string; end(pool: MemoryPool): void }[] = [
  { ending: "detached", end: (pool) => pool.detach() },
  { ending: "destroyed", end: (pool) => pool.destroy() },
];

for (const { ending, end } of endings) {
  Deno.test(`MemoryPool throws from every call once ${ending}`, async (t) => {
    using keeper = createPool(64 * KIB);
    const pool = MemoryPool.attach(keeper.serialize());
    const allocation = pool.alloc(100);
    const { id } = allocation;
    const listing = pool.getAllocations();
    end(pool);

    const calls: Record<string, () => unknown> = {
      alloc: () => pool.alloc(1),
      allocBlockingSync: () => pool.allocBlockingSync(1),
      "allocBlockingSync, timeout 0": () =>
        pool.allocBlockingSync(1, { timeout: 0 }),
      getAllocations: () => pool.getAllocations(),
      "getAllocations, type": () => pool.getAllocations(AllocType.DATA),
      allocationExists: () => pool.allocationExists(AllocType.DATA, id),
      getAllocById: () => pool.getAllocById(AllocType.DATA, id),
      trim: () => pool.trim(),
      serialize: () => pool.serialize(),
      destroy: () => pool.destroy(),
    };
    for (const [name, call] of Object.entries(calls)) {
      await t.step(name, () => {
        assertThrows(call, PoolError);
      });
    }
    await t.step("allocBlocking", async () => {
      await withinDeadline(
        assertRejects(() => pool.allocBlocking(1), PoolError),
        () => "allocBlocking() never settled",
      );
    });
    await t.step("free", () => {
      assertThrowsPoolOrAllocationError(() => pool.free(allocation));
    });
    await t.step("calls on its allocation", () => {
      assertThrowsPoolOrAllocationError(() => allocation.getMemview());
      assertThrowsPoolOrAllocationError(() => allocation.serialize());
      assertThrowsPoolOrAllocationError(() => allocation.free());
    });
    await t.step("properties answer, or throw an error of the module", () => {
      const reads: (() => unknown)[] = [
        () => pool.name,
        () => pool.uid,
        () => pool.size,
        () => pool.freeSpace,
        () => pool.utilization,
        () => pool.currentAllocations,
        () => pool.maxUsedAllocations,
        () => pool.maxAllocations,
        () => pool.freeBlocks,
        () => pool.isLocal,
        () => pool.unsafeMemview,
        () => allocation.size,
        () => allocation.byteOffset,
        () => allocation.id,
        () => allocation.type,
        () => allocation.pool,
      ];
      for (const read of reads) assertReturnsOrThrowsOwnError(read);
      assertEquals(pool.isAttached, false);
    });
    await t.step("a listing made before still answers", () => {
      assertEquals(listing.length, 1);
      assertEquals(listing.allocId(0), id);
    });
  });
}

Deno.test("MemoryPool.attach() gives a handle with the same properties", () => {
  using pool = MemoryPool.create(100_000, uniqueName(), 2n ** 63n, {
    minBlockSize: 256,
    maxAllocations: 77,
  });
  using allocation = pool.alloc(5000);
  using other = MemoryPool.attach(pool.serialize());
  assert(other instanceof MemoryPool);
  assertEquals(other.name, pool.name);
  assertEquals(other.uid, pool.uid);
  assertEquals(other.size, pool.size);
  assertEquals(other.freeSpace, pool.freeSpace);
  assertEquals(other.utilization, pool.utilization);
  assertEquals(other.currentAllocations, 1);
  assertEquals(other.maxUsedAllocations, 1);
  assertEquals(other.maxAllocations, 77);
  assertEquals(other.freeBlocks, pool.freeBlocks);
  assertEquals(other.isLocal, true);
  assertEquals(other.isAttached, true);
  assertEquals(other.getAllocations().allocId(0), allocation.id);
});

Deno.test("MemoryPool.attach() twice gives two handles, and memory stays until both are detached", () => {
  using pool = createPool(64 * KIB);
  const serialized = pool.serialize();
  const first = MemoryPool.attach(serialized);
  const second = MemoryPool.attach(serialized);
  assert(first !== second);
  const { id } = first.alloc(1000);
  fill(first.getAllocById(AllocType.DATA, id), 9);
  first.detach();
  assertEquals(first.isAttached, false);
  assertEquals(second.isAttached, true);
  const found = second.getAllocById(AllocType.DATA, id);
  assertFilled(found, 9);
  found.free();
  second.alloc(10).free();
  second.detach();
  assertThrows(() => second.alloc(10), PoolError);
  assertWholeAndEmpty(pool);
});

/** What a call threw, for another process to judge. */
interface Failure {
  classes: string;
  message: string;
  cause: string;
}

/** Attaches and creates while the process cannot open any further file. */
function attachAndCreateWithoutFiles(
  { MemoryPool, PoolAttachError, PoolCreateError }: Here,
  serialized: Uint8Array,
  name: string,
): Failure[] {
  const RLIMIT_NOFILE = 7;
  const libc = Deno.dlopen("libc.so.6", {
    prlimit: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const { prlimit } = libc.symbols;
  const limits = new BigUint64Array(2);
  if (prlimit(0, RLIMIT_NOFILE, null, limits) !== 0) {
    throw new Error("Cannot read the limit");
  }

  const attempt = (call: () => void): Failure => {
    prlimit(0, RLIMIT_NOFILE, new BigUint64Array([0n, limits[1]!]), null);
    try {
      call();
      return { classes: "none", message: "", cause: "" };
    } catch (error) {
      const classes = [PoolAttachError, PoolCreateError]
        .filter((Class) => error instanceof Class).map(({ name }) => name)
        .join();
      const { message, cause } = error as Error;
      return { classes, message, cause: `${cause}` };
    } finally {
      prlimit(0, RLIMIT_NOFILE, limits, null);
    }
  };
  const failures = [
    attempt(() => MemoryPool.attach(serialized)),
    attempt(() => MemoryPool.create(1024, name, 1)),
  ];
  libc.close();
  // Both work as soon as there are descriptors again.
  MemoryPool.attach(serialized).detach();
  MemoryPool.create(1024, name, 1).destroy();
  return failures;
}

processTest(
  "MemoryPool.attach() and create() say so when no file descriptor is left",
  async () => {
    using pool = createPool(64 * KIB);
    await using peer = await PeerProcess.start();
    const [attach, create] = await peer.run(
      attachAndCreateWithoutFiles,
      pool.serialize(),
      uniqueName(),
    );
    assertEquals(attach?.classes, "PoolAttachError");
    assertEquals(create?.classes, "PoolCreateError");
    for (const failure of [attach, create]) {
      assertMatch(failure!.message, /descriptors?\b|open files/i);
      assertNotEquals(failure!.cause, "undefined");
    }
    assertWholeAndEmpty(pool);
  },
);

Deno.test("MemoryPool.attach() says so when all participant slots are taken", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const serialized = pool.serialize();
  pool.detach();
  // Handles of one thread share a slot, so the slots are taken underneath.
  const native = nativeLibrary();
  const descriptor = Deno.UnsafePointer.of(serialized);
  const handles: Deno.PointerValue[] = [];
  const handle = new BigUint64Array(1);
  let status: number;
  while (
    (status = native.mm_pool_attach(
      descriptor,
      BigInt(serialized.length),
      handle,
    )) === OK
  ) {
    handles.push(Deno.UnsafePointer.create(handle[0]!));
  }
  try {
    assertEquals(status, E_NO_SLOT);
    const error = thrownBy(() => MemoryPool.attach(serialized));
    assertInstanceOf(error, PoolAttachError);
    assertMatch(error.message, /slots?\b/);
    native.mm_pool_detach(handles.pop()!);
    const other = MemoryPool.attach(serialized);
    assertWholeAndEmpty(other);
    other.detach();
  } finally {
    for (const taken of handles) native.mm_pool_detach(taken);
    MemoryPool.attach(serialized).destroy();
  }
});

Deno.test("MemoryPool.detach() and destroy() empty what their handle had mapped", () => {
  const pool = createPool(64 * KIB);
  using _file = removedInTheEnd(pool);
  const other = MemoryPool.attach(pool.serialize());
  const region = other.unsafeMemview;
  const memview = other.alloc(100).getMemview();
  other.detach();
  assertEmptied(memview);
  assertEmptied(region);
  const ownRegion = pool.unsafeMemview;
  pool.destroy();
  assertEmptied(ownRegion);
});
