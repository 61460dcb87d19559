// What the module's calls cost in TypeScript, beside Boost in C++, beside
// Dragon's Python module, and beside what Deno itself takes for a view.

import { titleOf } from "../peers.ts";
import { denoProgram } from "../programs.ts";
import { alone, judged, type Row, speedBeside, timeBeside } from "../row.ts";
import { median } from "../rounds.ts";
import {
  type Context,
  figuresOf,
  measureInTurns,
  type Section,
  timed,
  timedPeer,
} from "../section.ts";

const BOOST = `${titleOf("boost")}'s pair in C++`;

export async function measureModule(context: Context): Promise<Section> {
  const module = denoProgram("module_measures");
  const series = await measureInTurns({
    pair: timed(module, "pair"),
    boost: await timedPeer(context, "boost", "pair"),
    array: timed(module, "pair-array"),
    view: timed(module, "pair-memview"),
    denoView: timed(module, "deno-view"),
    attach: timed(module, "attach"),
    dragonPython: await timedPeer(context, "dragonPython", "pair"),
  }, context.rounds);

  const boost = { name: BOOST, series: series.boost };
  const rows: Row[] = [
    timeBeside({
      work: "TypeScript: alloc + free of 512 B",
      own: series.pair,
      other: boost,
      target: { is: "at most", value: 0.3 },
    }),
    timeBeside({
      work: "TypeScript: alloc + Uint8Array over unsafeMemview + free",
      own: series.array,
      other: boost,
      target: { is: "at most", value: 0.5 },
    }),
    viewRow(series.view!.values, series.denoView!.values, series.pair!.values),
    alone(
      "TypeScript: MemoryAlloc.attach + detach, pool attached",
      series.attach,
      { is: "under", value: 500 },
    ),
  ];
  if (series.dragonPython) {
    rows.push(speedBeside({
      work: "TypeScript: alloc + free of 512 B",
      own: series.pair,
      other: { name: titleOf("dragonPython"), series: series.dragonPython },
    }));
  }
  return { rows, figures: figuresOf("TypeScript ", series) };
}

/** What a view costs on top of the pair, beside what Deno takes for one. */
function viewRow(
  view: readonly number[],
  denoView: readonly number[],
  pair: readonly number[],
): Row {
  const ratios = view.map((time, round) =>
    (time - pair[round]!) / denoView[round]!
  );
  return judged({
    work: "TypeScript: alloc + getMemview + free, without the pair",
    value: median(view.map((time, round) => time - pair[round]!)),
    unit: "ns",
    other: { name: "getArrayBuffer + transfer(0)", value: median(denoView) },
    ratio: median(ratios),
    ratioOf: "time",
  }, { is: "at most", value: 1.3 });
}
