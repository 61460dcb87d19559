// The benchmarks' plumbing: that they measure, judge, print and write. Not how
// fast anything is; that is what `deno task bench` tells.

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { toChart } from "../bench/chart.ts";
import { readOptions } from "../bench/options.ts";
import type { Results } from "../bench/results.ts";
import { median, medianRatio, quantile } from "../bench/rounds.ts";
import { alone, type Series, speedBeside, timeBeside } from "../bench/row.ts";
import { toTable, toText } from "../bench/table.ts";
import { permittedTest, withinDeadline } from "./processes.ts";

/** Of a script, with a build of the C programs. */
const DEADLINE = 120_000;

/** What a script of the repository prints. */
async function outputOf(script: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.resolve(script), ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const output = child.output();
  try {
    const { code, stdout, stderr } = await withinDeadline(
      output,
      () => `${script} hangs`,
      DEADLINE,
    );
    assertEquals(code, 0, decode(stderr));
    return decode(stdout);
  } catch (error) {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await output;
    throw error;
  }
}

function series(...values: number[]): Series {
  return { unit: "ns", values };
}

permittedTest(
  "bench/main.ts prints a table and writes results and a chart",
  ["run", "read", "write"],
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      await outputOf("../tools/build.ts", "library", "bench");
      const table = await outputOf(
        "../bench/main.ts",
        ...["--quick", "--rounds", "2", "--output", folder],
        ...["creation", "fill"],
      );
      assertMatch(table, /^work +measured +beside +ratio +target$/m);
      assertMatch(
        table,
        /creating a pool of 1 GiB .* under 2 ms +(met|MISSED)/,
      );
      assertMatch(table, /first failed +[\d.]+ % .*at least 95 %/);

      const text = await Deno.readTextFile(`${folder}/results.json`);
      const results: Results = JSON.parse(text);
      assertEquals(results.rounds, 2);
      assertEquals(results.isQuick, true);
      assertEquals(results.sections, ["creation", "fill"]);
      assertEquals(results.machine.deno, Deno.version.deno);
      assert(results.machine.hugePages.length > 0);
      for (const row of results.rows) {
        assert(row.value !== null && row.value > 0, row.work);
        assertEquals(row.isMet === null, row.target === undefined, row.work);
      }
      assertEquals(results.figures["create: module"]?.values.length, 2);
      const { samples } = results.courses.fill as { samples: unknown[] };
      assert(samples.length > 1);
      const chart = await Deno.readTextFile(`${folder}/benchmarks.svg`);
      assertMatch(chart, /^<svg [^]*<\/svg>\n$/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

permittedTest(
  "bench/programs/hand.ts hands bytes over by every way",
  ["run", "read", "write"],
  async () => {
    // Two pages and a bit, so that the last one is not whole.
    const output = await outputOf("../bench/programs/hand.ts", "8200", "1");
    const ways = output.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(ways.map(({ way }) => way), [
      "managed-memory",
      "managed-memory, allocated anew",
      "pipe",
      "named pipe",
      "Unix socket",
      "temporary file",
      "postMessage to a Worker",
    ]);
    for (const { way, rounds } of ways) assert(rounds[0] > 0, way);
  },
);

permittedTest(
  "bench/programs/resume_waiter.ts measures requests and their floor",
  ["run", "read", "write"],
  async () => {
    const output = await outputOf(
      "../bench/programs/resume_waiter.ts",
      ...["2", "3", "50"],
    );
    const { rounds, share } = JSON.parse(output);
    assertEquals(rounds.length, 2);
    for (const { own, floor } of rounds) {
      assertEquals([own.length, floor.length], [3, 3]);
      for (const time of [...own, ...floor]) assert(time > 0);
    }
    assert(share >= 0);
  },
);

Deno.test("rows compare by rounds, and are judged by their targets", () => {
  const work = "alloc";
  const own = series(10, 20, 30);
  const other = { name: "peer", series: series(20, 60, 300) };
  const slower = timeBeside({
    work,
    own,
    other,
    target: { is: "at most", value: 0.3 },
  });
  assertEquals([slower.value, slower.other?.value], [20, 60]);
  assertEquals([slower.ratio, slower.isMet], [1 / 3, false]);
  const faster = speedBeside({
    work,
    own,
    other,
    target: { is: "at least", value: 3 },
  });
  assertEquals([faster.ratio, faster.isMet], [3, true]);
  assertEquals(alone(work, own, { is: "under", value: 20 }).isMet, false);
  assertEquals(alone(work, own).isMet, null);
});

Deno.test("rows without a peer are neither met nor missed", () => {
  const row = timeBeside({
    work: "alloc",
    own: series(10),
    other: { name: "peer", series: undefined },
    target: { is: "at most", value: 2 },
  });
  assertEquals([row.ratio, row.isMet], [null, null]);
  assertMatch(
    toTable([row]),
    /10\.0 ns +peer, not here +at most 2 x +skipped$/,
  );
});

Deno.test("toTable() leaves out what the line above says", () => {
  const own = series(10);
  const rows = ["one", "other"].map((name) =>
    speedBeside({ work: "alloc", own, other: { name, series: series(50) } })
  );
  const lines = toTable(rows).split("\n");
  assertMatch(lines[1]!, /^alloc +10\.0 ns +one, 50\.0 ns +5\.00 x the speed$/);
  assertMatch(lines[2]!, /^ +other, 50\.0 ns +5\.00 x the speed$/);
});

Deno.test("toText() takes a larger unit for long times only", () => {
  assertEquals(toText(9_999, "ns"), "9999 ns");
  assertEquals(toText(12_345, "ns"), "12.3 µs");
  assertEquals(toText(12_345_678, "µs"), "12346 ms");
  assertEquals(toText(99.5, "%"), "99.5 %");
  assertEquals(toText(null, "ns"), "not here");
});

Deno.test("toChart() draws what was measured, and nothing else", () => {
  const chart = toChart({
    date: "2026-01-02T00:00:00Z",
    machine: {
      cores: 4,
      cpu: "A<B",
      kernel: "6",
      target: "t",
      deno: "2",
      v8: "1",
      memoryGiB: 1,
      load: 0,
      hugePages: "never",
    },
    rounds: 5,
    isQuick: false,
    sections: [],
    rows: [],
    figures: { "C pair: own": series(10), "C pair: boost": series(100) },
    courses: {},
  });
  assertEquals(chart.match(/<rect class="(own|other)"/g)?.length, 2);
  assertStringIncludes(chart, "A&lt;B");
  assert(!chart.includes("mimalloc"));
});

Deno.test("median(), medianRatio() and quantile() of rounds", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(medianRatio([1, 2, 9], [2, 2, 3]), 1);
  assertEquals(quantile([5, 1, 4, 2, 3], 0.8), 4);
  assertEquals(quantile([1, 2], 0.99), 2);
});

Deno.test("readOptions() of the benchmarks reads flags and sections", () => {
  const usual = ["native", "hand"];
  const all = [...usual, "baseline"];
  assertEquals(readOptions([], all, usual), {
    rounds: 11,
    isQuick: false,
    isCheck: false,
    output: undefined,
    sections: usual,
  });
  assertEquals(
    readOptions(
      ["--quick", "--check", "--rounds", "5", "baseline"],
      all,
      usual,
    ),
    {
      rounds: 5,
      isQuick: true,
      isCheck: true,
      output: undefined,
      sections: ["baseline"],
    },
  );
  for (const args of [["--what"], ["pipes"], ["--rounds", "0"], ["--output"]]) {
    assertThrows(() => readOptions(args, all, usual), Error);
  }
});
