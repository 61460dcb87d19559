// Whose an allocation is, and what becomes of it when its owner is gone:
// MemoryAlloc.owner, MemoryAlloc.adopt() and MemoryPool.reclaim(). Processes
// that are killed here die between two calls; killing them within one is what
// crashes_test.ts does.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
} from "@std/assert";
import {
  AllocationError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertEmptied,
  assertFilled,
  assertOwnError,
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  KIB,
  MIB,
  thrownBy,
} from "./helpers.ts";
import {
  PeerGroup,
  PeerProcess,
  permittedTest,
  processTest,
  withinDeadline,
} from "./processes.ts";
import {
  attachAllocation,
  attachPool,
  detachPool,
} from "./remote_functions.ts";
import type { Here } from "./fixtures/remote_call.ts";
import { PeerWorker } from "./workers.ts";

const NOTHING = { allocations: 0, bytes: 0 };

/** Allocates from the kept pool, fills with `value`, and answers the descriptors. */
function makeAllocations(
  { kept }: Here,
  sizes: number[],
  value: number,
): Uint8Array[] {
  return sizes.map((size) => {
    const allocation = kept.pool!.alloc(size);
    new Uint8Array(allocation.getMemview()).fill(value);
    return allocation.serialize();
  });
}

function pidOf(): number {
  return Deno.pid;
}

// owner

Deno.test("MemoryAlloc.owner is this process, which is attached", () => {
  using pool = createPool();
  using allocation = pool.alloc(100);
  assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
  using attached = MemoryAlloc.attach(allocation.serialize());
  assertEquals(attached.owner, allocation.owner);
  using found = pool.getAllocById(AllocType.DATA, allocation.id);
  assertEquals(found.owner, allocation.owner);
});

Deno.test("MemoryAlloc.owner tells of an allocation that was waited for", async () => {
  using pool = createPool();
  const all = pool.alloc(pool.size);
  const waiting = pool.allocBlocking(100);
  all.free();
  using allocation = await waiting;
  assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
});

Deno.test("MemoryAlloc.owner is not alive any more when its thread has detached", () => {
  const maker = createPool();
  const serialized = maker.serialize();
  const descriptor = maker.alloc(100).serialize();
  const second = MemoryPool.attach(serialized);
  using allocation = MemoryAlloc.attach(descriptor);
  maker.detach();
  assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
  second.detach();

  // Attached anew, it is another participant.
  const again = MemoryPool.attach(serialized);
  const same = MemoryAlloc.attach(descriptor);
  assertEquals(same.owner, { pid: Deno.pid, alive: false });
  again.destroy();
});

processTest(
  "MemoryAlloc.owner is the process that allocated, and not alive once that was killed",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const [descriptor] = await peer.run(makeAllocations, [100], 1);
    const pid = await peer.run(pidOf);
    assertNotEquals(pid, Deno.pid);

    const allocation = MemoryAlloc.attach(descriptor!);
    assertEquals(allocation.owner, { pid, alive: true });
    await peer.killAndWait();
    assertEquals(allocation.owner, { pid, alive: false });
    assertFilled(allocation, 1);
    allocation.free();
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryAlloc.owner is not alive once its process has ended, or has detached",
  async () => {
    using pool = createPool();
    await using group = await PeerGroup.start(2);
    const [ending, detaching] = group.peers as [PeerProcess, PeerProcess];
    await group.runAll(attachPool, pool.serialize());
    const [[one], [other]] = await group.runAll(makeAllocations, [100], 1) as [
      Uint8Array[],
      Uint8Array[],
    ];
    await ending.closeInput();
    await ending.ended;
    await detaching.run(detachPool);
    assertEquals(MemoryAlloc.attach(one!).owner.alive, false);
    assertEquals(MemoryAlloc.attach(other!).owner.alive, false);
  },
);

processTest(
  "MemoryAlloc.owner is the same to all processes",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    assertEquals(
      await peer.run(({ kept }) => kept.allocation!.owner),
      { pid: Deno.pid, alive: true },
    );
  },
);

processTest(
  "MemoryAlloc.owner does not take another process in the slot of a dead one for the owner",
  async () => {
    using pool = createPool();
    await using dying = await PeerProcess.start();
    await dying.run(attachPool, pool.serialize());
    const [descriptor] = await dying.run(makeAllocations, [100], 1);
    await dying.killAndWait();

    await using group = await PeerGroup.start(2);
    await group.runAll(attachPool, pool.serialize());
    using allocation = MemoryAlloc.attach(descriptor!);
    assertEquals(allocation.owner.alive, false);
    assertEquals(pool.reclaim(), { allocations: 1, bytes: 100 });
  },
);

permittedTest(
  "MemoryAlloc.owner is another thread of this process, until it detaches",
  ["read"],
  async () => {
    using pool = createPool();
    using worker = await PeerWorker.start();
    await worker.run(attachPool, pool.serialize());
    const [descriptor] = await worker.run(makeAllocations, [100], 1);
    using allocation = MemoryAlloc.attach(descriptor!);
    assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
    assertEquals(pool.reclaim(), NOTHING);
    await worker.run(detachPool);
    assertEquals(allocation.owner, { pid: Deno.pid, alive: false });
    assertEquals(pool.reclaim(), { allocations: 1, bytes: 100 });
  },
);

// adopt

processTest(
  "MemoryAlloc.adopt() makes the caller the owner",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(100);
    fill(allocation, 3);
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    await peer.run(({ kept }) => kept.allocation!.adopt());
    const pid = await peer.run(pidOf);
    assertEquals(allocation.owner, { pid, alive: true });
    assertFilled(allocation, 3);

    allocation.adopt();
    assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
    allocation.adopt();
    assertEquals(
      await peer.run(({ kept }) => kept.allocation!.owner),
      allocation.owner,
    );
    allocation.free();
    assertWholeAndEmpty(pool);
  },
);

Deno.test("MemoryAlloc.adopt() changes nothing but the owner", () => {
  using pool = createPool();
  using allocation = pool.alloc(100, 7);
  const buffer = allocation.getMemview();
  const { id, type, size, byteOffset } = allocation;
  const { freeSpace } = pool;
  {
    using attached = MemoryAlloc.attach(allocation.serialize());
    attached.adopt();
  }
  assertEquals(
    [allocation.id, allocation.type, allocation.size, allocation.byteOffset],
    [id, type, size, byteOffset],
  );
  assertEquals(pool.freeSpace, freeSpace);
  assertEquals(allocation.getMemview() === buffer, true);
  assertSound(pool);
});

// Both on handles that have ended

Deno.test("MemoryAlloc.owner and adopt() throw on an allocation that is gone", () => {
  const pool = createPool();
  const [freed, detached, elsewhere, left] = Array.from(
    { length: 4 },
    () => pool.alloc(100),
  ) as [MemoryAlloc, MemoryAlloc, MemoryAlloc, MemoryAlloc];
  const other = MemoryAlloc.attach(elsewhere.serialize());
  freed.free();
  detached.detach();
  other.free();

  const cases: [MemoryAlloc, string][] = [
    [freed, "stale"],
    [detached, "detached"],
    [elsewhere, "stale"],
  ];
  for (const [allocation, code] of cases) {
    for (
      const call of [() => allocation.owner, () => allocation.adopt()]
    ) {
      const error = thrownBy(call);
      assertOwnError(error);
      assertInstanceOf(error, AllocationError);
      assertEquals(error.code, code);
      assert(error.message.includes(`${allocation.id}`), error.message);
    }
  }

  pool.destroy();
  for (const call of [() => left.owner, () => left.adopt()]) {
    const error = thrownBy(call);
    assertOwnError(error);
    assertEquals(error.code, "destroyed");
  }
});

processTest(
  "MemoryAlloc.owner and adopt() empty the buffer of what another process freed",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    const calls: ((allocation: MemoryAlloc) => unknown)[] = [
      (allocation) => allocation.owner,
      (allocation) => allocation.adopt(),
    ];
    for (const call of calls) {
      const allocation = pool.alloc(100);
      const buffer = allocation.getMemview();
      await peer.run(
        ({ MemoryAlloc }, serialized) => MemoryAlloc.attach(serialized).free(),
        allocation.serialize(),
      );
      assertInstanceOf(thrownBy(() => call(allocation)), AllocationError);
      assertEmptied(buffer);
    }
  },
);

// reclaim

Deno.test("MemoryPool.reclaim() frees nothing where nobody is gone", () => {
  using pool = createPool();
  assertEquals(pool.reclaim(), NOTHING);
  using allocation = pool.alloc(100);
  fill(allocation, 5);
  const buffer = allocation.getMemview();
  assertEquals(pool.reclaim(), NOTHING);
  assertEquals(allocation.getMemview() === buffer, true);
  assertFilled(allocation, 5);
});

processTest(
  "MemoryPool.reclaim() frees what a killed process had, and says how much",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const sizes = [0, 1, 100, 4096, 70 * KIB];
    await peer.run(makeAllocations, sizes, 1);

    assertEquals(pool.reclaim(), NOTHING, "its maker lives");
    assertEquals(pool.currentAllocations, sizes.length);
    await peer.killAndWait();
    assertEquals(pool.currentAllocations, sizes.length, "never by itself");
    assertEquals(pool.reclaim(), {
      allocations: sizes.length,
      bytes: sizes.reduce((sum, size) => sum + size),
    });
    assertWholeAndEmpty(pool);
    assertEquals(pool.reclaim(), NOTHING);
  },
);

processTest(
  "MemoryPool.reclaim() leaves what lives: one's own, another's, and what was adopted",
  async () => {
    using pool = createPool();
    await using group = await PeerGroup.start(2);
    const [dying, living] = group.peers as [PeerProcess, PeerProcess];
    await group.runAll(attachPool, pool.serialize());
    const own = pool.alloc(10);
    fill(own, 1);
    const [others] = await living.run(makeAllocations, [20], 2);
    const [mine, theirs] = await dying.run(
      makeAllocations,
      [30, 40, 50, 60],
      3,
    );
    const adopted = MemoryAlloc.attach(mine!);
    adopted.adopt();
    await living.run(attachAllocation, theirs!);
    await living.run(({ kept }) => kept.allocation!.adopt());
    await dying.killAndWait();

    assertEquals(pool.reclaim(), { allocations: 2, bytes: 50 + 60 });
    assertFilled(own, 1);
    assertFilled(MemoryAlloc.attach(others!), 2);
    assertFilled(adopted, 3);
    assertFilled(MemoryAlloc.attach(theirs!), 3);
    assertSound(pool);

    await living.killAndWait();
    assertEquals(pool.reclaim(), { allocations: 2, bytes: 20 + 40 });
    own.free();
    adopted.free();
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.reclaim() frees what a process adopted that was then killed",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(100);
    const buffer = allocation.getMemview();
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    await peer.run(({ kept }) => kept.allocation!.adopt());
    await peer.killAndWait();
    assertEquals(pool.reclaim(), { allocations: 1, bytes: 100 });
    assertEmptied(buffer);
    assertInstanceOf(thrownBy(() => allocation.free()), AllocationError);
  },
);

processTest(
  "MemoryPool.reclaim() empties this thread's buffers of what it frees, and no others",
  async () => {
    using pool = createPool();
    const region = pool.unsafeMemview;
    const own = pool.alloc(100);
    const ownBuffer = own.getMemview();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const descriptors = await peer.run(makeAllocations, [100, 200, 300], 7);
    const attached = descriptors.map((one) => MemoryAlloc.attach(one));
    attached[2]!.adopt();
    const buffers = attached.map((one) => one.getMemview());
    const twice = MemoryAlloc.attach(descriptors[0]!).getMemview();
    await peer.killAndWait();
    assertEquals(bytesOf(attached[0]!)[99], 7);

    assertEquals(pool.reclaim(), { allocations: 2, bytes: 300 });
    assertEmptied(buffers[0]!);
    assertEmptied(buffers[1]!);
    assertEmptied(twice);
    assertEquals(buffers[2]!.byteLength, 300);
    assertEquals(ownBuffer.byteLength, 100);
    assertEquals(region.byteLength, pool.size);
    for (const gone of attached.slice(0, 2)) {
      assertInstanceOf(thrownBy(() => gone.getMemview()), AllocationError);
      assertInstanceOf(thrownBy(() => gone.free()), AllocationError);
    }
    attached[0]![Symbol.dispose]();
  },
);

processTest(
  "MemoryPool.reclaim() gives room to this thread's and to other waiters",
  async () => {
    using pool = createPool(64 * KIB);
    await using group = await PeerGroup.start(2);
    const [dying, waiting] = group.peers as [PeerProcess, PeerProcess];
    await group.runAll(attachPool, pool.serialize());
    await dying.run(({ kept }) => void kept.pool!.alloc(kept.pool!.size));
    const own = pool.allocBlocking(1000);
    await waiting.run(({ kept }) => {
      kept.pending = kept.pool!.allocBlocking(2000);
    });
    await dying.killAndWait();

    const started = performance.now();
    assertEquals(pool.reclaim(), { allocations: 1, bytes: pool.size });
    const allocation = await withinDeadline(own, () => "It got no room");
    assert(performance.now() - started < 200, "it was told at once");
    assertEquals(
      await waiting.run(async ({ kept }) => (await kept.pending!).size),
      2000,
    );
    allocation.free();
  },
);

processTest(
  "MemoryPool.reclaim() by several processes at once frees everything once",
  async () => {
    using pool = createPool(4 * MIB);
    await using dying = await PeerProcess.start();
    await dying.run(attachPool, pool.serialize());
    const count = 5_000;
    await dying.run(({ kept }, count) => {
      for (let i = 0; i < count; i++) kept.pool!.alloc(i % 300);
    }, count);
    const bytes = [...pool.getAllocations()]
      .reduce((sum, { size }) => sum + size, 0);
    await using group = await PeerGroup.start(3);
    await group.runAll(attachPool, pool.serialize());
    await dying.killAndWait();

    const parts = await group.runAll(({ kept }) => kept.pool!.reclaim());
    parts.push(pool.reclaim());
    assertEquals(
      parts.reduce((sum, part) => sum + part.allocations, 0),
      count,
    );
    assertEquals(parts.reduce((sum, part) => sum + part.bytes, 0), bytes);
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.reclaim() works in a process that only attached, after the creator was killed",
  async () => {
    await using peer = await PeerProcess.start();
    const serialized = await peer.run(({ MemoryPool }, name) => {
      const pool = MemoryPool.create(1024, name, 1);
      pool.alloc(100);
      return pool.serialize();
    }, `test-${crypto.randomUUID()}`);
    await peer.killAndWait();

    const pool = MemoryPool.attach(serialized);
    assertEquals(pool.reclaim(), { allocations: 1, bytes: 100 });
    assertWholeAndEmpty(pool);
    pool.destroy();
  },
);

Deno.test("MemoryPool.reclaim() throws on a handle that has ended", () => {
  const pool = createPool();
  const detached = MemoryPool.attach(pool.serialize());
  const left = MemoryPool.attach(pool.serialize());
  detached.detach();
  const cases: [MemoryPool, string][] = [[detached, "detached"]];
  pool.destroy();
  cases.push([pool, "destroyed"], [left, "destroyed"]);
  for (const [handle, code] of cases) {
    const error = thrownBy(() => handle.reclaim());
    assertOwnError(error);
    assertInstanceOf(error, PoolError);
    assertEquals(error.code, code);
    assert(error.message.includes(`"${pool.name}"`), error.message);
  }
  left.detach();
});
