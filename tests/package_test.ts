// The package as it is published: its files, and its use over http by programs
// that have nothing but it.

import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertNotMatch,
} from "@std/assert";
import { permittedTest, withinDeadline } from "./processes.ts";

const ROOT = new URL("../", import.meta.url);
const PROGRAMS = [
  "tests/fixtures/package/creator.ts",
  "tests/fixtures/package/attacher.ts",
] as const;
// Not by a static import: a checkout is to pass `deno check` before the build.
const { NATIVES } = await import("../lib/natives/index.ts");

const MOST_BYTES = 1024 * 1024;

/** Names of the files that `deno publish` would upload; fails if it complains. */
async function publishedFiles(): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  assert(success, output);
  assertNotMatch(output, /^\s*(warning|error)\b/im);
  const lines = output.matchAll(/^ +(file:\S+) \(.*\)$/gm);
  return Array.from(lines, ([, url]) => url!.slice(ROOT.href.length)).sort();
}

/** Answers with the files in `folder`, and notes their names in `asked`. */
function serve(folder: string, asked: string[]): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      try {
        const body = await Deno.readFile(folder + pathname);
        return new Response(body, {
          headers: { "content-type": "application/typescript" },
        });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
}

/** A program with the permission for FFI, for which `home` is all that there is. */
function start(url: string, home: string, args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-ffi",
      `--allow-import=${new URL(url).host}`,
      url,
      ...args,
    ],
    cwd: home,
    clearEnv: true,
    env: { HOME: home, DENO_DIR: `${home}/deno`, NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** How a program ended, and what it has printed after what was read already. */
async function ended(
  program: Deno.ChildProcess,
  reader: ReadableStreamDefaultReader<string>,
): Promise<{ success: boolean; errors: string; output: string }> {
  const errors = new Response(program.stderr).text();
  let output = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    output += value;
  }
  const { success } = await program.status;
  return { success, errors: await errors, output: output.trim() };
}

function linesOf(
  program: Deno.ChildProcess,
): ReadableStreamDefaultReader<string> {
  return program.stdout.pipeThrough(new TextDecoderStream()).getReader();
}

permittedTest(
  "The package has what users need, and nothing else",
  ["run", "read"],
  async () => {
    const files = await publishedFiles();
    const modules = ["lib/", "cli/"].flatMap((folder) =>
      [...Deno.readDirSync(new URL(folder, ROOT))]
        .filter(({ isFile }) => isFile).map(({ name }) => folder + name)
    );
    const natives = ["index", ...Object.keys(NATIVES)]
      .map((name) => `lib/natives/${name}.ts`);
    const others = [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "cli.ts",
      "deno.json",
      "mod.ts",
    ];
    assertEquals(files, [...modules, ...natives, ...others].sort());

    let bytes = 0;
    for (const file of files) bytes += Deno.statSync(new URL(file, ROOT)).size;
    assertLess(bytes, MOST_BYTES);
  },
);

permittedTest(
  "Two programs that import the package over http share memory, with --allow-ffi alone and an empty home",
  ["run", "read", "write"],
  async () => {
    const folder = Deno.makeTempDirSync({ prefix: "managed-memory-test-" });
    const asked: string[] = [];
    const server = serve(folder, asked);
    const running: Deno.ChildProcess[] = [];
    try {
      for (const name of [...await publishedFiles(), ...PROGRAMS]) {
        const target = `${folder}/${name}`;
        Deno.mkdirSync(target.replace(/\/[^/]*$/, ""), { recursive: true });
        Deno.copyFileSync(new URL(name, ROOT), target);
      }
      Deno.mkdirSync(`${folder}/home`);
      const begin = (name: string, ...args: string[]) => {
        const url = `http://127.0.0.1:${server.addr.port}/${name}`;
        const program = start(url, `${folder}/home`, args);
        running.push(program);
        return program;
      };

      const creator = begin(PROGRAMS[0]);
      const lines = linesOf(creator);
      const first = await withinDeadline(
        lines.read(),
        () => "The creator printed nothing",
      );
      const descriptor = first.value?.trim() ?? "";
      const attacher = begin(PROGRAMS[1], descriptor);
      const nothing = { success: true, errors: "", output: "" };
      await attacher.stdin.close();
      assertEquals(await ended(attacher, linesOf(attacher)), nothing);

      await creator.stdin.close();
      assertEquals(await ended(creator, lines), {
        ...nothing,
        output: "hello",
      });
      assertMatch(descriptor, /^[0-9a-f]+$/);

      const left = [...Deno.readDirSync(`${folder}/home`)];
      assertEquals(left.map(({ name }) => name), ["deno"]);
      assert(asked.includes("/lib/natives/index.ts"));
    } finally {
      for (const program of running) {
        try {
          program.kill("SIGKILL");
        } catch {
          // It has ended already.
        }
      }
      await server.shutdown();
      Deno.removeSync(folder, { recursive: true });
    }
  },
);
