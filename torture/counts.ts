// What the warden tells, in lines of JSON (native/report.c), and how it is shown.

/** What was counted so far. Times are in nanoseconds. */
export interface Counts {
  readonly kind: "progress" | "summary";
  readonly kills: number;
  readonly denoKills: number;
  readonly killsByFuse: number;
  readonly killsInLock: number;
  readonly killsInRecovery: number;
  readonly freerKills: number;
  readonly stops: number;
  readonly stopsInLock: number;
  readonly recoveries: number;
  readonly longestRecovery: number;
  readonly waits: number;
  readonly longestWait: number;
  readonly longestOwnWait: number;
  readonly undisturbedWaits: number;
  readonly promptWaits: number;
  readonly operations: number;
  readonly busy: number;
  readonly reclaimed: number;
  readonly unfinished: number;
  readonly audits: number;
  readonly pools: number;
  readonly violations: number;
}

/** Something that must never be. */
export interface Violation {
  readonly kind: "violation";
  /** After how many kills. */
  readonly kills: number;
  readonly text: string;
}

export type Message = Counts | Violation;

/** A whole number for people. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

function milliseconds(nanoseconds: number): string {
  return `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

/** The summary, with one line for each figure or two. */
export function summaryOf(counts: Counts, seconds: number): string {
  return [
    `kills             ${count(counts.kills)}, of those ` +
    `${count(counts.denoKills)} Deno, ${
      count(counts.freerKills)
    } while freeing for a waiter`,
    `inside a call     ${count(counts.killsByFuse)} at a random instruction`,
    `inside the lock   ${count(counts.killsInLock)}, of those ` +
    `${count(counts.killsInRecovery)} while recovering from another`,
    `stops             ${count(counts.stops)}, of those ` +
    `${count(counts.stopsInLock)} inside the lock; ` +
    `${count(counts.busy)} calls answered busy`,
    `recoveries        ${count(counts.recoveries)}, the longest ` +
    milliseconds(counts.longestRecovery),
    `waiters           ${count(counts.waits)} timed, the longest ` +
    `${milliseconds(counts.longestWait)}, or ` +
    `${milliseconds(counts.longestOwnWait)} without waiting for a processor`,
    `woken             ${count(counts.promptWaits)} of ` +
    `${count(counts.undisturbedWaits)} waiters that nothing disturbed`,
    `operations        ${count(counts.operations)}`,
    `of the dead       ${count(counts.reclaimed)} allocations reclaimed, ` +
    `${count(counts.unfinished)} of them unfinished`,
    `audits            ${count(counts.audits)}, on ${
      count(counts.pools)
    } pools`,
    `time              ${seconds.toFixed(1)} s`,
    `violations        ${count(counts.violations)}`,
  ].join("\n");
}
