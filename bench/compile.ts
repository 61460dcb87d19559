// Builds the peers in C++ with the compiler of this machine.

import { Program, PROGRAMS } from "./programs.ts";

const ROOT = new URL("../", import.meta.url);
const COMPILERS = ["c++", "g++", "clang++"];
const FLAGS = ["-std=c++17", "-O3", "-DNDEBUG", "-pthread"];
/** Headers of this repository that peers include. */
const OWN_HEADERS = "bench/native/";

/** What a peer in C++ is made of, besides its source. */
export interface Need {
  /** A header that tells whether it is installed. */
  readonly header: string;
  /** What to install if it is not. */
  readonly remedy: string;
  /** Flags of the linker. */
  readonly libraries: readonly string[];
  /** A folder of headers, where the compiler would not look. */
  readonly include?: string;
}

/**
 * Compiles `bench/peers/NAME.cpp`, unless that was done already.
 *
 * @param name Which peer.
 * @param need What it needs.
 * @returns Its program, or in words why there is none.
 * @throws {Error} If it does not compile although all that it needs is there.
 */
export async function compilePeer(
  name: string,
  { header, remedy, libraries, include }: Need,
): Promise<Program | string> {
  const source = `bench/peers/${name}.cpp`;
  const program = new Program(new URL(name, PROGRAMS));
  if (await isFresh(name, source)) return program;
  const compiler = await findCompiler();
  if (compiler === undefined) {
    return "there is no C++ compiler (Debian package g++)";
  }
  const flags = include === undefined ? FLAGS : [...FLAGS, `-I${include}`];
  const probe = ["-fsyntax-only", "-x", "c++", "-include", header];
  if (!(await succeeds(compiler, [...flags, ...probe, "/dev/null"]))) {
    return `there is no <${header}> (${remedy})`;
  }
  console.error(`Compiling ${source}`);
  await Deno.mkdir(PROGRAMS, { recursive: true });
  const output = decodeURIComponent(new URL(name, PROGRAMS).pathname);
  const args = [...flags, source, "-o", output, ...libraries];
  if (!(await succeeds(compiler, args, "inherit"))) {
    throw new Error(`Cannot compile ${source} with ${compiler}`);
  }
  return program;
}

/**
 * Whether a command is there and succeeds.
 *
 * @param command Its name.
 * @param args Its arguments.
 * @param stderr Whether to show what it complains about.
 */
export async function succeeds(
  command: string,
  args: readonly string[],
  stderr: "null" | "inherit" = "null",
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, {
      args: [...args],
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

async function isFresh(name: string, source: string): Promise<boolean> {
  const built = await timeOf(new URL(name, PROGRAMS));
  const sources = [source];
  for await (const { name } of Deno.readDir(new URL(OWN_HEADERS, ROOT))) {
    if (name.endsWith(".h")) sources.push(OWN_HEADERS + name);
  }
  const times = sources.map((path) => timeOf(new URL(path, ROOT)));
  return Math.max(...await Promise.all(times)) < built;
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
    if (await succeeds(name, ["--version"])) return name;
  }
  return undefined;
}
