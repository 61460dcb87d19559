// What the garbage collector may take, and what it must not. Run it with
// `--v8-flags=--expose-gc`; without, every test here is reported as ignored.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { AllocationError, type MemoryAlloc, MemoryPool } from "../mod.ts";
import {
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  KIB,
  MIB,
} from "./helpers.ts";

const collect = (globalThis as { gc?: () => void }).gc;

function gcTest(name: string, test: () => Promise<void>): void {
  Deno.test({
    name: collect ? name : `${name} (ignored: needs --v8-flags=--expose-gc)`,
    ignore: !collect,
    sanitizeOps: true,
    sanitizeResources: true,
    fn: test,
  });
}

/** Collects all garbage, and lets finalizers run. */
async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    // What was dereferenced lives until the end of the current task.
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect!();
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Collects garbage, `gone` with it: otherwise the test would test nothing. */
async function assertCollected(gone: WeakRef<WeakKey>): Promise<void> {
  await collectGarbage();
  assertEquals(gone.deref(), undefined, "it is still reachable");
  await collectGarbage();
}

// A view that outlives everything through which it was made

/** Allocates, drops the handle and its buffer, and keeps a typed array. */
async function keepOnlyView(
  pool: MemoryPool,
): Promise<{ view: Uint8Array; type: number; id: bigint }> {
  const { view, type, id, handle } = (() => {
    const allocation = pool.alloc(1000);
    const view = bytesOf(allocation).fill(1);
    return {
      view,
      type: allocation.type,
      id: allocation.id,
      handle: new WeakRef(allocation),
    };
  })();
  await assertCollected(handle);
  assertEquals(view.byteLength, 1000);
  return { view, type, id };
}

gcTest(
  "MemoryAlloc.free() by another handle empties a view whose own handle was collected",
  async () => {
    using pool = createPool();
    const { view, type, id } = await keepOnlyView(pool);
    pool.getAllocById(type, id).free();
    assertEquals(view.byteLength, 0);
  },
);

gcTest(
  "MemoryPool.free() by another pool handle empties a view whose own handle was collected",
  async () => {
    using pool = createPool();
    using other = MemoryPool.attach(pool.serialize());
    const { view, type, id } = await keepOnlyView(pool);
    other.free(other.getAllocById(type, id));
    assertEquals(view.byteLength, 0);
  },
);

gcTest(
  "MemoryPool.detach() empties views whose handles were collected",
  async () => {
    const pool = createPool();
    const serialized = pool.serialize();
    const { view } = await keepOnlyView(pool);
    const other = await keepOnlyView(pool);
    pool.detach();
    assertEquals([view.byteLength, other.view.byteLength], [0, 0]);
    MemoryPool.attach(serialized).destroy();
  },
);

gcTest(
  "MemoryPool.destroy() empties views whose handles were collected",
  async () => {
    const pool = createPool();
    const { view } = await keepOnlyView(pool);
    pool.destroy();
    assertEquals(view.byteLength, 0);
  },
);

gcTest(
  "MemoryPool.detach() empties a view over the unsafeMemview that was dropped",
  async () => {
    const pool = createPool();
    const serialized = pool.serialize();
    const view = new Uint8Array(pool.unsafeMemview, 0, 10);
    await collectGarbage();
    assertEquals(view.byteLength, 10);
    pool.detach();
    assertEquals(view.byteLength, 0);
    MemoryPool.attach(serialized).destroy();
  },
);

gcTest(
  "A view keeps working when all handles to its allocation were collected",
  async () => {
    using pool = createPool();
    const { view, type, id } = await keepOnlyView(pool);
    view.fill(2);
    assertEquals(
      bytesOf(pool.getAllocById(type, id)),
      new Uint8Array(1000).fill(2),
    );
  },
);

gcTest(
  "A view keeps working when the handles to its pool were collected",
  async () => {
    const serialized = createPool().serialize();
    const view = bytesOf(MemoryPool.attach(serialized).alloc(1000)).fill(3);
    await collectGarbage();
    assertEquals(view, new Uint8Array(1000).fill(3));
    view.fill(4);
    const pool = MemoryPool.attach(serialized);
    assertEquals(pool.currentAllocations, 1);
    pool.destroy();
  },
);

// Handles that are dropped

gcTest(
  "A MemoryAlloc that is dropped leaves its allocation alone",
  async () => {
    using pool = createPool();
    const [handle, id] = (() => {
      const allocation = pool.alloc(100);
      bytesOf(allocation).fill(5);
      return [new WeakRef(allocation), allocation.id] as const;
    })();
    await assertCollected(handle);
    assertEquals(pool.currentAllocations, 1);
    const again = pool.getAllocById(0, id);
    assertEquals(bytesOf(again), new Uint8Array(100).fill(5));
    again.free();
    assertWholeAndEmpty(pool);
  },
);

gcTest(
  "A MemoryPool handle that is dropped stays attached, and harms no other",
  async () => {
    using pool = createPool();
    const serialized = pool.serialize();
    const view = bytesOf(pool.alloc(100)).fill(6);
    for (let i = 0; i < 3; i++) MemoryPool.attach(serialized).alloc(10);
    await collectGarbage();
    assertEquals(view[99], 6);
    assertEquals(pool.currentAllocations, 4);
    pool.alloc(10).free();
    const another = MemoryPool.attach(serialized);
    assertEquals(another.currentAllocations, 4);
    another.detach();
    assertEquals(view[99], 6);
  },
);

gcTest(
  "A MemoryPool whose every handle was dropped stays attached until the process ends",
  async () => {
    const { serialized, name } = (() => {
      const pool = createPool();
      return { serialized: pool.serialize(), name: pool.name };
    })();
    await collectGarbage();
    const { message } = assertThrows(
      () => MemoryPool.create(KIB, name, 1),
      Error,
    );
    assert(
      message.includes("attached") && !message.includes("orphan"),
      message,
    );
    MemoryPool.attach(serialized).destroy();
  },
);

gcTest(
  "MemoryPool.allocBlocking() is served when every handle was dropped while it waits",
  async () => {
    const serialized = createPool().serialize();
    const { waiting, id } = (() => {
      const pool = MemoryPool.attach(serialized);
      const all = pool.alloc(pool.size);
      return { waiting: pool.allocBlocking(100), id: all.id };
    })();
    await collectGarbage();
    const pool = MemoryPool.attach(serialized);
    pool.getAllocById(0, id).free();
    const allocation = await waiting;
    assertEquals(bytesOf(allocation).fill(7)[99], 7);
    allocation.free();
    assertWholeAndEmpty(pool);
    pool.destroy();
  },
);

// What must not grow

/** Bytes of JavaScript memory after a collection. */
async function memoryInUse(): Promise<{ heap: number; external: number }> {
  await collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return { heap: heapUsed, external };
}

/** Asserts that `round`, repeated, leaves next to nothing of each repetition. */
async function assertLeavesNothing(round: () => void): Promise<void> {
  const count = 60_000;
  const repeat = async () => {
    for (let i = 0; i < count; i++) {
      round();
      if (i % 2500 > 0) continue;
      // Weak references keep what was made in one task until its end.
      await new Promise((resolve) => setTimeout(resolve, 0));
      collect!();
    }
  };
  await repeat();
  const before = await memoryInUse();
  await repeat();
  const after = await memoryInUse();
  // What the last few thousand rounds made may wait to be looked through.
  const perRound = (after.heap - before.heap) / count;
  assert(perRound < 20, `Each round left ${perRound} bytes on the heap`);
  const external = after.external - before.external;
  assert(external < MIB, `${external} bytes of external memory are left`);
}

gcTest(
  "MemoryAlloc.getMemview() of dropped handles to one allocation does not accumulate",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    const { type, id } = allocation;
    await assertLeavesNothing(() =>
      void pool.getAllocById(type, id).getMemview()
    );
    assertEquals(bytesOf(allocation).length, 100);
  },
);

gcTest(
  "MemoryAlloc.getMemview() of freed allocations does not accumulate",
  async () => {
    using pool = createPool();
    const size = pool.size;
    await assertLeavesNothing(() => {
      const allocation = pool.alloc(size);
      allocation.getMemview();
      allocation.free();
    });
  },
);

gcTest(
  "MemoryAlloc handles that are detached or attached again do not accumulate",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    const { type, id } = allocation;
    await assertLeavesNothing(() => {
      const handle = pool.getAllocById(type, id);
      handle.getMemview();
      handle.detach();
    });
  },
);

gcTest(
  "MemoryAlloc handles of allocations that were freed by others do not accumulate",
  async () => {
    using pool = createPool();
    using other = MemoryPool.attach(pool.serialize());
    await assertLeavesNothing(() => {
      const handle: MemoryAlloc = pool.alloc(100);
      handle.getMemview();
      other.free(other.getAllocById(handle.type, handle.id));
      try {
        handle.getMemview();
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error;
      }
    });
    assertEquals(pool.currentAllocations, 0);
  },
);

gcTest("MemoryPool.attach() and detach() do not accumulate", async () => {
  using pool = createPool();
  const serialized = pool.serialize();
  await assertLeavesNothing(() => MemoryPool.attach(serialized).detach());
});
