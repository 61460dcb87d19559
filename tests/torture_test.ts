// The torture as CI runs it: briefly, each time with another seed, which it
// prints. The long runs are `deno task torture` itself.

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readOptions } from "../torture/options.ts";
import { processTest, withinDeadline } from "./processes.ts";

const KILLS = 3_000;
/** Of the test, with the build of the C programs. */
const DEADLINE = 180_000;

/** Runs a script of the repository; answers what it printed, and how it ended. */
async function runScript(
  script: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.resolve(script), ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output().then(({ code, stdout, stderr }) => ({
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  }));
  try {
    return await withinDeadline(output, () => `${script} hangs`, DEADLINE);
  } catch (error) {
    child.kill("SIGTERM"); // it ends what it started
    await output;
    throw error;
  }
}

processTest("torture finds no violation in a short run", async () => {
  const build = await runScript("../tools/build.ts", "library", "torture");
  assertEquals(build.code, 0, build.stderr);
  const { code, stdout, stderr } = await runScript(
    "../torture/main.ts",
    "--kills",
    String(KILLS),
  );
  const [command] = stdout.split("\n");
  console.log(command);
  assertMatch(
    command!,
    /^deno task torture --processes \d+ --kills \d+ --seed \d+/,
  );
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertMatch(stdout, /^violations +0$/m);
});

processTest(
  "torture --exhaustive tries every instruction of the named cases",
  async () => {
    const { code, stdout, stderr } = await runScript(
      "../torture/main.ts",
      "--exhaustive",
      "kill: find",
      "stop: find",
    );
    if (Deno.build.arch !== "x86_64") {
      assertMatch(stdout, /skipped: single steps are not supported/);
      return;
    }
    assertEquals(code, 0, `${stdout}\n${stderr}`);
    assertMatch(stdout, /^failures +0$/m);
    assertMatch(stdout, /^kill: find \.\.\. ok/m);
    assertMatch(stdout, /^stop: find \.\.\. ok/m);
    assertMatch(stdout, /^kill points +[1-9]/m);
    assertMatch(stdout, /^stop points +[1-9]/m);
  },
);

processTest(
  "torture --exhaustive fails when no case has the name",
  async () => {
    const { code, stdout } = await runScript(
      "../torture/main.ts",
      "--exhaustive",
      "no such case",
    );
    assertEquals(code, 1);
    assertMatch(stdout, /^cases +0/m);
  },
);

Deno.test("readOptions() reads numbers, flags and names", () => {
  assertEquals(
    readOptions(["--processes=4", "--kills", "300", "--seed", "5"]),
    { mode: "random", processes: 4, kills: 300, seed: 5n },
  );
  assertEquals(
    readOptions(["--exhaustive", "free", "--jobs", "3", "--every-busy"]),
    { mode: "exhaustive", jobs: 3, everyBusy: true, names: ["free"] },
  );
});

Deno.test("readOptions() rejects what it does not know", () => {
  const rejected: [string[], string][] = [
    [["--what"], "Unknown option --what"],
    [["free"], 'Unknown argument "free"'],
    [["--kills", "many"], "--kills needs a whole number"],
    [["--processes", "1"], "--processes must be from 2 to 250"],
    [["--jobs", "2"], "--jobs needs --exhaustive"],
    [["--exhaustive", "--kills", "2"], "--kills does not go with --exhaustive"],
  ];
  for (const [args, message] of rejected) {
    assertThrows(() => readOptions(args), Error, message);
  }
});
