// The native programs that the module is measured against: its own C library,
// built by build.zig, and peers in C++, built here if this machine can.

const ROOT = new URL("../", import.meta.url);
const PROGRAMS = new URL("zig-out/bench/", ROOT);

/** Something that a peer needs, and the Debian package that has it. */
interface Need {
  readonly header: string;
  readonly package: string;
}

const PEERS = {
  boost: {
    header: "boost/interprocess/managed_shared_memory.hpp",
    package: "libboost-dev",
  },
} as const satisfies Record<string, Need>;

const COMPILERS = ["c++", "g++", "clang++"];
const FLAGS = ["-std=c++17", "-O3", "-DNDEBUG", "-pthread"];

/** Headers of this repository that every peer includes. */
const OWN_HEADERS = ["bench/native/workloads.h", "bench/native/rounds.h"];

/** A native program that takes `--rounds N MEASURE`. */
export class Program {
  readonly #path: URL;

  constructor(name: string) {
    this.#path = new URL(name, PROGRAMS);
  }

  /** Runs one round of a measure, in a process of its own, and answers its result. */
  async measure(name: string): Promise<number> {
    const { success, stdout } = await new Deno.Command(this.#path, {
      args: ["--rounds", "1", name],
      stderr: "inherit",
    }).output();
    if (!success) {
      throw new Error(`Cannot measure "${name}" with ${this.#path}`);
    }
    return JSON.parse(new TextDecoder().decode(stdout)).median;
  }
}

/** The C library's own program, which `deno task baseline` builds first. */
export function ownProgram(): Program {
  return new Program("alloc_bench");
}

/**
 * Compiles a peer, unless that was done already.
 *
 * @param name Which one.
 * @returns Its program, or in words why there is none.
 * @throws {Error} If it does not compile although all that it needs is there.
 */
export async function peerProgram(
  name: keyof typeof PEERS,
): Promise<Program | string> {
  const source = `bench/peers/${name}.cpp`;
  if (await isFresh(name, [source, ...OWN_HEADERS])) return new Program(name);
  const compiler = await findCompiler();
  if (compiler === undefined) {
    return "there is no C++ compiler (Debian package g++)";
  }
  const need = PEERS[name];
  const probe = ["-fsyntax-only", "-x", "c++", "-include", need.header];
  if (!(await run(compiler, [...probe, "/dev/null"], "null"))) {
    return `there is no <${need.header}> (Debian package ${need.package})`;
  }
  console.error(`Compiling ${source}`);
  await Deno.mkdir(PROGRAMS, { recursive: true });
  const output = new URL(name, PROGRAMS).pathname;
  // librt: where shared memory was before glibc 2.34.
  const args = [...FLAGS, source, "-o", decodeURIComponent(output), "-lrt"];
  if (!(await run(compiler, args, "inherit"))) {
    throw new Error(`Cannot compile ${source} with ${compiler}`);
  }
  return new Program(name);
}

async function isFresh(name: string, sources: string[]): Promise<boolean> {
  const built = await timeOf(new URL(name, PROGRAMS));
  for (const source of sources) {
    if (await timeOf(new URL(source, ROOT)) >= built) return false;
  }
  return true;
}

/** When a file was changed last; 0 if there is none. */
async function timeOf(file: URL): Promise<number> {
  try {
    return (await Deno.stat(file)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

async function findCompiler(): Promise<string | undefined> {
  for (const name of COMPILERS) {
    if (await run(name, ["--version"], "null")) return name;
  }
  return undefined;
}

/** Whether a command is there and succeeds. */
async function run(
  command: string,
  args: string[],
  stderr: "null" | "inherit",
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, {
      args,
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr,
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
