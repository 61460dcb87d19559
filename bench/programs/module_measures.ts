// What the module's calls cost: one measure per process, as in the native
// programs, whose command line and output this has.
//
//   deno run -A bench/programs/module_measures.ts [--rounds N] MEASURE...

import { MemoryAlloc } from "../../mod.ts";
import { createPool, createPoolAndFile, GIB } from "../pools.ts";
import { median } from "../rounds.ts";

const SIZE = 512;
const TIMES = 200_000;
const CREATIONS = 20;
/** Until V8 has compiled everything for good. */
const WARM_UP_ROUNDS = 4;

/** Nanoseconds of one call of `work`. */
function each(times: number, work: () => void): number {
  const start = performance.now();
  for (let time = 0; time < times; time++) work();
  return (performance.now() - start) * 1e6 / times;
}

/** One round of each measure, made ready; each measure has its own loop, so that none spoils another's types. */
const MEASURES: Record<string, () => () => number> = {
  pair() {
    const pool = createPool();
    return () => each(TIMES, () => pool.alloc(SIZE).free());
  },
  "pair-array"() {
    const pool = createPool();
    const region = pool.unsafeMemview;
    return () =>
      each(TIMES, () => {
        const allocation = pool.alloc(SIZE);
        new Uint8Array(region, allocation.byteOffset, SIZE);
        allocation.free();
      });
  },
  "pair-memview"() {
    const pool = createPool();
    return () =>
      each(TIMES, () => {
        const allocation = pool.alloc(SIZE);
        allocation.getMemview();
        allocation.free();
      });
  },
  /** What Deno takes for a view of foreign memory as such. */
  "deno-view"() {
    const pointer = Deno.UnsafePointer.of(new Uint8Array(SIZE))!;
    return () =>
      each(TIMES, () => {
        Deno.UnsafePointerView.getArrayBuffer(pointer, SIZE).transfer(0);
      });
  },
  attach() {
    const pool = createPool();
    const serialized = pool.alloc(SIZE).serialize();
    return () => each(TIMES, () => MemoryAlloc.attach(serialized).detach());
  },
  create() {
    return () =>
      each(CREATIONS, () => {
        using _ = createPoolAndFile(GIB);
      });
  },
};

function main([flag, count, ...names]: string[]): void {
  const rounds = Number(count);
  if (flag !== "--rounds" || !(rounds >= 1)) {
    throw new Error("usage: module_measures.ts --rounds N MEASURE...");
  }
  for (const name of names) {
    const measure = MEASURES[name];
    if (measure === undefined) throw new Error(`There is no "${name}"`);
    const round = measure();
    for (let warmUp = 0; warmUp < WARM_UP_ROUNDS; warmUp++) round();
    const values = Array.from({ length: rounds }, () => round());
    console.log(JSON.stringify({
      measure: name,
      unit: "ns",
      median: median(values),
      rounds: values,
    }));
  }
}

main(Deno.args);
