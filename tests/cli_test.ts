// The command line as programs and pipes see it. What a terminal shows is in
// cli_terminal_test.ts. Others may have pools on this host: a test looks only at
// its own, and so does gc, which is given their names.

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { AllocType, MemoryPool, PoolError } from "../mod.ts";
import {
  createPool,
  hasAllPermissions,
  KIB,
  MIB,
  randomSource,
  uniqueName,
} from "./helpers.ts";
import {
  assertCliFails,
  isInstalled,
  jsonOf,
  outputOf,
  runCli,
  startCli,
} from "./cli.ts";
import { editFile, fileMode, poolFile, removedInTheEnd } from "./libc.ts";
import { PeerProcess, permittedTest, processTest, sleep } from "./processes.ts";
import { attachPool, detachPool } from "./remote_functions.ts";
import type { Here } from "./fixtures/remote_call.ts";

// Where the lock lies in a pool's file, and its word while the participant in the
// second slot, its first one, holds it: see csrc/layout.h and lock.h.
const LOCK = 256;
const LOCKED_BY_SECOND = 1n << 17n | 2n << 1n;

const COMMANDS = ["list", "show", "map", "top", "gc", "destroy"];

/** Allocates at a peer, and then detaches. */
function leaveBehind(
  { MemoryPool }: Here,
  serialized: Uint8Array,
  sizes: number[],
): void {
  const pool = MemoryPool.attach(serialized);
  for (const size of sizes) pool.alloc(size, 1);
  pool.detach();
}

/** A pool with allocations of three types, one of them by a peer that has left. */
async function createUsedPool(): Promise<MemoryPool> {
  const pool = createPool(64 * KIB, { minBlockSize: KIB, maxAllocations: 100 });
  pool.alloc(16 * KIB - 5);
  const freed = pool.alloc(8 * KIB, AllocType.CHANNEL_BUFFER);
  pool.alloc(8 * KIB, 9);
  freed.free();
  await using peer = await PeerProcess.start();
  await peer.run(leaveBehind, pool.serialize(), [20 * KIB]);
  return pool;
}

// list

processTest("list shows a pool, and tells an orphan", async () => {
  const pool = MemoryPool.create(64 * KIB, uniqueName(), 2n ** 63n);
  using _file = removedInTheEnd(pool);
  pool.alloc(1000);
  const find = async () => {
    const pools = await jsonOf("list");
    return pools.find((one: { name: string }) => one.name === pool.name);
  };
  const lineOf = async () =>
    (await outputOf("list")).split("\n").find((line) =>
      line.startsWith(pool.name)
    )!;

  const { creator, ...seen } = await find();
  assertEquals(seen, {
    name: pool.name,
    uid: "9223372036854775808",
    size: 64 * KIB,
    used: KIB,
    processes: 1,
    isOrphan: false,
  });
  assertEquals(creator.pid, Deno.pid);
  assertGreater(new Date(creator.start).getTime(), 0);
  assertMatch(await lineOf(), / 64 KiB +1 KiB +1\.6% +1 /);
  pool.detach();
  assertEquals((await find()).isOrphan, true);
  assertMatch(await lineOf(), / orphan /);
});

// show

processTest("show says what lies in a pool, and whose it is", async () => {
  using pool = await createUsedPool();
  const shown = await jsonOf("show", pool.name);

  assertEquals(shown.name, pool.name);
  assertEquals(shown.pool.size, pool.size);
  assertEquals(shown.pool.minBlockSize, KIB);
  assertEquals(shown.pool.maxAllocations, 100);
  assertEquals(shown.pool.mostAllocations, 3);
  assertEquals(shown.pool.creatorPid, Deno.pid);
  const { heap } = shown;
  assertEquals(heap.allocations, pool.currentAllocations);
  assertEquals(heap.used, pool.size - pool.freeSpace);
  assertEquals(heap.free, pool.freeSpace);
  assertEquals(heap.requested, 44 * KIB - 5);
  assertEquals([heap.processes, heap.attachments], [1, 1]);
  assertEquals(heap.byType, [
    {
      type: 0,
      name: "DATA",
      allocations: 1,
      requested: 16 * KIB - 5,
      used: 16 * KIB,
    },
    {
      type: 1,
      name: "CHANNEL",
      allocations: 1,
      requested: 20 * KIB,
      used: 20 * KIB,
    },
    {
      type: 9,
      name: "type 9",
      allocations: 1,
      requested: 8 * KIB,
      used: 8 * KIB,
    },
  ]);
  assertEquals(
    heap.byOwner.map((one: { isAlive: boolean; used: number }) => [
      one.isAlive,
      one.used,
    ]),
    [[true, 24 * KIB], [false, 20 * KIB]],
  );
  assertEquals(heap.freeClasses, [
    { from: 8 * KIB, count: 2, bytes: 20 * KIB },
  ]);
  assertEquals(heap.largestFree, 12 * KIB);
  assertEquals(heap.fragmentation, 0.4);
  assertEquals([shown.frees, shown.spoilt], [1, 0]);
  assertEquals(shown.participants, [{ pid: Deno.pid, waiting: null }]);

  const text = await outputOf("show", pool.name);
  for (
    const line of [
      /in blocks +44 KiB, 68\.8%/,
      /allocated ever +4/,
      /DATA +1 +16 KiB +16 KiB/,
      /\d+ +gone +1 +20 KiB +20 KiB/,
      /fragmentation +40\.0%/,
    ]
  ) assertMatch(text, line);
});

processTest("show says who waits for room", async () => {
  using pool = createPool(64 * KIB);
  pool.alloc(pool.size);
  await using peer = await PeerProcess.start();
  await peer.run(attachPool, pool.serialize());
  const pid = await peer.run(({ kept }) => {
    kept.pending = kept.pool!.allocBlocking(3000);
    kept.pending.catch(() => {});
    return Deno.pid;
  });
  const shown = await jsonOf("show", pool.name);
  assertEquals(
    shown.participants.find((one: { pid: number }) => one.pid === pid).waiting,
    { size: 3000, passes: 0 },
  );
  assertMatch(
    await outputOf("show", pool.name),
    new RegExp(`Waiting for room\\n.*\\n +${pid} +2\\.9 KiB +0`),
  );
  peer.kill("SIGKILL");
});

processTest(
  "show and map go on where a process does not give the lock back",
  async () => {
    using pool = createPool(64 * KIB);
    pool.alloc(100);
    await using peer = await PeerProcess.start();
    await peer.run(attachPool, pool.serialize());
    const pid = await peer.run(() => Deno.pid);
    const setLock = (word: bigint) =>
      editFile(poolFile(pool.name), LOCK, 8, (bytes) => {
        new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(
          0,
          word,
          true,
        );
      });
    setLock(LOCKED_BY_SECOND);
    assertThrows(() => pool.freeSpace, PoolError, "held the pool's lock");

    const shown = await jsonOf("show", pool.name);
    assertEquals([shown.pool.lockHolder, shown.heap.allocations], [pid, 1]);
    assertMatch(
      await outputOf("show", pool.name),
      new RegExp(`lock +held at this moment by process ${pid}`),
    );
    assertEquals((await jsonOf("map", pool.name)).segments[0].size, 100);
    setLock(0n);
    await peer.run(detachPool);
  },
);

// map

processTest(
  "map covers the pool without gaps, and agrees with the module",
  async () => {
    using pool = createPool(2 * MIB);
    const random = randomSource(5);
    const held = Array.from({ length: 200 }, () => pool.alloc(random(9000)));
    for (let round = 0; round < 80; round++) {
      held.splice(random(held.length), 1)[0]!.free();
    }
    const { segments, size } = await jsonOf("map", pool.name);

    assertEquals(size, pool.size);
    let at = 0;
    for (const { from, to } of segments) {
      assertEquals(from, at);
      assertGreater(to, from);
      at = to;
    }
    assertEquals(at, pool.size);
    const live = segments.filter((one: { state: string }) =>
      one.state === "live"
    );
    const byId = new Map(held.map((one) => [String(one.id), one]));
    assertEquals(live.length, held.length);
    let used = 0;
    for (const { id, from, to, size, pid, isOwnerAlive } of live) {
      const allocation = byId.get(id)!;
      assertEquals(from, allocation.byteOffset);
      assertEquals(size, allocation.size);
      assertEquals([pid, isOwnerAlive], [Deno.pid, true]);
      used += to - from;
    }
    assert(segments.some((one: { state: string }) => one.state === "cached"));
    assertEquals(used, pool.size - pool.freeSpace);
  },
);

processTest("map draws a letter for each cell", async () => {
  using pool = await createUsedPool();
  const rows = async (...options: string[]) =>
    (await outputOf("map", pool.name, ...options)).split("\n")
      .filter((line) => / (B|KiB) {2}[A-Za-z.+~-]+$/.test(line))
      .map((line) => line.trim());

  assertEquals(await rows(), [
    `0 B  ${"D".repeat(16)}${".".repeat(8)}${"O".repeat(8)}${"X".repeat(20)}${
      ".".repeat(12)
    }`,
  ]);
  const text = await outputOf("map", pool.name);
  assertStringIncludes(text, "One cell: 1 KiB, one row: 64 KiB");
  assertMatch(text, /O type 9 +1 block +8 KiB/);
  assertMatch(text, /X left by the dead +1 block +20 KiB/);

  using half = createPool(2 * MIB, { maxAllocations: 9 });
  half.alloc(10 * KIB);
  const lines = (await outputOf("map", half.name, "--rows", "1")).split("\n");
  assertMatch(lines[3]!, /^ +0 B {2}d\.{63}$/);
});

processTest("map draws what was never used yet if told to", async () => {
  using pool = createPool(64 * MIB);
  pool.alloc(MIB);
  assertFalse((await outputOf("map", pool.name)).includes("never used yet"));
  const text = await outputOf("map", pool.name, "--whole");
  assertMatch(text, /- never used yet +1 block/);
  assertMatch(text, / 60 MiB {2}-+\n/);
});

processTest("map draws a pool in which nothing was allocated yet", async () => {
  using pool = createPool(64 * KIB);
  assertStringIncludes(await outputOf("map", pool.name), "0.0% allocated");
  assertMatch(await outputOf("map", pool.name, "--svg"), /^<svg/);
});

processTest("map --svg draws every block that is wide enough", async () => {
  using pool = await createUsedPool();
  const svg = await outputOf("map", pool.name, "--svg");
  assertMatch(svg, /^<svg [^]*<\/svg>\n$/);
  const blocks = [...svg.matchAll(/<title>(\w[^<]*) bytes at (\d+), of/g)]
    .map(([, what, offset]) => `${what} at ${offset}`);
  // A block on the border of two rows has a part in each of them.
  assertEquals([...new Set(blocks)], [
    `DATA: ${16 * KIB - 5} at 0`,
    `type 9: ${8 * KIB} at ${24 * KIB}`,
    `CHANNEL: ${20 * KIB} at ${32 * KIB}`,
  ]);
  assertStringIncludes(svg, "of a process that is gone");
  assertStringIncludes(svg, "prefers-color-scheme:dark");
});

processTest("map --svg draws many small blocks together", async () => {
  using pool = createPool(4 * MIB);
  const held = Array.from({ length: 30_000 }, () => pool.alloc(64));
  for (let at = 0; at < held.length; at += 2) held[at]!.free();
  const svg = await outputOf("map", pool.name, "--svg");
  assertMatch(svg, /blocks, most of it/);
  assert(svg.length < 2 * MIB, `The image has ${svg.length} bytes`);
});

const canConvert = isInstalled("rsvg-convert");

Deno.test({
  name: canConvert
    ? "map --svg can be rendered"
    : "map --svg can be rendered (ignored: needs rsvg-convert, --allow-run)",
  ignore: !canConvert,
  async fn() {
    using pool = await createUsedPool();
    const svg = await outputOf("map", pool.name, "--svg");
    const process = new Deno.Command("rsvg-convert", {
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(svg));
    await writer.close();
    const { success, stdout } = await process.output();
    assert(success);
    assertEquals(new TextDecoder().decode(stdout.subarray(1, 4)), "PNG");
  },
});

permittedTest(
  "docs/heap-map.svg is what the tool draws",
  ["run", "read", "write"],
  async () => {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.resolve("../docs/heap_map.ts")],
    }).output();
    assert(success);
    const committed = new URL("../docs/heap-map.svg", import.meta.url);
    assert(
      new TextDecoder().decode(stdout) === await Deno.readTextFile(committed),
      "It is not: deno task heap-map draws it anew",
    );
  },
);

// top

processTest("top counts exactly, and does not attach", async () => {
  using pool = createPool();
  const kept = pool.alloc(5000);
  for (let round = 0; round < 1234; round++) pool.alloc(100).free();
  for (let round = 0; round < 10; round++) pool.alloc(300_000).free();
  const process = startCli(["top", pool.name, "--json", "--interval", "0.1"]);
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await lines.read();
  assertEquals(
    MemoryPool.list().find(({ name }) => name === pool.name)?.processes,
    1,
  );
  process.kill("SIGTERM");
  await lines.cancel();
  await process.stderr.cancel();
  await process.status;

  const sample = JSON.parse(first.value!.split("\n")[0]!);
  assertEquals(sample.frees, 1244);
  assertEquals(sample.allocations, 1);
  assertEquals(sample.size, pool.size);
  assertEquals([sample.allocsPerSecond, sample.freesPerSecond], [0, 0]);
  assertEquals([sample.waiters, sample.processes], [0, 1]);
  const [own] = sample.activities;
  assertEquals([own.pid, own.isAlive, own.allocations], [Deno.pid, true, 1]);
  kept.free();
});

processTest("top shows rates and who waits, of each process", async () => {
  using pool = createPool();
  await using busy = await PeerProcess.start();
  await using waiter = await PeerProcess.start();
  const pids = await Promise.all(
    [busy, waiter].map((peer) => peer.run(() => Deno.pid)),
  );
  await busy.run(attachPool, pool.serialize());
  await busy.run(({ kept }) => {
    setInterval(() => {
      for (let round = 0; round < 100; round++) kept.pool!.alloc(100).free();
    }, 5);
  });
  await waiter.run(attachPool, pool.serialize());
  pool.alloc(1000);
  await waiter.run(({ kept }) => {
    kept.pool!.allocBlocking(kept.pool!.size).catch(() => {});
  });

  const sample = await jsonOf(
    "top",
    pool.name,
    "--count",
    "1",
    "--interval",
    "0.3",
  );
  assertGreater(sample.freesPerSecond, 1000);
  assertEquals(
    Math.round(sample.allocsPerSecond),
    Math.round(sample.freesPerSecond),
  );
  assertEquals([sample.waiters, sample.processes], [1, 3]);
  const of = (pid: number | undefined) =>
    sample.activities.find((one: { pid: number }) => one.pid === pid);
  assertGreater(of(pids[0]).freesPerSecond, 1000);
  assertEquals(of(pids[0]).waiters, 0);
  assertEquals(of(pids[1]).freesPerSecond, 0);
  assertEquals([of(pids[1]).waiters, of(pids[1]).waitsFor], [1, pool.size]);
  const lines = (await outputOf(
    "top",
    pool.name,
    "--count",
    "2",
    "--interval",
    "0.05",
  )).trimEnd().split("\n");
  assertEquals(lines.length, 3);
  assertMatch(lines[0]!, /ALLOCS\/S +FREES\/S +WAITERS/);
  busy.kill("SIGKILL");
  waiter.kill("SIGKILL");
});

processTest("top fails in one line when the pool is destroyed", async () => {
  const pool = createPool();
  const process = startCli(["top", pool.name, "--interval", "0.05"]);
  const reader = process.stdout.getReader();
  await reader.read();
  pool.destroy();
  const stderr = await new Response(process.stderr).text();
  await reader.cancel();
  assertEquals((await process.status).code, 1);
  assertMatch(stderr, /^managed-memory: Cannot watch [^\n]*destroyed\n$/);
});

// gc

processTest(
  "gc shows what the dead have left, and frees it with --yes",
  async () => {
    using pool = createPool();
    const own = pool.alloc(100);
    await using peer = await PeerProcess.start();
    await peer.run(leaveBehind, pool.serialize(), [1000, 2000, 3000]);
    const adopted = [...pool.getAllocations(1)].find(({ size }) =>
      size === 3000
    )!;
    pool.getAllocById(1, adopted.id).adopt();

    const left = { name: pool.name, allocations: 2, bytes: 3000, error: null };
    assertEquals(await jsonOf("gc", pool.name), {
      acted: false,
      orphans: [],
      leftBehind: [{ ...left, freed: null }],
    });
    assertMatch(await outputOf("gc", pool.name), /Nothing was changed/);
    assertEquals(pool.currentAllocations, 4);
    assertEquals((await jsonOf("gc", pool.name, "--yes")).leftBehind, [
      { ...left, freed: { allocations: 2, bytes: 3000 } },
    ]);
    assertEquals(pool.currentAllocations, 2);
    assertEquals(own.size, 100);
    assert(pool.allocationExists(1, adopted.id));
    assertEquals(await outputOf("gc", pool.name), "Nothing to remove\n");
  },
);

processTest("gc shows an orphan, and destroys it with --yes", async () => {
  const pool = createPool();
  using _file = removedInTheEnd(pool);
  pool.alloc(1000);
  pool.detach();
  const { orphans } = await jsonOf("gc", pool.name);
  assertEquals(orphans, [
    { name: pool.name, size: MIB, used: KIB, freed: null, error: null },
  ]);
  assert(fileMode(poolFile(pool.name)) !== undefined);
  assertMatch(
    await outputOf("gc", pool.name, "-y"),
    /Destroyed 1 pool, freed 0/,
  );
  assertEquals(fileMode(poolFile(pool.name)), undefined);
});

Deno.test({
  name: hasAllPermissions
    ? "The commands look in the directory that they are told"
    : "The commands look in the directory that they are told (ignored: needs --allow-all)",
  ignore: !hasAllPermissions,
  async fn() {
    const directory = Deno.makeTempDirSync({ dir: "/dev/shm" });
    try {
      using here = createPool(64 * KIB);
      const { name } = here;
      const there = MemoryPool.create(128 * KIB, name, 9, { directory });
      there.alloc(1000, 7);
      there.detach();
      const at = ["--directory", directory];

      assertEquals((await jsonOf("list", ...at)).length, 1);
      assertEquals((await jsonOf("show", name, ...at)).pool.uid, "9");
      assertEquals((await jsonOf("map", name, ...at)).size, 128 * KIB);
      const once = ["--count", "1", "--interval", "0.05"];
      assertEquals((await jsonOf("top", name, ...once, ...at)).allocations, 1);
      assertEquals((await jsonOf("gc", "--yes", ...at)).orphans.length, 1);
      assertEquals(await outputOf("list", ...at), "No pools\n");
      MemoryPool.create(KIB, name, 9, { directory }).detach();
      assertEquals(await jsonOf("destroy", name, ...at), { name });
      assertEquals(await jsonOf("list", ...at), []);
      assertEquals(here.currentAllocations, 0);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

// destroy

processTest(
  "destroy refuses while a process is attached, unless forced",
  async () => {
    using pool = createPool();
    await assertCliFails(["destroy", pool.name], {
      code: 1,
      message: /a living process is attached.*--force/,
    });
    pool.alloc(1).free();
    assertEquals(
      await outputOf("destroy", pool.name, "--force"),
      `Destroyed pool "${pool.name}"\n`,
    );
    assertEquals(fileMode(poolFile(pool.name)), undefined);
  },
);

// Calls that fail

processTest("A failure is one line, and exit code 1", async () => {
  const absent = uniqueName();
  for (const command of ["show", "map", "top", "gc", "destroy"]) {
    await assertCliFails([command, absent], {
      code: 1,
      message: new RegExp(`"${absent}".*no pool of this name`),
    });
  }
  await assertCliFails(["list", "--directory", "relative"], {
    code: 1,
    message: /not the absolute path/,
  });
  await assertCliFails(
    ["list"],
    { code: 1, message: /--allow-ffi was not granted/ },
    { permissions: [] },
  );
});

processTest(
  "A call that it does not know is one line, and exit code 2",
  async () => {
    const calls: [string[], RegExp][] = [
      [[], /No command/],
      [["draw"], /no command "draw"/],
      [["--json", "list"], /command comes first/],
      [["show"], /needs a POOL/],
      [["show", "a", "b"], /"b"/],
      [["show", "a/b"], /no name of a pool/],
      [["show", "a", "--force"], /--force/],
      [["list", "--directory"], /--directory/],
      [["list", "--json=yes"], /--json/],
      [["map", "a", "--rows", "0"], /--rows/],
      [["map", "a", "--rows", "1.5"], /whole number/],
      [["map", "a", "--json", "--svg"], /exclude/],
      [["top", "a", "--interval", "x"], /--interval/],
      [["top", "a", "--interval", "1e9"], /--interval/],
      [["top", "a", "--interval", ""], /--interval/],
      [["top", "a", "--count", "-1"], /--count/],
      [["help", "draw"], /no command "draw"/],
    ];
    await Promise.all(
      calls.map(([args, message]) =>
        assertCliFails(args, { code: 2, message })
      ),
    );
  },
);

processTest(
  "Whoever reads only the beginning of the output does no harm",
  async () => {
    using pool = createPool(4 * MIB);
    Array.from({ length: 5000 }, () => pool.alloc(100));
    const process = startCli(["map", pool.name, "--json"]);
    const reader = process.stdout.getReader();
    await reader.read();
    await reader.cancel();
    assertEquals(await new Response(process.stderr).text(), "");
    assertEquals((await process.status).code, 0);
  },
);

// Manual

processTest(
  "--help shows a manual page, of the program and of each command",
  async () => {
    const page = await outputOf("--help");
    for (const section of ["NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS"]) {
      assertStringIncludes(page, `${section}\n    `);
    }
    for (const command of COMMANDS) {
      assertMatch(page, new RegExp(`^ {4}${command}\\b`, "m"));
      const own = await outputOf(command, "--help");
      assertMatch(own, new RegExp(`^NAME\n {4}managed-memory ${command} - `));
      for (
        const section of [
          "DESCRIPTION",
          "OPTIONS",
          "JSON",
          "EXIT STATUS",
          "EXAMPLES",
        ]
      ) {
        assertStringIncludes(own, `${section}\n    `);
      }
      assertEquals(await outputOf("help", command), own);
      for (const line of own.split("\n")) {
        assert(line.length <= 80, `Longer than a terminal: ${line}`);
      }
    }
  },
);

processTest("Looking does not disturb who is attached", async () => {
  using pool = createPool();
  await using peer = await PeerProcess.start();
  await peer.run(attachPool, pool.serialize());
  await peer.run(({ kept }) => {
    kept.count = 0;
    setInterval(() => {
      for (let round = 0; round < 50; round++) kept.pool!.alloc(200).free();
      kept.count++;
    }, 1);
  });
  await Promise.all(
    COMMANDS.slice(1, 3).map((one) => runCli([one, pool.name])),
  );
  const rounds = () => peer.run(({ kept }) => kept.count);
  const before = await rounds();
  const { processes } = MemoryPool.list().find(({ name }) =>
    name === pool.name
  )!;
  assertEquals(processes, 2);
  await sleep(100);
  assertGreater(await rounds(), before);
  peer.kill("SIGKILL");
});
