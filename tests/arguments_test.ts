// What every method answers to arguments of the wrong type or out of range: a
// TypeError or a RangeError, before anything has changed.

import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  AllocType,
  ManagedMemoryError,
  MemoryAlloc,
  MemoryPool,
} from "../mod.ts";
import {
  assertReturnsOrThrowsOwnError,
  assertSound,
  assertWholeAndEmpty,
  createPool,
  KIB,
  thrownBy,
  uniqueName,
  wrong,
} from "./helpers.ts";
import { withinDeadline } from "./processes.ts";
import { fileMode, poolFile } from "./libc.ts";

const notNumbers: unknown[] = [
  undefined,
  null,
  "1",
  "",
  1n,
  true,
  {},
  [],
  [1],
  new Number(1),
  { valueOf: () => 1 },
  () => 1,
  Symbol("1"),
];

const notCounts = [
  -1,
  -0.5,
  0.5,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  2 ** 64,
  Number.MAX_VALUE,
  -(2 ** 53),
  Number.MIN_VALUE,
];

const notTypes = [...notCounts, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];

const notBigints: unknown[] = [
  undefined,
  null,
  "1",
  1,
  0,
  true,
  {},
  Object(1n),
  new Uint8Array(8),
  Symbol("1"),
];

/** Names a value in a failed test. */
function show(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : Deno.inspect(value);
}

/** Asserts that `call` throws `Class` for each of the values. */
function assertEachThrows(
  Class: typeof TypeError | typeof RangeError,
  values: readonly unknown[],
  call: (value: never) => unknown,
): void {
  for (const value of values) {
    assertInstanceOf(
      thrownBy(() => call(wrong(value))),
      Class,
      `Value ${show(value)}`,
    );
  }
}

/** Asserts that `call` returns a promise that rejects with `Class` for each of the values. */
async function assertEachRejects(
  Class: typeof TypeError | typeof RangeError,
  values: readonly unknown[],
  call: (value: never) => Promise<unknown>,
): Promise<void> {
  for (const value of values) {
    // A throw instead of a rejection fails here, outside of assertRejects.
    const promise = call(wrong(value));
    assertInstanceOf(promise, Promise);
    await withinDeadline(
      assertRejects(() => promise, Class, "", `Value ${show(value)}`),
      () => "allocBlocking() never settled",
    );
  }
}

/** Values that are not `undefined`, which an optional parameter takes as not given. */
function given(values: readonly unknown[]): unknown[] {
  return values.filter((value) => value !== undefined);
}

Deno.test("MemoryPool.create() throws for a wrong size", () => {
  const name = uniqueName();
  assertEachThrows(
    TypeError,
    notNumbers,
    (size) => MemoryPool.create(size, name, 1),
  );
  assertEachThrows(
    RangeError,
    [0, -0, ...notCounts],
    (size) => MemoryPool.create(size, name, 1),
  );
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.create() throws a TypeError for a wrong name", () => {
  const values = [
    undefined,
    null,
    1,
    1n,
    true,
    {},
    [],
    ["name"],
    new TextEncoder().encode("name"),
    new String("name"),
    { toString: () => "name" },
    Symbol("name"),
  ];
  assertEachThrows(
    TypeError,
    values,
    (name) => MemoryPool.create(KIB, name, 1),
  );
});

Deno.test("MemoryPool.create() throws for a wrong uid", () => {
  const name = uniqueName();
  const values = notNumbers.filter((value) => typeof value !== "bigint");
  assertEachThrows(
    TypeError,
    values,
    (uid) => MemoryPool.create(KIB, name, uid),
  );
  assertEachThrows(
    RangeError,
    notCounts,
    (uid) => MemoryPool.create(KIB, name, uid),
  );
  assertEachThrows(
    RangeError,
    [
      -1n,
      2n ** 64n,
      2n ** 64n + 1n,
      2n ** 65n,
      2n ** 128n,
      -(2n ** 64n),
      -(2n ** 63n),
    ],
    (uid) => MemoryPool.create(KIB, name, uid),
  );
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.create() throws a TypeError for too few arguments", () => {
  const create = MemoryPool.create as unknown as (
    ...values: unknown[]
  ) => MemoryPool;
  assertThrows(() => create.call(MemoryPool), TypeError);
  assertThrows(() => create.call(MemoryPool, KIB), TypeError);
  assertThrows(() => create.call(MemoryPool, KIB, uniqueName()), TypeError);
});

Deno.test("MemoryPool.create() throws a TypeError for attributes that are no object", () => {
  const name = uniqueName();
  const values = [null, 1, "attributes", true, 1n, Symbol("attributes")];
  assertEachThrows(
    TypeError,
    values,
    (attributes) => MemoryPool.create(KIB, name, 1, attributes),
  );
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.create() throws for a wrong attribute", async (t) => {
  const name = uniqueName();
  const create = (attributes: unknown) =>
    MemoryPool.create(KIB, name, 1, wrong(attributes));
  for (const attribute of ["minBlockSize", "maxAllocations", "mode"]) {
    await t.step(attribute, () => {
      assertEachThrows(
        TypeError,
        given(notNumbers),
        (value) => create({ [attribute]: value }),
      );
      assertEachThrows(
        RangeError,
        notCounts,
        (value) => create({ [attribute]: value }),
      );
    });
  }
  await t.step("mode with more than permission bits", () => {
    assertEachThrows(
      RangeError,
      [0o100000, 2 ** 31, 2 ** 32, 2 ** 32 + 0o600],
      (mode) => create({ mode }),
    );
  });
  await t.step("directory", () => {
    const values = [
      null,
      1,
      1n,
      true,
      {},
      ["/dev/shm"],
      new URL("file:///dev/shm"),
      Symbol("/"),
    ];
    assertEachThrows(TypeError, values, (directory) => create({ directory }));
  });
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.alloc() throws for a wrong size", () => {
  using pool = createPool();
  assertEachThrows(TypeError, notNumbers, (size) => pool.alloc(size));
  assertEachThrows(RangeError, notCounts, (size) => pool.alloc(size));
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.alloc() throws for a wrong type", () => {
  using pool = createPool();
  assertEachThrows(TypeError, given(notNumbers), (type) => pool.alloc(1, type));
  assertEachThrows(RangeError, notTypes, (type) => pool.alloc(1, type));
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.allocBlocking() rejects for wrong arguments, and never throws", async () => {
  using pool = createPool();
  await assertEachRejects(
    TypeError,
    notNumbers,
    (size) => pool.allocBlocking(size),
  );
  await assertEachRejects(
    RangeError,
    notCounts,
    (size) => pool.allocBlocking(size),
  );
  await assertEachRejects(
    TypeError,
    [null, 1, "options", true, 1n],
    (options) => pool.allocBlocking(1, options),
  );
  await assertEachRejects(
    TypeError,
    given(notNumbers),
    (timeout) => pool.allocBlocking(1, { timeout }),
  );
  await assertEachRejects(
    RangeError,
    [-1, NaN, -Infinity, -0.5],
    (timeout) => pool.allocBlocking(1, { timeout }),
  );
  await assertEachRejects(
    TypeError,
    given(notNumbers),
    (type) => pool.allocBlocking(1, { type }),
  );
  await assertEachRejects(
    RangeError,
    notTypes,
    (type) => pool.allocBlocking(1, { type }),
  );
  await assertEachRejects(
    TypeError,
    [null, 1, "signal", {}, { aborted: true }, new AbortController()],
    (signal) => pool.allocBlocking(1, { signal }),
  );
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.allocBlocking() rejects for wrong arguments also when there is no room", async () => {
  using pool = createPool();
  const everything = pool.alloc(pool.size);
  await assertEachRejects(RangeError, [-1], (size) => pool.allocBlocking(size));
  await assertEachRejects(
    RangeError,
    [-1, NaN],
    (timeout) => pool.allocBlocking(1, { timeout }),
  );
  await assertEachRejects(
    TypeError,
    ["10"],
    (timeout) => pool.allocBlocking(1, { timeout }),
  );
  everything.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.allocBlocking() rejects when it is called on something else", async () => {
  await assertEachRejects(
    TypeError,
    [{}, Object.create(MemoryPool.prototype), undefined],
    (value) => MemoryPool.prototype.allocBlocking.call(value, 1),
  );
});

Deno.test("MemoryPool.allocBlockingSync() throws for wrong arguments", () => {
  using pool = createPool();
  assertEachThrows(
    TypeError,
    notNumbers,
    (size) => pool.allocBlockingSync(size),
  );
  assertEachThrows(
    RangeError,
    notCounts,
    (size) => pool.allocBlockingSync(size),
  );
  assertEachThrows(
    TypeError,
    [null, 1, "options", true, 1n],
    (options) => pool.allocBlockingSync(1, options),
  );
  assertEachThrows(
    TypeError,
    given(notNumbers),
    (timeout) => pool.allocBlockingSync(1, { timeout }),
  );
  assertEachThrows(
    RangeError,
    [-1, NaN, -Infinity, -0.5],
    (timeout) => pool.allocBlockingSync(1, { timeout }),
  );
  assertEachThrows(
    TypeError,
    given(notNumbers),
    (type) => pool.allocBlockingSync(1, { type }),
  );
  assertEachThrows(
    RangeError,
    notTypes,
    (type) => pool.allocBlockingSync(1, { type }),
  );
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool.free() throws a TypeError for what is no allocation", () => {
  using pool = createPool();
  const allocation = pool.alloc(1);
  const values = [
    undefined,
    null,
    1,
    allocation.id,
    "allocation",
    {},
    pool,
    allocation.serialize(),
    allocation.getMemview(),
    Object.create(MemoryAlloc.prototype),
    {
      id: allocation.id,
      type: 0,
      size: 1,
      pool,
      byteOffset: 0,
      isAttached: true,
    },
  ];
  assertEachThrows(TypeError, values, (value) => pool.free(value));
  assertEquals(pool.currentAllocations, 1);
  assertEquals(allocation.isAttached, true);
});

Deno.test("MemoryPool.getAllocations() throws for a wrong type", () => {
  using pool = createPool();
  assertEachThrows(
    TypeError,
    given(notNumbers),
    (type) => pool.getAllocations(type),
  );
  assertEachThrows(RangeError, notTypes, (type) => pool.getAllocations(type));
  assertWholeAndEmpty(pool);
});

for (const method of ["allocationExists", "getAllocById"] as const) {
  Deno.test(`MemoryPool.${method}() throws for a wrong type or id`, () => {
    using pool = createPool();
    const { id } = pool.alloc(1);
    assertEachThrows(TypeError, notNumbers, (type) => pool[method](type, id));
    assertEachThrows(RangeError, notTypes, (type) => pool[method](type, id));
    assertEachThrows(
      TypeError,
      notBigints,
      (value) => pool[method](AllocType.DATA, value),
    );
    assertEquals(pool.currentAllocations, 1);
  });
}

Deno.test("MemoryAllocations throws for a wrong index", () => {
  using pool = createPool();
  pool.alloc(1);
  const listing = pool.getAllocations();
  for (const method of ["allocType", "allocId"] as const) {
    assertEachThrows(TypeError, notNumbers, (index) => listing[method](index));
    assertEachThrows(RangeError, notCounts, (index) => listing[method](index));
  }
});

Deno.test("MemoryPool.detach() throws a TypeError for wrong options, and stays attached", () => {
  using pool = createPool();
  const other = MemoryPool.attach(pool.serialize());
  assertEachThrows(
    TypeError,
    [null, 1, "options", true],
    (options) => other.detach(options),
  );
  assertEachThrows(
    TypeError,
    [null, 0, 1, "true", {}],
    (serialize) => other.detach({ serialize }),
  );
  assertEquals(other.isAttached, true);
  other.alloc(1).free();
  other.detach({});
  assertEquals(other.isAttached, false);
});

Deno.test("MemoryPool and MemoryAlloc throw a TypeError when a method is called on something else", () => {
  using pool = createPool();
  const allocation = pool.alloc(1);
  const poolCalls: Record<string, (self: MemoryPool) => unknown> = {
    alloc: (self) => MemoryPool.prototype.alloc.call(self, 1),
    allocBlockingSync: (self) =>
      MemoryPool.prototype.allocBlockingSync.call(self, 1),
    free: (self) => MemoryPool.prototype.free.call(self, allocation),
    getAllocations: (self) => MemoryPool.prototype.getAllocations.call(self),
    allocationExists: (self) =>
      MemoryPool.prototype.allocationExists.call(self, 0, allocation.id),
    getAllocById: (self) =>
      MemoryPool.prototype.getAllocById.call(self, 0, allocation.id),
    serialize: (self) => MemoryPool.prototype.serialize.call(self),
    destroy: (self) => MemoryPool.prototype.destroy.call(self),
  };
  for (const [name, call] of Object.entries(poolCalls)) {
    for (
      const self of [
        {},
        undefined,
        1,
        allocation,
        Object.create(MemoryPool.prototype),
      ]
    ) {
      assertInstanceOf(thrownBy(() => call(wrong(self))), TypeError, name);
    }
  }
  const allocationCalls: Record<string, (self: MemoryAlloc) => unknown> = {
    getMemview: (self) => MemoryAlloc.prototype.getMemview.call(self),
    serialize: (self) => MemoryAlloc.prototype.serialize.call(self),
    free: (self) => MemoryAlloc.prototype.free.call(self),
  };
  for (const [name, call] of Object.entries(allocationCalls)) {
    for (
      const self of [
        {},
        undefined,
        1,
        pool,
        Object.create(MemoryAlloc.prototype),
      ]
    ) {
      assertInstanceOf(thrownBy(() => call(wrong(self))), TypeError, name);
    }
  }
  assertEquals(allocation.isAttached, true);
  allocation.free();
  assertWholeAndEmpty(pool);
});

Deno.test("MemoryPool survives options that detach it while they are read", async () => {
  using pool = createPool();
  const detaching = (other: MemoryPool) => ({
    get timeout() {
      other.detach();
      return 10;
    },
  });
  const first = MemoryPool.attach(pool.serialize());
  assertReturnsOrThrowsOwnError(() =>
    first.allocBlockingSync(1, detaching(first))
  );
  const second = MemoryPool.attach(pool.serialize());
  const [result] = await withinDeadline(
    Promise.allSettled([second.allocBlocking(1, detaching(second))]),
    () => "allocBlocking() never settled",
  );
  if (result.status === "rejected") {
    assertInstanceOf(result.reason, ManagedMemoryError);
  }
  assertSound(pool);
  pool.alloc(1).free();
});
