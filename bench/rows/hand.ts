// Handing bytes to another Deno process and getting them back, in shared memory
// and by the ways that copy.

import { GIB, MIB } from "../pools.ts";
import { denoProgram } from "../programs.ts";
import { type Limit, type Row, type Series, speedBeside } from "../row.ts";
import { median } from "../rounds.ts";
import type { Context, Section } from "../section.ts";

interface Size {
  readonly bytes: number;
  readonly title: string;
  readonly target?: Limit;
}

const SIZES: readonly Size[] = [
  { bytes: 1024, title: "1 KiB" },
  { bytes: 64 * 1024, title: "64 KiB" },
  { bytes: MIB, title: "1 MiB", target: { is: "at least", value: 10 } },
  { bytes: 64 * MIB, title: "64 MiB", target: { is: "at least", value: 50 } },
  { bytes: GIB, title: "1 GiB" },
];
/** A quick run leaves out what is larger. */
const QUICK_MOST = 64 * MIB;
/** How many times the bytes are in memory at once: in two buffers here, one in each other process, a file, two pools, and the copies of a message. */
const COPIES = 14;

/** How `programs/hand.ts` calls this module: with one allocation all the time, as other ways have one buffer or file, and with one for each hand-over. */
const OWN = "managed-memory";
const OWN_ANEW = "managed-memory, allocated anew";

/** What it prints for each way. */
interface Handed {
  readonly way: string;
  /** In microseconds. */
  readonly rounds: readonly number[];
}

export async function measureHand(
  { rounds, isQuick }: Context,
): Promise<Section> {
  const rows: Row[] = [];
  const figures: Record<string, Series> = {};
  for (const size of SIZES) {
    if (isQuick && size.bytes > QUICK_MOST) continue;
    if (Deno.systemMemoryInfo().available < size.bytes * COPIES) {
      console.error(`Handing ${size.title} is skipped: too little memory`);
      continue;
    }
    const output = await denoProgram("hand")
      .run(String(size.bytes), String(rounds));
    const ways = new Map<string, Series>();
    for (const line of output.trim().split("\n")) {
      const { way, rounds: values }: Handed = JSON.parse(line);
      ways.set(way, { unit: "µs", values });
      figures[`hand ${size.title}: ${way}`] = { unit: "µs", values };
    }
    rows.push(...rowsOf(size, ways));
  }
  return { rows, figures };
}

/** Beside the best of the other ways. */
function rowsOf({ title, target }: Size, ways: Map<string, Series>): Row[] {
  const [name, series] = [...ways]
    .filter(([way]) => way !== OWN && way !== OWN_ANEW)
    .sort(([, a], [, b]) => median(a.values) - median(b.values))[0]!;
  const work = `TypeScript: hand ${title} to another process and back`;
  const other = { name: `${name}, the best that copies`, series };
  return [
    speedBeside({
      work,
      own: ways.get(OWN),
      other,
      ...(target && { target }),
    }),
    speedBeside({
      work: `${work}, allocated anew`,
      own: ways.get(OWN_ANEW),
      other,
    }),
  ];
}
