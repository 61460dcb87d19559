// Waiting for room over several processes, and what a wait means for the life of
// its own process.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  AllocationNotAvailableError,
  type MemoryAlloc,
  type MemoryPool,
  PoolError,
} from "../mod.ts";
import {
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  KIB,
  randomSource,
} from "./helpers.ts";
import type { Here } from "./fixtures/remote_call.ts";
import {
  assertRejectsAtPeer,
  PeerGoneError,
  PeerGroup,
  PeerProcess,
  processTest,
  sleep,
  until,
  withinDeadline,
} from "./processes.ts";
import { attachPool } from "./remote_functions.ts";

/** Starts a wait that the peer keeps, and returns once it waits. */
function startWaiting({ kept }: Here, size: number): void {
  kept.pending = kept.pool!.allocBlocking(size);
  kept.pending.catch(() => {});
}

/** Returns once the kept wait has got its allocation. */
async function finishWaiting({ kept }: Here): Promise<void> {
  kept.allocation = await kept.pending!;
}

function freeKept({ kept }: Here): void {
  kept.allocation!.free();
}

/**
 * Waits as only a synchronous call can: raises a flag in shared memory first,
 * so that others know.
 */
function waitSynchronously(
  { kept, MemoryAlloc }: Here,
  flag: Uint8Array,
  size: number,
  timeout: number,
): number {
  new Uint8Array(MemoryAlloc.attach(flag).getMemview())[0] = 1;
  const started = performance.now();
  kept.allocation = kept.pool!.allocBlockingSync(size, { timeout });
  return performance.now() - started;
}

/** A pool without room, in which a flag can be raised. */
class FullPool implements Disposable {
  readonly pool: MemoryPool = createPool(64 * KIB);
  readonly flag: MemoryAlloc = this.pool.alloc(64);
  readonly rest: MemoryAlloc = this.pool.alloc(this.pool.freeSpace);

  constructor() {
    bytesOf(this.flag)[0] = 0;
  }

  /** Waits until a peer has raised the flag, and is likely to wait by now. */
  async flagRaised(): Promise<void> {
    const bytes = bytesOf(this.flag);
    await until(() => bytes[0] === 1, "a peer that waits");
    await sleep(50);
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
  }
}

// Room from another process

processTest(
  "MemoryPool.allocBlocking() gets the room that another process frees",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    const waiting = full.pool.allocBlocking(1000);
    await peer.run(
      ({ MemoryAlloc }, rest) => MemoryAlloc.attach(rest).free(),
      full.rest.serialize(),
    );
    (await withinDeadline(waiting, () => "It got no room")).free();

    const rest = full.pool.alloc(full.pool.freeSpace);
    await peer.run(startWaiting, 1000);
    rest.free();
    await peer.run(finishWaiting);
    assertEquals(full.pool.currentAllocations, 2);
  },
);

processTest(
  "MemoryPool.allocBlockingSync() gets the room that another process frees",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    const waited = peer.run(
      waitSynchronously,
      full.flag.serialize(),
      1000,
      Infinity,
    );
    await full.flagRaised();
    full.rest.free();
    assert(await waited >= 0);
    assertEquals(full.pool.currentAllocations, 2);
  },
);

processTest(
  "MemoryPool.allocBlockingSync() gets room behind a wait of its own thread",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    await peer.run(startWaiting, 1000);
    const waited = peer.run(
      waitSynchronously,
      full.flag.serialize(),
      1000,
      Infinity,
    );
    await full.flagRaised();
    full.rest.free();
    await waited;
    await peer.run(finishWaiting);
    assertEquals(full.pool.currentAllocations, 3);
  },
);

processTest(
  "MemoryPool.destroy() by another process ends waits with a PoolError at once",
  async () => {
    using full = new FullPool();
    await using group = await PeerGroup.start(3);
    const [asynchronous, synchronous, destroyer] = group.peers as [
      PeerProcess,
      PeerProcess,
      PeerProcess,
    ];
    await group.runAll(attachPool, full.pool.serialize());
    await asynchronous.run(startWaiting, 1000);
    const waited = synchronous.run(
      waitSynchronously,
      full.flag.serialize(),
      1000,
      Infinity,
    );
    const refused = assertRejectsAtPeer(waited, "PoolError");
    const own = full.pool.allocBlocking(1000);
    const ownRefused = assertRejects(() => own, PoolError);
    await full.flagRaised();

    const started = performance.now();
    await destroyer.run(({ kept }) => kept.pool!.destroy());
    const error = await withinDeadline(ownRefused, () => "The wait goes on");
    assert(!(error instanceof AllocationNotAvailableError));
    await refused;
    await assertRejectsAtPeer(asynchronous.run(finishWaiting), "PoolError");
    const elapsed = performance.now() - started;
    assert(elapsed < 10_000, `The waits ended after ${elapsed} ms`);
  },
);

processTest(
  "Ten processes blocked behind one large allocation all get room once it is freed",
  async () => {
    using pool = createPool(32 * KIB);
    const large = pool.alloc(pool.size);
    await using group = await PeerGroup.start(10);
    await group.runAll(attachPool, pool.serialize());
    const sizes = group.peers.map((_, k) => 3000 * k + 100);
    await Promise.all(
      group.peers.map((peer, k) => peer.run(startWaiting, sizes[k]!)),
    );

    const done = Promise.all(group.peers.map(async (peer, k) => {
      await peer.run(finishWaiting);
      await peer.run(({ kept }, k) => {
        const bytes = new Uint8Array(kept.allocation!.getMemview()).fill(k);
        if (!bytes.every((byte) => byte === k)) {
          throw new Error("Somebody else wrote there");
        }
        kept.allocation!.free();
      }, k);
    }));
    large.free();
    await done;
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.allocBlocking() in more processes than fit comes to everybody every time",
  async () => {
    using pool = createPool(64 * KIB);
    await using group = await PeerGroup.start(6);
    const rounds = 200;
    const counts = await group.runAll(
      async ({ MemoryPool, kept }, serialized, rounds) => {
        const pool = MemoryPool.attach(serialized);
        const third = Math.floor(pool.size / 3);
        for (; kept.count < rounds; kept.count++) {
          const size = Math.floor(Math.random() * third) + third;
          const allocation = kept.count % 2 === 0
            ? await pool.allocBlocking(size)
            : pool.allocBlockingSync(size);
          if (kept.count % 8 === 0) {
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
          allocation.free();
        }
        pool.detach();
        return kept.count;
      },
      pool.serialize(),
      rounds,
    );
    assertEquals(counts, group.peers.map(() => rounds));
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.allocBlocking() hands room from process to process without delay",
  async () => {
    using pool = createPool(64 * KIB);
    await using group = await PeerGroup.start(6);
    await group.runAll(attachPool, pool.serialize());
    const rounds = 100;
    const started = performance.now();
    await group.runAll(async ({ kept }, rounds) => {
      for (let round = 0; round < rounds; round++) {
        const allocation = await kept.pool!.allocBlocking(kept.pool!.size);
        await new Promise((resolve) => setTimeout(resolve, 0));
        allocation.free();
      }
    }, rounds);
    // Where wake-ups are lost, a sleeper looks for itself only every 50 ms.
    const each = (performance.now() - started) / (6 * rounds);
    assert(each < 5, `One of six got room every ${each} ms`);
  },
);

// Order

processTest(
  "MemoryPool.allocBlocking() serves waiters oldest first over processes",
  async () => {
    using pool = createPool(64 * KIB);
    const all = pool.alloc(pool.size);
    await using group = await PeerGroup.start(3);
    const order: number[] = [];
    const turns: Promise<void>[] = [];

    await group.runAll(attachPool, pool.serialize());
    for (let index = 0; index < 9; index++) {
      const peer = group.peers[index * 2 % 3]!;
      // The wait has its place once `run` returns; one peer waits several times.
      await peer.run(({ kept }, index) => {
        kept.waits.set(index, kept.pool!.allocBlocking(kept.pool!.size));
      }, index);
      turns.push((async () => {
        await peer.run(async ({ kept }, index) => {
          kept.allocation = await kept.waits.get(index)!;
        }, index);
        order.push(index);
        await peer.run(freeKept);
      })());
    }
    all.free();
    await Promise.all(turns);
    assertEquals(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.allocBlocking() lets only a bounded number of other processes pass",
  async () => {
    using pool = createPool(64 * KIB);
    const quarter = Math.floor(pool.size / 4 / 64) * 64;
    if (pool.size > 4 * quarter) pool.alloc(pool.size - 4 * quarter);
    await using group = await PeerGroup.start(4);
    await group.runAll(attachPool, pool.serialize());
    const churning = group.runAll(async ({ kept }, quarter) => {
      async function takeAndGive(): Promise<void> {
        while (!kept.stop) {
          const allocation = await kept.pool!.allocBlocking(quarter);
          kept.count++;
          await new Promise((resolve) => setTimeout(resolve, 0));
          allocation.free();
        }
      }
      await Promise.all([takeAndGive(), takeAndGive()]);
      return kept.count;
    }, quarter);

    await sleep(50);
    const older = pool.allocBlocking(3 * quarter);
    try {
      (await withinDeadline(
        older,
        () => "The older one was passed for ever",
        30_000,
      )).free();
    } finally {
      await group.runAll(({ kept }) => void (kept.stop = true));
    }
    for (const count of await churning) assert(count > 0);
  },
);

// Waiters that are killed or stopped

processTest(
  "MemoryPool.allocBlocking() gets room behind a waiter that was killed",
  async () => {
    using full = new FullPool();
    const { pool } = full;
    for (const wait of ["asynchronous", "synchronous"]) {
      const rest = wait === "asynchronous"
        ? full.rest
        : pool.alloc(pool.freeSpace);
      await using peer = await PeerProcess.start();
      await peer.run(attachPool, pool.serialize());
      bytesOf(full.flag)[0] = 0;
      if (wait === "asynchronous") {
        await peer.run(startWaiting, rest.size);
      } else {
        peer.run(waitSynchronously, full.flag.serialize(), rest.size, Infinity)
          .catch(() => {});
        await full.flagRaised();
      }
      const younger = pool.allocBlocking(rest.size);
      await peer.killAndWait();
      rest.free();
      (await withinDeadline(
        younger,
        () => "The dead waiter holds the queue up",
      )).free();
      assertEquals(pool.currentAllocations, 1);
    }
  },
);

processTest(
  "MemoryPool.allocBlocking() gets room behind a waiter that was stopped",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    await peer.run(startWaiting, full.rest.size);
    const younger = full.pool.allocBlocking(full.rest.size);
    peer.kill("SIGSTOP");
    full.rest.free();
    const allocation = await withinDeadline(
      younger,
      () => "The stopped waiter holds the queue up",
    );
    peer.kill("SIGCONT");
    allocation.free();
    await peer.run(finishWaiting);
    await peer.run(freeKept);
    assertEquals(full.pool.currentAllocations, 1);
  },
);

processTest(
  "MemoryPool.allocBlocking() gets the room of a process that is killed as it frees",
  async () => {
    using pool = createPool(64 * KIB);
    const delay = randomSource(Date.now());
    for (let round = 0; round < 15; round++) {
      await using peer = await PeerProcess.start();
      const churning = assertRejects(
        () =>
          peer.run(
            async ({ MemoryPool, AllocationNotAvailableError }, serialized) => {
              const pool = MemoryPool.attach(serialized);
              for (let i = 0;; i++) {
                try {
                  pool.alloc(pool.size, 50).free();
                } catch (error) {
                  if (!(error instanceof AllocationNotAvailableError)) {
                    throw error;
                  }
                }
                if (i % 100 === 0) {
                  await new Promise((resolve) => setTimeout(resolve, 0));
                }
              }
            },
            pool.serialize(),
          ),
        PeerGoneError,
      );
      await sleep(delay(20));
      const waits = [
        pool.allocBlocking(pool.size),
        pool.allocBlocking(pool.size),
      ];
      const served = Promise.all(
        waits.map(async (wait) => (await wait).free()),
      );
      await peer.killAndWait();
      await churning;
      for (const { type, id } of pool.getAllocations(50)) {
        pool.free(pool.getAllocById(type, id));
      }
      await withinDeadline(served, () => "The waiters got no room");
      assertWholeAndEmpty(pool);
    }
  },
);

processTest(
  "MemoryPool.allocBlocking() loses no room when it ends just as another process frees",
  async () => {
    using pool = createPool(64 * KIB);
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    for (let round = 0; round < 200; round++) {
      await peer.run(({ kept }) =>
        void (kept.allocation = kept.pool!.alloc(kept.pool!.size))
      );
      const controller = new AbortController();
      const timeout = round % 2 === 0 ? 1 + round % 4 : undefined;
      const waiting = pool.allocBlocking(pool.size, {
        timeout,
        signal: controller.signal,
      });
      const ended = waiting.then((allocation) => allocation.free(), () => {});
      const freed = peer.run(freeKept);
      if (timeout === undefined) {
        await sleep(round % 3 / 2);
        controller.abort();
      }
      await withinDeadline(ended, () => "The wait never settled");
      await freed;
      assertEquals(pool.currentAllocations, 0);
      pool.alloc(pool.size).free();
    }
  },
);

// The life of the process

processTest(
  "A pending allocBlocking() keeps its process alive, and a settled one does not",
  async () => {
    using full = new FullPool();
    bytesOf(full.flag)[0] = 0;
    await using peer = await PeerProcess.start();
    await peer.run(
      ({ MemoryPool, MemoryAlloc }, serialized, flag) => {
        MemoryPool.attach(serialized).allocBlocking(1000).then(() => {
          new Uint8Array(MemoryAlloc.attach(flag).getMemview())[0] = 1;
        });
      },
      full.pool.serialize(),
      full.flag.serialize(),
    );
    await peer.closeInput();

    const first = await Promise.race([peer.ended, sleep(1000)]);
    assertEquals(first, undefined, "it ended while it waited");
    full.rest.free();
    const { code, stderr } = await peer.ended;
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(bytesOf(full.flag)[0], 1);
  },
);

processTest(
  "Settled allocBlocking() calls let their process end, however they settled",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    const hour = 3_600_000;
    await peer.run(attachPool, full.pool.serialize());
    const kept = await peer.run(
      async ({ kept }, rest, hour) => {
        const pool = kept.pool!;
        const held = pool.getAllocById(0, rest);
        const controller = new AbortController();
        const { signal } = controller;
        const results = [
          pool.allocBlocking(100, { timeout: 20 }),
          pool.allocBlocking(100, { timeout: hour, signal }),
        ];
        const settled = Promise.allSettled(results);
        await Promise.allSettled(results.slice(0, 1));
        controller.abort();
        await settled;
        const waiting = pool.allocBlocking(100, { timeout: hour });
        held.free();
        await waiting;
        await pool.allocBlocking(100, {
          timeout: hour,
          signal: new AbortController().signal,
        });
        return pool.currentAllocations;
      },
      full.rest.id,
      hour,
    );
    assertEquals(kept, 3);
    await peer.closeInput();
    const { code, stderr } = await withinDeadline(
      peer.ended,
      () => "Something keeps it alive",
    );
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  },
);

processTest(
  "MemoryPool.detach() and destroy() under a pending wait let the process end",
  async () => {
    for (const way of ["detach", "destroy"] as const) {
      using full = new FullPool();
      await using peer = await PeerProcess.start();
      await peer.run(attachPool, full.pool.serialize());
      await peer.run(startWaiting, 1000);
      await peer.run(async ({ kept }, way) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        kept.pool![way]();
      }, way);
      await assertRejectsAtPeer(peer.run(finishWaiting), "PoolError");
      await peer.closeInput();
      assertEquals(
        (await withinDeadline(peer.ended, () => "Something keeps it alive"))
          .code,
        0,
      );
    }
  },
);

processTest(
  "Deno.exit(), an uncaught error and a signal end a process at once that waits for room",
  async () => {
    using full = new FullPool();
    const ends = {
      exit: () => Deno.exit(7),
      error: () =>
        void setTimeout(() => {
          throw new Error("thrown on purpose");
        }),
      signal: () => {},
    };
    const expected: Record<
      string,
      { code: number; signal: Deno.Signal | null }
    > = {
      exit: { code: 7, signal: null },
      error: { code: 1, signal: null },
      signal: { code: 143, signal: "SIGTERM" },
    };
    for (const way of ["exit", "error", "signal"] as const) {
      await using peer = await PeerProcess.start();
      await peer.run(attachPool, full.pool.serialize());
      await peer.run(({ kept }) => {
        for (let i = 0; i < 100; i++) {
          kept.pool!.allocBlocking(1000).catch(() => {});
        }
      });
      await sleep(20);
      const started = performance.now();
      if (way === "signal") peer.kill("SIGTERM");
      else peer.run(ends[way]).catch(() => {});
      const { code, signal, stderr } = await peer.waitForEnd();
      const elapsed = performance.now() - started;
      assertEquals({ code, signal }, expected[way]);
      assertEquals(
        stderr.includes("thrown on purpose"),
        way === "error",
        stderr,
      );
      assert(elapsed < 10_000, `It ended after ${elapsed} ms`);
    }
    full.rest.free();
    assertEquals(full.pool.currentAllocations, 1);
    full.pool.alloc(full.pool.freeSpace).free();
  },
);

processTest(
  "A process that waits synchronously ends at once by a signal",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    const waiting = assertRejects(
      () => peer.run(waitSynchronously, full.flag.serialize(), 1000, Infinity),
      PeerGoneError,
    );
    await full.flagRaised();
    peer.kill("SIGTERM");
    assertEquals((await peer.waitForEnd()).signal, "SIGTERM");
    await waiting;
    full.rest.free();
    assertEquals(full.pool.currentAllocations, 1);
  },
);

processTest(
  "MemoryPool.allocBlocking() rejects with a PoolError when the pool went away before",
  async () => {
    using full = new FullPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, full.pool.serialize());
    await peer.run(({ kept }) => kept.pool!.destroy());
    assertInstanceOf(
      await full.pool.allocBlocking(1).catch((error) => error),
      PoolError,
    );
    assertThrows(() => full.pool.allocBlockingSync(1), PoolError);
  },
);
