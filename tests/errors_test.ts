// The errors: which class descends from which, and what each one carries.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import {
  AllocationError,
  AllocationNotAvailableError,
  AllocTimeoutError,
  AllocType,
  ManagedMemoryError,
  MemoryAlloc,
  MemoryPool,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "../mod.ts";
import {
  assertMessageStyle,
  assertOwnError,
  createPool,
  KIB,
  thrownBy,
  uniqueName,
  wrong,
} from "./helpers.ts";
import { removedInTheEnd } from "./libc.ts";

Deno.test("ManagedMemoryError is the root of the documented hierarchy", () => {
  const parents: [{ prototype: Error; name: string }, { prototype: Error }][] =
    [
      [ManagedMemoryError, Error],
      [PoolError, ManagedMemoryError],
      [PoolCreateError, PoolError],
      [PoolAttachError, PoolError],
      [AllocationNotAvailableError, PoolError],
      [AllocTimeoutError, AllocationNotAvailableError],
      [AllocationError, ManagedMemoryError],
    ];
  for (const [child, parent] of parents) {
    assertEquals(
      Object.getPrototypeOf(child.prototype),
      parent.prototype,
      child.name,
    );
  }
});

/** Every error that one process can bring about on purpose, with what its message must quote. */
function* failures(): Generator<
  {
    what: string;
    error: Error;
    Class: typeof ManagedMemoryError;
    name: string;
    quotes: string[];
  }
> {
  const name = uniqueName();
  using pool = MemoryPool.create(64 * KIB, name, 1, { maxAllocations: 2 });
  const gone = createPool(KIB);
  using _file = removedInTheEnd(gone);
  const goneBytes = gone.serialize();
  const goneName = gone.name;
  gone.destroy();

  yield {
    what: "create, name in use",
    error: thrownBy(() => MemoryPool.create(KIB, name, 1)),
    Class: PoolCreateError,
    name: "PoolCreateError",
    quotes: [`"${name}"`],
  };
  yield {
    what: "create, name with a slash",
    error: thrownBy(() => MemoryPool.create(KIB, "some/name", 1)),
    Class: PoolCreateError,
    name: "PoolCreateError",
    quotes: [`"some/name"`],
  };
  yield {
    what: "create, empty name",
    error: thrownBy(() => MemoryPool.create(KIB, "", 1)),
    Class: PoolCreateError,
    name: "PoolCreateError",
    quotes: [`""`],
  };
  yield {
    what: "remove, a process is attached",
    error: thrownBy(() => MemoryPool.remove(name)),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${name}"`],
  };
  yield {
    what: "remove, no such pool",
    error: thrownBy(() => MemoryPool.remove(goneName)),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${goneName}"`],
  };
  const tooLarge = uniqueName();
  yield {
    what: "create, too large",
    error: thrownBy(() => MemoryPool.create(2 ** 52, tooLarge, 1)),
    Class: PoolCreateError,
    name: "PoolCreateError",
    quotes: [`"${tooLarge}"`],
  };
  const nowhere = uniqueName();
  yield {
    what: "create, no such directory",
    error: thrownBy(() =>
      MemoryPool.create(KIB, nowhere, 1, { directory: "/nowhere/at/all" })
    ),
    Class: PoolCreateError,
    name: "PoolCreateError",
    quotes: [`"${nowhere}"`],
  };
  yield {
    what: "attach, destroyed pool",
    error: thrownBy(() => MemoryPool.attach(goneBytes)),
    Class: PoolAttachError,
    name: "PoolAttachError",
    quotes: [`"${goneName}"`],
  };
  yield {
    what: "attach, truncated",
    error: thrownBy(() => MemoryPool.attach(pool.serialize().subarray(0, 20))),
    Class: PoolAttachError,
    name: "PoolAttachError",
    quotes: [],
  };
  yield {
    what: "describe, no bytes",
    error: thrownBy(() => MemoryPool.describe(new Uint8Array(0))),
    Class: PoolError,
    name: "",
    quotes: [],
  };
  yield {
    what: "alloc, larger than the pool",
    error: thrownBy(() => pool.alloc(987_654_321)),
    Class: AllocationNotAvailableError,
    name: "AllocationNotAvailableError",
    quotes: ["987654321"],
  };

  const everything = pool.alloc(pool.size);
  yield {
    what: "alloc, no room",
    error: thrownBy(() => pool.alloc(12_345)),
    Class: AllocationNotAvailableError,
    name: "AllocationNotAvailableError",
    quotes: ["12345"],
  };
  yield {
    what: "allocBlockingSync, timeout 0",
    error: thrownBy(() => pool.allocBlockingSync(12_345, { timeout: 0 })),
    Class: AllocationNotAvailableError,
    name: "AllocationNotAvailableError",
    quotes: ["12345"],
  };
  yield {
    what: "allocBlockingSync, timeout",
    error: thrownBy(() => pool.allocBlockingSync(12_345, { timeout: 10 })),
    Class: AllocTimeoutError,
    name: "TimeoutError",
    quotes: ["12345"],
  };
  everything.free();

  const allocation = pool.alloc(100);
  const bytes = allocation.serialize();
  const { id } = allocation;
  pool.alloc(100);
  yield {
    what: "alloc, maxAllocations reached",
    error: thrownBy(() => pool.alloc(100)),
    Class: AllocationNotAvailableError,
    name: "AllocationNotAvailableError",
    quotes: [],
  };
  yield {
    what: "getAllocById, wrong type",
    error: thrownBy(() => pool.getAllocById(AllocType.CHANNEL, id)),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [`${id}`],
  };
  allocation.free();
  yield {
    what: "free, twice",
    error: thrownBy(() => allocation.free()),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [],
  };
  yield {
    what: "pool.free, twice",
    error: thrownBy(() => pool.free(allocation)),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [],
  };
  yield {
    what: "getMemview, freed",
    error: thrownBy(() => allocation.getMemview()),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [],
  };
  yield {
    what: "MemoryAlloc.attach, freed",
    error: thrownBy(() => MemoryAlloc.attach(bytes)),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [],
  };
  yield {
    what: "MemoryAlloc.attach, truncated",
    error: thrownBy(() => MemoryAlloc.attach(bytes.subarray(0, 20))),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [],
  };
  yield {
    what: "getAllocById, freed",
    error: thrownBy(() => pool.getAllocById(AllocType.DATA, id)),
    Class: AllocationError,
    name: "AllocationError",
    quotes: [`${id}`],
  };

  const detached = MemoryPool.attach(pool.serialize());
  detached.detach();
  yield {
    what: "alloc, detached pool",
    error: thrownBy(() => detached.alloc(1)),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${name}"`],
  };
  yield {
    what: "serialize, detached pool",
    error: thrownBy(() => detached.serialize()),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${name}"`],
  };
  yield {
    what: "destroy, detached pool",
    error: thrownBy(() => detached.destroy()),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${name}"`],
  };
  yield {
    what: "alloc, destroyed pool",
    error: thrownBy(() => gone.alloc(1)),
    Class: PoolError,
    name: "PoolError",
    quotes: [`"${goneName}"`],
  };
}

Deno.test("ManagedMemoryError: every failure has its class, name, code and message", async (t) => {
  for (const { what, error, Class, name, quotes } of failures()) {
    await t.step(what, () => {
      assertInstanceOf(error, Class);
      assertOwnError(error);
      if (name !== "") assertEquals(error.name, name);
      for (const quoted of quotes) assertStringIncludes(error.message, quoted);
      assert(error.stack !== undefined);
    });
  }
});

Deno.test("ManagedMemoryError: a class tells an expected failure from its relatives", () => {
  using pool = createPool(KIB);
  const notAvailable = thrownBy(() => pool.alloc(pool.size + 1));
  assertNotInstanceOf(notAvailable, AllocTimeoutError);
  assertNotInstanceOf(notAvailable, AllocationError);
  const allocation = pool.alloc(1);
  allocation.free();
  assertNotInstanceOf(thrownBy(() => allocation.free()), PoolError);
});

Deno.test("ManagedMemoryError.cause is the system's error where the system caused it", () => {
  const error = thrownBy(() =>
    createPool(KIB, { directory: "/nowhere/at/all" })
  );
  assertOwnError(error);
  assert(error.cause !== undefined);
});

Deno.test("TypeErrors and RangeErrors of the module are written in the same style", async (t) => {
  using pool = createPool(KIB);
  const allocation = pool.alloc(1);
  const listing = pool.getAllocations();
  const cases: Record<
    string,
    [() => unknown, typeof TypeError | typeof RangeError, string]
  > = {
    "create, size": [
      () => MemoryPool.create(-17, uniqueName(), 1),
      RangeError,
      "-17",
    ],
    "create, uid": [
      () => MemoryPool.create(1, uniqueName(), -18n),
      RangeError,
      "-18",
    ],
    "create, minBlockSize": [
      () => createPool(1, { minBlockSize: 33 }),
      RangeError,
      "33",
    ],
    "create, name": [() => MemoryPool.create(1, wrong(19), 1), TypeError, ""],
    "create, size as text": [
      () => MemoryPool.create(wrong("20"), "x", 1),
      TypeError,
      "",
    ],
    "attach": [() => MemoryPool.attach(wrong("bytes")), TypeError, ""],
    "MemoryAlloc.attach": [
      () => MemoryAlloc.attach(wrong(pool)),
      TypeError,
      "",
    ],
    "describe": [() => MemoryPool.describe(wrong(21)), TypeError, ""],
    "list, options": [() => MemoryPool.list(wrong(31)), TypeError, "31"],
    "remove, name": [() => MemoryPool.remove(wrong(32)), TypeError, "32"],
    "remove, force": [
      () => MemoryPool.remove("x", { force: wrong(33) }),
      TypeError,
      "33",
    ],
    "alloc, size": [() => pool.alloc(-22), RangeError, "-22"],
    "alloc, fraction": [() => pool.alloc(2.25), RangeError, "2.25"],
    "alloc, type": [() => pool.alloc(1, -23), RangeError, "-23"],
    "alloc, size as text": [() => pool.alloc(wrong("24")), TypeError, ""],
    "allocBlockingSync, timeout": [
      () => pool.allocBlockingSync(1, { timeout: -25 }),
      RangeError,
      "-25",
    ],
    "free": [() => pool.free(wrong(26)), TypeError, ""],
    "allocationExists": [
      () => pool.allocationExists(0, wrong(27)),
      TypeError,
      "",
    ],
    "getAllocById": [
      () => pool.getAllocById(wrong("0"), allocation.id),
      TypeError,
      "",
    ],
    "getAllocations": [() => pool.getAllocations(-28), RangeError, "-28"],
    "allocId": [() => listing.allocId(29), RangeError, "29"],
    "allocType": [() => listing.allocType(-30), RangeError, "-30"],
  };
  for (const [what, [action, Class, quoted]] of Object.entries(cases)) {
    await t.step(what, () => {
      const error = thrownBy(action);
      assertInstanceOf(error, Class);
      assertMessageStyle(error.message);
      assertStringIncludes(error.message, quoted);
    });
  }
});
