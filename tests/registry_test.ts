// Pools by name: MemoryPool.list() and MemoryPool.remove(), and what create()
// says of an orphan in its way. Others may have pools on this host: a test looks
// only at its own.

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type ManagedMemoryErrorCode,
  MemoryPool,
  PoolCreateError,
  PoolError,
  type PoolListing,
} from "../mod.ts";
import {
  assertEmptied,
  assertFilled,
  assertOwnError,
  assertWholeAndEmpty,
  bytesOf,
  createPool,
  fill,
  hasAllPermissions,
  KIB,
  MIB,
  thrownBy,
  uniqueName,
  wrong,
} from "./helpers.ts";
import { editFile, fileMode, poolFile, removedInTheEnd } from "./libc.ts";
import {
  assertRejectsAtPeer,
  PeerGroup,
  PeerProcess,
  processTest,
  withinDeadline,
} from "./processes.ts";
import { attachPool, detachPool } from "./remote_functions.ts";
import { PeerWorker } from "./workers.ts";
import type { Here } from "./fixtures/remote_call.ts";

// Offsets in a pool's file, in bytes: see mm__header in csrc/layout.h.
const MAGIC = 0;
const LAYOUT_VERSION = 8;
const DATA_SIZE = 48;
const DESTROYED = 192;
/** What never changes ends here. */
const BIRTH_END = 136;

/** What the list says of a pool. */
function listed(
  name: string,
  options?: { directory?: string },
): PoolListing | undefined {
  return MemoryPool.list(options).find((listing) => listing.name === name);
}

/** Asserts that `action` throws a PoolError with this code. */
function assertRefused(
  action: () => unknown,
  code: ManagedMemoryErrorCode,
): Error {
  const error = thrownBy(action);
  assertOwnError(error);
  assertInstanceOf(error, PoolError);
  assertEquals(error.code, code);
  return error;
}

/** Creates a pool in a peer, which keeps it. */
function createKeptPool({ MemoryPool, kept }: Here, name: string): void {
  kept.pool = MemoryPool.create(64 * 1024, name, 5);
}

// list

Deno.test("MemoryPool.list() shows a pool with all that is known of it", () => {
  using pool = MemoryPool.create(MIB, uniqueName(), 2n ** 63n + 1n);
  using _allocation = pool.alloc(1000);
  const { creator, serialized, ...rest } = listed(pool.name)!;
  assertEquals(rest, {
    name: pool.name,
    uid: pool.uid,
    size: pool.size,
    used: pool.size - pool.freeSpace,
    processes: 1,
    isOrphan: false,
  });
  assertEquals(creator.pid, Deno.pid);
  assertInstanceOf(creator.start, Date);
  const age = Date.now() - creator.start.getTime();
  assert(age > -1000 && age < 86_400_000, `It is ${age} ms old`);
  assertEquals(serialized, pool.serialize());
});

Deno.test("MemoryPool.list() follows what is used of a pool", () => {
  using pool = createPool();
  assertEquals(listed(pool.name)!.used, 0);
  const allocation = pool.alloc(100_000);
  const { used } = listed(pool.name)!;
  assertEquals(used, pool.size - pool.freeSpace);
  assertGreater(used, 99_999);
  allocation.free();
  assertEquals(listed(pool.name)!.used, 0);
});

Deno.test("MemoryPool.list() lets a pool be attached by its name", () => {
  using pool = createPool();
  const allocation = pool.alloc(10);
  fill(allocation, 3);
  const { serialized } = listed(pool.name)!;
  assertEquals(MemoryPool.describe(serialized), { uid: 1n, name: pool.name });
  using attached = MemoryPool.attach(serialized);
  assertFilled(attached.getAllocById(allocation.type, allocation.id), 3);
});

Deno.test("MemoryPool.list() is a new list at every call", () => {
  using pool = createPool();
  const before = listed(pool.name)!;
  const first = before.serialized.slice();
  before.serialized.fill(0);
  assertEquals(listed(pool.name)!.serialized, first);
});

Deno.test("MemoryPool.list() is sorted by name, whatever number there is", () => {
  const prefix = uniqueName();
  const names = Array.from(
    { length: 150 },
    (_, index) => `${prefix}.${(index * 7919) % 150}`,
  );
  const pools = names.map((name) => MemoryPool.create(KIB, name, 1));
  try {
    const all = MemoryPool.list().map(({ name }) => name);
    assertEquals(all, all.toSorted());
    assertEquals(
      all.filter((name) => name.startsWith(prefix)),
      names.toSorted(),
    );
  } finally {
    for (const pool of pools) pool.destroy();
  }
  assertFalse(
    MemoryPool.list().some(({ name }) => name.startsWith(prefix)),
  );
});

processTest(
  "MemoryPool.list() counts the living processes that are attached, each once",
  async () => {
    using pool = createPool();
    const second = MemoryPool.attach(pool.serialize());
    using worker = await PeerWorker.start();
    await worker.run(attachPool, pool.serialize());
    assertEquals(listed(pool.name)!.processes, 1);

    await using group = await PeerGroup.start(3);
    await group.runAll(attachPool, pool.serialize());
    assertEquals(listed(pool.name)!.processes, 4);
    await group.peers[0]!.run(detachPool);
    assertEquals(listed(pool.name)!.processes, 3);
    await group.peers[1]!.killAndWait();
    assertEquals(listed(pool.name)!.processes, 2);
    assertEquals(
      await group.peers[2]!.run(
        ({ MemoryPool }, name) =>
          MemoryPool.list().find((one) => one.name === name)?.processes,
        pool.name,
      ),
      2,
    );
    second.detach();
    await worker.run(detachPool);
  },
);

processTest("MemoryPool.list() shows an orphan, and who made it", async () => {
  const name = uniqueName();
  using _file = removedInTheEnd({ name });
  await using peer = await PeerProcess.start();
  const before = Date.now();
  await peer.run(createKeptPool, name);
  await peer.run(({ kept }) => void kept.pool!.alloc(1000));
  const pid = await peer.run(() => Deno.pid);
  const alive = listed(name)!;
  assertEquals([alive.isOrphan, alive.processes], [false, 1]);
  await peer.killAndWait();

  const orphan = listed(name)!;
  assertEquals([orphan.isOrphan, orphan.processes], [true, 0]);
  assertEquals(orphan.creator, alive.creator);
  assertEquals(orphan.creator.pid, pid);
  assert(Math.abs(orphan.creator.start!.getTime() - before) < 60_000);
  assertGreater(orphan.used, 999);

  const attached = MemoryPool.attach(orphan.serialized);
  assertEquals(listed(name)!.isOrphan, false);
  assertEquals(attached.currentAllocations, 1);
  attached.destroy();
  assertEquals(listed(name), undefined);
});

Deno.test("MemoryPool.list() leaves out what is not a pool of this release, or was destroyed", async (t) => {
  const cases: Record<string, [number, number]> = {
    "another magic": [MAGIC, 0xff],
    "another layout version": [LAYOUT_VERSION, 0xff],
    "an impossible size": [DATA_SIZE + 7, 0xff],
    "the mark of a destroyer that died": [DESTROYED, 1],
  };
  for (const [what, [offset, byte]] of Object.entries(cases)) {
    await t.step(what, () => {
      const pool = createPool(64 * KIB);
      using _file = removedInTheEnd(pool);
      assert(listed(pool.name) !== undefined);
      editFile(poolFile(pool.name), offset, 1, (bytes) => {
        bytes[0] = byte;
      });
      assertEquals(listed(pool.name), undefined);
      pool.detach();
    });
  }
});

Deno.test("MemoryPool.list() survives a pool whose file was spoilt", () => {
  using other = createPool();
  for (let round = 0; round < 50; round++) {
    const pool = createPool(64 * KIB);
    using _file = removedInTheEnd(pool);
    editFile(poolFile(pool.name), 0, 4096, (bytes) => {
      crypto.getRandomValues(bytes.subarray(BIRTH_END, BIRTH_END + 70 * round));
    });
    const listing = listed(pool.name);
    if (listing !== undefined) assertEquals(listing.uid, 1n);
    assertEquals(listed(other.name)!.uid, 1n);
    pool.detach();
  }
});

Deno.test("MemoryPool.list() takes the default directory by its name", () => {
  using pool = createPool();
  const options = { directory: "/dev/shm" };
  assertEquals(listed(pool.name, options), listed(pool.name));
  assertEquals(
    listed(pool.name, wrong({ directory: undefined })),
    listed(pool.name),
  );
});

Deno.test("MemoryPool.list() throws for a directory that is relative, absent, too long or no tmpfs", () => {
  const cases: [string, ManagedMemoryErrorCode][] = [
    ["", "invalid-directory"],
    ["dev/shm", "invalid-directory"],
    ["/dev/shm\0", "invalid-directory"],
    [`/${"x".repeat(1500)}`, "invalid-directory"],
    ["/proc", "invalid-directory"],
    ["/nowhere/at/all", "system"],
  ];
  for (const [directory, code] of cases) {
    assertRefused(() => MemoryPool.list({ directory }), code);
    assertRefused(() => MemoryPool.remove("x", { directory }), code);
  }
});

Deno.test("MemoryPool.list() throws a TypeError for options of the wrong type", () => {
  for (const options of [null, 1, "x", true]) {
    assertInstanceOf(
      thrownBy(() => MemoryPool.list(wrong(options))),
      TypeError,
    );
  }
  for (const directory of [null, 1, {}, new Uint8Array(1)]) {
    assertInstanceOf(
      thrownBy(() => MemoryPool.list(wrong({ directory }))),
      TypeError,
    );
  }
});

// remove

Deno.test("MemoryPool.remove() removes an orphan, and frees its name", () => {
  const pool = createPool();
  const { name } = pool;
  pool.detach({ serialize: true });
  assertEquals(listed(name)!.isOrphan, true);
  assertEquals(MemoryPool.remove(name), undefined);

  assertEquals(fileMode(poolFile(name)), undefined);
  assertEquals(listed(name), undefined);
  assertRefused(() => MemoryPool.attach(pool.serialize()), "not-found");
  assertRefused(() => MemoryPool.remove(name), "not-found");
  using again = MemoryPool.create(KIB, name, 2);
  assertWholeAndEmpty(again);
  assertRefused(() => MemoryPool.attach(pool.serialize()), "replaced");
});

processTest(
  "MemoryPool.remove() refuses while a living process is attached, and not once it was killed",
  async () => {
    const pool = createPool();
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const { name } = pool;
    pool.detach();

    const refusals = [
      () => MemoryPool.remove(name),
      () => MemoryPool.remove(name, {}),
      () => MemoryPool.remove(name, { force: false }),
      () => MemoryPool.remove(name, wrong({ force: undefined })),
    ];
    for (const call of refusals) {
      const error = assertRefused(call, "in-use");
      assertStringIncludes(error.message, `"${name}"`);
    }
    assertEquals(
      await peer.run(({ kept }) => kept.pool!.alloc(100).size),
      100,
      "nothing was changed",
    );
    await peer.killAndWait();
    MemoryPool.remove(name);
    assertEquals(listed(name), undefined);
  },
);

Deno.test("MemoryPool.remove() refuses while this thread is attached, and changes nothing", () => {
  using pool = createPool();
  const allocation = pool.alloc(10);
  fill(allocation, 4);
  const buffer = allocation.getMemview();
  assertRefused(() => MemoryPool.remove(pool.name), "in-use");
  assertEquals(allocation.getMemview() === buffer, true);
  assertFilled(allocation, 4);
});

Deno.test("MemoryPool.remove() with force empties this thread's buffers, and its handles throw", () => {
  const pool = createPool();
  const other = MemoryPool.attach(pool.serialize());
  const allocation = other.alloc(10);
  const buffers = [
    allocation.getMemview(),
    pool.getAllocById(0, allocation.id).getMemview(),
    pool.unsafeMemview,
  ];
  MemoryPool.remove(pool.name, { force: true });

  for (const buffer of buffers) assertEmptied(buffer);
  assertEquals(fileMode(poolFile(pool.name)), undefined);
  for (const handle of [pool, other]) {
    assertEquals(handle.isAttached, true);
    assertRefused(() => handle.alloc(1), "destroyed");
    assertRefused(() => handle.unsafeMemview, "destroyed");
    assertRefused(() => handle.destroy(), "destroyed");
  }
  assertRefused(() => allocation.getMemview(), "destroyed");
  using again = MemoryPool.create(KIB, pool.name, 1);
  assertWholeAndEmpty(again);
  pool[Symbol.dispose]();
  other.detach();
  assertWholeAndEmpty(again);
});

Deno.test("MemoryPool.remove() with force leaves this thread's buffers of other pools alone", () => {
  using pool = createPool();
  using other = createPool();
  const allocation = other.alloc(10);
  fill(allocation, 8);
  const bytes = bytesOf(allocation);
  MemoryPool.remove(pool.name, { force: true });
  assertEquals(bytes, new Uint8Array(10).fill(8));
});

Deno.test("MemoryPool.remove() with force ends what waits for room in this thread", async () => {
  using pool = createPool();
  using _all = pool.alloc(pool.size);
  const waiting = pool.allocBlocking(100);
  await new Promise((resolve) => setTimeout(resolve, 20));
  MemoryPool.remove(pool.name, { force: true });
  const error = await withinDeadline(
    assertRejects(() => waiting, PoolError),
    () => "It waits for ever",
    1000,
  );
  assertEquals(error.code, "destroyed");
});

processTest(
  "MemoryPool.remove() with force makes the calls of attached processes throw, and leaves their memory mapped",
  async () => {
    const name = uniqueName();
    await using group = await PeerGroup.start(2);
    const [owner, waiter] = group.peers as [PeerProcess, PeerProcess];
    await owner.run(createKeptPool, name);
    const { serialized } = listed(name)!;
    await owner.run(({ kept }) => {
      const all = kept.pool!.alloc(kept.pool!.size);
      kept.view = new Uint8Array(all.getMemview()).fill(6);
    });
    await waiter.run(attachPool, serialized);
    await waiter.run(({ kept }) => {
      kept.pending = kept.pool!.allocBlocking(100);
      kept.pending.catch(() => {});
    });

    MemoryPool.remove(name, { force: true });
    assertEquals(fileMode(poolFile(name)), undefined);
    await assertRejectsAtPeer(
      owner.run(({ kept }) => kept.pool!.freeSpace),
      "PoolError",
      { message: /destroyed/ },
    );
    assertEquals(await owner.run(({ kept }) => kept.view![0]), 6);
    await withinDeadline(
      assertRejectsAtPeer(
        waiter.run(async ({ kept }) => void await kept.pending),
        "PoolError",
        { message: /destroyed/ },
      ),
      () => "It waits for ever",
      5000,
    );
    using again = MemoryPool.create(KIB, name, 1);
    assertWholeAndEmpty(again);
    await group.runAll(detachPool);
  },
);

Deno.test("MemoryPool.remove() removes what a destroyer that died has left", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const { name } = pool;
  pool.detach();
  editFile(poolFile(name), DESTROYED, 1, (bytes) => {
    bytes[0] = 1;
  });
  assertEquals(listed(name), undefined);
  MemoryPool.remove(name);
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.remove() removes a pool whose file was spoilt", () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  const { name } = pool;
  pool.detach();
  editFile(poolFile(name), 0, BIRTH_END, (bytes) => bytes.fill(0xff));
  assertEquals(listed(name), undefined);
  MemoryPool.remove(name);
  assertEquals(fileMode(poolFile(name)), undefined);
});

Deno.test("MemoryPool.remove() throws where there is no such pool", () => {
  const name = uniqueName();
  for (const force of [false, true]) {
    const error = assertRefused(
      () => MemoryPool.remove(name, { force }),
      "not-found",
    );
    assertStringIncludes(error.message, `"${name}"`);
  }
});

Deno.test("MemoryPool.remove() throws for a name that no pool can have", () => {
  const names = ["", "a/b", "../x", "x\0", "ä", "x".repeat(201)];
  for (const name of names) {
    assertRefused(() => MemoryPool.remove(name), "invalid-name");
  }
});

Deno.test("MemoryPool.remove() throws a TypeError for arguments of the wrong type", () => {
  using pool = createPool();
  const calls = [
    () => MemoryPool.remove(wrong(undefined)),
    () => MemoryPool.remove(wrong(1)),
    () => MemoryPool.remove(wrong(pool)),
    () => MemoryPool.remove(pool.name, wrong(null)),
    () => MemoryPool.remove(pool.name, wrong(true)),
    () => MemoryPool.remove(pool.name, { force: wrong(1) }),
    () => MemoryPool.remove(pool.name, { force: wrong("yes") }),
    () => MemoryPool.remove(pool.name, { directory: wrong(1) }),
  ];
  for (const call of calls) assertInstanceOf(thrownBy(call), TypeError);
  assertWholeAndEmpty(pool);
});

Deno.test({
  name: hasAllPermissions
    ? "MemoryPool.list() and remove() look in the directory that they are told"
    : "MemoryPool.list() and remove() look in the directory that they are told (ignored: needs --allow-all)",
  ignore: !hasAllPermissions,
  fn() {
    const directory = Deno.makeTempDirSync({ dir: "/dev/shm" });
    try {
      const here = createPool();
      const there = MemoryPool.create(KIB, here.name, 9, { directory });
      assertEquals(listed(here.name)!.uid, 1n);
      assertEquals(listed(here.name, { directory })!.uid, 9n);
      assertEquals(MemoryPool.list({ directory }).length, 1);
      there.detach();

      const error = thrownBy(() =>
        MemoryPool.create(KIB, here.name, 9, { directory })
      );
      assertStringIncludes(
        error.message,
        `MemoryPool.remove("${here.name}", { directory: "${directory}" })`,
      );
      MemoryPool.remove(here.name, { directory });
      assertEquals(MemoryPool.list({ directory }), []);
      assertWholeAndEmpty(here);
      here.destroy();
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

// create

processTest(
  "MemoryPool.create() names the remedy for an orphan in its way, and it works",
  async () => {
    const name = uniqueName();
    await using peer = await PeerProcess.start();
    await peer.run(createKeptPool, name);
    const taken = thrownBy(() => MemoryPool.create(KIB, name, 1));
    assertFalse(taken.message.includes("remove"), taken.message);
    await peer.killAndWait();

    const error = thrownBy(() => MemoryPool.create(KIB, name, 1));
    assertOwnError(error);
    assertInstanceOf(error, PoolCreateError);
    assertEquals(error.code, "exists");
    assertStringIncludes(error.message, "orphan");
    assertStringIncludes(error.message, `MemoryPool.remove("${name}")`);
    assertStringIncludes(error.message, poolFile(name));
    MemoryPool.remove(name);
    MemoryPool.create(KIB, name, 1).destroy();
  },
);

// Permissions

processTest(
  "MemoryPool.list() and remove() need nothing but --allow-ffi",
  async () => {
    const name = uniqueName();
    await using maker = await PeerProcess.start();
    await maker.run(createKeptPool, name);
    await using peer = await PeerProcess.start({
      permissions: ["--allow-ffi"],
    });
    const list = ({ MemoryPool }: Here, name: string) =>
      MemoryPool.list().filter((one) => one.name === name)
        .map(({ isOrphan, processes }) => ({ isOrphan, processes }));
    const remove = ({ MemoryPool }: Here, name: string, force: boolean) =>
      MemoryPool.remove(name, { force });

    assertEquals(await peer.run(list, name), [
      { isOrphan: false, processes: 1 },
    ]);
    await assertRejectsAtPeer(peer.run(remove, name, false), "PoolError", {
      message: /attached/,
    });
    await peer.run(remove, name, true);
    assertEquals(await peer.run(list, name), []);
    await maker.run(detachPool);
  },
);
