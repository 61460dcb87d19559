// The programs of the cookbook: run as their first lines say, in a folder of
// their own, and shown in docs/cookbook.md as they are.

import { assert, assertEquals } from "@std/assert";
import { MemoryPool } from "../mod.ts";
import { programsOf, readCookbook, withPrograms } from "../tools/cookbook.ts";
import { permittedTest, withinDeadline } from "./processes.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);

interface ProgramEnd {
  code: number;
  stdout: string;
  stderr: string;
}

/** The arguments of `deno` by which a program says that it is run. */
function argumentsOf(name: string): string[] {
  const { pathname } = new URL(name, EXAMPLES);
  const command = Deno.readTextFileSync(pathname).match(/^\/\/ {3}deno (.*)$/m);
  assert(command, `${name} does not say how to run it`);
  const args = command[1]!.split(" ");
  assert(args.includes(name), `${name} says how to run another program`);
  return args.map((arg) => arg === name ? pathname : arg);
}

/** Names of the pools that a process made and nobody destroyed. */
function poolsOf({ pid }: { pid: number }): string[] {
  return MemoryPool.list().filter(({ creator }) => creator.pid === pid)
    .map(({ name }) => name);
}

/** Runs a program as a user does, without any permission that it does not name. */
async function runProgram(name: string, cwd: string): Promise<ProgramEnd> {
  const [run, ...args] = argumentsOf(name);
  const program = new Deno.Command(Deno.execPath(), {
    args: [run!, "--quiet", "--no-prompt", ...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    const { code, stdout, stderr } = await withinDeadline(
      program.output(),
      () => `${name} does not end`,
    );
    const left = poolsOf(program);
    for (const name of left) MemoryPool.remove(name, { force: true });
    assertEquals(left, [], `${name} leaves a pool`);
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  } finally {
    try {
      program.kill("SIGKILL");
    } catch {
      // It has ended, as it should.
    }
  }
}

/** Defines a test that runs a program and expects it to print `output`. */
function programTest(
  name: string,
  output: string,
  check: (folder: string) => void = () => {},
): void {
  permittedTest(
    `examples/${name} runs with the permissions that it names`,
    ["run", "read", "write"],
    async () => {
      const folder = Deno.makeTempDirSync();
      try {
        assertEquals(await runProgram(name, folder), {
          code: 0,
          stdout: output,
          stderr: "",
        });
        check(folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  );
}

permittedTest(
  "docs/cookbook.md shows every program of examples/ as it is",
  ["read"],
  () => {
    const cookbook = readCookbook();
    assertEquals(
      cookbook,
      withPrograms(cookbook),
      "out of date: run deno run -A tools/cookbook.ts",
    );
    const files = [...Deno.readDirSync(EXAMPLES)].map((file) => file.name);
    assertEquals(
      programsOf(cookbook).sort(),
      files.sort().map((name) => `examples/${name}`),
    );
  },
);

permittedTest(
  "docs/cookbook.md gives the commands that the programs name",
  ["read"],
  () => {
    const cookbook = readCookbook();
    for (const { name } of Deno.readDirSync(EXAMPLES)) {
      const [run, ...args] = argumentsOf(name);
      const command = ["deno", run, ...args].join(" ").replace(
        EXAMPLES.pathname,
        "examples/",
      );
      assert(
        cookbook.includes(`\n${command}\n`),
        `The cookbook lacks "${command}"`,
      );
    }
  },
);

programTest(
  "worker_pool.ts",
  // The number of primes below 200,000 is known.
  "4 workers found 17984 primes below 200000\n",
);

programTest(
  "producer_consumers.ts",
  "A consumer got 20 frames\n".repeat(3) +
    "60 frames went through room for 4\n",
);

programTest("workers.ts", "3 threads: the root of 250000 is 500\n");

programTest(
  "passing_descriptors.ts",
  "stdin: hello\nvariable: hello\nsocket: hello\n",
);

programTest(
  "structs.ts",
  "Counted to 300000\n" +
    "A particle of mass 0.5 and charge 0\n" +
    "A particle of mass 1.5 and charge -1\n" +
    "A particle of mass 2.5 and charge -2\n",
);

programTest("image.ts", "Wrote image.ppm\n", (folder) => {
  const bytes = Deno.readFileSync(`${folder}/image.ppm`);
  const head = "P6 320 200 255\n";
  const end = head.length;
  assertEquals(new TextDecoder().decode(bytes.subarray(0, end)), head);
  assertEquals(bytes.length, end + 3 * 320 * 200);
  // The negatives of (0, 0, 64) in one corner and (254.2, 253.7, 64) in the other.
  assertEquals([...bytes.subarray(end, end + 3)], [255, 255, 191]);
  assertEquals([...bytes.subarray(-3)], [1, 2, 191]);
});

programTest(
  "killed_worker.ts",
  "The worker ended by SIGKILL\n" +
    "Saved a result: 1 1 1 ...\n" +
    "Saved a result: 2 2 2 ...\n" +
    "Reclaimed 1 allocation of 1000 bytes\n" +
    "2 allocations are left\n",
);
