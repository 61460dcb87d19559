// What a pool costs by being there, and an allocation besides its data.

import { createPoolAndFile, GIB, MIB } from "../pools.ts";
import { denoProgram, nativeProgram } from "../programs.ts";
import { alone, judged, type Row, type Series, type Unit } from "../row.ts";
import { median } from "../rounds.ts";
import {
  type Context,
  figuresOf,
  measureInTurns,
  type Section,
} from "../section.ts";

const SIZE = 512;
/**
 * So many allocations take whole steps of what a pool commits at a time, 2 MiB
 * of data and 64 KiB of records.
 */
const STEP = 2 * MIB / SIZE;
const ALLOCATIONS = 25 * STEP;

export async function measureCreation(context: Context): Promise<Section> {
  const module = denoProgram("module_measures");
  const native = nativeProgram("alloc_bench");
  const series = await measureInTurns({
    module: {
      unit: "ms",
      round: async () => await module.measure("create") / 1e6,
    },
    native: {
      unit: "ms",
      round: async () => await native.measure("create") / 1e3,
    },
  }, context.rounds);
  const rows = [
    judged({
      work: "TypeScript: creating a pool of 1 GiB",
      value: medianOf(series.module),
      unit: "ms",
      other: { name: "in C", value: medianOf(series.native) },
    }, { is: "under", value: 2 }),
    ...measureMemory(),
  ];
  return { rows, figures: figuresOf("create: ", series) };
}

function measureMemory(): Row[] {
  using made = createPoolAndFile(GIB);
  const { pool, file } = made;
  // On Linux there is always a number of blocks; they are of 512 bytes.
  const used = () => file.statSync().blocks! * 512;
  const empty = used();
  // What is committed once for all, and up to the end of a step.
  for (let made = 0; made < STEP; made++) pool.alloc(SIZE);
  const before = used();
  for (let made = 0; made < ALLOCATIONS; made++) pool.alloc(SIZE);
  const overhead = (used() - before) / ALLOCATIONS - SIZE;
  return [
    alone("memory of an empty pool of 1 GiB", once(empty / 1024, "KiB"), {
      is: "at most",
      value: 256,
    }),
    alone(
      `memory of an allocation, besides its data, with ${
        ALLOCATIONS.toLocaleString("en")
      } of 512 B live`,
      once(overhead, "B"),
      { is: "at most", value: 64 },
    ),
  ];
}

function medianOf(series: Series | undefined): number {
  return median(series!.values);
}

function once(value: number, unit: Unit): Series {
  return { unit, values: [value] };
}
