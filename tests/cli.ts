// The command line as its users run it: a process with --allow-ffi alone.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { withinDeadline } from "./processes.ts";

/** The script of the command line. */
export const CLI = import.meta.resolve("../cli.ts");

/** What a call of the command line came to. */
export interface CliEnd {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Default: `--allow-ffi`. */
  permissions?: string[];
}

/** Starts the command line. */
export function startCli(
  args: readonly string[],
  { permissions = ["--allow-ffi"] }: CliOptions = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, CLI, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the command line to its end. */
export async function runCli(
  args: readonly string[],
  options?: CliOptions,
): Promise<CliEnd> {
  const decoder = new TextDecoder();
  const { code, stdout, stderr } = await withinDeadline(
    startCli(args, options).output(),
    () => `It does not end: ${args.join(" ")}`,
  );
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** What it writes when it succeeds: plain ASCII without control characters. */
export async function outputOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^[\n\x20-\x7e]*$/);
  return stdout;
}

/** What it writes with `--json`. */
// deno-lint-ignore no-explicit-any
export async function jsonOf(...args: string[]): Promise<any> {
  return JSON.parse(await outputOf(...args, "--json"));
}

/** Asserts that it fails with a code and with one line that matches. */
export async function assertCliFails(
  args: readonly string[],
  expected: { code: number; message: RegExp },
  options?: CliOptions,
): Promise<void> {
  const { code, stdout, stderr } = await runCli(args, options);
  assertEquals(code, expected.code, stderr);
  assertEquals(stdout, "");
  assertMatch(stderr, /^managed-memory: [^\n]+\n$/);
  assertMatch(stderr, expected.message);
  assert(!stderr.includes("    at "), "no stack");
}

/** Whether a program is there that a test needs, and may be run. */
export function isInstalled(program: string): boolean {
  const permission = Deno.permissions.querySync({ name: "run" });
  if (permission.state !== "granted") return false;
  try {
    return new Deno.Command(program, {
      args: ["-V"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync().code >= 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
