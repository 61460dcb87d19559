// How soon a blocked request goes on after another process freed, and what it
// takes while it is blocked.

import { denoProgram } from "../programs.ts";
import { alone, type Series, timeBeside, type Unit } from "../row.ts";
import { median, quantile } from "../rounds.ts";
import type { Context, Section } from "../section.ts";

/** What `programs/resume_waiter.ts` prints: microseconds, and a share of a core. */
interface Resumed {
  readonly rounds: readonly {
    readonly own: readonly number[];
    readonly floor: readonly number[];
  }[];
  readonly share: number;
}

export async function measureResume(
  { rounds, isQuick }: Context,
): Promise<Section> {
  const [samples, blocked] = isQuick ? [50, 1_000] : [300, 10_000];
  const output = await denoProgram("resume_waiter")
    .run(String(rounds), String(samples), String(blocked));
  const measured: Resumed = JSON.parse(output);
  const own = measured.rounds.map((round) => round.own);
  const floor = measured.rounds.map((round) => round.floor);
  const all = own.flat();
  const work = "TypeScript: blocked request resumed by another process's free";
  return {
    rows: [
      timeBeside({
        work: `${work}, median`,
        own: series("µs", own.map(median)),
        other: {
          name: "a parked native call woken by futex",
          series: series("µs", floor.map(median)),
        },
        target: { is: "at most", value: 1.5 },
      }),
      alone(
        `${work}, p99 of ${all.length}`,
        series("ms", [quantile(all, 0.99) / 1000]),
        { is: "under", value: 2 },
      ),
      alone(
        "TypeScript: share of a core that a blocked request takes",
        series("%", [measured.share * 100]),
        { is: "under", value: 1 },
      ),
    ],
    figures: {
      "resume: own": series("µs", all),
      "resume: floor": series("µs", floor.flat()),
    },
  };
}

function series(unit: Unit, values: readonly number[]): Series {
  return { unit, values };
}
