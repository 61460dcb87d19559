// How full a pool can be after it was in use for long, and what it costs then.

import { nativeProgram } from "../programs.ts";
import { alone, type Series } from "../row.ts";
import type { Context, Section } from "../section.ts";

/** What a busy service does in an hour: 100,000 exchanges a second. */
const OPERATIONS = 100_000 * 3600;
const QUICK_OPERATIONS = 3_000_000;

/** What `native/fill_bench.c` prints. */
interface Course {
  readonly samples: readonly {
    readonly operations: number;
    readonly ns: number;
    /** Shares, from 0 to 1. */
    readonly used: number;
    readonly fragmentation: number;
    readonly freeBlocks: number;
  }[];
  readonly failures: number;
  readonly fullAtFirstFailure: number;
}

export async function measureFill({ isQuick }: Context): Promise<Section> {
  const operations = isQuick ? QUICK_OPERATIONS : OPERATIONS;
  const output = await nativeProgram("fill_bench").run(String(operations));
  const course: Course = JSON.parse(output);
  const { samples } = course;
  const work = `C: ${operations.toLocaleString("en")} exchanges at 90 % full`;
  const times: Series = { unit: "ns", values: samples.map(({ ns }) => ns) };
  const last = samples.at(-1)!;
  return {
    rows: [
      alone(
        `${work}: how full when an alloc first failed`,
        percent(course.fullAtFirstFailure),
        { is: "at least", value: 95 },
      ),
      alone(`${work}: time of each`, times),
      alone(
        `${work}: free memory outside of the largest free block`,
        percent(last.fragmentation),
      ),
    ],
    figures: { "fill: time of an exchange": times },
    course,
  };
}

function percent(share: number): Series {
  return { unit: "%", values: [share * 100] };
}
