// What the module needs of Deno's permissions, and what it says when it lacks it.

import { assertEquals, assertMatch } from "@std/assert";
import {
  assertRejectsAtPeer,
  PeerProcess,
  permittedTest,
  processTest,
} from "./processes.ts";
import { uniqueName } from "./helpers.ts";
import { fileMode, poolFile } from "./libc.ts";
import { ModuleCopy } from "./module_copy.ts";
import type { Here } from "./fixtures/remote_call.ts";

/** Uses every call of the module. */
async function useEverything(
  { MemoryPool, MemoryAlloc }: Here,
  name: string,
): Promise<string> {
  const pool = MemoryPool.create(1 << 20, name, 2n ** 63n, {
    maxAllocations: 100,
    mode: 0o600,
  });
  const serialized = pool.serialize();
  MemoryPool.describe(serialized);
  const other = MemoryPool.attach(serialized);
  const allocation = pool.alloc(100, 9);
  new Uint8Array(allocation.getMemview()).fill(1);
  const attached = MemoryAlloc.attach(allocation.serialize());
  const asynchronous = await pool.allocBlocking(100, { timeout: 1000 });
  const synchronous = other.allocBlockingSync(100, { timeout: 1000 });
  const all = pool.alloc(pool.freeSpace);
  const signal = AbortSignal.timeout(60_000);
  const waiting = other.allocBlocking(1000, { signal });
  await pool.allocBlocking(100, { timeout: 5 }).catch(() => {});
  all.free();
  (await waiting).free();
  const list = [...pool.getAllocations()];
  pool.free(pool.getAllocById(list[0]!.type, list[0]!.id));
  pool.allocationExists(9, list[0]!.id);
  asynchronous.adopt();
  const { pid, alive } = asynchronous.owner;
  const { allocations, bytes } = pool.reclaim();
  const trimmed = pool.trim() >= 0;
  const listing = MemoryPool.list().find((one) => one.name === name)!;
  asynchronous.free();
  synchronous.detach();
  const seen = [
    [
      pool.name,
      pool.uid,
      pool.size,
      pool.freeSpace,
      pool.utilization,
      pool.isLocal,
    ],
    [
      pool.currentAllocations,
      pool.maxUsedAllocations,
      pool.maxAllocations,
      pool.isAttached,
    ],
    [pool.freeBlocks.size, pool.unsafeMemview.byteLength, attached.isAttached],
    [pid, alive, allocations, bytes, trimmed, listing.size],
  ];
  other.detach({ serialize: true });
  pool.destroy();
  MemoryPool.create(1024, name, 1).detach();
  MemoryPool.remove(name);
  return seen.flat().join(" ");
}

processTest("The module needs nothing but --allow-ffi", async () => {
  const name = uniqueName();
  await using peer = await PeerProcess.start({ permissions: ["--allow-ffi"] });
  const granted = await peer.run(() =>
    (["read", "write", "env", "net", "sys", "run", "import"] as const)
      .filter((name) =>
        Deno.permissions.querySync({ name }).state === "granted"
      )
  );
  assertEquals(granted, []);
  assertMatch(await peer.run(useEverything, name), new RegExp(name));
  assertEquals(fileMode(poolFile(name)), undefined);
});

processTest(
  "Without permissions the import works, and the first use throws every attempt and its reason",
  async () => {
    await using peer = await PeerProcess.start({ permissions: [] });
    assertEquals(
      await peer.run(({ AllocType }) => AllocType.CHANNEL_BUFFER),
      2,
    );

    const create = () =>
      peer.run(
        ({ MemoryPool }, name) => void MemoryPool.create(1024, name, 1),
        uniqueName(),
      );
    for (const _call of ["first", "second"]) {
      await assertRejectsAtPeer(create(), "ManagedMemoryError", {
        message: /--allow-ffi/,
      });
    }
    await assertRejectsAtPeer(
      peer.run(({ MemoryPool }) => void MemoryPool.attach(new Uint8Array(100))),
      "ManagedMemoryError",
    );
  },
);

processTest(
  "With --allow-ffi scoped to a path the error says that it must be unscoped",
  async () => {
    const library = import.meta.resolve("../zig-out/lib/libmanaged_memory.so")
      .replace("file://", "");
    for (const scope of ["/nonexistent", library]) {
      await using peer = await PeerProcess.start({
        permissions: [`--allow-ffi=${scope}`],
      });
      await assertRejectsAtPeer(
        peer.run(
          ({ MemoryPool }, name) => void MemoryPool.create(1024, name, 1),
          uniqueName(),
        ),
        "ManagedMemoryError",
        { message: /--allow-ffi.*(unscoped|without a path)/ },
      );
    }
  },
);

permittedTest(
  "Without a native library the import works, and the first use throws every attempt and its reason",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    Deno.removeSync(copy.path("lib/natives"), { recursive: true });
    await using peer = await PeerProcess.start({
      fixture: copy.path("tests/fixtures/peer.ts"),
    });
    assertEquals(await peer.run(({ AllocType }) => AllocType.BOOTSTRAP), 3);
    for (const _use of ["first", "second"]) {
      await assertRejectsAtPeer(
        peer.run(
          ({ MemoryPool }, name) => void MemoryPool.create(1024, name, 1),
          uniqueName(),
        ),
        "ManagedMemoryError",
        {
          message:
            /variable MANAGED_MEMORY_LIBRARY: not read.*libmanaged_memory\.so.*(No such file|cannot open).*copy in the package: .*natives/,
        },
      );
    }
  },
);
