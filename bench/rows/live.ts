// Whether it matters how many allocations are live.

import { nativeProgram } from "../programs.ts";
import { timeBeside } from "../row.ts";
import type { Context, Section } from "../section.ts";

/** As many as `native/live_bench.c` makes. */
const LIVE = 10_000_000;

export async function measureLive({ rounds }: Context): Promise<Section> {
  const program = nativeProgram("live_bench");
  const [empty, live] = (await program.measureTogether(
    ["empty", "live"],
    rounds,
  )).map((measured) => ({ unit: "ns", values: measured.rounds } as const));
  return {
    rows: [timeBeside({
      work: `C: alloc + free beside ${LIVE.toLocaleString("en")} live`,
      own: live,
      other: { name: "an empty pool", series: empty },
      target: { is: "at most", value: 2 },
    })],
    figures: { "live: empty": empty!, "live: live": live! },
  };
}
