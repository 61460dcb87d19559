// What is left when a process is killed at any moment, stopped at any moment, or
// writes nonsense over the pool: everybody else goes on.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AllocTimeoutError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolCreateError,
  PoolError,
} from "../mod.ts";
import {
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  KIB,
  MIB,
  randomSource,
  uniqueName,
} from "./helpers.ts";
import { editFile, fileMode, poolFile } from "./libc.ts";
import {
  assertRejectsAtPeer,
  PeerGoneError,
  PeerGroup,
  PeerProcess,
  permittedTest,
  processTest,
  sleep,
  withinDeadline,
} from "./processes.ts";
import type { Here } from "./fixtures/remote_call.ts";
import { attachPool, churn, stopChurning } from "./remote_functions.ts";

/** Frees all that somebody left behind, and checks that the pool is as new. */
function freeWhatIsLeft(pool: MemoryPool): void {
  for (const { type, id } of pool.getAllocations()) {
    pool.free(pool.getAllocById(type, id));
  }
  assertWholeAndEmpty(pool);
}

// Killed

processTest(
  "A process killed while attached leaves its allocations and a usable pool",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const descriptor = await peer.run(({ kept }) => {
      const allocation = kept.pool!.alloc(1000);
      new Uint8Array(allocation.getMemview()).fill(12);
      return allocation.serialize();
    });
    assertEquals((await peer.killAndWait()).signal, "SIGKILL");

    assertEquals(pool.currentAllocations, 1);
    using own = pool.alloc(10);
    assertEquals(pool.getAllocations().length, 2);
    const left = MemoryAlloc.attach(descriptor);
    assertEquals(bytesOf(left), new Uint8Array(1000).fill(12));
    left.free();
    own.free();
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "Processes killed in the middle of alloc() and free() cost the others nothing",
  async () => {
    using pool = createPool(MIB);
    await using survivor = await PeerProcess.start();
    const surviving = survivor.run(
      churn,
      pool.serialize(),
      0,
      Infinity,
      8 * KIB,
    );
    const delay = randomSource(Date.now());

    for (let round = 0; round < 20; round++) {
      await using victim = await PeerProcess.start();
      const churning = assertRejects(
        () => victim.run(churn, pool.serialize(), 1, Infinity, 8 * KIB),
        PeerGoneError,
      );
      await sleep(1 + delay(30));
      await victim.killAndWait();
      await churning;

      const allocation = pool.alloc(0);
      assert(pool.allocationExists(AllocType.DATA, allocation.id));
      allocation.free();
      // What it had is whole, or was never there: the half-made is taken back.
      const left = pool.getAllocations(101);
      assertEquals(pool.reclaim(), {
        allocations: left.length,
        bytes: [...left].reduce((sum, { size }) => sum + size, 0),
      });
      assertEquals(pool.getAllocations(101).length, 0);
    }

    await survivor.run(stopChurning);
    assert(await surviving > 0);
    freeWhatIsLeft(pool);
  },
);

processTest(
  "Four processes killed at the same moment leave a pool that is whole",
  async () => {
    for (let round = 0; round < 5; round++) {
      using pool = createPool(256 * KIB);
      await using group = await PeerGroup.start(4);
      const churning = group.peers.map((peer, tag) =>
        assertRejects(
          () => peer.run(churn, pool.serialize(), tag, Infinity, 8 * KIB),
          PeerGoneError,
        )
      );
      await sleep(20 + 10 * round);
      for (const peer of group.peers) peer.kill("SIGKILL");
      await Promise.all(churning);

      assertSound(pool);
      freeWhatIsLeft(pool);
    }
  },
);

processTest(
  "MemoryPool.create() by a process that is then killed leaves a whole orphan",
  async () => {
    const name = uniqueName();
    await using peer = await PeerProcess.start();
    const serialized = await peer.run(
      ({ MemoryPool }, name) => MemoryPool.create(65536, name, 5).serialize(),
      name,
    );
    await peer.killAndWait();

    const message =
      assertThrows(() => MemoryPool.create(KIB, name, 1), PoolCreateError)
        .message;
    assert(message.includes("orphan"), message);
    const orphan = MemoryPool.attach(serialized);
    assertEquals([orphan.name, orphan.uid], [name, 5n]);
    assertWholeAndEmpty(orphan);
    orphan.destroy();
    assertEquals(fileMode(poolFile(name)), undefined);
  },
);

permittedTest(
  "MemoryPool.create() killed at any moment leaves nothing half-made under the name",
  ["run", "write"],
  async () => {
    const delay = randomSource(Date.now());
    for (let round = 0; round < 15; round++) {
      const name = uniqueName();
      await using peer = await PeerProcess.start();
      const creating = assertRejects(() =>
        peer.run(({ MemoryPool }, name) => {
          for (;;) MemoryPool.create(1 << 20, name, 1).destroy();
        }, name), PeerGoneError);
      await sleep(delay(20));
      await peer.killAndWait();
      await creating;

      // Killed in the middle of destroy(), it has left a name that is free to use.
      if (fileMode(poolFile(name)) !== undefined) removeOrphan(name);
      using pool = MemoryPool.create(KIB, name, 1);
      assertWholeAndEmpty(pool);
    }
  },
);

/** Removes the file of a pool, unless create() takes the name as it is. */
function removeOrphan(name: string): void {
  try {
    MemoryPool.create(KIB, name, 1).destroy();
  } catch (error) {
    assertInstanceOf(error, PoolCreateError);
    assertStringIncludes(error.message, "orphan");
    Deno.removeSync(poolFile(name));
  }
}

// Stopped

processTest("A process stopped while it is idle harms nobody", async () => {
  using pool = createPool();
  await using sleeper = await PeerProcess.start();
  await using other = await PeerProcess.start();
  await sleeper.run(attachPool, pool.serialize());
  await sleeper.run(({ kept }) =>
    void (kept.allocation = kept.pool!.alloc(100))
  );
  sleeper.kill("SIGSTOP");

  const allocation = pool.alloc(1000);
  bytesOf(allocation).fill(1);
  await other.run(attachPool, pool.serialize());
  await other.run(({ kept, MemoryAlloc }, descriptor) => {
    MemoryAlloc.attach(descriptor).free();
    kept.pool!.allocBlockingSync(1000).free();
  }, allocation.serialize());
  (await pool.allocBlocking(1000)).free();
  assertEquals(pool.currentAllocations, 1);
  assertSound(pool);
  freeWhatIsLeft(pool);
  pool.destroy();
  assertEquals(fileMode(poolFile(pool.name)), undefined);

  sleeper.kill("SIGCONT");
  await assertRejectsAtPeer(
    sleeper.run(({ kept }) => void kept.pool!.alloc(1)),
    "PoolError",
  );
});

/** Takes and gives back as fast as it can, too much for any cache, until the flag is raised. */
function hammer(
  { MemoryPool, MemoryAlloc, AllocationNotAvailableError }: Here,
  serialized: Uint8Array,
  flag: Uint8Array,
  size: number,
): void {
  const pool = MemoryPool.attach(serialized);
  const raised = new Uint8Array(MemoryAlloc.attach(flag).getMemview());
  while (raised[0] === 0) {
    try {
      pool.alloc(size).free();
    } catch (error) {
      if (!(error instanceof AllocationNotAvailableError)) throw error;
    }
  }
}

/** The error of a call, if it throws one, and the time that it took. */
function attempt(call: () => void): { error: unknown; milliseconds: number } {
  const started = performance.now();
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  return { error, milliseconds: performance.now() - started };
}

processTest(
  "A process stopped in the middle of a call makes others wait for a second, then throw busy",
  async () => {
    using pool = createPool(MIB);
    const size = 100 * KIB;
    const flag = pool.alloc(1);
    const raised = bytesOf(flag).fill(0);
    const held = pool.alloc(size);
    await using peer = await PeerProcess.start();
    const hammering = peer.run(
      hammer,
      pool.serialize(),
      flag.serialize(),
      size,
    );
    const delay = randomSource(Date.now());

    let busy = 0;
    for (let round = 0; round < 2000 && busy < 3; round++) {
      await sleep(delay(3));
      peer.kill("SIGSTOP");
      const { error, milliseconds } = attempt(() => pool.alloc(size).free());
      assert(milliseconds < 10_000, `The call took ${milliseconds} ms`);
      if (error !== undefined) {
        busy++;
        assertInstanceOf(error, PoolError);
        assertEquals(error.code, "busy");
        const free = attempt(() => held.free());
        assertInstanceOf(free.error, PoolError);
        assertEquals(free.error.code, "busy");
        assertEquals(held.isAttached, true, "nothing was changed");
        const { error: timeout } = attempt(() =>
          pool.allocBlockingSync(size, { timeout: 30 })
        );
        assertInstanceOf(timeout, AllocTimeoutError);
        const waiting = pool.allocBlocking(size);
        await sleep(30);
        peer.kill("SIGCONT");
        (await withinDeadline(waiting, () => "It got no room")).free();
      }
      peer.kill("SIGCONT");
    }
    assertEquals(busy, 3, "it was never stopped inside of the lock");

    raised[0] = 1;
    await hammering;
    assertEquals(pool.currentAllocations, 2);
    freeWhatIsLeft(pool);
  },
);

processTest(
  "A process killed while it is stopped in the middle of a call leaves a usable pool",
  async () => {
    using pool = createPool(MIB);
    const delay = randomSource(Date.now());
    for (let round = 0; round < 8; round++) {
      await using peer = await PeerProcess.start();
      const churning = assertRejects(
        () => peer.run(churn, pool.serialize(), 0, Infinity, 64),
        PeerGoneError,
      );
      await sleep(10 + delay(10));
      peer.kill("SIGSTOP");
      await peer.killAndWait();
      await churning;
      pool.alloc(64).free();
    }
    freeWhatIsLeft(pool);
  },
);

// Nonsense in shared memory

/** Bytes at the start of a pool's file in which everything but the data lies, for a small pool. */
const METADATA = 64 * KIB;

/** What each call answers on a pool that may be spoilt: "ok", or the error's class and code. */
async function tryEverything(
  { kept, MemoryPool, MemoryAlloc, ManagedMemoryError }: Parameters<
    typeof attachPool
  >[0],
  serialized: Uint8Array,
  allocation: Uint8Array,
): Promise<string[]> {
  const answers: string[] = [];
  const note = async (call: () => unknown) => {
    try {
      await call();
      answers.push("ok");
    } catch (error) {
      const own = error instanceof ManagedMemoryError;
      answers.push(own ? `${error.name} ${error.code}` : `Foreign ${error}`);
    }
  };
  const touch = (buffer: ArrayBuffer) => {
    const bytes = new Uint8Array(buffer);
    for (let at = 0; at < bytes.length; at += 1024) bytes[at] = 1;
  };
  const pool = kept.pool!;
  await note(() => touch(pool.alloc(3000).getMemview()));
  await note(() => pool.alloc(64).free());
  await note(() => [...pool.getAllocations()]);
  await note(() => pool.allocationExists(0, 1n));
  await note(() => pool.getAllocById(0, 1n));
  await note(() => touch(MemoryAlloc.attach(allocation).getMemview()));
  await note(() => MemoryAlloc.attach(allocation).free());
  await note(() => kept.allocations.pop()!.free());
  await note(() => touch(kept.allocations.pop()!.getMemview()));
  await note(() => pool.allocBlockingSync(5000, { timeout: 20 }));
  await note(() => pool.allocBlocking(5000, { timeout: 20 }));
  await note(() => pool.freeSpace + pool.currentAllocations + pool.utilization);
  await note(() => [...pool.freeBlocks]);
  await note(() => MemoryPool.attach(serialized).detach());
  await note(() => pool.detach());
  await note(() => MemoryPool.attach(serialized).destroy());
  return answers;
}

permittedTest(
  "Nonsense over the shared state of a pool gives errors of the module, and crashes nobody",
  ["run", "write"],
  async () => {
    const random = randomSource(20261123);
    const answers = new Set<string>();

    async function spoilOnce(round: number): Promise<void> {
      const pool = createPool(256 * KIB);
      const file = poolFile(pool.name);
      try {
        await using peer = await PeerProcess.start();
        await peer.run(attachPool, pool.serialize());
        const descriptor = await peer.run(({ kept }) => {
          for (let i = 0; i < 20; i++) {
            kept.allocations.push(kept.pool!.alloc(500 * i));
          }
          for (let i = 0; i < 20; i += 3) kept.allocations[i]!.free();
          return kept.allocations[10]!.serialize();
        });
        pool.detach();
        editFile(file, 0, METADATA, (bytes) => spoil(bytes, round, random));
        for (
          const answer of await peer.run(
            tryEverything,
            pool.serialize(),
            descriptor,
          )
        ) {
          answers.add(answer);
        }
      } finally {
        if (fileMode(file) !== undefined) Deno.removeSync(file);
      }
    }

    for (let round = 0; round < 40; round += 4) {
      await Promise.all([0, 1, 2, 3].map((more) => spoilOnce(round + more)));
    }
    const foreign = [...answers].filter((answer) =>
      answer.startsWith("Foreign")
    );
    assertEquals(foreign, []);
    assert(
      answers.has("PoolError corrupt"),
      `No answer says corrupt: ${[...answers].join(", ")}`,
    );
  },
);

/** Spoils some of the 64-bit words that are in use, each round in its own way. */
function spoil(
  bytes: Uint8Array<ArrayBuffer>,
  round: number,
  random: (bound: number) => number,
): void {
  const words = new BigUint64Array(bytes.buffer);
  const used = [...words.keys()].filter((index) => words[index] !== 0n);
  const count = [1, 4, 32, used.length][round % 4]!;
  for (let i = 0; i < count; i++) {
    const index = used[random(used.length)]!;
    const flipped = words[index]! ^ (1n << BigInt(random(64)));
    const anything = BigInt(random(2 ** 32)) << 32n | BigInt(random(2 ** 32));
    words[index] = [
      flipped,
      0n,
      2n ** 64n - 1n,
      anything,
    ][Math.floor(round / 4) % 4]!;
  }
}
