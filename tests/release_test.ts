// What `deno task release` makes: small libraries that load into every process of
// their system, the same bytes at every build.

import { assert, assertEquals, assertLess } from "@std/assert";
import { ensureNatives } from "../tools/release.ts";
import { inflate } from "../lib/embedded.ts";
import {
  dynamicEntries,
  DynamicTag,
  functionsNeeded,
  NODELETE,
} from "./elf.ts";
import { uniqueName } from "./helpers.ts";
import { fileMode, poolFile } from "./libc.ts";
import { ModuleCopy } from "./module_copy.ts";
import { permittedTest } from "./processes.ts";

// Not by a static import: a checkout is to pass `deno check` before the build.
const { NATIVES } = await import("../lib/natives/index.ts");

const MOST_BYTES = 200_000;
const MOST_BYTES_OF_ALL = 1024 * 1024;

/** The library for a system, such as `linux_x86_64`. */
async function libraryFor(system: string): Promise<Uint8Array<ArrayBuffer>> {
  const { DATA } = await NATIVES[system]!();
  return inflate(Uint8Array.fromBase64(DATA));
}

const SYSTEMS = Object.keys(NATIVES);
const LINUX = SYSTEMS.filter((system) => system.startsWith("linux_"));

/** Runs a command; what it prints, or its errors if it fails. */
async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    env,
  }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  return decoder.decode(stdout).trim();
}

Deno.test("The libraries are small, each and all together", async () => {
  assert(LINUX.includes("linux_x86_64") && LINUX.includes("linux_aarch64"));
  let packed = 0;
  for (const system of SYSTEMS) {
    assertLess((await libraryFor(system)).length, MOST_BYTES);
    packed += (await NATIVES[system]!()).DATA.length;
  }
  assertLess(packed, MOST_BYTES_OF_ALL);
});

Deno.test("The libraries are those that their hashes name", async () => {
  for (const system of SYSTEMS) {
    const { SHA256 } = await NATIVES[system]!();
    const bytes = await libraryFor(system);
    const hash = await crypto.subtle.digest("SHA-256", bytes);
    assertEquals(new Uint8Array(hash).toHex(), SHA256);
  }
});

Deno.test("The libraries for Linux need no other library, no version of one, and are never unloaded", async () => {
  for (const system of LINUX) {
    const bytes = await libraryFor(system);
    const entries = (tag: number) => dynamicEntries(bytes, tag);
    assertEquals(entries(DynamicTag.NEEDED), []);
    assertEquals(entries(DynamicTag.VERNEED), []);
    assertEquals(entries(DynamicTag.RPATH), []);
    assertEquals(entries(DynamicTag.RUNPATH), []);
    assertEquals(entries(DynamicTag.FLAGS_1)[0]! & NODELETE, NODELETE);
  }
});

Deno.test("The libraries for Linux take the same functions from the C library", async () => {
  const [first, ...others] = await Promise.all(
    LINUX.map(async (system) => functionsNeeded(await libraryFor(system))),
  );
  assert(first!.includes("pthread_atfork") && !first!.includes("fstat"));
  for (const other of others) assertEquals(other, first);
});

permittedTest(
  "Two builds in different folders give the same bytes",
  ["run", "read", "write"],
  async () => {
    await ensureNatives();
    using copy = new ModuleCopy([
      "deno.json",
      "build.zig",
      "csrc",
      "tools",
      "lib/library_name.ts",
    ]);
    await run(Deno.execPath(), ["run", "-A", copy.path("tools/release.ts")]);
    for (const name of ["index", ...SYSTEMS]) {
      const path = `lib/natives/${name}.ts`;
      assertEquals(
        Deno.readTextFileSync(copy.path(path)),
        Deno.readTextFileSync(new URL(`../${path}`, import.meta.url)),
      );
    }
  },
);

/** C compilers, and what each makes programs for. */
const COMPILERS = [
  { name: "cc", libc: "the C library of this system" },
  { name: "musl-gcc", libc: "musl" },
];

function exists(command: string): boolean {
  try {
    return new Deno.Command(command, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch {
    return false;
  }
}

for (const { name, libc } of COMPILERS) {
  const mayRun =
    Deno.permissions.querySync({ name: "run" }).state === "granted";
  const ignore = !mayRun || !exists(name);
  Deno.test({
    name: `The library works in a program for ${libc}` +
      (ignore ? ` (ignored: needs ${name})` : ""),
    ignore,
    fn: async () => {
      using copy = new ModuleCopy([
        "csrc/managed_memory.h",
        "tests/fixtures/use_library.c",
      ]);
      const library = copy.path("library.so");
      Deno.writeFileSync(
        library,
        await libraryFor(`linux_${Deno.build.arch}`),
      );
      const program = copy.path("program");
      await run(name, [
        "-std=gnu11",
        "-I",
        copy.path("csrc"),
        "-o",
        program,
        copy.path("tests/fixtures/use_library.c"),
        "-ldl",
      ]);
      const pool = uniqueName();
      assertEquals(await run(program, [library, pool]), "child");
      assertEquals(fileMode(poolFile(pool)), undefined);
    },
  });
}
