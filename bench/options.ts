// The command line of the suite.

const ROUNDS = 11;
const QUICK_ROUNDS = 3;
const ROUNDS_MOST = 1000;

export interface Options {
  readonly rounds: number;
  readonly isQuick: boolean;
  /** Whether a missed target is a failure. */
  readonly isCheck: boolean;
  /** Where results are written; by default in the repository, or, if the run is not a full one, beside what is built. */
  readonly output: string | undefined;
  /** Which sections to run, in this order. */
  readonly sections: readonly string[];
}

/**
 * Reads `[--quick] [--check] [--rounds N] [--output FOLDER] [SECTION...]`.
 *
 * @param args The arguments.
 * @param all The sections that there are.
 * @param usual Those that run if none is named.
 * @returns What they say.
 * @throws {Error} If they say something else.
 */
export function readOptions(
  args: readonly string[],
  all: readonly string[],
  usual: readonly string[],
): Options {
  let isQuick = false, isCheck = false;
  let rounds: number | undefined, output: string | undefined;
  const sections: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--quick") isQuick = true;
    else if (arg === "--check") isCheck = true;
    else if (arg === "--rounds") rounds = toRounds(args[++at]);
    else if (arg === "--output") output = toFolder(args[++at]);
    else if (all.includes(arg)) sections.push(arg);
    else {
      throw new Error(
        `Unknown argument "${arg}"; the sections are ${all.join(", ")}`,
      );
    }
  }
  return {
    rounds: rounds ?? (isQuick ? QUICK_ROUNDS : ROUNDS),
    isQuick,
    isCheck,
    output,
    sections: sections.length === 0 ? usual : sections,
  };
}

function toRounds(text: string | undefined): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MOST) {
    return rounds;
  }
  throw new Error(`--rounds needs a whole number from 1 to ${ROUNDS_MOST}`);
}

function toFolder(text: string | undefined): string {
  if (text === undefined) throw new Error("--output needs a folder");
  return text;
}
