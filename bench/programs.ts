// Programs that measure: each round in a process of its own, so that nothing of
// one measure is left for the next.

/** Something that takes `--rounds N MEASURE...` and prints a line of JSON per measure. */
export class Program {
  readonly #command: string | URL;
  readonly #args: readonly string[];
  readonly #env: Record<string, string>;

  constructor(
    command: string | URL,
    { args = [], env = {} }: {
      args?: readonly string[];
      env?: Record<string, string>;
    } = {},
  ) {
    this.#command = command;
    this.#args = args;
    this.#env = env;
  }

  /** Runs one round of a measure: its result. */
  async measure(name: string): Promise<number> {
    const [{ median }] = await this.measureTogether([name], 1) as [Measured];
    return median;
  }

  /** Runs rounds of several measures, in turns, in one process. */
  async measureTogether(
    names: readonly string[],
    rounds: number,
  ): Promise<Measured[]> {
    const output = await this.run("--rounds", String(rounds), ...names);
    return output.trim().split("\n").map((line) => JSON.parse(line));
  }

  /** What the program prints. */
  async run(...args: string[]): Promise<string> {
    const { success, stdout } = await new Deno.Command(this.#command, {
      args: [...this.#args, ...args],
      env: this.#env,
      stdin: "null",
      stderr: "inherit",
    }).output();
    if (!success) {
      const all = [this.#command, ...this.#args, ...args].join(" ");
      throw new Error(`Cannot measure with ${all}`);
    }
    return new TextDecoder().decode(stdout);
  }
}

/** A line that a program prints. */
export interface Measured {
  readonly measure: string;
  readonly median: number;
  readonly rounds: readonly number[];
}

const ROOT = new URL("../", import.meta.url);

/** Where programs are built. */
export const PROGRAMS: URL = new URL("zig-out/bench/", ROOT);

/** A program over the C library, of `bench/native/`, which build.zig builds. */
export function nativeProgram(name: string): Program {
  return new Program(new URL(name, PROGRAMS));
}

/** A program over the module, of `bench/programs/`. */
export function denoProgram(name: string): Program {
  const script = import.meta.resolve(`./programs/${name}.ts`);
  return new Program(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script],
  });
}
