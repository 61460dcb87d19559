// What every command has: options, a manual page, and what it does.

import { parseArgs } from "node:util";
import { isName, type Place } from "../lib/place.ts";

/** How the program is called in its own words. */
export const PROGRAM = "managed-memory";

/** Exit codes. */
export const Exit = { OK: 0, FAILURE: 1, USAGE: 2 } as const;

/** Somebody called a command in a way that it does not know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** An option that a command takes. */
export interface Option {
  /** What the manual calls its value; none: it is a flag. */
  readonly value?: string;
  readonly short?: string;
  readonly text: string;
}

/** One of the program's commands. */
export interface Command {
  readonly name: string;
  /** What it does, for the list of commands. */
  readonly summary: string;
  /** What it works on, as the manual writes it: `POOL`. */
  readonly operands: string;
  /** How many operands it takes. */
  readonly count: { readonly least: number; readonly most: number };
  readonly options: Readonly<Record<string, Option>>;
  /** Paragraphs of the manual. */
  readonly description: readonly string[];
  /** What `--json` writes. */
  readonly json: string;
  readonly examples: readonly (readonly [command: string, text: string])[];
  /** Does it; answers the exit code. */
  run(call: Call): number | Promise<number>;
}

/** Options that all commands take. */
export const COMMON: Readonly<Record<string, Option>> = {
  directory: {
    value: "PATH",
    text: "Where the pools are: the absolute path of a directory on a tmpfs. " +
      "Default: /dev/shm",
  },
  json: { text: "Write JSON instead of text for people" },
  help: { short: "h", text: "Show this manual page" },
};

/** What a number may be, both ends included. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** A command as it was called. */
export class Call {
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  private constructor(
    operands: readonly string[],
    values: Readonly<Record<string, unknown>>,
  ) {
    this.operands = operands;
    this.#values = values;
  }

  /** Reads a command's arguments. */
  static parse(command: Command, args: readonly string[]): Call {
    const options = Object.fromEntries(
      Object.entries({ ...command.options, ...COMMON }).map((
        [name, { value, short }],
      ) => [name, {
        type: value === undefined ? "boolean" as const : "string" as const,
        ...(short === undefined ? {} : { short }),
      }]),
    );
    const { values, positionals } = parseOrRefuse(args, options);
    const call = new Call(positionals, values);
    if (call.flag("help")) return call;
    const { least, most } = command.count;
    if (positionals.length < least) {
      throw new UsageError(`${command.name} needs a ${command.operands}`);
    }
    if (positionals.length > most) {
      throw new UsageError(
        `${command.name} does not know what to do with "${positionals[most]}"`,
      );
    }
    for (const name of positionals) {
      if (isName(name)) continue;
      throw new UsageError(
        `${JSON.stringify(name)} is no name of a pool: ` +
          "those have 1 to 200 characters of A-Z a-z 0-9 . _ -",
      );
    }
    return call;
  }

  /** Whether a flag was given. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The value of an option; undefined if it was not given. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The value of an option that takes a number; undefined if it was not given. */
  number(name: string, { least, most }: Range): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (value.trim() !== "" && number >= least && number <= most) return number;
    throw new UsageError(
      `--${name} takes a number from ${least} to ${most}, not "${value}"`,
    );
  }

  /** The same for whole numbers. */
  whole(name: string, range: Range): number | undefined {
    const number = this.number(name, range);
    if (number === undefined || Number.isInteger(number)) return number;
    throw new UsageError(`--${name} takes a whole number, not ${number}`);
  }

  get json(): boolean {
    return this.flag("json");
  }

  get directory(): string | undefined {
    return this.text("directory");
  }

  /** The pool that the command is about. */
  get place(): Place {
    return { name: this.operands[0]!, directory: this.directory };
  }
}

function parseOrRefuse(
  args: readonly string[],
  options: Record<
    string,
    { type: "boolean" | "string"; short?: string }
  >,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const text = error.message.split(/\.? *\n|\. /)[0]!.replace(/\.$/, "");
    throw new UsageError(text);
  }
}

/** Options for the module's functions: `directory` only where it was given. */
export function directoryOption(
  call: Call,
): { directory?: string } {
  const { directory } = call;
  return directory === undefined ? {} : { directory };
}
