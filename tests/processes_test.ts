// What processes share: bytes, allocations, the pool's life and its name. What
// happens when one of them is killed or stopped is in crashes_test.ts.

import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertThrows,
} from "@std/assert";
import {
  AllocationError,
  AllocType,
  MemoryAlloc,
  MemoryPool,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "../mod.ts";
import {
  assertEmptied,
  assertThrowsPoolOrAllocationError,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  KIB,
  MIB,
  thrownBy,
  uniqueName,
} from "./helpers.ts";
import type { Here } from "./fixtures/remote_call.ts";
import { fileMode, poolFile, removeFile } from "./libc.ts";
import {
  assertRejectsAtPeer,
  PeerGroup,
  PeerProcess,
  processTest,
} from "./processes.ts";
import {
  attachAllocation,
  attachPool,
  churn,
  detachPool,
  stopChurning,
} from "./remote_functions.ts";

// Bytes

processTest(
  "MemoryAlloc.getMemview() shows writes of both processes to each other",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(1000);
    await using peer = await PeerProcess.start();
    const bytes = bytesOf(allocation).fill(1);

    await peer.run(attachAllocation, allocation.serialize());
    const seen = await peer.run(({ kept }) => {
      const copy = kept.view!.slice();
      kept.view!.fill(2);
      return copy;
    });
    assertEquals(seen, new Uint8Array(1000).fill(1));
    assertEquals(bytes, new Uint8Array(1000).fill(2));

    bytes[999] = 3;
    assertEquals(await peer.run(({ kept }) => kept.view![999]), 3);
  },
);

processTest(
  "MemoryAlloc.attach() works in a chain of three processes",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(3);
    const bytes = bytesOf(allocation).fill(0);
    await using chain = await PeerGroup.start(3);

    let descriptor = allocation.serialize();
    for (const [index, peer] of chain.peers.entries()) {
      await peer.run(attachAllocation, descriptor);
      descriptor = await peer.run(({ kept }, index) => {
        kept.view![index] = index + 1;
        return kept.allocation!.serialize();
      }, index);
    }

    const expected = new Uint8Array([1, 2, 3]);
    assertEquals(bytes, expected);
    for (const peer of chain.peers) {
      assertEquals(await peer.run(({ kept }) => kept.view!.slice()), expected);
    }
  },
);

processTest(
  "MemoryPool.unsafeMemview shows the bytes that others write by memview",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(100);
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    await peer.run(({ kept }) => void kept.view!.fill(7));

    const region = new Uint8Array(
      pool.unsafeMemview,
      allocation.byteOffset,
      allocation.size,
    );
    assertEquals(region, new Uint8Array(100).fill(7));
    region.fill(8);
    assertEquals(await peer.run(({ kept }) => kept.view![99]), 8);
    assertEquals(
      await peer.run(({ kept }) => kept.allocation!.byteOffset),
      allocation.byteOffset,
    );
  },
);

processTest(
  "Atomics count exactly when four processes add at the same time",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(16);
    bytesOf(allocation).fill(0);
    await using group = await PeerGroup.start(4);
    const additions = 100_000;

    await group.runAll(
      ({ MemoryAlloc }, serialized, additions) => {
        const allocation = MemoryAlloc.attach(serialized);
        const small = new Int32Array(allocation.getMemview(), 0, 1);
        const large = new BigInt64Array(allocation.getMemview(), 8, 1);
        for (let i = 0; i < additions; i++) {
          Atomics.add(small, 0, 1);
          Atomics.add(large, 0, 2n ** 33n);
        }
        allocation.detach();
      },
      allocation.serialize(),
      additions,
    );

    assertEquals(
      Atomics.load(new Int32Array(allocation.getMemview(), 0, 1), 0),
      4 * additions,
    );
    assertEquals(
      Atomics.load(new BigInt64Array(allocation.getMemview(), 8, 1), 0),
      4n * BigInt(additions) * 2n ** 33n,
    );
  },
);

// Allocations

processTest(
  "MemoryPool.alloc() in a child gives what the parent reads and frees",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const made = await peer.run(({ kept, AllocType }) => {
      const allocation = kept.pool!.alloc(500, AllocType.CHANNEL);
      new Uint8Array(allocation.getMemview()).fill(9);
      kept.allocation = allocation;
      return { descriptor: allocation.serialize(), id: allocation.id };
    });

    const allocation = MemoryAlloc.attach(made.descriptor);
    assertEquals(allocation.id, made.id);
    assertEquals(allocation.type, AllocType.CHANNEL);
    assertEquals(allocation.size, 500);
    assertEquals(bytesOf(allocation), new Uint8Array(500).fill(9));
    assertEquals([...pool.getAllocations()], [{
      type: AllocType.CHANNEL,
      id: made.id,
      size: 500,
    }]);
    assert(pool.allocationExists(AllocType.CHANNEL, made.id));
    assertEquals(
      bytesOf(pool.getAllocById(AllocType.CHANNEL, made.id))[499],
      9,
    );

    allocation.free();
    assertWholeAndEmpty(pool);
    assertFalse(pool.allocationExists(AllocType.CHANNEL, made.id));
    await assertRejectsAtPeer(
      peer.run(({ kept }) => kept.pool!.free(kept.allocation!)),
      "AllocationError",
    );
  },
);

processTest(
  "MemoryAlloc.free() works in a process that only attached",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(500);
    const buffer = allocation.getMemview();
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());

    assertEquals(
      await peer.run(({ kept }) => {
        kept.allocation!.free();
        return kept.view!.byteLength;
      }),
      0,
    );
    assertEquals(pool.currentAllocations, 0);
    assertThrows(() => allocation.getMemview(), AllocationError);
    assertEmptied(buffer);
    assertThrows(() => allocation.free(), AllocationError);
    assertThrows(
      () => MemoryAlloc.attach(allocation.serialize()),
      AllocationError,
    );
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryAlloc.getMemview() empties a buffer whose memory another process freed and reused",
  async () => {
    using pool = createPool(64 * KIB);
    const allocation = pool.alloc(pool.size);
    const view = bytesOf(allocation).fill(1);
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    await peer.run(({ kept, MemoryAlloc }, serialized) => {
      MemoryAlloc.attach(serialized).free();
      kept.allocation = kept.pool!.alloc(kept.pool!.size);
      new Uint8Array(kept.allocation.getMemview()).fill(2);
    }, allocation.serialize());

    assertEquals(view[0], 2, "the memory stays mapped, and is somebody else's");
    assertThrows(() => allocation.getMemview(), AllocationError);
    assertEquals(view.byteLength, 0);
    assertThrows(() => pool.free(allocation), AllocationError);
    assertEquals(
      pool.currentAllocations,
      1,
      "the stale handle changed nothing",
    );
    assertEquals(
      await peer.run(({ kept }) =>
        new Uint8Array(kept.allocation!.getMemview()).every((b) => b === 2)
      ),
      true,
    );
  },
);

processTest(
  "MemoryAlloc.attach() never takes reused memory for what a descriptor was made from",
  async () => {
    using pool = createPool(64 * KIB);
    await using peer = await PeerProcess.start();
    await using stranger = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const stale = await peer.run(({ kept }) => {
      const descriptors: Uint8Array[] = [];
      for (let i = 0; i < 500; i++) {
        const allocation = kept.pool!.alloc(kept.pool!.size);
        descriptors.push(allocation.serialize());
        allocation.free();
      }
      kept.allocation = kept.pool!.alloc(kept.pool!.size);
      return descriptors;
    });

    for (const descriptor of stale) {
      assertThrows(() => MemoryAlloc.attach(descriptor), AllocationError);
    }
    const refused = await stranger.run(
      ({ MemoryAlloc, AllocationError }, stale) =>
        stale.filter((descriptor) => {
          try {
            MemoryAlloc.attach(descriptor);
            return false;
          } catch (error) {
            return error instanceof AllocationError;
          }
        }).length,
      stale,
    );
    assertEquals(refused, stale.length);
  },
);

processTest(
  "MemoryAlloc.attach() attaches to the pool by itself and lets go at detach()",
  async () => {
    const pool = createPool();
    const name = pool.name;
    const serialized = pool.serialize();
    const allocation = pool.alloc(10);
    bytesOf(allocation).fill(5);
    await using peer = await PeerProcess.start();
    await peer.run(attachAllocation, allocation.serialize());
    pool.detach();

    assertEquals(await peer.run(({ kept }) => kept.view![9]), 5);
    assertMatch(
      thrownBy(() => MemoryPool.create(KIB, name, 1)).message,
      /attached/,
    );
    assertEquals(
      await peer.run(({ kept }) => {
        kept.allocation!.detach();
        return kept.view!.byteLength;
      }),
      0,
    );
    assertMatch(
      thrownBy(() => MemoryPool.create(KIB, name, 1)).message,
      /orphan/,
    );
    MemoryPool.attach(serialized).destroy();
  },
);

processTest(
  "MemoryAlloc.detach() leaves the memory of other processes alone",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(10);
    const view = bytesOf(allocation).fill(4);
    await using group = await PeerGroup.start(2);
    await group.runAll(attachAllocation, allocation.serialize());
    await group.peers[0]!.run(({ kept }) => kept.allocation!.detach());

    assertEquals(view[0], 4);
    assertEquals(await group.peers[1]!.run(({ kept }) => kept.view![0]), 4);
    await assertRejectsAtPeer(
      group.peers[0]!.run(({ kept }) =>
        kept.allocation!.getMemview().byteLength
      ),
      "AllocationError",
    );
  },
);

processTest(
  "MemoryPool.alloc() and free() keep the data of four processes apart",
  async () => {
    using pool = createPool(MIB);
    await using group = await PeerGroup.start(4);
    const counts = await Promise.all(
      group.peers.map((peer, tag) =>
        peer.run(churn, pool.serialize(), tag, 5_000, 20 * KIB)
      ),
    );
    assertEquals(counts, [5_000, 5_000, 5_000, 5_000]);
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "MemoryPool.getAllocations() lists what lives throughout exactly once while others allocate",
  async () => {
    using pool = createPool(4 * MIB);
    const lasting = Array.from(
      { length: 200 },
      (_, index) => pool.alloc(100 + index, 77).id,
    );
    await using group = await PeerGroup.start(2);
    const churning = Promise.all(
      group.peers.map((peer, tag) =>
        peer.run(churn, pool.serialize(), tag, Infinity, 4 * KIB)
      ),
    );
    for (let round = 0; round < 200; round++) {
      const ids = [...pool.getAllocations()].map(({ id }) => id);
      assertEquals(new Set(ids).size, ids.length);
      assertEquals(
        [...pool.getAllocations(77)].map(({ id }) => id).sort(),
        lasting.toSorted(),
      );
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await group.runAll(stopChurning);
    await churning;
    assertEquals(pool.currentAllocations, 200);
  },
);

// The life of a pool

processTest(
  "MemoryPool.destroy() by another process makes every call throw and leaves memory mapped",
  async () => {
    using pool = createPool();
    const allocation = pool.alloc(1000);
    const view = bytesOf(allocation).fill(6);
    const region = new Uint8Array(pool.unsafeMemview);
    const serialized = pool.serialize();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, serialized);
    await peer.run(({ kept }) => kept.pool!.destroy());

    assertEquals(
      fileMode(poolFile(pool.name)),
      undefined,
      "the name goes at once",
    );
    assertEquals(pool.isAttached, true);
    assertEquals(view, new Uint8Array(1000).fill(6));
    assertThrows(() => pool.alloc(1), PoolError);
    assertThrows(() => pool.allocBlockingSync(1), PoolError);
    assertThrows(() => pool.getAllocations(), PoolError);
    assertThrows(
      () => pool.allocationExists(AllocType.DATA, allocation.id),
      PoolError,
    );
    assertThrows(
      () => pool.getAllocById(AllocType.DATA, allocation.id),
      PoolError,
    );
    assertThrows(() => pool.freeSpace, PoolError);
    assertThrows(() => pool.currentAllocations, PoolError);
    assertThrows(() => MemoryPool.attach(serialized), PoolAttachError);
    assertEquals(
      region[allocation.byteOffset],
      6,
      "it stays mapped until this process detaches",
    );
    assertThrowsPoolOrAllocationError(() => allocation.free());
    assertEquals(pool.serialize(), serialized);

    pool.detach();
    assertEquals(view.byteLength, 0);
    assertEquals(region.byteLength, 0);
    assertEquals(pool.isAttached, false);
  },
);

processTest(
  "MemoryPool.destroy() frees the name for a new pool while others are attached",
  async () => {
    const name = uniqueName();
    const first = MemoryPool.create(64 * KIB, name, 1);
    const allocation = first.alloc(10);
    bytesOf(allocation).fill(1);
    const [serialized, descriptor] = [
      first.serialize(),
      allocation.serialize(),
    ];
    await using group = await PeerGroup.start(2);
    const [attached, stranger] = group.peers as [PeerProcess, PeerProcess];
    await attached.run(attachAllocation, descriptor);
    await attached.run(attachPool, serialized);
    first.destroy();

    using second = MemoryPool.create(64 * KIB, name, 1);
    bytesOf(second.alloc(10)).fill(2);
    assertEquals(await attached.run(({ kept }) => kept.view![0]), 1);
    await assertRejectsAtPeer(
      attached.run(({ kept }) => void kept.pool!.alloc(1)),
      "PoolError",
    );
    for (const peer of [attached, stranger]) {
      await assertRejectsAtPeer(
        peer.run(
          ({ MemoryPool }, old) => void MemoryPool.attach(old),
          serialized,
        ),
        "PoolAttachError",
      );
    }
    await assertRejectsAtPeer(
      stranger.run(
        ({ MemoryAlloc }, old) => void MemoryAlloc.attach(old),
        descriptor,
      ),
      "PoolAttachError",
    );
    await stranger.run(attachPool, second.serialize());
    assertEquals(
      await stranger.run(({ kept }) => kept.pool!.currentAllocations),
      1,
    );
  },
);

processTest("MemoryPool.attach() rejects a pool that is gone", async () => {
  const pool = createPool();
  const serialized = pool.serialize();
  await using peer = await PeerProcess.start();
  pool.destroy();
  await assertRejectsAtPeer(
    peer.run(({ MemoryPool }, old) => void MemoryPool.attach(old), serialized),
    "PoolAttachError",
  );
});

processTest(
  "A pool whose file was removed from outside is reported as not found, and works on for those attached",
  async () => {
    using pool = createPool();
    const serialized = pool.serialize();
    const allocation = pool.alloc(100);
    await using group = await PeerGroup.start(2);
    const [attached, stranger] = group.peers as [PeerProcess, PeerProcess];
    await attached.run(attachAllocation, allocation.serialize());
    removeFile(poolFile(pool.name));

    const attach = ({ MemoryPool }: Here, old: Uint8Array) =>
      void MemoryPool.attach(old);
    const remove = ({ MemoryPool }: Here, name: string) =>
      MemoryPool.remove(name);
    const missing = { message: /no pool of this name is there/ };
    await assertRejectsAtPeer(
      stranger.run(attach, serialized),
      "PoolAttachError",
      missing,
    );
    await assertRejectsAtPeer(
      stranger.run(
        ({ MemoryAlloc }, old) => void MemoryAlloc.attach(old),
        allocation.serialize(),
      ),
      "PoolAttachError",
      missing,
    );
    await assertRejectsAtPeer(
      stranger.run(remove, pool.name),
      "PoolError",
      missing,
    );
    assertEquals(
      MemoryPool.list().some(({ name }) => name === pool.name),
      false,
    );

    // Those who have its memory lose nothing, and destroy nothing else.
    fill(allocation, 5);
    assertEquals(await attached.run(({ kept }) => kept.view![99]), 5);
    await attached.run(({ kept }) => kept.allocation!.free());
    assertWholeAndEmpty(pool);
    using successor = MemoryPool.create(KIB, pool.name, 2);
    await assertRejectsAtPeer(
      stranger.run(attach, serialized),
      "PoolAttachError",
      { message: /another pool bears its name/ },
    );
    pool.destroy();
    assertWholeAndEmpty(MemoryPool.attach(successor.serialize()));
    assertEquals(
      MemoryPool.list().some(({ name }) => name === pool.name),
      true,
    );
  },
);

processTest(
  "MemoryPool.attach() twice in one process keeps the memory until both are detached",
  async () => {
    using pool = createPool();
    using allocation = pool.alloc(10);
    bytesOf(allocation).fill(3);
    await using peer = await PeerProcess.start();
    const seen = await peer.run(
      ({ MemoryPool, kept }, serialized, type, id) => {
        const [first, second] = [
          MemoryPool.attach(serialized),
          MemoryPool.attach(serialized),
        ];
        kept.view = new Uint8Array(second.getAllocById(type, id).getMemview());
        first.detach();
        const [between, firstIsAttached] = [kept.view[0], first.isAttached];
        const usable = second.currentAllocations;
        second.detach();
        return {
          between,
          firstIsAttached,
          usable,
          after: kept.view.byteLength,
        };
      },
      pool.serialize(),
      allocation.type,
      allocation.id,
    );
    assertEquals(seen, {
      between: 3,
      firstIsAttached: false,
      usable: 1,
      after: 0,
    });
    assertEquals(pool.currentAllocations, 1);
  },
);

processTest(
  "MemoryPool.destroy() works by the last of ten processes, after the creator and nine detached",
  async () => {
    const pool = createPool();
    const { name } = pool;
    await using group = await PeerGroup.start(10);
    await group.runAll(attachPool, pool.serialize());
    pool.detach();

    const last = group.peers.at(-1)!;
    for (const peer of group.peers.slice(0, -1)) {
      await peer.run(detachPool);
      assertEquals(
        await last.run(({ kept }) => kept.pool!.freeSpace === kept.pool!.size),
        true,
      );
    }
    await last.run(({ kept }) => kept.pool!.destroy());
    assertEquals(fileMode(poolFile(name)), undefined);
    MemoryPool.create(KIB, name, 1).destroy();
  },
);

Deno.test("MemoryPool.destroy() works by the last of ten handles, after the creator's and nine were detached", () => {
  const creator = createPool();
  const { name } = creator;
  const serialized = creator.serialize();
  creator.detach();
  const handles = Array.from(
    { length: 10 },
    () => MemoryPool.attach(serialized),
  );
  const last = handles.pop()!;
  for (const handle of handles) {
    handle.detach();
    assertEquals(last.freeSpace, last.size);
  }
  last.destroy();
  assertEquals(fileMode(poolFile(name)), undefined);
  MemoryPool.create(KIB, name, 1).destroy();
});

processTest(
  "MemoryPool.create() says that a live process is attached to the pool of that name",
  async () => {
    const pool = createPool();
    const serialized = pool.serialize();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, serialized);
    pool.detach();

    const messages = [
      thrownBy(() => MemoryPool.create(KIB, pool.name, 1)).message,
      await peer.run(({ MemoryPool }, name) => {
        try {
          return MemoryPool.create(1024, name, 1).name;
        } catch (error) {
          return (error as Error).message;
        }
      }, pool.name),
    ];
    for (const message of messages) {
      assert(message.includes(pool.name), message);
      assertMatch(message, /attached/);
      assert(!message.includes("orphan"), message);
    }
    await peer.run(({ kept }) => kept.pool!.destroy());
  },
);

processTest(
  "MemoryPool.create() says that the pool of that name is an orphan, and how to remove it",
  async () => {
    const name = uniqueName();
    await using peer = await PeerProcess.start();
    const serialized = await peer.run(
      ({ MemoryPool }, name) => MemoryPool.create(1024, name, 1).serialize(),
      name,
    );
    await peer.closeInput();
    assertEquals((await peer.ended).code, 0);

    const error = assertThrows(
      () => MemoryPool.create(KIB, name, 1),
      PoolCreateError,
    );
    assert(error.message.includes(name), error.message);
    assertMatch(error.message, /orphan/);
    assertMatch(error.message, /\brm\b|[Rr]emove/);
    MemoryPool.attach(serialized).destroy();
  },
);

processTest(
  "MemoryPool.create() succeeds in exactly one of the processes that try one name",
  async () => {
    await using group = await PeerGroup.start(4);
    for (let round = 0; round < 25; round++) {
      const name = uniqueName();
      const created = await group.runAll(
        ({ MemoryPool, PoolCreateError, kept }, name) => {
          try {
            kept.pool = MemoryPool.create(4096, name, 1);
            return true;
          } catch (error) {
            if (error instanceof PoolCreateError) return false;
            throw error;
          }
        },
        name,
      );
      assertEquals(created.filter((yes) => yes).length, 1);
      await group.peers[created.indexOf(true)]!.run(({ kept }) =>
        kept.pool!.destroy()
      );
    }
  },
);

// The end of a process

processTest(
  "Allocations live on after the process that made them has ended",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const descriptor = await peer.run(({ kept }) => {
      const allocation = kept.pool!.alloc(100);
      new Uint8Array(allocation.getMemview()).fill(11);
      return allocation.serialize();
    });
    await peer.closeInput();
    assertEquals((await peer.ended).code, 0);

    const allocation = MemoryAlloc.attach(descriptor);
    assertEquals(bytesOf(allocation), new Uint8Array(100).fill(11));
    allocation.free();
    assertWholeAndEmpty(pool);
  },
);

processTest(
  "Deno.exit() of an attached process keeps its code and harms nobody",
  async () => {
    using pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    peer.run(({ kept }) => {
      kept.pool!.alloc(100);
      Deno.exit(7);
    }).catch(() => {});
    const { code, signal, stderr } = await peer.waitForEnd();
    assertEquals({ code, signal, stderr }, {
      code: 7,
      signal: null,
      stderr: "",
    });
    assertEquals(pool.currentAllocations, 1);
    pool.free(
      pool.getAllocById(AllocType.DATA, pool.getAllocations().allocId(0)),
    );
    assertWholeAndEmpty(pool);
  },
);
