// The command line of the torture.

/** What to do. */
export interface Options {
  /** Workers at once, in C and in Deno. */
  readonly processes: number;
  /** How many of them are killed before it ends. */
  readonly kills: number;
  /** Decides what manager and workers do. */
  readonly seed: bigint;
}

export const USAGE = "deno task torture [--processes N] [--kills N] [--seed S]";

const MOST_PROCESSES = 250;

/**
 * Reads the command line.
 *
 * @throws {Error} If it is not understood; the message says why.
 */
export function readOptions(args: readonly string[]): Options {
  const given = new Map<string, bigint>();
  const words = args.flatMap((arg) => arg.split("="));
  for (let at = 0; at < words.length; at += 2) {
    const [name, value] = [words[at]!, words[at + 1] ?? ""];
    if (!["--processes", "--kills", "--seed"].includes(name)) {
      throw new Error(`Unknown option ${name}\nUsage: ${USAGE}`);
    }
    if (!/^\d{1,19}$/.test(value)) {
      throw new Error(`${name} needs a whole number\nUsage: ${USAGE}`);
    }
    given.set(name, BigInt(value));
  }
  const processes = Number(given.get("--processes") ?? 10n);
  if (processes < 2 || processes > MOST_PROCESSES) {
    throw new Error(`--processes must be from 2 to ${MOST_PROCESSES}`);
  }
  return {
    processes,
    kills: Number(given.get("--kills") ?? 10_000n),
    seed: given.get("--seed") ??
      BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!),
  };
}
