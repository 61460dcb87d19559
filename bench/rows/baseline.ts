// What must hold from the start, on whatever machine: the module is faster than
// Boost in C++, and a pool costs as little as promised.

import { titleOf } from "../peers.ts";
import { denoProgram, nativeProgram } from "../programs.ts";
import { speedBeside } from "../row.ts";
import {
  type Context,
  figuresOf,
  measureInTurns,
  type Section,
  timed,
  timedPeer,
} from "../section.ts";
import { measureCreation } from "./creation.ts";

export async function measureBaseline(context: Context): Promise<Section> {
  const series = await measureInTurns({
    module: timed(denoProgram("module_measures"), "pair"),
    boost: await timedPeer(context, "boost", "pair"),
    native: timed(nativeProgram("alloc_bench"), "pair"),
  }, context.rounds);
  const other = { name: `${titleOf("boost")} in C++`, series: series.boost };
  const { rows, figures } = await measureCreation(context);
  return {
    rows: [
      speedBeside({
        work: "TypeScript: alloc + free of 512 B",
        own: series.module,
        other,
        target: { is: "at least", value: 1.5 },
      }),
      speedBeside({
        work: "C: alloc + free of 512 B",
        own: series.native,
        other,
      }),
      ...rows,
    ],
    figures: { ...figuresOf("baseline: ", series), ...figures },
  };
}
