// Several processes on one pool at the same time.

import { titleOf } from "../peers.ts";
import { nativeProgram, type Program } from "../programs.ts";
import { judged, type Row, type Series, speedBeside } from "../row.ts";
import { median } from "../rounds.ts";
import {
  type Context,
  figuresOf,
  measureInTurns,
  type Section,
  timed,
  timedPeer,
} from "../section.ts";

const SINGLE = "processes-1";
const COUNTS = [2, 4];
const PER_CORE = "processes-1-per-core";
const CROWDS = [2, 4];

export async function measureProcesses(context: Context): Promise<Section> {
  const own = nativeProgram("processes_bench");
  const cores = navigator.hardwareConcurrency;
  const counts = COUNTS.filter((count) => count <= cores);
  const [scaling, private_] = await measureScaling(context, own, counts);
  const beside = await measureInTurns(
    Object.fromEntries(counts.flatMap((count) => [
      [`on one pool, ${count}`, timed(own, `processes-${count}`)],
      [`on pools of their own, ${count}`, timed(own, `alone-${count}`)],
    ])),
    context.rounds,
  );
  const crowded = await measureInTurns({
    [PER_CORE]: timed(own, PER_CORE),
    ...Object.fromEntries(
      CROWDS.map((crowd) => [perCore(crowd), timed(own, perCore(crowd))]),
    ),
  }, context.rounds);
  const four = await measureInTurns({
    own: timed(own, "processes-4"),
    boost: await timedPeer(context, "boost", "processes-4"),
  }, context.rounds);
  const handed = await measureInTurns({
    own: timed(own, "handed"),
    boost: await timedPeer(context, "boost", "handed"),
    dragon: await timedPeer(context, "dragon", "handed"),
    iceoryx2: await timedPeer(context, "iceoryx2", "handed"),
  }, context.rounds);

  const rows = [
    ...counts.map((count) => linearRow(scaling, count, true)),
    ...counts.map((count) => sharedRow(beside, count)),
    ...counts.filter(() => private_[SINGLE] !== undefined)
      .map((count) => linearRow(private_, count, false)),
    speedBeside({
      work: "C: 4 processes on one pool, ns per pair of all together",
      own: four.own,
      other: { name: titleOf("boost"), series: four.boost },
      target: { is: "at least", value: 30 },
    }),
    ...CROWDS.map((crowd) => crowdRow(crowded, crowd)),
    ...(["boost", "dragon", "iceoryx2"] as const)
      .filter((peer) => peer === "boost" || handed[peer] !== undefined)
      .map((peer) =>
        speedBeside({
          work: "C: free by another process than the one that allocated",
          own: handed.own,
          other: { name: titleOf(peer), series: handed[peer] },
          ...(peer === "boost" && { target: { is: "at least", value: 8 } }),
        })
      ),
  ];
  return {
    rows,
    figures: {
      ...figuresOf("C ", scaling),
      ...figuresOf("mimalloc ", private_),
      ...figuresOf("C processes ", beside),
      ...figuresOf("C crowded ", crowded),
      ...figuresOf("C 4 processes: ", four),
      ...figuresOf("C handed: ", handed),
    },
  };
}

type AllSeries = Record<string, Series | undefined>;

/** Of our own, and of processes that have nothing to do with one another. */
async function measureScaling(
  context: Context,
  own: Program,
  counts: readonly number[],
): Promise<[AllSeries, AllSeries]> {
  const names = [SINGLE, ...counts.map((count) => `processes-${count}`)];
  const mimalloc = await context.peers.get("mimalloc");
  const series: AllSeries = await measureInTurns(
    Object.fromEntries(names.flatMap((name) => [
      [`own ${name}`, timed(own, name)],
      [`private ${name}`, timed(mimalloc, name)],
    ])),
    context.rounds,
  );
  const of = (who: string): AllSeries =>
    Object.fromEntries(names.map((name) => [name, series[`${who} ${name}`]]));
  return [of("own"), of("private")];
}

/** How much of `count` times the speed of one process they reach. */
function linearRow(series: AllSeries, count: number, isOwn: boolean): Row {
  const { values: single } = series[SINGLE]!;
  const { values } = series[`processes-${count}`]!;
  return judged(
    {
      work: isOwn
        ? `C: ${count} processes on one pool`
        : `mimalloc: ${count} processes, nothing shared`,
      value: median(values),
      unit: "ns",
      other: { name: `1 process / ${count}`, value: median(single) / count },
      ratio: median(
        values.map((time, round) => single[round]! / count / time),
      ),
      ratioOf: "speed",
    },
    isOwn ? { is: "at least", value: 0.85 } : undefined,
  );
}

/** What it costs that they share a pool: the cores give both the same. */
function sharedRow(series: AllSeries, count: number): Row {
  return speedBeside({
    work: `C: ${count} processes on one pool, ns per pair of all together`,
    own: series[`on one pool, ${count}`],
    other: {
      name: `${count} processes, each on a pool of its own`,
      series: series[`on pools of their own, ${count}`],
    },
  });
}

function perCore(crowd: number): string {
  return `processes-${crowd}-per-core`;
}

function crowdRow(series: AllSeries, crowd: number): Row {
  return speedBeside({
    work: `C: ${crowd} processes per core`,
    own: series[perCore(crowd)],
    other: { name: "1 per core", series: series[PER_CORE] },
    target: { is: "at least", value: 0.7 },
  });
}
