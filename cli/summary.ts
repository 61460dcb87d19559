// What a look at a heap adds up to.

import {
  type Block,
  countProcesses,
  freeRuns,
  liveBlocks,
  type Snapshot,
} from "./snapshot.ts";
import { nameOfType } from "./kinds.ts";

/** Some allocations. Sizes are in bytes. */
export interface Share {
  allocations: number;
  /** What was asked for. */
  requested: number;
  /** The blocks that it lies in. */
  used: number;
}

/** Free pieces of similar size. */
export interface FreeClass {
  /** From this size on, up to twice of it. */
  readonly from: number;
  count: number;
  bytes: number;
}

/** A heap in numbers. Sizes are in bytes. */
export interface Summary extends Share {
  processes: number;
  attachments: number;
  free: number;
  /** Of the free ones: in caches. */
  cached: number;
  largestFree: number;
  /** The share of the free space that is not in its largest piece. */
  fragmentation: number;
  byType: (Share & { type: number; name: string })[];
  byOwner: (Share & { pid: number; isAlive: boolean })[];
  freeClasses: FreeClass[];
}

function add(share: Share, block: Block): void {
  share.allocations++;
  share.requested += block.size;
  share.used += block.extent;
}

function shareOf<K, S extends Share>(
  shares: Map<K, S>,
  key: K,
  make: () => S,
): S {
  let share = shares.get(key);
  if (share === undefined) shares.set(key, share = make());
  return share;
}

function classesOf(runs: readonly number[]): FreeClass[] {
  const classes = new Map<number, FreeClass>();
  for (const run of runs) {
    const from = 2 ** Math.floor(Math.log2(run));
    let one = classes.get(from);
    if (one === undefined) {
      classes.set(from, one = { from, count: 0, bytes: 0 });
    }
    one.count++;
    one.bytes += run;
  }
  return [...classes.values()].sort((one, other) => one.from - other.from);
}

/** Adds up what a look has seen. */
export function summarize(snapshot: Snapshot): Summary {
  const none = { allocations: 0, requested: 0, used: 0 };
  const total: Share = { ...none };
  const types = new Map<number, Summary["byType"][number]>();
  const owners = new Map<string, Summary["byOwner"][number]>();
  for (const block of liveBlocks(snapshot)) {
    const { type, pid, isOwnerAlive: isAlive } = block;
    add(total, block);
    const make = () => ({ type, name: nameOfType(type), ...none });
    add(shareOf(types, type, make), block);
    const makeOwner = () => ({ pid, isAlive, ...none });
    add(shareOf(owners, `${pid} ${isAlive}`, makeOwner), block);
  }
  const runs = freeRuns(snapshot);
  const free = snapshot.view.size - total.used;
  const largestFree = runs.reduce((most, run) => Math.max(most, run), 0);
  const cached = snapshot.segments
    .filter(({ state }) => state === "cached")
    .reduce((sum, { from, to }) => sum + to - from, 0);
  return {
    ...total,
    processes: countProcesses(snapshot.participants),
    attachments: snapshot.participants.length,
    free,
    cached,
    largestFree,
    fragmentation: free > 0 ? 1 - largestFree / free : 0,
    byType: [...types.values()].sort((one, other) => one.type - other.type),
    byOwner: [...owners.values()]
      .sort((one, other) => other.used - one.used || one.pid - other.pid),
    freeClasses: classesOf(runs),
  };
}

/** What those have left who are gone. */
export function leftByTheDead({ byOwner }: Summary): Share {
  const left: Share = { allocations: 0, requested: 0, used: 0 };
  for (const owner of byOwner) {
    if (owner.isAlive) continue;
    left.allocations += owner.allocations;
    left.requested += owner.requested;
    left.used += owner.used;
  }
  return left;
}
