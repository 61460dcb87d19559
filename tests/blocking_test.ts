// Waiting for room within one thread. Over processes: blocking_processes_test.ts.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AllocationNotAvailableError,
  AllocTimeoutError,
  AllocType,
  ManagedMemoryError,
  type MemoryAlloc,
  MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertOwnError,
  assertWholeAndEmpty,
  createPool,
  KIB,
  MIB,
  wrong,
} from "./helpers.ts";
import { permittedTest, withinDeadline } from "./processes.ts";

/** The contract says 20 ms; a busy machine needs more. */
const LATE = 200;

/** A test that leaves no operation under way and no resource open. */
function test(name: string, run: () => Promise<void> | void): void {
  permittedTest(name, [], run);
}

/** What a promise is rejected with; it is an error if it is not. */
async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await withinDeadline(promise, () => "The call never settled");
  } catch (error) {
    return error;
  }
  throw new Error(`Expected a rejection, got ${value}`);
}

/** A quarter of a pool, in whole blocks. */
function quarterOf(pool: MemoryPool): number {
  return Math.floor(pool.size / 4 / 64) * 64;
}

/** Allocates all but four quarters of a pool, if there is more. */
function takeRest(pool: MemoryPool): MemoryAlloc | undefined {
  const rest = pool.size - 4 * quarterOf(pool);
  return rest > 0 ? pool.alloc(rest) : undefined;
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Whether a promise is still pending after `milliseconds`. */
async function staysPending(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) =>
    timer = setTimeout(() => resolve("late"), milliseconds)
  );
  const first = await Promise.race([
    promise.then(() => "settled", () => "settled"),
    late,
  ]);
  clearTimeout(timer);
  return first === "late";
}

// With room

test("MemoryPool.allocBlocking() resolves with an allocation when there is room", async () => {
  using pool = createPool();
  for (
    const options of [undefined, {}, { timeout: 0 }, { timeout: 1000 }, {
      timeout: Infinity,
    }]
  ) {
    using allocation = await pool.allocBlocking(1000, options);
    assertEquals([allocation.size, allocation.type], [1000, AllocType.DATA]);
    assertEquals(allocation.getMemview().byteLength, 1000);
    assertStrictEquals(allocation.pool, pool);
  }
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() takes undefined options for omitted ones", async () => {
  using pool = createPool();
  const options = { timeout: undefined, signal: undefined, type: undefined };
  (await pool.allocBlocking(1, options)).free();
  pool.allocBlockingSync(1, { timeout: undefined, type: undefined }).free();
});

test("MemoryPool.allocBlocking() and allocBlockingSync() give the allocation its type", async () => {
  using pool = createPool();
  assertEquals(
    (await pool.allocBlocking(1, { type: AllocType.CHANNEL })).type,
    AllocType.CHANNEL,
  );
  assertEquals(
    pool.allocBlockingSync(1, { type: 4_000_000_000 }).type,
    4_000_000_000,
  );
  assertEquals(pool.getAllocations(4_000_000_000).length, 1);
});

test("MemoryPool.allocBlocking() and allocBlockingSync() take a size of 0", async () => {
  using pool = createPool();
  assertEquals((await pool.allocBlocking(0)).size, 0);
  assertEquals(pool.allocBlockingSync(0).size, 0);
  assertEquals(pool.currentAllocations, 2);
});

test("MemoryPool.allocBlockingSync() returns at once when there is room", () => {
  using pool = createPool();
  for (const timeout of [undefined, 0, 1000, Infinity]) {
    using allocation = pool.allocBlockingSync(pool.size, { timeout });
    assertEquals(allocation.size, pool.size);
  }
  assertWholeAndEmpty(pool);
});

// Wrong arguments

const WRONG_TYPES: [string, (pool: MemoryPool) => [unknown, unknown?]][] = [
  ["a size that is a string", () => ["1"]],
  ["a size that is a bigint", () => [1n]],
  ["no size", () => [undefined]],
  ["a timeout that is a string", () => [1, { timeout: "5" }]],
  ["a timeout that is a bigint", () => [1, { timeout: 5n }]],
  ["a type that is a string", () => [1, { type: "DATA" }]],
  ["options that are a number", () => [1, 5]],
];

const OUT_OF_RANGE: [string, (pool: MemoryPool) => [unknown, unknown?]][] = [
  ["a negative size", () => [-1]],
  ["a fractional size", () => [1.5]],
  ["a size of NaN", () => [NaN]],
  ["a size above 2^53-1", () => [2 ** 53]],
  ["a negative timeout", () => [1, { timeout: -1 }]],
  ["a timeout of minus infinity", () => [1, { timeout: -Infinity }]],
  ["a timeout of NaN", () => [1, { timeout: NaN }]],
  ["a negative type", () => [1, { type: -1 }]],
  ["a fractional type", () => [1, { type: 0.5 }]],
  ["a type of 2^32", () => [1, { type: 2 ** 32 }]],
];

for (
  const [cases, errorClass] of [[WRONG_TYPES, TypeError], [
    OUT_OF_RANGE,
    RangeError,
  ]] as const
) {
  for (const [what, argumentsFor] of cases) {
    test(`MemoryPool.allocBlocking() rejects, and allocBlockingSync() throws, for ${what}`, async () => {
      using pool = createPool();
      const [size, options] = argumentsFor(pool);
      const promise = pool.allocBlocking(wrong(size), wrong(options));
      assertInstanceOf(await rejectionOf(promise), errorClass);
      assertThrows(
        () => pool.allocBlockingSync(wrong(size), wrong(options)),
        errorClass,
      );
      assertWholeAndEmpty(pool);
    });
  }
}

test("MemoryPool.allocBlocking() rejects for a signal that is no AbortSignal", async () => {
  using pool = createPool();
  for (const signal of [{}, "abort", 1, new EventTarget()]) {
    const promise = pool.allocBlocking(1, { signal: wrong(signal) });
    assertInstanceOf(await rejectionOf(promise), TypeError);
  }
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() rejects at once for more than the pool's size", async () => {
  using pool = createPool();
  using _held = pool.alloc(1);
  for (
    const options of [{}, { timeout: Infinity }, { timeout: 60_000 }, {
      timeout: 0,
    }]
  ) {
    const started = performance.now();
    const error = await rejectionOf(pool.allocBlocking(pool.size + 1, options));
    assertInstanceOf(error, AllocationNotAvailableError);
    assert(!(error instanceof AllocTimeoutError));
    const thrown = assertThrows(
      () => pool.allocBlockingSync(pool.size + 1, options),
      AllocationNotAvailableError,
    );
    assert(!(thrown instanceof AllocTimeoutError));
    assert(performance.now() - started < 10_000);
  }
});

test("MemoryPool.allocBlocking() rejects on a detached and on a destroyed handle", async () => {
  using pool = createPool();
  const other = MemoryPool.attach(pool.serialize());
  other.detach();
  assertInstanceOf(await rejectionOf(other.allocBlocking(1)), PoolError);
  assertThrows(() => other.allocBlockingSync(1), PoolError);
  pool.destroy();
  assertInstanceOf(await rejectionOf(pool.allocBlocking(1)), PoolError);
  assertThrows(() => pool.allocBlockingSync(1), PoolError);
});

// Timeouts

test("MemoryPool.allocBlocking() with a timeout of 0 tries once", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const errors = [
    await rejectionOf(pool.allocBlocking(1, { timeout: 0 })),
    assertThrows(() => pool.allocBlockingSync(1, { timeout: 0 })),
  ];
  for (const error of errors) {
    assertInstanceOf(error, AllocationNotAvailableError);
    assert(
      !(error instanceof AllocTimeoutError),
      "it is not the timeout's class",
    );
    assertNotEquals(error.name, "TimeoutError");
    assertOwnError(error);
  }
});

test("AllocTimeoutError is what says that room did not come in time", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const errors = [
    await rejectionOf(pool.allocBlocking(1, { timeout: 5 })),
    assertThrows(() => pool.allocBlockingSync(1, { timeout: 5 })),
  ];
  for (const error of errors) {
    assertInstanceOf(error, AllocTimeoutError);
    assertInstanceOf(error, AllocationNotAvailableError);
    assertInstanceOf(error, PoolError);
    assertInstanceOf(error, ManagedMemoryError);
    assertEquals(error.name, "TimeoutError");
    assertOwnError(error);
  }
});

/** Asserts that a wait never ends before its timeout, and in one of three tries soon after it. */
async function assertTimesOut(
  timeout: number,
  wait: () => Promise<unknown>,
): Promise<void> {
  let latest = Infinity;
  for (let attempt = 0; attempt < 3 && latest > LATE; attempt++) {
    const started = performance.now();
    assertInstanceOf(await rejectionOf(wait()), AllocTimeoutError);
    const elapsed = performance.now() - started;
    assert(elapsed >= timeout, `${timeout} ms were over after ${elapsed} ms`);
    latest = Math.min(latest, elapsed - timeout);
  }
  assert(latest <= LATE, `A timeout of ${timeout} ms came ${latest} ms late`);
}

for (const timeout of [1, 20, 200, 1200]) {
  test(`MemoryPool.allocBlocking() times out after ${timeout} ms, no earlier`, async () => {
    using pool = createPool();
    using _all = pool.alloc(pool.size);
    await assertTimesOut(timeout, () => pool.allocBlocking(100, { timeout }));
  });

  test(`MemoryPool.allocBlockingSync() times out after ${timeout} ms, no earlier`, async () => {
    using pool = createPool();
    using _all = pool.alloc(pool.size);
    await assertTimesOut(
      timeout,
      () => Promise.try(() => pool.allocBlockingSync(100, { timeout })),
    );
  });
}

test("MemoryPool.allocBlocking() times out each of several waits in its own time", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const order: number[] = [];
  await Promise.all(
    [400, 100, 250].map((timeout) =>
      rejectionOf(pool.allocBlocking(1, { timeout })).then(() =>
        order.push(timeout)
      )
    ),
  );
  assertEquals(order, [100, 250, 400]);
});

for (const timeout of [2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40]) {
  test(`MemoryPool.allocBlocking() waits with a timeout of ${timeout} ms`, async () => {
    using pool = createPool();
    const all = pool.alloc(pool.size);
    const waiting = pool.allocBlocking(1, { timeout });
    assert(await staysPending(waiting, 50));
    all.free();
    (await withinDeadline(waiting, () => "It never got room")).free();
    assertWholeAndEmpty(pool);
  });
}

// Signals

test("MemoryPool.allocBlocking() rejects with the reason of a signal that is aborted already", async () => {
  using pool = createPool();
  const reason = { why: "enough" };
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await rejectionOf(pool.allocBlocking(1, { signal })),
    reason,
  );
  using _all = pool.alloc(pool.size);
  assertStrictEquals(
    await rejectionOf(pool.allocBlocking(1, { signal })),
    reason,
  );
  assertEquals(pool.currentAllocations, 1);
});

test("MemoryPool.allocBlocking() rejects with the reason of a signal that is aborted while it waits", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  for (const reason of [undefined, new Error("enough"), "a string", 0]) {
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = pool.allocBlocking(1, { signal, timeout: 60_000 });
    assert(await staysPending(waiting, 30));
    const aborted = performance.now();
    controller.abort(reason);
    assertStrictEquals(await rejectionOf(waiting), signal.reason);
    const elapsed = performance.now() - aborted;
    assert(elapsed < 10_000, `The signal was heard after ${elapsed} ms`);
  }
});

test("MemoryPool.allocBlocking() hears a signal soon", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  let fastest = Infinity;
  for (let attempt = 0; attempt < 5 && fastest > LATE; attempt++) {
    const controller = new AbortController();
    const waiting = pool.allocBlocking(1, { signal: controller.signal });
    assert(await staysPending(waiting, 30));
    const aborted = performance.now();
    controller.abort();
    await rejectionOf(waiting);
    fastest = Math.min(fastest, performance.now() - aborted);
  }
  assert(fastest <= LATE, `The signal was heard after ${fastest} ms`);
});

test("MemoryPool.allocBlocking() takes AbortSignal.timeout()", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const signal = AbortSignal.timeout(30);
  assertStrictEquals(
    await rejectionOf(pool.allocBlocking(1, { signal })),
    signal.reason,
  );
});

test("MemoryPool.allocBlocking() ends one wait by its signal, not the others", async () => {
  using pool = createPool();
  const all = pool.alloc(pool.size);
  const controllers = [
    new AbortController(),
    new AbortController(),
    new AbortController(),
  ];
  const [first, second, third] = controllers.map(({ signal }) =>
    pool.allocBlocking(1, { signal })
  );
  controllers[1]!.abort("second");
  assertEquals(await rejectionOf(second!), "second");
  controllers[0]!.abort("first");
  assertEquals(await rejectionOf(first!), "first");
  all.free();
  (await withinDeadline(third!, () => "The third got no room")).free();
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() leaves no listener at a signal when it is settled", async () => {
  using pool = createPool();
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (
    ...args: Parameters<typeof removeEventListener>
  ) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };

  (await pool.allocBlocking(1, { signal })).free();
  const all = pool.alloc(pool.size);
  await rejectionOf(pool.allocBlocking(1, { signal, timeout: 10 }));
  const waiting = pool.allocBlocking(1, { signal });
  all.free();
  (await waiting).free();
  assertEquals(listeners, 0);
});

// The end of a pool

test("MemoryPool.detach() ends its waits with a PoolError", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const handle = MemoryPool.attach(pool.serialize());
  const waits = [
    handle.allocBlocking(1),
    handle.allocBlocking(pool.size, { timeout: 60_000 }),
  ];
  const elsewhere = pool.allocBlocking(1);
  assert(await staysPending(Promise.race(waits), 30));
  handle.detach();
  for (const wait of waits) {
    const error = await rejectionOf(wait);
    assertInstanceOf(error, PoolError);
    assert(!(error instanceof AllocationNotAvailableError));
    assertOwnError(error);
  }
  assert(await staysPending(elsewhere, 30), "a wait by another handle goes on");
  pool.destroy();
  assertInstanceOf(await rejectionOf(elsewhere), PoolError);
});

for (const by of ["this handle", "another handle"]) {
  test(`MemoryPool.destroy() by ${by} ends all waits with a PoolError`, async () => {
    using pool = createPool();
    const other = MemoryPool.attach(pool.serialize());
    pool.alloc(pool.size);
    const waits = [1, 2, 3].map((size) => pool.allocBlocking(size));
    assert(await staysPending(Promise.race(waits), 30));
    if (by === "this handle") pool.destroy();
    else other.destroy();
    for (const wait of waits) {
      const error = await rejectionOf(wait);
      assertInstanceOf(error, PoolError);
      assert(!(error instanceof AllocationNotAvailableError));
    }
    other.detach();
  });
}

test("MemoryPool.detach() right after allocBlocking() ends it with a PoolError", async () => {
  for (let round = 0; round < 50; round++) {
    using pool = createPool();
    const serialized = pool.serialize();
    pool.alloc(pool.size);
    const waiting = pool.allocBlocking(1);
    if (round % 2 === 0) await turn();
    if (round % 3 === 0) pool.detach();
    else pool.destroy();
    assertInstanceOf(await rejectionOf(waiting), PoolError);
    if (round % 3 === 0) MemoryPool.attach(serialized).destroy();
  }
});

// Order

test("MemoryPool.allocBlocking() serves waiters oldest first", async () => {
  using pool = createPool(64 * KIB);
  const all = pool.alloc(pool.size);
  const order: number[] = [];
  const waits = Array.from({ length: 8 }, async (_, index) => {
    const allocation = await pool.allocBlocking(pool.size);
    order.push(index);
    await turn();
    allocation.free();
  });
  await turn();
  all.free();
  await withinDeadline(Promise.all(waits), () => `Served were ${order}`);
  assertEquals(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() serves several waiters from one free, oldest first", async () => {
  using pool = createPool(64 * KIB);
  const quarter = quarterOf(pool);
  const all = pool.alloc(pool.size);
  const order: number[] = [];
  const waits = Array.from(
    { length: 6 },
    (_, index) =>
      pool.allocBlocking(quarter).then((allocation) => {
        order.push(index);
        return allocation;
      }),
  );
  all.free();
  const served = await withinDeadline(
    Promise.all(waits.slice(0, 4)),
    () => `Served: ${order}`,
  );
  assertEquals(order, [0, 1, 2, 3]);
  assert(await staysPending(Promise.race(waits.slice(4)), 100));
  for (const allocation of served) allocation.free();
  for (const wait of waits.slice(4)) (await wait).free();
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() lets a younger one pass an older one that does not fit", async () => {
  using pool = createPool(64 * KIB);
  const quarter = quarterOf(pool);
  const held = [1, 2, 3, 4].map(() => pool.alloc(quarter)) as [
    MemoryAlloc,
    MemoryAlloc,
  ];
  takeRest(pool);
  const older = pool.allocBlocking(2 * quarter);
  const younger = pool.allocBlocking(quarter);
  await turn();
  held[0].free();
  const passed = await withinDeadline(
    younger,
    () => "The younger one did not get what fits it",
  );
  assert(await staysPending(older, 30));
  held[1].free();
  passed.free();
  assertEquals(
    (await withinDeadline(older, () => "The older one got no room")).size,
    2 * quarter,
  );
});

test("MemoryPool.allocBlocking() lets only a bounded number pass an older one", async () => {
  using pool = createPool(64 * KIB);
  const quarter = quarterOf(pool);
  takeRest(pool);
  let served = false;
  let passes = 0;
  async function takeAndGive(): Promise<void> {
    while (!served) {
      const allocation = await pool.allocBlocking(quarter);
      passes++;
      await turn();
      allocation.free();
    }
  }
  const young = Array.from({ length: 8 }, takeAndGive);
  await turn();
  const older = pool.allocBlocking(3 * quarter);
  try {
    (await withinDeadline(
      older,
      () => `${passes} passed the older one`,
      30_000,
    )).free();
  } finally {
    served = true;
  }
  await Promise.all(young);
});

test("MemoryPool.alloc() does not queue behind waiters", async () => {
  using pool = createPool(64 * KIB);
  const quarter = quarterOf(pool);
  const held = [1, 2, 3, 4].map(() => pool.alloc(quarter));
  takeRest(pool);
  const older = pool.allocBlocking(3 * quarter);
  await turn();
  for (let round = 0; round < 100; round++) {
    held[0]!.free();
    if (round % 10 === 0) await turn();
    held[0] = pool.alloc(quarter);
  }
  for (const allocation of held) allocation.free();
  (await withinDeadline(older, () => "The waiter got no room")).free();
});

test("MemoryPool.allocBlocking() waits for one of maxAllocations", async () => {
  using pool = createPool(MIB, { maxAllocations: 10 });
  const held = await Promise.all(
    Array.from({ length: 10 }, () => pool.allocBlocking(10)),
  );
  assertEquals(pool.currentAllocations, 10);
  for (
    const error of [
      await rejectionOf(pool.allocBlocking(10, { timeout: 0 })),
      assertThrows(() => pool.allocBlockingSync(10, { timeout: 0 })),
    ]
  ) {
    assertInstanceOf(error, AllocationNotAvailableError);
    assert(!(error instanceof AllocTimeoutError));
  }
  assertInstanceOf(
    await rejectionOf(pool.allocBlocking(10, { timeout: 10 })),
    AllocTimeoutError,
  );
  assertThrows(
    () => pool.allocBlockingSync(10, { timeout: 10 }),
    AllocTimeoutError,
  );

  const waits = [pool.allocBlocking(10), pool.allocBlocking(10)];
  assert(await staysPending(Promise.race(waits), 30));
  for (const wait of waits) {
    held.shift()!.free();
    held.push(await withinDeadline(wait, () => "The waiter got no room"));
    assertEquals(pool.currentAllocations, 10);
  }
});

// Many

test("MemoryPool.allocBlocking() loses no allocation when it ends just as room comes", async () => {
  using pool = createPool(64 * KIB);
  let all = pool.alloc(pool.size);
  for (let round = 0; round < 400; round++) {
    const controller = new AbortController();
    const timeout = round % 3 === 0 ? 1 + round % 5 : undefined;
    const waiting = pool.allocBlocking(pool.size, {
      signal: controller.signal,
      timeout,
    });
    const ended = waiting.then((allocation) => allocation.free(), () => {});
    const steps = [
      () => all.free(),
      () => timeout === undefined && controller.abort(),
    ];
    if (round % 2 === 0) steps.reverse();
    for (const step of steps) {
      if (round % 7 < 3) await turn();
      else if (round % 7 < 5) await Promise.resolve();
      step();
    }
    await withinDeadline(
      ended,
      () => `The wait of round ${round} never settled`,
    );
    assertEquals(pool.currentAllocations, 0);
    all = pool.alloc(pool.size);
  }
});

test("MemoryPool.allocBlocking() 10,000 times leaves timers, digests and files at full speed", async () => {
  using pool = createPool(2 * MIB);
  const all = pool.alloc(pool.size);
  const mayRead =
    Deno.permissions.querySync({ name: "read" }).state === "granted";
  const bytes = new Uint8Array(10_000);

  async function work(): Promise<number> {
    const started = performance.now();
    for (let i = 0; i < 100; i++) {
      await Promise.all([
        turn(),
        ...Array.from(
          { length: 40 },
          () => crypto.subtle.digest("SHA-256", bytes),
        ),
        ...(mayRead
          ? [Deno.readFile(new URL(import.meta.url)), Deno.stat(".")]
          : []),
      ]);
    }
    return performance.now() - started;
  }

  await work();
  const alone = await work();
  const controller = new AbortController();
  const started = performance.now();
  const waits = Array.from(
    { length: 10_000 },
    (_, index) =>
      pool.allocBlocking(
        64,
        index % 2 === 0 ? { signal: controller.signal } : {},
      ),
  );
  const ends = Promise.allSettled(waits);
  const starting = performance.now() - started;
  assert(starting < 10_000, `10,000 calls took ${starting} ms`);
  const besides = await work();
  assert(
    besides < 4 * alone + 500,
    `Work took ${besides} ms instead of ${alone} ms`,
  );

  controller.abort("enough");
  all.free();
  const settled = await withinDeadline(ends, () => "Not all calls settled");
  for (const [index, end] of settled.entries()) {
    if (index % 2 === 0) {
      assertEquals(end, { status: "rejected", reason: "enough" });
    } else {
      assert(end.status === "fulfilled", `Call ${index} was rejected`);
      end.value.free();
    }
  }
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() on several pools at once serves each from its own room", async () => {
  const pools = Array.from({ length: 5 }, () => createPool(64 * KIB));
  const held = pools.map((pool) => pool.alloc(pool.size));
  const waits = pools.map((pool) => pool.allocBlocking(100));
  assert(await staysPending(Promise.race(waits), 30));
  for (const index of [3, 0, 4, 1, 2]) {
    held[index]!.free();
    const allocation = await withinDeadline(
      waits[index]!,
      () => `Pool ${index} gave no room`,
    );
    assertStrictEquals(allocation.pool, pools[index]);
  }
  for (const pool of pools) pool.destroy();
});

test("MemoryPool.allocBlocking() never throws", async () => {
  using pool = createPool();
  const calls: Promise<MemoryAlloc>[] = [
    pool.allocBlocking(wrong({})),
    pool.allocBlocking(wrong(Symbol("size"))),
    pool.allocBlocking(1, wrong(Symbol("options"))),
    pool.allocBlocking(1, wrong({ timeout: Symbol("timeout") })),
    pool.allocBlocking(1, {
      get timeout(): number {
        throw new TypeError("from a getter");
      },
    }),
  ];
  for (const call of calls) await assertRejects(() => call, TypeError);
  assertWholeAndEmpty(pool);
});

test("MemoryPool.allocBlocking() keeps its time when somebody sets the clock", async () => {
  using pool = createPool();
  const all = pool.alloc(pool.size);
  // The time of day leaps by a year at every look, ahead and back.
  const now = Date.now;
  let looks = 0;
  Date.now = () => now() + (++looks % 2 === 0 ? -1 : 1) * 31_536_000_000;
  try {
    const served = pool.allocBlocking(64, { timeout: 10_000 });
    const started = performance.now();
    const late = await rejectionOf(pool.allocBlocking(64, { timeout: 60 }));
    assertInstanceOf(late, AllocTimeoutError);
    assertThrows(
      () => pool.allocBlockingSync(64, { timeout: 60 }),
      AllocTimeoutError,
    );
    const elapsed = performance.now() - started;
    assert(elapsed >= 119 && elapsed < 120 + 2 * LATE, `It took ${elapsed} ms`);
    all.free();
    (await withinDeadline(served, () => "It got no room", 1000)).free();
    assertEquals(looks, 0, "nothing looks at the time of day");
  } finally {
    Date.now = now;
  }
  assertWholeAndEmpty(pool);
});
