// How many tests passed, as the test programs say themselves.

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

// deno-lint-ignore no-control-regex
const COLOR = /\x1b\[[0-9;]*m/g;
const NATIVE = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;
const DENO =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(.+?\))? \| (\d+) failed(?: \(.+?\))?(?: \| (\d+) ignored)?/;

/** Reads the line that a C test program ends with. */
export function countsOfNative(output: string): Counts | undefined {
  return lastCounts(output, NATIVE);
}

/** Reads the line that `deno test` ends with. */
export function countsOfDeno(output: string): Counts | undefined {
  return lastCounts(output, DENO);
}

function lastCounts(output: string, pattern: RegExp): Counts | undefined {
  const lines = output.replaceAll(COLOR, "").split("\n");
  for (const line of lines.reverse()) {
    const match = pattern.exec(line.trim());
    if (match === null) continue;
    const [, passed, failed, skipped = "0"] = match;
    return {
      passed: Number(passed),
      failed: Number(failed),
      skipped: Number(skipped),
    };
  }
  return undefined;
}

export function sum(all: readonly Counts[]): Counts {
  return all.reduce((a, b) => ({
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  }), { passed: 0, failed: 0, skipped: 0 });
}

/** In the form of `3 passed, 0 failed` or `3 passed, 0 failed, 1 skipped`. */
export function toLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}
