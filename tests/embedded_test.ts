// The copy of the library that the package carries: how it is loaded on Linux,
// and what is said when it cannot be.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { uniqueName } from "./helpers.ts";
import { ModuleCopy } from "./module_copy.ts";
import {
  assertRejectsAtPeer,
  PeerProcess,
  permittedTest,
} from "./processes.ts";
import type { Here } from "./fixtures/remote_call.ts";

const LOCAL_BUILD =
  new URL("../zig-out/lib/libmanaged_memory.so", import.meta.url).pathname;

const MEMFD_NOEXEC = "/proc/sys/vm/memfd_noexec";

/** Uses the library, and answers with the process's number. */
function use({ MemoryPool }: Here, name: string): number {
  const pool = MemoryPool.create(1024, name, 1);
  pool.alloc(100);
  pool.destroy();
  return Deno.pid;
}

/** What a command prints; fails with its errors if it fails. */
async function outputOf(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { ...env, NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  assertEquals({ success, stderr: decoder.decode(stderr) }, {
    success: true,
    stderr: "",
  });
  return decoder.decode(stdout).trim();
}

permittedTest(
  "The copy in the package is loaded from memory, with --allow-ffi alone",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    const before = copy.files;
    await using peer = await PeerProcess.start({
      fixture: copy.path("tests/fixtures/peer.ts"),
      permissions: ["--allow-ffi"],
    });
    const pid = await peer.run(use, uniqueName());
    const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
    assertMatch(maps, /r-xp.*memfd:managed-memory/);
    assertEquals(copy.files, before);
  },
);

permittedTest(
  "Workers that load the module at once use one copy, which survives their end",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    const script = copy.path("tests/fixtures/loading_workers.ts");
    const args = ["run", "--quiet", "-A", script];
    assertEquals(
      await outputOf(Deno.execPath(), args),
      "1 used, 0 more loaded",
    );
  },
);

permittedTest(
  "The copy in the package is not mistaken for a library that had its path before",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    const script = copy.path("tests/fixtures/used_descriptors.ts");
    const args = ["run", "--quiet", "-A", script, LOCAL_BUILD];
    assertEquals(await outputOf(Deno.execPath(), args), "own library");
  },
);

permittedTest(
  "MANAGED_MEMORY_LIBRARY goes before the copy in the package",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    const code = `import { MemoryPool } from "${copy.url}mod.ts";
      MemoryPool.list();
      console.log(Deno.readTextFileSync("/proc/self/maps"));`;
    const maps = await outputOf(Deno.execPath(), ["eval", code], {
      MANAGED_MEMORY_LIBRARY: LOCAL_BUILD,
    });
    assertStringIncludes(maps, LOCAL_BUILD);
    assertEquals(maps.includes("memfd:managed-memory"), false);
  },
);

permittedTest(
  "Where the package has no copy for the system the error says for which it has",
  ["run", "read", "write"],
  async () => {
    using copy = ModuleCopy.withFixtures();
    const index = copy.path("lib/natives/index.ts");
    const here = `${Deno.build.os}_${Deno.build.arch}`;
    const lines = Deno.readTextFileSync(index).split("\n")
      .filter((line) => !line.includes(`./${here}.ts`));
    Deno.writeTextFileSync(index, lines.join("\n"));
    await using peer = await PeerProcess.start({
      fixture: copy.path("tests/fixtures/peer.ts"),
    });
    await assertRejectsAtPeer(
      peer.run(use, uniqueName()),
      "ManagedMemoryError",
      { message: new RegExp(`there is none for ${here}, only for [a-z]+_`) },
    );
  },
);

/** Whether this process may make PID namespaces, which have settings of their own. */
function canIsolate(): boolean {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") {
    return false;
  }
  const args = ["--pid", "--fork", "--mount-proc", "cat", MEMFD_NOEXEC];
  try {
    return new Deno.Command("unshare", { args, stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

for (const setting of [0, 1, 2]) {
  Deno.test({
    name: `The copy in the package is loaded with vm.memfd_noexec = ${setting}`,
    ignore: !canIsolate(),
    fn: async () => {
      using copy = ModuleCopy.withFixtures();
      const code = `const { MemoryPool } = await import("${copy.url}mod.ts");
        const pool = MemoryPool.create(1024, "${uniqueName()}", 1);
        pool.destroy();
        console.log("loaded");`;
      const output = await outputOf("unshare", [
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        `echo "$0" > ${MEMFD_NOEXEC} && exec "$@"`,
        String(setting),
        Deno.execPath(),
        "eval",
        code,
      ]);
      assertEquals(output, "loaded");
    },
  });
}
