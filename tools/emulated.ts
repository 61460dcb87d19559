// Other systems than this one, as far as something here can run their programs:
// which C tests they get, and by what they are run.

import type { Part } from "./parts.ts";

/** A system whose programs something here can run. */
export interface Emulated {
  /** How messages call it. */
  readonly title: string;
  /** The C tests, built for it. */
  readonly tests: Part;
  /** Why its programs cannot be run here; `undefined` if they can. */
  missing(): Promise<string | undefined>;
  /** The command that runs a program. */
  command(program: string): Promise<Command>;
}

/** A command: what to run, with which arguments, in which environment. */
export interface Command {
  readonly name: string;
  readonly args: string[];
  readonly env?: Record<string, string>;
}

const ROOT = new URL("../", import.meta.url);

/** The C tests built for another target, into a folder of its own. */
function testsFor(
  title: string,
  folder: string,
  target: string,
  extension: string,
  names: readonly string[],
): Part {
  return {
    title: `the C tests for ${title}`,
    step: "test-programs",
    // Without optimization, because all of it again would take minutes.
    options: [
      `-Dtarget=${target}`,
      "-Doptimize=Debug",
      ...names.map((name) => `-Donly=${name}`),
      "--prefix",
      folder,
    ],
    sources: ["csrc/", "tests/native/", "tools/"],
    folder: `${folder}/tests/`,
    outputs: () => Promise.resolve(names.map((name) => name + extension)),
  };
}

/**
 * Tests that need no fork(). Not races_test and threads_test, which count what
 * gets done in some time: that is little where each sleep goes through Wine's
 * server.
 */
const WINDOWS_TESTS = [
  "cache_test",
  "descriptor_test",
  "geometry_test",
  "heap_churn_test",
  "heap_grow_test",
  "heap_test",
  "index_test",
  "manifest_test",
  "rebuild_test",
  "system_test",
];

/** Not those that trace processes or call a compiler, and none that takes long. */
const ARM64 = [
  ...WINDOWS_TESTS,
  "clock_test",
  "inspect_test",
  "lock_test",
  "ownership_test",
  "park_test",
  "participants_test",
  "pool_file_test",
  "pool_leak_test",
  "pool_test",
  "races_test",
  "registry_test",
  "stress_test",
  "threads_test",
  "trim_test",
  "wait_death_test",
  "wait_test",
];

/** Where Debian puts the C library of arm64. */
const ARM64_ROOT = "/usr/aarch64-linux-gnu";

const ARM64_LINUX: Emulated = {
  title: "arm64 Linux under qemu",
  tests: testsFor(
    "arm64 Linux",
    "zig-out/arm64",
    "aarch64-linux-gnu.2.17",
    "",
    ARM64,
  ),
  async missing() {
    if (!await runs("qemu-aarch64", "--version")) {
      return "there is no qemu-aarch64 (Debian: qemu-user)";
    }
    return await exists(`${ARM64_ROOT}/lib/ld-linux-aarch64.so.1`)
      ? undefined
      : `there is no C library in ${ARM64_ROOT} (Debian: libc6-arm64-cross)`;
  },
  command: (program) =>
    Promise.resolve({
      name: "qemu-aarch64",
      args: ["-L", ARM64_ROOT, program],
    }),
};

/** Wine's executable for 64 bits; Debian puts it where no path leads. */
const WINE = ["wine64", "/usr/lib/wine/wine64"];

const WINDOWS: Emulated = {
  title: "Windows under Wine",
  tests: testsFor(
    "Windows",
    "zig-out/windows",
    "x86_64-windows-gnu",
    ".exe",
    WINDOWS_TESTS,
  ),
  missing: async () =>
    await wine() === undefined
      ? "there is no wine64 (Debian: wine64)"
      : undefined,
  async command(program) {
    const prefix = new URL("zig-out/wine/", ROOT);
    await Deno.mkdir(prefix, { recursive: true });
    return {
      name: await wine() ?? "wine64",
      args: [program],
      env: {
        WINEPREFIX: decodeURIComponent(prefix.pathname),
        WINEDEBUG: "-all",
        // No questions about what no test needs.
        WINEDLLOVERRIDES: "mscoree=d;mshtml=d",
      },
    };
  },
};

async function wine(): Promise<string | undefined> {
  for (const name of WINE) if (await runs(name, "--version")) return name;
  return undefined;
}

async function runs(command: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Every system that can be emulated. */
export const EMULATED: readonly Emulated[] = [ARM64_LINUX, WINDOWS];
