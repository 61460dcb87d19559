// The command line as a person sees it: in a terminal.

import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { MemoryPool } from "../mod.ts";
import { CLI, isInstalled } from "./cli.ts";
import { createPool, KIB, MIB } from "./helpers.ts";
import { Terminal } from "./terminal.ts";

const canRun = isInstalled("tmux") &&
  Deno.permissions.querySync({ name: "write" }).state === "granted";

/** Defines a test that is reported as ignored, and why, where there is no tmux. */
function terminalTest(name: string, test: () => Promise<void>): void {
  Deno.test({
    name: canRun
      ? name
      : `${name} (ignored: needs tmux, --allow-run, --allow-write)`,
    ignore: !canRun,
    fn: test,
  });
}

/** The command as one types it: it asks for permissions if it needs more. */
function command(...args: string[]): string {
  return `${Deno.execPath()} run --quiet --allow-ffi ${CLI} ${args.join(" ")}`;
}

// Any of the sequences that set colours.
// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[0-9;]*[0-9]m/;

terminalTest("map paints in a terminal, and not with NO_COLOR", async () => {
  using pool = createPool(64 * KIB, { minBlockSize: KIB });
  pool.alloc(32 * KIB);
  await using terminal = await Terminal.start({ columns: 90 });
  await terminal.type(`clear; ${command("map", pool.name)}`);
  const screen = await terminal.until(/· free/);
  assertMatch(screen, /0 B {2}█{32}·{32}\n/);
  assertMatch(screen, /█ DATA +1 block/);
  const painted = await terminal.screen({ withColours: true });
  // deno-lint-ignore no-control-regex
  assertMatch(painted, /\x1b\[94m█{32}/);

  await terminal.type(`clear; NO_COLOR=1 ${command("map", pool.name)}`);
  assertMatch(await terminal.until(/\. free/), /0 B {2}D{32}\.{32}\n/);
  assertFalse(COLOUR.test(await terminal.screen({ withColours: true })));
});

terminalTest("map is as wide as the terminal allows", async () => {
  using pool = createPool(MIB, { maxAllocations: 1 });
  pool.alloc(1).free();
  for (const [columns, cells] of [[160, 128], [50, 32]] as const) {
    await using terminal = await Terminal.start({ columns, rows: 50 });
    await terminal.type(`clear; ${command("map", pool.name, "--rows 1")}`);
    const screen = await terminal.until(/· free/);
    assertMatch(screen, new RegExp(`0 B  ·{${cells}}$`, "m"));
  }
});

terminalTest(
  "top shows the pool live, and Ctrl-C and q leave the terminal as it was",
  async () => {
    using pool = createPool();
    await using terminal = await Terminal.start({ columns: 100, rows: 20 });
    await terminal.type("clear; echo here");
    await terminal.until(/^here\n/);
    for (const key of ["C-c", "q"]) {
      await terminal.type(
        "stty -g | md5sum; " +
          command("top", pool.name, "--interval 0.1") +
          "; echo code $?; stty -g | md5sum",
      );
      await terminal.until(/0 allocations +0 allocs\/s/);
      const held = Array.from({ length: 40 }, () => pool.alloc(4 * KIB));
      const screen = await terminal.until(
        new RegExp(`^ *${Deno.pid} +1 +40 +160 KiB`, "m"),
      );
      assertStringIncludes(screen, `Pool "${pool.name}"`);
      assertMatch(screen, /\[#+ +\] 15\.6% +160 KiB of 1 MiB/);
      assertMatch(screen, /40 allocations +\d+ allocs\/s/);
      assertMatch(screen, /1 process +0 waiters/);
      assertEquals(await terminal.state(), { cursor: false, alternate: true });
      assertEquals(
        MemoryPool.list().find(({ name }) => name === pool.name)?.processes,
        1,
        "it does not attach",
      );
      for (const one of held) one.free();
      await terminal.until(/ 0 allocations| 0\.0%/);
      await terminal.press(key);
      const after = await terminal.until(/code \d+\n[0-9a-f]{32}/);
      assertMatch(after, /code 0/);
      assertStringIncludes(after, "here");
      const sums = [...after.matchAll(/^([0-9a-f]{32}) /gm)].map((one) =>
        one[1]
      );
      assertEquals(sums.length, 2, after);
      assertEquals(sums[0], sums[1]);
      assertEquals(await terminal.state(), { cursor: true, alternate: false });
      await terminal.type("clear; echo here");
      await terminal.until(/^here\n/);
    }
  },
);

terminalTest(
  "top fits into the terminal, also when that changes its size",
  async () => {
    using pool = createPool();
    pool.alloc(100);
    await using terminal = await Terminal.start({ columns: 100, rows: 20 });
    await terminal.type(command("top", pool.name, "--interval 30"));
    await terminal.until(/WAITS FOR/);
    await terminal.resize(50, 8);
    const screen = await terminal.until(/1 MiB of memo\n\nPROCESS/);
    assertStringIncludes(screen, "1 allocation ");
    assert(screen.split("\n").every((line) => line.length <= 50), screen);
    await terminal.press("C-z");
    await terminal.press("C-c");
    await terminal.until(/\$ *$/);
  },
);

terminalTest(
  "top gives the terminal back when the pool is destroyed",
  async () => {
    const pool = createPool();
    await using terminal = await Terminal.start();
    await terminal.type(
      `clear; ${command("top", pool.name, "--interval 0.1")}; echo code $?`,
    );
    await terminal.until(/0 allocations/);
    pool.destroy();
    const screen = await terminal.until(/code \d/);
    assertStringIncludes(
      screen.replaceAll("\n", ""),
      "any longer: the pool was destroyedcode 1",
    );
    assertEquals(await terminal.state(), { cursor: true, alternate: false });
  },
);
