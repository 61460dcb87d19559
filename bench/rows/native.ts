// What the C library's calls cost, beside private memory (mimalloc) and beside
// other allocators of shared memory.

import { titleOf } from "../peers.ts";
import { nativeProgram } from "../programs.ts";
import { type Limit, type Row, speedBeside, timeBeside } from "../row.ts";
import {
  type Context,
  figuresOf,
  measureInTurns,
  type Section,
  timed,
  timedPeer,
} from "../section.ts";

interface Workload {
  readonly measure: string;
  readonly work: string;
  /** Of mimalloc's time. */
  readonly most: number;
  /** Of Boost's speed. */
  readonly least: number;
}

const WORKLOADS: readonly Workload[] = [{
  measure: "pair",
  work: "C: alloc + free of 512 B",
  most: 1.2,
  least: 10,
}, {
  measure: "batch",
  work: "C: 10,000 allocs, then 10,000 frees",
  most: 2,
  least: 6,
}, {
  measure: "churn",
  work: "C: random exchange, 64 B to 8 KiB, 10,000 live",
  most: 2,
  least: 6,
}];

export async function measureNative(context: Context): Promise<Section> {
  const sections: Section[] = [];
  for (const workload of WORKLOADS) {
    sections.push(await measureWorkload(context, workload));
  }
  return {
    rows: sections.flatMap(({ rows }) => rows),
    figures: Object.assign({}, ...sections.map(({ figures }) => figures)),
  };
}

async function measureWorkload(
  context: Context,
  { measure, work, most, least }: Workload,
): Promise<Section> {
  const series = await measureInTurns({
    own: timed(nativeProgram("alloc_bench"), measure),
    mimalloc: await timedPeer(context, "mimalloc", measure),
    boost: await timedPeer(context, "boost", measure),
    dragon: await timedPeer(context, "dragon", measure),
    iceoryx2: measure === "pair"
      ? await timedPeer(context, "iceoryx2", measure)
      : { unit: "ns", round: undefined },
  }, context.rounds);

  const row = (
    beside: typeof timeBeside,
    peer: Exclude<keyof typeof series, "own">,
    target?: Limit,
  ): Row =>
    beside({
      work,
      own: series.own,
      other: { name: titleOf(peer), series: series[peer] },
      ...(target && { target }),
    });
  const rows = [
    row(timeBeside, "mimalloc", { is: "at most", value: most }),
    row(speedBeside, "boost", { is: "at least", value: least }),
  ];
  if (series.dragon) rows.push(row(speedBeside, "dragon"));
  if (series.iceoryx2) rows.push(row(speedBeside, "iceoryx2"));
  return { rows, figures: figuresOf(`C ${measure}: `, series) };
}
