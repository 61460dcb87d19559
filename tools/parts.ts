// The parts of the build, and whether one is up to date: its sources and what
// was built from them are as they were after the last build.

import { libraryName } from "../lib/library_name.ts";

/** Something that `build.zig` makes. Folders are relative to the repository. */
export interface Part {
  /** How messages call it. */
  readonly title: string;
  /** The step of `build.zig` that makes it. */
  readonly step: string;
  /** Options of that step. */
  readonly options?: readonly string[];
  /** Folders of the C sources that it is made from. */
  readonly sources: readonly string[];
  /** Folder that it is built into. */
  readonly folder: string;
  /** Names of the built files. */
  outputs(): Promise<string[]>;
}

const ROOT = new URL("../", import.meta.url);

const LIBRARY: Part = {
  title: "the native library",
  step: "install",
  sources: ["csrc/"],
  folder: "zig-out/lib/",
  outputs: () => Promise.resolve([libraryName()]),
};

const TESTS: Part = {
  title: "the C tests",
  step: "test-programs",
  sources: ["csrc/", "tests/native/"],
  folder: "zig-out/tests/",
  outputs: () => programs("tests/native/", "_test.c"),
};

const RACES: Part = {
  title: "the C tests of threads under ThreadSanitizer",
  step: "race-programs",
  sources: ["csrc/", "tests/native/"],
  folder: "zig-out/races/",
  outputs: () => Promise.resolve(["races_test", "threads_test"]),
};

const BENCH: Part = {
  title: "the C benchmarks",
  step: "bench",
  sources: ["csrc/", "bench/native/"],
  folder: "zig-out/bench/",
  outputs: () => programs("bench/native/", ".c"),
};

const TORTURE: Part = {
  title: "the torture's warden",
  step: "torture",
  sources: ["csrc/", "torture/native/"],
  folder: "zig-out/torture/",
  outputs: () => Promise.resolve(["warden"]),
};

const GUARD: Part = {
  title: "the guard's workload",
  step: "guard",
  sources: ["csrc/", "guard/native/"],
  folder: "zig-out/guard/",
  outputs: () => Promise.resolve(["workload", "libmanaged_memory.so"]),
};

/** Every part by the name that the command line gives it. */
export const PARTS = {
  library: LIBRARY,
  tests: TESTS,
  races: RACES,
  bench: BENCH,
  torture: TORTURE,
  guard: GUARD,
};

/** Whether building the part would change nothing. */
export async function isFresh(part: Part): Promise<boolean> {
  try {
    const stamp = await Deno.readTextFile(stampOf(part));
    return stamp === await inputState(part) + await outputState(part);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Builds a part by `build`, and remembers that it is up to date. */
export async function refresh(
  part: Part,
  build: () => Promise<void>,
): Promise<void> {
  // Before the build, so that a source edited meanwhile is seen the next time.
  const inputs = await inputState(part);
  await build();
  await Deno.mkdir(new URL(part.folder, ROOT), { recursive: true });
  await Deno.writeTextFile(stampOf(part), inputs + await outputState(part));
}

function stampOf(part: Part): URL {
  return new URL(`${part.folder}.stamp`, ROOT);
}

/** A hash of everything that the part is made from. */
async function inputState(part: Part): Promise<string> {
  return `${await contentHash(part.sources, Deno.build.target)}\n`;
}

/**
 * A hash of build.zig and of all files in some folders.
 *
 * @param folders The folders, relative to the repository.
 * @param more What else the hash is of.
 * @returns SHA-256 in hexadecimal.
 */
export async function contentHash(
  folders: readonly string[],
  more: string,
): Promise<string> {
  const files = ["build.zig"];
  for (const folder of folders) {
    const names = await namesIn(folder);
    files.push(...names.map((name) => folder + name));
  }
  const contents = await Promise.all(
    files.map((file) => Deno.readTextFile(new URL(file, ROOT))),
  );
  const all = JSON.stringify([more, files, contents]);
  const hash = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(all),
  );
  return new Uint8Array(hash).toHex();
}

/** Which files were built, so that another build in their place is noticed. */
async function outputState(part: Part): Promise<string> {
  const lines = [];
  for (const name of await part.outputs()) {
    const file = await Deno.stat(new URL(part.folder + name, ROOT));
    lines.push(`${name} ${file.size} ${file.mtime?.getTime()}\n`);
  }
  return lines.join("");
}

async function programs(folder: string, suffix: string): Promise<string[]> {
  const names = await namesIn(folder);
  return names.filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -".c".length));
}

/** The files of a folder in a fixed order; none if there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
      if (entry.isFile) names.push(entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}
