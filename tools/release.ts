// Builds the native library for every release target, and makes lib/natives/ of
// them: the modules in which the package carries it.
//
//   deno run -A tools/release.ts

import { deflateRawSync } from "node:zlib";
import { zigBuild } from "./build.ts";
import { contentHash, isFresh, namesIn, type Part, refresh } from "./parts.ts";
import { VERSION } from "./zig.ts";

const ROOT = new URL("../", import.meta.url);

/** Where `zig build release` puts a folder for each target. */
const BUILT = new URL("zig-out/release/", ROOT);

const MOST_BYTES = 200_000;

const NOTE = `// Made by "deno task release"; not in version control.\n`;

/** The modules that the package carries the library in. */
export const NATIVES: Part = {
  title: "the native library for every release target",
  step: "release",
  sources: ["csrc/", "tools/"],
  folder: "lib/natives/",
  outputs: async () => {
    const names = await namesIn("lib/natives/");
    return [
      "index.ts",
      ...names.filter((name) => /^[a-z]+_.*\.ts$/.test(name)),
    ];
  },
};

/** A library that was built. */
interface Library {
  /** Its system as Deno names it: `linux_x86_64`. */
  readonly system: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Makes lib/natives/ if something that it is made from has changed.
 *
 * @returns Whether there was anything to do.
 * @throws {Error} If a target cannot be built, or its library is too large.
 */
export async function ensureNatives(): Promise<boolean> {
  if (await isFresh(NATIVES)) return false;
  await refresh(NATIVES, makeNatives);
  return true;
}

async function makeNatives(): Promise<void> {
  const hash = await contentHash(["csrc/"], VERSION);
  const buildId = hash.slice(0, 32);
  await removeAll(BUILT);
  await zigBuild(
    `Building ${NATIVES.title}`,
    NATIVES.step,
    `-Dbuild-id=${buildId}`,
  );
  const folder = new URL(NATIVES.folder, ROOT);
  await removeAll(folder);
  await Deno.mkdir(folder, { recursive: true });
  const libraries = await builtLibraries();
  for (const library of libraries) {
    const { system, bytes } = library;
    if (bytes.length > MOST_BYTES) {
      throw new Error(`The library for ${system} has ${bytes.length} bytes`);
    }
    const module = await moduleOf(library);
    await Deno.writeTextFile(new URL(`${system}.ts`, folder), module);
    console.error(
      `${system}: ${bytes.length} bytes, as a module ${module.length}`,
    );
  }
  const systems = libraries.map(({ system }) => system);
  await Deno.writeTextFile(
    new URL("index.ts", folder),
    indexOf(buildId, systems),
  );
}

async function builtLibraries(): Promise<Library[]> {
  const libraries: Library[] = [];
  for await (const { name: target } of Deno.readDir(BUILT)) {
    const folder = new URL(`${target}/`, BUILT);
    for await (const { name } of Deno.readDir(folder)) {
      if (!/\.(so|dylib|dll)$/.test(name)) continue;
      const bytes = await Deno.readFile(new URL(name, folder));
      libraries.push({ system: systemOf(target), bytes });
    }
  }
  return libraries.sort((a, b) => a.system < b.system ? -1 : 1);
}

/** `x86_64-linux-gnu.2.17`, as Zig says, is `linux_x86_64`. */
function systemOf(target: string): string {
  const [cpu, system] = target.split("-");
  return `${system === "macos" ? "darwin" : system}_${cpu}`;
}

async function moduleOf({ bytes }: Library): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  const data = new Uint8Array(deflateRawSync(bytes, { level: 9 }));
  return NOTE +
    `export const SHA256 = "${new Uint8Array(hash).toHex()}";\n` +
    `export const DATA = "${data.toBase64()}";\n`;
}

/** The specifiers are literal, so that the modules are known to be needed. */
function indexOf(buildId: string, systems: string[]): string {
  const entries = systems.map((system) =>
    `  ${system}: () => import("./${system}.ts"),\n`
  );
  return NOTE +
    `import type { NativeModule } from "../embedded.ts";\n\n` +
    `export const BUILD_ID = "${buildId}";\n\n` +
    `export const NATIVES: Readonly<Record<string, () => Promise<NativeModule>>> = {\n` +
    `${entries.join("")}};\n`;
}

async function removeAll(folder: URL): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

if (import.meta.main) {
  try {
    const made = await ensureNatives();
    if (!made) console.error(`Up to date: ${NATIVES.title}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
