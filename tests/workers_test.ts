// Threads of one process are to each other what processes are: each Worker has
// its own attachment. And a thread may be terminated at any time.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
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
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  KIB,
  MIB,
} from "./helpers.ts";
import { fileMode, poolFile } from "./libc.ts";
import {
  assertRejectsAtPeer,
  PeerProcess,
  permittedTest,
  sleep,
  until,
  withinDeadline,
} from "./processes.ts";
import { attachAllocation, attachPool, churn } from "./remote_functions.ts";
import { PeerWorker, PeerWorkerGroup } from "./workers.ts";
import type { Here } from "./fixtures/remote_call.ts";

/** Deno reads a Worker's module as a file. */
function workerTest(name: string, test: () => Promise<void>): void {
  permittedTest(name, ["read"], test);
}

function startWaiting({ kept }: Here): void {
  kept.pending = kept.pool!.allocBlocking(1000);
  kept.pending.catch(() => {});
}

async function finishWaiting({ kept }: Here): Promise<void> {
  kept.allocation = await kept.pending!;
}

// The same pool from several threads

workerTest("MemoryPool.attach() works in several Workers at once", async () => {
  using pool = createPool();
  using workers = await PeerWorkerGroup.start(4);
  await workers.runAll(attachPool, pool.serialize());
  const descriptors = await Promise.all(
    workers.peers.map((worker, index) =>
      worker.run(({ kept }, value) => {
        const allocation = kept.pool!.alloc(1000);
        new Uint8Array(allocation.getMemview()).fill(value);
        return allocation.serialize();
      }, index + 1)
    ),
  );

  assertEquals(pool.currentAllocations, 4);
  for (const [index, descriptor] of descriptors.entries()) {
    const allocation = MemoryAlloc.attach(descriptor);
    assertEquals(bytesOf(allocation), new Uint8Array(1000).fill(index + 1));
    const next = workers.peers[(index + 1) % 4]!;
    assertEquals(
      await next.run(({ MemoryAlloc }, descriptor) => {
        const allocation = MemoryAlloc.attach(descriptor);
        const first = new Uint8Array(allocation.getMemview())[0];
        allocation.free();
        return first;
      }, descriptor),
      index + 1,
    );
  }
  assertWholeAndEmpty(pool);
});

workerTest(
  "MemoryAlloc.getMemview() shows writes of a Worker and of the main thread",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    const bytes = bytesOf(allocation).fill(1);
    using worker = await PeerWorker.start();
    await worker.run(attachAllocation, allocation.serialize());
    assertEquals(await worker.run(({ kept }) => kept.view![99]), 1);
    await worker.run(({ kept }) => void kept.view!.fill(2));
    assertEquals(bytes, new Uint8Array(100).fill(2));
  },
);

workerTest(
  "MemoryPool.alloc() and free() keep the data of four Workers apart",
  async () => {
    using pool = createPool(MIB);
    using workers = await PeerWorkerGroup.start(4);
    const counts = await Promise.all(
      workers.peers.map((worker, tag) =>
        worker.run(churn, pool.serialize(), tag, 3_000, 20 * KIB)
      ),
    );
    assertEquals(counts, [3_000, 3_000, 3_000, 3_000]);
    assertWholeAndEmpty(pool);
  },
);

workerTest(
  "Atomics count exactly when four Workers add at the same time",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(4);
    bytesOf(allocation).fill(0);
    using workers = await PeerWorkerGroup.start(4);
    const additions = 100_000;
    await workers.runAll(
      ({ MemoryAlloc }, descriptor, additions) => {
        const counter = new Int32Array(
          MemoryAlloc.attach(descriptor).getMemview(),
        );
        for (let i = 0; i < additions; i++) Atomics.add(counter, 0, 1);
      },
      allocation.serialize(),
      additions,
    );
    assertEquals(new Int32Array(allocation.getMemview())[0], 4 * additions);
  },
);

workerTest(
  "MemoryAlloc.free() by a Worker makes the main thread's handle throw",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(100);
    const buffer = allocation.getMemview();
    using worker = await PeerWorker.start();
    await worker.run(attachAllocation, allocation.serialize());
    await worker.run(({ kept }) => kept.allocation!.free());
    await assertRejects(() => Promise.try(() => allocation.getMemview()));
    assertEmptied(buffer);
  },
);

workerTest(
  "MemoryPool.detach() in one Worker leaves the memory of the others alone",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    const view = bytesOf(allocation).fill(3);
    using workers = await PeerWorkerGroup.start(2);
    await workers.runAll(attachPool, pool.serialize());
    await workers.runAll(attachAllocation, allocation.serialize());
    const [first, second] = workers.peers as [PeerWorker, PeerWorker];
    assertEquals(
      await first.run(({ kept }) => {
        kept.pool!.detach();
        kept.allocation!.detach();
        return kept.view!.byteLength;
      }),
      0,
    );
    assertEquals(await second.run(({ kept }) => kept.view![0]), 3);
    assertEquals(view[0], 3);
  },
);

workerTest(
  "MemoryPool.destroy() by a Worker makes the main thread's calls throw",
  async () => {
    using pool = createPool();
    const view = bytesOf(pool.alloc(100)).fill(4);
    using worker = await PeerWorker.start();
    await worker.run(attachPool, pool.serialize());
    await worker.run(({ kept }) => kept.pool!.destroy());
    await assertRejects(() => Promise.try(() => pool.alloc(1)), PoolError);
    assertEquals(view[99], 4);
    assertEquals(fileMode(poolFile(pool.name)), undefined);
  },
);

workerTest(
  "A memview may be moved to a Worker, and outlives the allocation and the pool there",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(1000);
    const buffer = allocation.getMemview();
    new Uint8Array(buffer).fill(5);
    using worker = await PeerWorker.start();
    await worker.runAndTransfer([buffer], ({ kept }, moved) => {
      kept.view = new Uint8Array(moved);
      kept.view[0] = 6;
    }, buffer);

    assertEmptied(buffer);
    assertEquals(
      bytesOf(allocation)[0],
      6,
      "the handle has a new buffer over the same memory",
    );
    allocation.free();
    pool.destroy();
    // It is mapped until the process ends, so that nothing can crash.
    await worker.run(({ kept }) => void kept.view!.fill(7));
    assertEquals(await worker.run(({ kept }) => kept.view!.length), 1000);
  },
);

// Waiting

workerTest(
  "MemoryPool.allocBlocking() gets the room that another thread frees",
  async () => {
    using pool = createPool();
    const all = pool.alloc(pool.size);
    using workers = await PeerWorkerGroup.start(2);
    const [first, second] = workers.peers as [PeerWorker, PeerWorker];
    await workers.runAll(attachPool, pool.serialize());
    await first.run(startWaiting);
    all.free();
    await first.run(finishWaiting);

    using rest = pool.alloc(pool.freeSpace);
    const own = pool.allocBlocking(1000);
    await second.run(
      ({ MemoryAlloc }, descriptor) => MemoryAlloc.attach(descriptor).free(),
      rest.serialize(),
    );
    (await withinDeadline(own, () => "The main thread got no room")).free();
  },
);

workerTest(
  "MemoryPool.allocBlockingSync() in a Worker gets the room that the main thread frees",
  async () => {
    using pool = createPool();
    const flag = pool.alloc(1);
    const raised = bytesOf(flag).fill(0);
    const rest = pool.alloc(pool.freeSpace);
    using worker = await PeerWorker.start();
    await worker.run(attachPool, pool.serialize());
    const size = worker.run(({ kept, MemoryAlloc }, flag) => {
      new Uint8Array(MemoryAlloc.attach(flag).getMemview())[0] = 1;
      return kept.pool!.allocBlockingSync(1000).size;
    }, flag.serialize());
    await until(() => raised[0] === 1, "a worker that waits");
    await sleep(30);
    rest.free();
    assertEquals(await size, 1000);
  },
);

workerTest(
  "MemoryPool.allocBlocking() serves waiters oldest first over threads",
  async () => {
    using pool = createPool(64 * KIB);
    const all = pool.alloc(pool.size);
    using workers = await PeerWorkerGroup.start(2);
    await workers.runAll(attachPool, pool.serialize());
    const order: number[] = [];
    const turns: Promise<void>[] = [];
    for (let index = 0; index < 6; index++) {
      const worker = workers.peers[index % 2]!;
      await worker.run(({ kept }, index) => {
        kept.waits.set(index, kept.pool!.allocBlocking(kept.pool!.size));
      }, index);
      turns.push((async () => {
        await worker.run(async ({ kept }, index) => {
          kept.allocation = await kept.waits.get(index)!;
        }, index);
        order.push(index);
        await worker.run(({ kept }) => kept.allocation!.free());
      })());
    }
    all.free();
    await Promise.all(turns);
    assertEquals(order, [0, 1, 2, 3, 4, 5]);
  },
);

for (const way of ["detach", "destroy"] as const) {
  workerTest(
    `MemoryPool.${way}() in a Worker ends its parked wait with a PoolError`,
    async () => {
      for (let round = 0; round < 5; round++) {
        const pool = createPool();
        const serialized = pool.serialize();
        pool.alloc(pool.size);
        using worker = await PeerWorker.start();
        await worker.run(attachPool, serialized);
        await worker.run(startWaiting);
        await sleep(round * 10);
        await worker.run(({ kept }, way) => kept.pool![way](), way);
        await assertRejectsAtPeer(worker.run(finishWaiting), "PoolError");
        if (way === "detach") assertSound(pool);
        pool[Symbol.dispose]();
      }
    },
  );
}

workerTest(
  "MemoryPool.destroy() in the main thread ends the parked waits of Workers with a PoolError",
  async () => {
    using pool = createPool();
    pool.alloc(pool.size);
    using workers = await PeerWorkerGroup.start(3);
    await workers.runAll(attachPool, pool.serialize());
    await workers.runAll(startWaiting);
    await sleep(30);
    pool.destroy();
    for (const worker of workers.peers) {
      await assertRejectsAtPeer(worker.run(finishWaiting), "PoolError");
    }
  },
);

// Terminated

workerTest(
  "A Worker terminated while its allocBlocking() is parked holds nobody up",
  async () => {
    using pool = createPool(64 * KIB);
    const delays: number[] = [];
    for (let round = 0; round < 12; round++) {
      const all = pool.alloc(pool.size);
      using worker = await PeerWorker.start();
      await worker.run(attachPool, pool.serialize());
      await worker.run(startWaiting);
      await sleep(round * 5);
      const younger = pool.allocBlocking(pool.size);
      worker.terminate();
      const started = performance.now();
      all.free();
      (await withinDeadline(
        younger,
        () => "The dead waiter holds the queue up",
      )).free();
      delays.push(performance.now() - started);
      assertWholeAndEmpty(pool);
    }
    // The dead one's turn lasts 50 ms. On a busy machine some may be late.
    const half = delays.toSorted((a, b) => a - b)[delays.length / 2]!;
    assert(half < 100, `Room came after ${delays} ms`);
  },
);

/**
 * Waits synchronously, with 1 in the flag; 2 says that the pool was destroyed
 * meanwhile. What it allocates has the type 60.
 */
function waitSynchronously(
  { kept, MemoryAlloc, PoolError }: Here,
  flag: Uint8Array,
  size: number,
): void {
  const view = new Uint8Array(MemoryAlloc.attach(flag).getMemview());
  view[0] = 1;
  try {
    kept.pool!.allocBlockingSync(size, { type: 60 });
  } catch (error) {
    if (!(error instanceof PoolError)) throw error;
    view[0] = 2;
  }
}

// Deno interrupts no running JavaScript: a terminated thread that waits in
// allocBlockingSync() ends when that call returns. What it has allocated by then
// lives on, as after the end of any thread.

workerTest(
  "A Worker terminated while its allocBlockingSync() waits harms nobody",
  async () => {
    using pool = createPool(64 * KIB);
    const flag = pool.alloc(1);
    for (let round = 0; round < 3; round++) {
      const raised = bytesOf(flag).fill(0);
      const rest = pool.alloc(pool.freeSpace);
      using worker = await PeerWorker.start();
      await worker.run(attachPool, pool.serialize());
      worker.run(waitSynchronously, flag.serialize(), rest.size).catch(
        () => {},
      );
      await until(() => raised[0] === 1, "a worker that waits");
      await sleep(20);
      const younger = pool.allocBlocking(rest.size);
      worker.terminate();
      rest.free();

      const isDone = () => pool.getAllocations(60).length === 1;
      await until(isDone, "the end of the worker's wait");
      const { id } = [...pool.getAllocations(60)][0]!;
      pool.getAllocById(60, id).free();
      (await withinDeadline(younger, () => "It got no room")).free();
      assertEquals(pool.currentAllocations, 1);
    }
  },
);

workerTest(
  "MemoryPool.destroy() ends the allocBlockingSync() of a Worker that was terminated",
  async () => {
    using pool = createPool(64 * KIB);
    const flag = pool.alloc(1);
    const view = bytesOf(flag).fill(0);
    pool.alloc(pool.freeSpace);
    using workers = await PeerWorkerGroup.start(2);
    const [waiter, destroyer] = workers.peers as [PeerWorker, PeerWorker];
    await workers.runAll(attachPool, pool.serialize());
    waiter.run(waitSynchronously, flag.serialize(), 100).catch(() => {});
    await until(() => view[0] === 1, "a worker that waits");
    waiter.terminate();
    await destroyer.run(({ kept }) => kept.pool!.destroy());
    await until(() => view[0] === 2, "the end of the worker's wait");
  },
);

/** Frees an allocation that another thread may free first. */
function freeIfThere(pool: MemoryPool, type: number, id: bigint): void {
  try {
    pool.free(pool.getAllocById(type, id));
  } catch (error) {
    assertInstanceOf(error, AllocationError);
  }
}

workerTest(
  "Workers terminated in the middle of alloc() and free() leave a usable pool",
  async () => {
    using pool = createPool(MIB);
    for (let round = 0; round < 10; round++) {
      using workers = await PeerWorkerGroup.start(2);
      for (const [tag, worker] of workers.peers.entries()) {
        worker.run(churn, pool.serialize(), tag, Infinity, 8 * KIB).catch(
          () => {},
        );
      }
      await sleep(10 + round);
      for (const worker of workers.peers) worker.terminate();
      pool.alloc(100).free();
      assert(pool.currentAllocations >= 0);
    }
    // A terminated thread goes on until it looks up from what it is doing.
    await until(() => {
      for (const { type, id } of pool.getAllocations()) {
        freeIfThere(pool, type, id);
      }
      return pool.currentAllocations === 0;
    }, "a pool that stays empty");
    assertSound(pool);
  },
);

workerTest(
  "A Worker terminated without detach stays attached, and harms nobody",
  async () => {
    using pool = createPool();
    const { name } = pool;
    const serialized = pool.serialize();
    using worker = await PeerWorker.start();
    await worker.run(attachPool, serialized);
    const descriptor = await worker.run(({ kept }) => {
      const allocation = kept.pool!.alloc(10);
      new Uint8Array(allocation.getMemview()).fill(8);
      return allocation.serialize();
    });
    worker.terminate();
    assertEquals(
      bytesOf(MemoryAlloc.attach(descriptor)),
      new Uint8Array(10).fill(8),
    );
    assertEquals(pool.getAllocations(AllocType.DATA).length, 1);

    const other = createPool();
    other.alloc(10).free();
    other.destroy();
    pool.destroy();
    assertEquals(fileMode(poolFile(name)), undefined);
    MemoryPool.create(KIB, name, 1).destroy();
  },
);

permittedTest(
  "A process ends as it should while its Worker waits for room",
  ["run", "read"],
  async () => {
    using pool = createPool();
    pool.alloc(pool.size);
    for (const way of ["exit", "terminate", "error"] as const) {
      await using peer = await PeerProcess.start({
        permissions: ["--allow-ffi", "--allow-read"],
      });
      await peer.run(
        async (_here, script, source, serialized) => {
          const worker = new Worker(script, { type: "module" });
          const answer = () =>
            new Promise((resolve) => worker.onmessage = resolve);
          await answer();
          worker.postMessage({ id: 0, source, args: [serialized] });
          await answer();
          Object.assign(globalThis, { worker });
        },
        import.meta.resolve("./fixtures/peer_worker.ts"),
        (({ MemoryPool }: Here, serialized: Uint8Array) => {
          MemoryPool.attach(serialized).allocBlocking(1000).catch(() => {});
        }).toString(),
        pool.serialize(),
      );
      await sleep(30);
      const started = performance.now();
      peer.run((_here, way) => {
        if (way === "exit") Deno.exit(7);
        if (way === "terminate") {
          (globalThis as unknown as { worker: Worker }).worker.terminate();
        }
        if (way === "error") {
          setTimeout(() => {
            throw new Error("thrown on purpose");
          });
        }
      }, way).catch(() => {});
      await peer.closeInput();
      const { code, signal, stderr } = await peer.waitForEnd();
      assertEquals({ code, signal }, {
        code: { exit: 7, terminate: 0, error: 1 }[way],
        signal: null,
      });
      if (way === "error") assertMatch(stderr, /thrown on purpose/);
      const elapsed = performance.now() - started;
      assert(elapsed < 10_000, `It ended after ${elapsed} ms`);
    }
    assertEquals(pool.currentAllocations, 1);
  },
);
