// Runs a test program: shows what it prints and keeps it.

/** How a program ended. */
export interface Outcome {
  readonly success: boolean;
  /** In words: `ended with code 1`. */
  readonly reason: string;
  /** Its standard output. */
  readonly output: string;
}

/** The tests' share of the time that a CI run has. */
const LIMIT_MINUTES = 9;
const deadline = AbortSignal.timeout(LIMIT_MINUTES * 60_000);

/**
 * Runs a program in the repository, without input.
 *
 * @param command The program's path.
 * @param args Its arguments.
 * @param env Variables of its environment, besides those of this process.
 * @returns How it ended; it is stopped when the time for all programs is over.
 */
export async function run(
  command: string | URL,
  args: string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = new Deno.Command(command, {
    args,
    env,
    cwd: new URL("../", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: deadline,
  }).spawn();
  const printed: string[] = [];
  const showing = show(child.stdout, printed);
  const { success, code, signal } = await child.status;
  // A process that the program left behind may hold its output open for ever.
  await Promise.race([showing, delay(2000)]);
  const reason = deadline.aborted
    ? `was stopped when the tests had taken ${LIMIT_MINUTES} minutes`
    : `ended with ${signal ?? `code ${code}`}`;
  return { success, reason, output: printed.join("") };
}

async function show(
  output: ReadableStream<Uint8Array>,
  printed: string[],
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of output) {
    for (let at = 0; at < bytes.length;) {
      at += await Deno.stdout.write(bytes.subarray(at));
    }
    printed.push(decoder.decode(bytes, { stream: true }));
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
