// The demo as its users run it: a process of its own, whose children are its.

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { fileMode, poolFile } from "./libc.ts";
import { permittedTest, processTest, withinDeadline } from "./processes.ts";

interface DemoEnd {
  code: number;
  stdout: string;
  stderr: string;
}

/** A running demo. Take it with `await using`. */
class Demo implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #stdout = "";

  constructor(...args: string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        import.meta.resolve("../demo/main.ts"),
        ...args,
      ],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      // A process group of its own, so that a Ctrl-C can be sent to all of it.
      detached: true,
    }).spawn();
    this.#stderr = new Response(this.#process.stderr).text();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** Waits until it has printed what `pattern` matches; undefined when it ended before. */
  async printed(pattern: RegExp): Promise<RegExpMatchArray | undefined> {
    for (;;) {
      const match = this.#stdout.match(pattern);
      if (match) return match;
      if (!await this.#readOn()) return undefined;
    }
  }

  /** Reads some more of its output; false at the end. */
  async #readOn(): Promise<boolean> {
    const { done, value } = await withinDeadline(
      this.#output.read(),
      () => this.#stdout,
    );
    this.#stdout += value ?? "";
    return !done;
  }

  /** The name of its pool. */
  async poolName(): Promise<string> {
    const match = await this.printed(/Pool (\S+) /);
    assert(match, `No pool in ${this.#stdout}`);
    return match[1]!;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** A Ctrl-C at the terminal goes to every process of the group. */
  pressCtrlC(): void {
    Deno.kill(-this.#process.pid, "SIGINT");
  }

  async ended(): Promise<DemoEnd> {
    let more = true;
    while (more) more = await this.#readOn();
    const { code } = await withinDeadline(
      this.#process.status,
      () => "The demo does not end",
    );
    return { code, stdout: this.#stdout, stderr: await this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#process.status;
    await this.#output.cancel();
    await this.#stderr;
  }
}

/** Asserts that the demo did its job on a file, and that nothing is left of it. */
async function assertDemoSucceeds(
  path: string,
  checksum: number,
): Promise<void> {
  await using demo = new Demo(path);
  const name = await demo.poolName();
  const { code, stdout, stderr } = await demo.ended();
  assertEquals({ code, stderr }, { code: 0, stderr: "" }, stdout);
  assertMatch(stdout, /All results agree/);
  assertStringIncludes(
    stdout,
    `checksum ${checksum.toString(16).padStart(8, "0")}`,
  );
  for (const way of ["one process", "children, pool", "children, pipes"]) {
    assertMatch(stdout, new RegExp(`^${way} .* ms `, "m"));
  }
  // deno-lint-ignore no-control-regex
  assert(!/\x1b/.test(stdout), "it prints colours though no terminal is there");
  assertEquals(fileMode(poolFile(name)), undefined);
}

/** The checksum as its definition says it. */
function checksumOf(bytes: Uint8Array): number {
  let sum = 0n;
  for (const [position, byte] of bytes.entries()) {
    sum += BigInt(position + 1) * BigInt(byte);
  }
  return Number(sum % 2n ** 32n);
}

/** Runs the demo on a file with these bytes. */
async function assertDemoSucceedsOn(bytes: Uint8Array): Promise<void> {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, bytes);
    await assertDemoSucceeds(path, checksumOf(bytes));
  } finally {
    Deno.removeSync(path);
  }
}

const ALL = ["run", "read", "write"] as const;

permittedTest(
  "The demo counts a file in three ways that agree",
  [...ALL],
  async () => {
    const bytes = new Uint8Array(3_000_001);
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = Math.imul(i, 2654435761) >>> 24;
    }
    await assertDemoSucceedsOn(bytes);
  },
);

permittedTest("The demo works on an empty file", [...ALL], async () => {
  await assertDemoSucceedsOn(new Uint8Array(0));
});

permittedTest(
  "The demo works on a file with fewer bytes than there are children",
  [...ALL],
  async () => {
    await assertDemoSucceedsOn(new Uint8Array([255]));
  },
);

for (
  const [what, args] of Object.entries({
    "a file that is not there": ["/nonexistent/file"],
    "a directory": ["/"],
    "more than one file": ["a", "b"],
  })
) {
  processTest(
    `The demo says in one line that it cannot work on ${what}`,
    async () => {
      await using demo = new Demo(...args);
      const { code, stderr } = await demo.ended();
      assertEquals(code, 1);
      assertMatch(stderr, /^Demo failed: .*\n$/);
    },
  );
}

/**
 * Starts demos on Deno's own executable until one was caught in the middle:
 * `disturb` is called once it has printed what `pattern` matches, and whatever
 * comes of it is handed to `check`, unless the demo was done already.
 */
async function disturbDemo(
  pattern: RegExp,
  disturb: (demo: Demo, match: RegExpMatchArray) => void,
  check: (end: DemoEnd) => void,
): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    await using demo = new Demo();
    const name = await demo.poolName();
    const match = await demo.printed(pattern);
    assert(match, `The demo never printed ${pattern}`);
    demo.kill("SIGSTOP");
    const existed = fileMode(poolFile(name)) !== undefined;
    disturb(demo, match);
    demo.kill("SIGCONT");
    const end = await demo.ended();
    assertEquals(fileMode(poolFile(name)), undefined, "its pool is left");
    if (end.code === 0) continue;
    assert(existed, "its pool is not where this test looks for it");
    check(end);
    return;
  }
  throw new Error("The demo was done every time before it could be disturbed");
}

const STAGES = {
  "while it reads the file": /Pool/,
  "in one process": /reading the file .* done/,
  "while its children share the pool":
    /children, pool .* started children ([\d ]+)/,
  "while its children read from pipes":
    /children, pipes .* started children ([\d ]+)/,
};

for (const [stage, pattern] of Object.entries(STAGES)) {
  processTest(`The demo leaves nothing after a Ctrl-C ${stage}`, async () => {
    await disturbDemo(
      pattern,
      (demo) => demo.pressCtrlC(),
      ({ code, stderr }) => {
        assertEquals(code, 130, stderr);
        assertMatch(stderr, /^Demo failed: interrupted by SIGINT.*\n$/);
      },
    );
  });
}

processTest("The demo leaves nothing after SIGTERM", async () => {
  const stage = STAGES["while its children share the pool"];
  await disturbDemo(
    stage,
    (demo) => demo.kill("SIGTERM"),
    ({ code, stderr }) => {
      assertEquals(code, 143, stderr);
      assertMatch(stderr, /interrupted by SIGTERM/);
    },
  );
});

for (const way of ["share the pool", "read from pipes"] as const) {
  processTest(
    `The demo fails clearly when a child is killed while its children ${way}`,
    async () => {
      await disturbDemo(STAGES[`while its children ${way}`], (_demo, match) => {
        const victim = Number(match[1]!.trim().split(" ").at(-1));
        try {
          Deno.kill(victim, "SIGKILL");
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }, ({ code, stderr }) => {
        assertEquals(code, 1);
        assertMatch(
          stderr,
          /^Demo failed: Child \d+ \(process \d+\) was ended by SIGKILL.*\n$/,
        );
      });
    },
  );
}
