/** A set of children that do one job together, and are all gone when it is over. */

import { Child } from "./child.ts";

/** What a team achieved, in milliseconds of time. */
export interface TeamResult<T> {
  /** One per child, in the order of their shares. */
  results: T[];
  /** From the start of the first child until all were ready. */
  startUp: number;
  /** From handing over the work until the last result was read. */
  work: number;
}

/**
 * Starts `size` children of `script`, waits until all are ready, and has
 * `workWith` done with each of them at the same time.
 */
export async function workInTeam<T>(
  script: string,
  size: number,
  signal: AbortSignal,
  onStart: (pids: number[]) => void,
  workWith: (child: Child, index: number) => Promise<T>,
): Promise<TeamResult<T>> {
  const started = performance.now();
  const children: Child[] = [];
  const work: Promise<T>[] = [];
  const killAll = () => Promise.all(children.map((child) => child.kill()));
  signal.addEventListener("abort", killAll);
  try {
    for (let number = 1; number <= size; number++) {
      children.push(new Child(script, number));
    }
    onStart(children.map((child) => child.pid));
    await Promise.all(children.map((child) => child.waitUntilReady()));
    signal.throwIfAborted();

    const handedOver = performance.now();
    work.push(...children.map(workWith));
    const results = await Promise.all(work);
    const done = performance.now();

    await Promise.all(children.map((child) => child.waitForEnd()));
    return { results, startUp: handedOver - started, work: done - handedOver };
  } finally {
    signal.removeEventListener("abort", killAll);
    await killAll();
    // A write that still used the caller's bytes has failed by now: they may be freed.
    await Promise.allSettled(work);
  }
}
