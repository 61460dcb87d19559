// Builds the C parts of the repository that have changed, by `build.zig`.
//
//   deno run -A tools/build.ts [library] [tests] [bench] [torture]

import { isFresh, type Part, PARTS, refresh } from "./parts.ts";
import { findZig } from "./zig.ts";

const ROOT = new URL("../", import.meta.url);

let zig: Promise<string> | undefined;

/**
 * Builds a part if its sources changed since the last build.
 *
 * @param part What to build; the native library if omitted.
 * @returns Whether there was anything to do.
 * @throws {Error} If there is no Zig, or a source does not compile.
 */
export async function ensureBuilt(
  part: Part = PARTS.library,
): Promise<boolean> {
  if (await isFresh(part)) return false;
  const { title, step, options = [] } = part;
  await refresh(part, () => zigBuild(`Building ${title}`, step, ...options));
  return true;
}

/**
 * Runs `zig build` in the repository, which never overwrites a library in
 * place: that would crash who has it loaded.
 *
 * @param announcement What to say before it begins.
 * @param args Steps and options.
 * @throws {Error} If there is no Zig, or the build fails.
 */
export async function zigBuild(
  announcement: string,
  ...args: string[]
): Promise<void> {
  zig ??= findZig();
  const executable = await zig;
  console.error(announcement);
  const command = new Deno.Command(executable, {
    args: ["build", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  const { success } = await command.output();
  if (!success) throw new Error(`zig build ${args.join(" ")} failed`);
}

async function main(names: string[]): Promise<void> {
  for (const name of names) {
    if (
      name === "library" || name === "tests" || name === "bench" ||
      name === "torture"
    ) {
      const part = PARTS[name];
      const built = await ensureBuilt(part);
      if (!built) console.error(`Up to date: ${part.title}`);
    } else {
      throw new Error(`Cannot build "${name}": there is no such part`);
    }
  }
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
