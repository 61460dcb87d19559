// What the module's calls cost: one measure per process, as in the native
// programs, whose command line and output this has.
//
//   deno run -A bench/programs/module_measures.ts [--rounds N] MEASURE...

import {
  attachAndDetach,
  denoView,
  type Loop,
  pair,
  pairWithArray,
  pairWithMemview,
} from "../loops.ts";
import { createPool, createPoolAndFile, GIB } from "../pools.ts";
import { median } from "../rounds.ts";

/** Times that a round does its work. */
const TIMES = 200_000;
const CREATIONS = 20;
/** Rounds until V8 has compiled everything for good. */
const WARM_UP = 4;
/** And until a process with threads has its slot biased: see docs/design.md. */
const LONG_WARM_UP = 24;

interface Measure {
  readonly times: number;
  readonly loop: () => Loop;
  readonly warmUp?: number;
}

const MEASURES: Record<string, Measure> = {
  pair: {
    times: TIMES,
    loop: () => pair(createPool()),
    warmUp: LONG_WARM_UP,
  },
  "pair-array": {
    times: TIMES,
    loop: () => pairWithArray(createPool()),
    warmUp: LONG_WARM_UP,
  },
  "pair-memview": {
    times: TIMES,
    loop: () => pairWithMemview(createPool()),
    warmUp: LONG_WARM_UP,
  },
  "deno-view": { times: TIMES, loop: denoView },
  attach: { times: TIMES, loop: () => attachAndDetach(createPool()) },
  create: { times: CREATIONS, loop: () => create },
};

function create(times: number): void {
  for (let time = 0; time < times; time++) {
    using _ = createPoolAndFile(GIB);
  }
}

/** Nanoseconds of one time. */
function measure(loop: Loop, times: number): number {
  const start = performance.now();
  loop(times);
  return (performance.now() - start) * 1e6 / times;
}

function main([flag, count, ...names]: string[]): void {
  const rounds = Number(count);
  if (flag !== "--rounds" || !(rounds >= 1)) {
    throw new Error("usage: module_measures.ts --rounds N MEASURE...");
  }
  for (const name of names) {
    const chosen = MEASURES[name];
    if (chosen === undefined) throw new Error(`There is no "${name}"`);
    const loop = chosen.loop();
    const round = () => measure(loop, chosen.times);
    const { warmUp = WARM_UP } = chosen;
    for (let count = 0; count < warmUp; count++) round();
    const values = Array.from({ length: rounds }, round);
    console.log(JSON.stringify({
      measure: name,
      unit: "ns",
      median: median(values),
      rounds: values,
    }));
  }
}

main(Deno.args);
