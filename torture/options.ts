// The command line of the torture.

/** Kills and stops at random. */
export interface RandomOptions {
  readonly mode: "random";
  /** Workers at once, in C and in Deno. */
  readonly processes: number;
  /** How many of them are killed before it ends. */
  readonly kills: number;
  /** Decides what warden and workers do. */
  readonly seed: bigint;
}

/** Kills and stops at every instruction. */
export interface ExhaustiveOptions {
  readonly mode: "exhaustive";
  /** Test programs at once. */
  readonly jobs: number;
  /** Whether the others lose their patience at every stop inside the lock. */
  readonly everyBusy: boolean;
  /** Only the cases whose name contains one of them; none: all. */
  readonly names: readonly string[];
}

export const USAGE =
  "deno task torture [--processes N] [--kills N] [--seed S]\n" +
  "       deno task torture --exhaustive [--jobs N] [--every-busy] [name ...]";

const MOST_PROCESSES = 250;
const NUMBERS = ["--processes", "--kills", "--seed", "--jobs"];
const FLAGS = ["--exhaustive", "--every-busy"];
const OF_EXHAUSTIVE = ["--exhaustive", "--every-busy", "--jobs"];

/**
 * Reads the command line.
 *
 * @throws {Error} If it is not understood; the message says why.
 */
export function readOptions(
  args: readonly string[],
): RandomOptions | ExhaustiveOptions {
  const { given, names } = parse(args);
  const isExhaustive = given.has("--exhaustive");
  for (const option of given.keys()) {
    if (OF_EXHAUSTIVE.includes(option) !== isExhaustive) {
      const relation = isExhaustive ? "does not go with" : "needs";
      throw usageError(`${option} ${relation} --exhaustive`);
    }
  }
  if (!isExhaustive && names.length > 0) {
    throw usageError(`Unknown argument "${names[0]}"`);
  }
  return isExhaustive
    ? {
      mode: "exhaustive",
      jobs: wholeIn(given, "--jobs", 1, 256) ?? halfOfTheProcessors(),
      everyBusy: given.has("--every-busy"),
      names,
    }
    : {
      mode: "random",
      processes: wholeIn(given, "--processes", 2, MOST_PROCESSES) ?? 10,
      kills: Number(given.get("--kills") ?? 10_000n),
      seed: given.get("--seed") ??
        BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!),
    };
}

/** The options with their numbers (flags: 1n), and everything else. */
function parse(
  args: readonly string[],
): { given: Map<string, bigint>; names: string[] } {
  const given = new Map<string, bigint>();
  const names: string[] = [];
  const words = args.flatMap((arg) =>
    arg.startsWith("-") ? arg.split("=") : arg
  );
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (FLAGS.includes(word)) {
      given.set(word, 1n);
    } else if (NUMBERS.includes(word)) {
      const value = words[++at] ?? "";
      if (!/^\d{1,19}$/.test(value)) {
        throw usageError(`${word} needs a whole number`);
      }
      given.set(word, BigInt(value));
    } else if (word.startsWith("-")) {
      throw usageError(`Unknown option ${word}`);
    } else {
      names.push(word);
    }
  }
  return { given, names };
}

function wholeIn(
  given: Map<string, bigint>,
  option: string,
  least: number,
  most: number,
): number | undefined {
  const value = given.get(option);
  if (value === undefined) return undefined;
  if (value < BigInt(least) || value > BigInt(most)) {
    throw usageError(`${option} must be from ${least} to ${most}`);
  }
  return Number(value);
}

function halfOfTheProcessors(): number {
  return Math.max(1, Math.floor(navigator.hardwareConcurrency / 2));
}

function usageError(message: string): Error {
  return new Error(`${message}\nUsage: ${USAGE}`);
}
