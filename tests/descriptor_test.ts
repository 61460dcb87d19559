// Descriptors: what they say, how long they are, and that no bytes, however
// damaged or outdated, lead anywhere but to what they were made from.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocType,
  ManagedMemoryError,
  MemoryAlloc,
  MemoryPool,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "../mod.ts";
import {
  assertEmptied,
  assertFilled,
  assertOwnError,
  assertThrowsPoolOrAllocationError,
  assertWholeAndEmpty,
  createPool,
  fill,
  KIB,
  randomSource,
  thrownBy,
  uniqueName,
  wrong,
} from "./helpers.ts";
import { removedInTheEnd } from "./libc.ts";
import { withinDeadline } from "./processes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Every way in which a descriptor is damaged here: what was done, and the result. */
function* damaged(valid: Bytes): Generator<[string, Bytes]> {
  for (let length = 0; length < valid.length; length++) {
    yield [`cut to ${length} bytes`, valid.slice(0, length)];
    yield [`the last ${length} bytes`, valid.slice(valid.length - length)];
  }
  for (const extra of [1, 2, 7, 8, 64, valid.length, 5000]) {
    for (const value of [0x00, 0x01, 0xff]) {
      const extended = new Uint8Array(valid.length + extra).fill(value);
      extended.set(valid);
      yield [`extended by ${extra} bytes of ${value}`, extended];
    }
  }
  const twice = new Uint8Array(valid.length * 2);
  twice.set(valid);
  twice.set(valid, valid.length);
  yield ["written twice", twice];
  for (let bit = 0; bit < valid.length * 8; bit++) {
    const flipped = valid.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    yield [`bit ${bit} flipped`, flipped];
  }
  for (let index = 0; index < valid.length; index++) {
    for (const value of [0x00, 0x7f, 0x80, 0xff]) {
      if (valid[index] === value) continue;
      const replaced = valid.slice();
      replaced[index] = value;
      yield [`byte ${index} set to ${value}`, replaced];
    }
  }
}

/** Bytes that have nothing to do with a descriptor, or only the beginning of one. */
function* randomBytes(valid: Bytes): Generator<Bytes> {
  const random = randomSource(41);
  for (let round = 0; round < 1000; round++) {
    const bytes = new Uint8Array(random(400)).map(() => random(256));
    yield bytes.slice();
    bytes.set(valid.subarray(0, Math.min(random(valid.length), bytes.length)));
    yield bytes;
  }
}

Deno.test("MemoryPool.serialize() gives bytes by which the pool is attached", () => {
  using pool = createPool();
  const serialized = pool.serialize();
  assertInstanceOf(serialized, Uint8Array);
  assertInstanceOf(serialized.buffer, ArrayBuffer);
  assertEquals(pool.serialize(), serialized);
  using other = MemoryPool.attach(serialized);
  assertEquals(other.serialize(), serialized);
  const allocation = other.alloc(100);
  fill(allocation, 1);
  assertFilled(pool.getAllocById(AllocType.DATA, allocation.id), 1);
});

Deno.test("MemoryPool.serialize() gives fewer than 100 bytes for a short name, 300 for the longest", () => {
  using short = MemoryPool.create(
    KIB,
    `t${crypto.randomUUID().slice(0, 7)}`,
    1,
  );
  assertLess(short.serialize().length, 100);
  using long = MemoryPool.create(
    KIB,
    uniqueName().padEnd(200, "x"),
    2n ** 64n - 1n,
  );
  assertLess(long.serialize().length, 300);
});

Deno.test("MemoryPool.serialize() gives different bytes for pools of one name and uid", () => {
  const name = uniqueName();
  const first = MemoryPool.create(64 * KIB, name, 1);
  using _file = removedInTheEnd(first);
  const firstBytes = first.serialize();
  first.destroy();
  using second = MemoryPool.create(64 * KIB, name, 1);
  assert(firstBytes.some((byte, index) => byte !== second.serialize()[index]));
});

Deno.test("MemoryPool.describe() reads name and uid without attaching, also once the pool is gone", () => {
  const name = uniqueName();
  const pool = MemoryPool.create(KIB, name, 2n ** 63n + 1234n);
  using _file = removedInTheEnd(pool);
  const serialized = pool.serialize();
  assertEquals(MemoryPool.describe(serialized), {
    uid: 2n ** 63n + 1234n,
    name,
  });
  pool.destroy();
  assertEquals(MemoryPool.describe(serialized), {
    uid: 2n ** 63n + 1234n,
    name,
  });
});

Deno.test("MemoryPool.describe() does not attach", () => {
  const pool = createPool(KIB);
  using _file = removedInTheEnd(pool);
  const serialized = pool.serialize();
  pool.detach();
  MemoryPool.describe(serialized);
  const error = thrownBy(() => MemoryPool.create(KIB, pool.name, 1));
  MemoryPool.attach(serialized).destroy();
  assertInstanceOf(error, PoolCreateError);
  assertMatch(error.message, /orphan/i);
});

Deno.test("MemoryPool.describe() throws for truncated, extended and changed bytes", () => {
  using pool = createPool(KIB);
  for (const [what, bytes] of damaged(pool.serialize())) {
    const error = thrownBy(() => MemoryPool.describe(bytes));
    assertInstanceOf(error, PoolError, what);
  }
  for (const bytes of randomBytes(pool.serialize())) {
    assertThrows(() => MemoryPool.describe(bytes), PoolError);
  }
});

for (const attached of [true, false]) {
  const when = attached ? "attached already" : "not attached";

  Deno.test(`MemoryPool.attach() throws for truncated, extended and changed bytes of a pool ${when}`, () => {
    const pool = createPool();
    using _file = removedInTheEnd(pool);
    const serialized = pool.serialize();
    const { id } = pool.alloc(100);
    if (!attached) pool.detach();
    for (const [what, bytes] of damaged(serialized)) {
      const error = thrownBy(() => MemoryPool.attach(bytes));
      assertInstanceOf(error, PoolAttachError, what);
    }
    for (const bytes of randomBytes(serialized)) {
      assertThrows(() => MemoryPool.attach(bytes), PoolAttachError);
    }
    using other = MemoryPool.attach(serialized);
    assert(other.allocationExists(AllocType.DATA, id));
    other.getAllocById(AllocType.DATA, id).free();
    assertWholeAndEmpty(other);
    MemoryPool.attach(serialized).destroy();
    pool.detach();
  });

  Deno.test(`MemoryAlloc.attach() throws for truncated, extended and changed bytes of a pool ${when}`, () => {
    const pool = createPool();
    using _file = removedInTheEnd(pool);
    const poolBytes = pool.serialize();
    const allocations = Array.from({ length: 20 }, () => pool.alloc(100));
    for (const [index, allocation] of allocations.entries()) {
      fill(allocation, index);
    }
    const serialized = allocations[7]!.serialize();
    if (!attached) pool.detach();
    for (const [what, bytes] of damaged(serialized)) {
      const error = thrownBy(() => MemoryAlloc.attach(bytes));
      assertInstanceOf(error, AllocationError, what);
    }
    for (const bytes of randomBytes(serialized)) {
      assertThrows(() => MemoryAlloc.attach(bytes), AllocationError);
    }
    const other = MemoryAlloc.attach(serialized);
    assertFilled(other, 7);
    assertEquals(other.pool.currentAllocations, 20);
    other.detach();
    MemoryPool.attach(poolBytes).destroy();
    pool.detach();
  });

  Deno.test(`MemoryAlloc.attach() gives the allocation of a pool ${when}`, () => {
    const pool = createPool();
    using _file = removedInTheEnd(pool);
    const poolBytes = pool.serialize();
    const allocation = pool.alloc(1000, 77);
    fill(allocation, 9);
    const { id, byteOffset } = allocation;
    const serialized = allocation.serialize();
    if (!attached) pool.detach();
    const other = MemoryAlloc.attach(serialized);
    assert(other instanceof MemoryAlloc);
    assertEquals(other.id, id);
    assertEquals(other.type, 77);
    assertEquals(other.size, 1000);
    assertEquals(other.byteOffset, byteOffset);
    assertEquals(other.isAttached, true);
    assertEquals(other.pool.name, MemoryPool.describe(poolBytes).name);
    assertEquals(other.pool.isAttached, true);
    assertFilled(other, 9);
    assertEquals(other.serialize(), serialized);
    other.detach();
    assertEquals(other.isAttached, false);
    MemoryPool.attach(poolBytes).destroy();
    pool.detach();
  });

  Deno.test(`MemoryAlloc.attach() throws for an allocation already freed, of a pool ${when}`, () => {
    const pool = createPool();
    using _file = removedInTheEnd(pool);
    const poolBytes = pool.serialize();
    const allocation = pool.alloc(pool.size);
    const serialized = allocation.serialize();
    allocation.free();
    const { id } = pool.alloc(pool.size);
    if (!attached) pool.detach();
    assertThrows(() => MemoryAlloc.attach(serialized), AllocationError);
    using other = MemoryPool.attach(poolBytes);
    assert(other.allocationExists(AllocType.DATA, id));
    MemoryPool.attach(poolBytes).destroy();
    pool.detach();
  });
}

Deno.test("MemoryAlloc.attach() lets the pool go at detach() when nothing else here has it", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const poolBytes = pool.serialize();
  const first = pool.alloc(100).serialize();
  const second = pool.alloc(100).serialize();
  pool.detach();

  const orphanError = () =>
    thrownBy(() => MemoryPool.create(KIB, pool.name, 1));
  const one = MemoryAlloc.attach(first);
  const two = MemoryAlloc.attach(second);
  assert(!/orphan/i.test(orphanError().message));
  one.detach();
  assert(!/orphan/i.test(orphanError().message));
  assertEquals(two.getMemview().byteLength, 100);
  two.detach();
  assertMatch(orphanError().message, /orphan/i);
  assertThrows(() => two.getMemview(), AllocationError);

  const freed = MemoryAlloc.attach(first);
  freed.free();
  freed.detach();
  assertMatch(orphanError().message, /orphan/i);
  MemoryPool.attach(poolBytes).destroy();
});

Deno.test("MemoryAlloc.attach() keeps the pool until its own detach(), whatever else came through it", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const poolBytes = pool.serialize();
  const serialized = pool.alloc(100).serialize();
  pool.detach();
  const allocation = MemoryAlloc.attach(serialized);
  fill(allocation, 2);
  const memview = allocation.getMemview();
  allocation.pool.getAllocById(allocation.type, allocation.id).detach();
  assertStrictEquals(allocation.getMemview(), memview);
  assertFilled(allocation, 2);
  allocation.pool.alloc(10).free();
  assertStrictEquals(allocation.getMemview(), memview);
  assertFilled(allocation, 2);
  allocation.detach();
  assertEmptied(memview);
  MemoryPool.attach(poolBytes).destroy();
});

Deno.test("MemoryAlloc.attach() gives a pool through which one can allocate and destroy", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const poolBytes = pool.serialize();
  const serialized = pool.alloc(100).serialize();
  pool.detach();
  const allocation = MemoryAlloc.attach(serialized);
  const next = allocation.pool.alloc(200);
  fill(next, 1);
  assertEquals(allocation.pool.currentAllocations, 2);
  next.free();
  allocation.pool.destroy();
  assertThrowsPoolOrAllocationError(() => allocation.getMemview());
  assertThrows(() => MemoryPool.attach(poolBytes), PoolAttachError);
});

Deno.test("MemoryPool.attach() takes bytes from anywhere within a larger buffer", () => {
  using pool = createPool();
  const serialized = pool.serialize();
  for (const offset of [0, 1, 3, 8, 13]) {
    const larger = new Uint8Array(serialized.length + 30).fill(0xee);
    larger.set(serialized, offset);
    const view = larger.subarray(offset, offset + serialized.length);
    assertEquals(MemoryPool.describe(view).name, pool.name);
    using other = MemoryPool.attach(view);
    assertEquals(other.name, pool.name);
  }
  const allocation = pool.alloc(100);
  const larger = new Uint8Array(1000);
  larger.set(allocation.serialize(), 501);
  const view = larger.subarray(501, 501 + allocation.serialize().length);
  assertEquals(MemoryAlloc.attach(view).id, allocation.id);
});

Deno.test("MemoryPool.attach() throws when the pool was destroyed", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const other = MemoryPool.attach(pool.serialize());
  const serialized = pool.serialize();
  pool.destroy();
  assertThrows(() => MemoryPool.attach(serialized), PoolAttachError);
  other.detach();
  assertThrows(() => MemoryPool.attach(serialized), PoolAttachError);
});

Deno.test("MemoryPool.attach() throws when the pool was destroyed and made again under its name", () => {
  const old = createPool(64 * KIB);
  using _file = removedInTheEnd(old);
  const { name } = old;
  const oldPool = old.serialize();
  const oldAllocation = old.alloc(1000).serialize();
  old.destroy();
  using again = MemoryPool.create(64 * KIB, name, 1);
  const allocation = again.alloc(1000);
  fill(allocation, 5);

  assertThrows(() => MemoryPool.attach(oldPool), PoolAttachError);
  assertThrowsPoolOrAllocationError(() => MemoryAlloc.attach(oldAllocation));
  const serialized = again.serialize();
  again.detach();
  assertThrows(() => MemoryPool.attach(oldPool), PoolAttachError);
  assertThrowsPoolOrAllocationError(() => MemoryAlloc.attach(oldAllocation));

  const attached = MemoryPool.attach(serialized);
  assertFilled(attached.getAllocById(AllocType.DATA, allocation.id), 5);
  attached.destroy();
});

Deno.test("MemoryAlloc.attach() throws when the pool was destroyed", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const serialized = pool.alloc(100).serialize();
  const other = MemoryPool.attach(pool.serialize());
  pool.destroy();
  assertThrowsPoolOrAllocationError(() => MemoryAlloc.attach(serialized));
  other.detach();
  assertThrowsPoolOrAllocationError(() => MemoryAlloc.attach(serialized));
});

Deno.test("MemoryAlloc.attach() throws for the descriptor of a pool", () => {
  using pool = createPool();
  pool.alloc(100);
  assertThrowsPoolOrAllocationError(() => MemoryAlloc.attach(pool.serialize()));
});

Deno.test("MemoryPool.attach() and describe() throw a TypeError for what is not a Uint8Array", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const serialized = pool.serialize();
  const values: unknown[] = [
    undefined,
    null,
    0,
    5,
    1n,
    true,
    "pool",
    {},
    [...serialized],
    pool,
    allocation,
    serialized.buffer,
    new DataView(serialized.buffer),
    new Uint16Array(40),
    new Uint8ClampedArray(serialized),
    new Int8Array(serialized),
    {
      length: serialized.length,
      buffer: serialized.buffer,
      byteLength: serialized.byteLength,
    },
    Object.create(Uint8Array.prototype),
    () => serialized,
    Symbol("pool"),
  ];
  for (const value of values) {
    assertThrows(() => MemoryPool.attach(wrong(value)), TypeError);
    assertThrows(() => MemoryPool.describe(wrong(value)), TypeError);
    assertThrows(() => MemoryAlloc.attach(wrong(value)), TypeError);
  }
});

Deno.test("MemoryPool.attach() throws for bytes whose buffer was moved away", () => {
  using pool = createPool();
  const serialized = pool.serialize().slice();
  const allocationBytes = pool.alloc(1).serialize().slice();
  serialized.buffer.transfer();
  allocationBytes.buffer.transfer();
  for (
    const call of [
      () => MemoryPool.attach(serialized),
      () => MemoryPool.describe(serialized),
      () => MemoryAlloc.attach(allocationBytes),
    ]
  ) {
    const error = thrownBy(call);
    assert(
      error instanceof TypeError || error instanceof ManagedMemoryError,
      `${error}`,
    );
  }
});

Deno.test("MemoryPool.attach() takes shared bytes, or throws a TypeError", () => {
  using pool = createPool();
  const serialized = pool.serialize();
  const shared = new Uint8Array(new SharedArrayBuffer(serialized.length));
  shared.set(serialized);
  try {
    using other = MemoryPool.attach(shared);
    assertEquals(other.name, pool.name);
  } catch (error) {
    assertInstanceOf(error, TypeError);
  }
});

// What follows forges descriptors: damaged ones with a checksum that is right.
// It knows the format from csrc/descriptor.c.

const HOST = 4;
const IDENTITY = 20;
const UID = 36;
const ALLOCATION_ID = 44;
const ALLOCATION_TYPE = 52;
const POOL_LENGTHS = 44;
const CHECKSUM_SIZE = 8;

/** Gives changed bytes a checksum that is right. */
function sealed(bytes: Bytes): Bytes {
  const body = bytes.length - CHECKSUM_SIZE;
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < body; index++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(bytes[index]!)) * 0x100000001b3n);
  }
  hash ^= hash >> 32n;
  hash = BigInt.asUintN(64, hash * 0x9e3779b97f4a7c15n);
  hash ^= hash >> 29n;
  new DataView(bytes.buffer).setBigUint64(body, hash, true);
  return bytes;
}

/** A copy with one byte changed, and a checksum that is right. */
function forged(
  valid: Bytes,
  index: number,
  change: (byte: number) => number,
): Bytes {
  const bytes = valid.slice();
  bytes[index] = change(bytes[index]!);
  return sealed(bytes);
}

/** A pool descriptor with another name and directory. */
function renamed(valid: Bytes, name: string, directory: string): Bytes {
  const texts = new TextEncoder().encode(name + directory);
  const bytes = new Uint8Array(POOL_LENGTHS + 3 + texts.length + CHECKSUM_SIZE);
  bytes.set(valid.subarray(0, POOL_LENGTHS));
  const nameLength = new TextEncoder().encode(name).length;
  new DataView(bytes.buffer).setUint8(POOL_LENGTHS, nameLength);
  new DataView(bytes.buffer).setUint16(
    POOL_LENGTHS + 1,
    texts.length - nameLength,
    true,
  );
  bytes.set(texts, POOL_LENGTHS + 3);
  return sealed(bytes);
}

Deno.test("MemoryPool.attach() takes a descriptor that was sealed anew without a change", () => {
  using pool = createPool();
  const serialized = pool.serialize();
  assertEquals(sealed(serialized.slice()), serialized);
  assertEquals(renamed(serialized, pool.name, ""), serialized);
  const allocation = pool.alloc(1).serialize();
  assertEquals(sealed(allocation.slice()), allocation);
});

Deno.test("MemoryPool.attach() gives a handle that is not local for a descriptor of another host", async (t) => {
  using pool = createPool();
  const foreignBytes = forged(
    pool.serialize(),
    HOST + 3,
    (byte) => byte ^ 0x10,
  );
  assertEquals(MemoryPool.describe(foreignBytes), { uid: 1n, name: pool.name });
  const foreign = MemoryPool.attach(foreignBytes);
  assertEquals(foreign.isLocal, false);
  assertEquals(foreign.isAttached, true);
  assertEquals(foreign.name, pool.name);
  assertEquals(foreign.uid, 1n);
  assertEquals(foreign.serialize(), foreignBytes);

  const allocation = pool.alloc(1);
  const calls: Record<string, () => unknown> = {
    alloc: () => foreign.alloc(1),
    allocBlockingSync: () => foreign.allocBlockingSync(1),
    free: () => foreign.free(allocation),
    getAllocations: () => foreign.getAllocations(),
    allocationExists: () =>
      foreign.allocationExists(AllocType.DATA, allocation.id),
    getAllocById: () => foreign.getAllocById(AllocType.DATA, allocation.id),
    freeSpace: () => foreign.freeSpace,
    freeBlocks: () => foreign.freeBlocks,
    utilization: () => foreign.utilization,
    currentAllocations: () => foreign.currentAllocations,
    unsafeMemview: () => foreign.unsafeMemview,
    trim: () => foreign.trim(),
    destroy: () => foreign.destroy(),
  };
  for (const [name, call] of Object.entries(calls)) {
    await t.step(name, () => {
      if (name === "free") assertThrowsPoolOrAllocationError(call);
      else assertThrows(call, PoolError);
    });
  }
  await t.step("allocBlocking", async () => {
    await withinDeadline(
      assertRejects(() => foreign.allocBlocking(1), PoolError),
      () => "allocBlocking() never settled",
    );
  });
  assertEquals(pool.currentAllocations, 1);
  allocation.free();
  foreign.detach();
  assertEquals(foreign.isAttached, false);
  foreign.detach();
  foreign[Symbol.dispose]();
  assertEquals(foreign.serialize(), foreignBytes);
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryAlloc.attach() gives a handle without memory for a descriptor of another host", () => {
  using pool = createPool();
  const allocation = pool.alloc(100);
  const foreignBytes = forged(allocation.serialize(), HOST, (byte) => byte ^ 1);
  const foreign = MemoryAlloc.attach(foreignBytes);
  assertEquals(foreign.pool.isLocal, false);
  assertEquals(foreign.pool.name, pool.name);
  assertEquals(foreign.id, allocation.id);
  assertEquals(foreign.serialize(), foreignBytes);
  assertThrows(() => foreign.getMemview(), PoolError);
  assertThrows(() => foreign.free(), PoolError);
  assertThrowsPoolOrAllocationError(() => pool.free(foreign));
  foreign.detach();
  assertEquals(foreign.isAttached, false);
  assertEquals(pool.currentAllocations, 1);
});

Deno.test("MemoryAlloc.attach() never gives another allocation for a forged id or type", () => {
  using pool = createPool();
  const allocations = Array.from(
    { length: 20 },
    (_, index) => pool.alloc(100, index % 2),
  );
  const ids = new Set(allocations.map(({ id }) => id));
  const valid = allocations[7]!.serialize();
  for (let bit = 0; bit < 64; bit++) {
    const bytes = forged(
      valid,
      ALLOCATION_ID + (bit >> 3),
      (byte) => byte ^ (1 << (bit & 7)),
    );
    const id = new DataView(bytes.buffer).getBigUint64(ALLOCATION_ID, true);
    try {
      const found = MemoryAlloc.attach(bytes);
      assertEquals(found.id, id);
      assert(ids.has(id) && pool.allocationExists(1, id));
      found.detach();
    } catch (error) {
      assertInstanceOf(error, AllocationError);
      assertEquals(pool.allocationExists(1, id), false);
    }
  }
  for (let bit = 0; bit < 32; bit++) {
    const bytes = forged(
      valid,
      ALLOCATION_TYPE + (bit >> 3),
      (byte) => byte ^ (1 << (bit & 7)),
    );
    assertThrows(() => MemoryAlloc.attach(bytes), AllocationError);
  }
  assertEquals(pool.currentAllocations, 20);
});

Deno.test("MemoryPool.attach() throws for a forged identity", () => {
  using pool = createPool();
  const valid = pool.serialize();
  for (let index = IDENTITY; index < UID; index++) {
    const bytes = forged(valid, index, (byte) => byte ^ 1);
    assertThrows(() => MemoryPool.attach(bytes), PoolAttachError);
  }
});

Deno.test("MemoryPool.attach() throws for a forged name or directory", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  using other = createPool();
  const valid = pool.serialize();
  pool.detach();
  const texts: [string, string][] = [
    [other.name, ""],
    [uniqueName(), ""],
    ["", ""],
    ["x/../y", ""],
    ["../../etc/passwd", ""],
    [`${pool.name}\0`, ""],
    ["x".repeat(201), ""],
    [pool.name, "/"],
    [pool.name, "/etc"],
    [pool.name, "/proc/self"],
    [pool.name, "/nowhere/at/all"],
    [pool.name, "dev/shm"],
    [pool.name, "/dev/shm\0"],
    [pool.name, `/${"x".repeat(1500)}`],
  ];
  for (const [name, directory] of texts) {
    const error = thrownBy(() =>
      MemoryPool.attach(renamed(valid, name, directory))
    );
    assertInstanceOf(
      error,
      PoolAttachError,
      `Name "${name}" in directory "${directory}"`,
    );
  }
  assertWholeAndEmpty(other);
  MemoryPool.attach(valid).destroy();
});

Deno.test("MemoryPool.attach() survives forged bytes of every kind", () => {
  using pool = createPool();
  const { id } = pool.alloc(100);
  const random = randomSource(43);
  for (
    const valid of [
      pool.serialize(),
      pool.getAllocById(AllocType.DATA, id).serialize(),
    ]
  ) {
    for (let round = 0; round < 1000; round++) {
      const length = random(4) === 0
        ? CHECKSUM_SIZE + random(1500)
        : valid.length;
      const bytes = new Uint8Array(length);
      bytes.set(valid.subarray(0, length));
      for (let count = random(4); count >= 0; count--) {
        bytes[random(length)] = random(256);
      }
      sealed(bytes);
      try {
        MemoryPool.describe(bytes);
      } catch (error) {
        assertInstanceOf(error, PoolError);
      }
      try {
        const other = MemoryPool.attach(bytes);
        if (other.isLocal) assert(other.allocationExists(AllocType.DATA, id));
        other.detach();
      } catch (error) {
        assertInstanceOf(error, PoolAttachError);
      }
      try {
        const allocation = MemoryAlloc.attach(bytes);
        assertEquals(allocation.id === id || !allocation.pool.isLocal, true);
        allocation.detach();
      } catch (error) {
        assertOwnError(error);
      }
    }
  }
  assertEquals(pool.currentAllocations, 1);
});
