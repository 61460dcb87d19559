// MemoryPool.attachDefault(): the pool that a process's environment names.

import { assertEquals, assertThrows } from "@std/assert";
import { MemoryPool, PoolAttachError } from "../mod.ts";
import {
  assertOwnError,
  bytesOf,
  createPool,
  OTHER_HOST,
  thrownBy,
} from "./helpers.ts";
import { permittedTest } from "./processes.ts";

const VARIABLE = "MANAGED_MEMORY_DEFAULT_POOL";

/** What a child process prints that may use FFI and nothing else. */
async function outputOf(source: string, value?: string): Promise<string> {
  const module = new URL("../mod.ts", import.meta.url).href;
  const code = `import { MemoryPool } from ${JSON.stringify(module)};${source}`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-ffi",
      `data:text/typescript,${encodeURIComponent(code)}`,
    ],
    env: value === undefined ? {} : { [VARIABLE]: value },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return decoder.decode(stdout).trim();
}

const ALLOCATE = `
  using pool = MemoryPool.attachDefault();
  console.log(pool.name);
  pool.allocFrom(new Uint8Array([1, 2, 3]), 7).detach();
`;

const TELL = `
  try {
    MemoryPool.attachDefault();
  } catch (error) {
    console.log(error.constructor.name, error.code);
  }
`;

permittedTest(
  "MemoryPool.attachDefault() attaches to the pool of the environment, with --allow-ffi alone",
  ["run"],
  async () => {
    using pool = createPool();
    for (const omitPadding of [false, true]) {
      const value = pool.serialize().toBase64({ omitPadding });
      assertEquals(await outputOf(ALLOCATE, value), pool.name);
    }
    const made = [...pool.getAllocations(7)];
    assertEquals(made.length, 2);
    assertEquals([...bytesOf(pool.getAllocById(7, made[0]!.id))], [1, 2, 3]);
  },
);

permittedTest(
  "MemoryPool.attachDefault() tells what is wrong with the environment",
  ["run"],
  async () => {
    const pool = createPool();
    const bytes = pool.serialize();
    const allocation = pool.alloc(1).serialize();
    pool.destroy();
    const cases: [string | undefined, string][] = [
      [undefined, "no-default-pool"],
      ["", "no-default-pool"],
      ["nonsense", "invalid-descriptor"],
      ["not base64!", "invalid-descriptor"],
      ["=", "invalid-descriptor"],
      [bytes.toHex(), "invalid-descriptor"],
      [bytes.toBase64().slice(4), "invalid-descriptor"],
      [bytes.toBase64() + "AAAA", "invalid-descriptor"],
      ["A".repeat(10_000), "invalid-descriptor"],
      [allocation.toBase64(), "invalid-descriptor"],
      [OTHER_HOST.toBase64(), "invalid-descriptor"],
      [bytes.toBase64(), "not-found"],
    ];
    const outputs = await Promise.all(
      cases.map(([value]) => outputOf(TELL, value)),
    );
    assertEquals(outputs, cases.map(([, code]) => `PoolAttachError ${code}`));
  },
);

Deno.test({
  name: "MemoryPool.attachDefault() sees what this process sets",
  ignore: Deno.permissions.querySync({ name: "env" }).state !== "granted",
  fn() {
    const old = Deno.env.get(VARIABLE);
    try {
      Deno.env.delete(VARIABLE);
      const error = thrownBy(() => MemoryPool.attachDefault());
      assertThrows(() => MemoryPool.attachDefault(), PoolAttachError);
      assertOwnError(error);
      assertEquals(error.code, "no-default-pool");
      using pool = createPool();
      Deno.env.set(VARIABLE, pool.serialize().toBase64());
      using attached = MemoryPool.attachDefault();
      assertEquals(attached.name, pool.name);
      using again = MemoryPool.attachDefault();
      attached.detach();
      assertEquals(again.isAttached, true);
    } finally {
      if (old === undefined) Deno.env.delete(VARIABLE);
      else Deno.env.set(VARIABLE, old);
    }
  },
});
