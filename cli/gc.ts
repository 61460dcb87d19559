// gc: what nobody needs any more: orphaned pools, and what the dead have left
// in pools that are in use.

import { ManagedMemoryError, MemoryPool, type PoolListing } from "../mod.ts";
import {
  type Call,
  type Command,
  directoryOption,
  Exit,
  PROGRAM,
} from "./command.ts";
import { bytes, json, moment, some, table, whole } from "./format.ts";
import { lookInto } from "./snapshot.ts";
import { leftByTheDead, type Share, summarize } from "./summary.ts";
import { paint, print, Style } from "./terminal.ts";

/** What was found in one pool, and what became of it. */
interface Finding {
  readonly pool: PoolListing;
  /** What the dead have left; null: the whole pool is an orphan. */
  readonly left: Share | null;
  /** What was freed; null: nothing was tried, or it failed. */
  freed: { allocations: number; bytes: number } | null;
  /** Why looking or removing failed. */
  error: string | null;
}

const NOTHING: Share = { allocations: 0, requested: 0, used: 0 };

/** The command `gc`. */
export const gc: Command = {
  name: "gc",
  summary: "finds what nobody needs any more, and removes it if told to",
  operands: "[POOL]...",
  count: { least: 0, most: Infinity },
  options: {
    yes: { short: "y", text: "Remove it. Without this nothing is changed" },
  },
  description: [
    "Shows the orphaned pools, to which no living process is attached, and the allocations in other pools whose owner is gone: it died, or it detached. With --yes it destroys those pools and frees those allocations. Of all pools, or of those that are named.",
    "Look before you say yes. A pool may be an orphan because the next process that needs what lies in it has not started yet; and an allocation outlives its owner, so that somebody else may still be using it (whoever does can adopt it, and then it is not shown here).",
    "What changes between looking and removing is safe: a pool to which somebody has attached meanwhile stays, and so does what somebody has adopted. What more of the dead leave until then is freed as well.",
  ],
  json:
    "An object with orphans: name, size and used in bytes; leftBehind: name, allocations, bytes (as asked for); and acted, whether --yes was given. Each of both has freed (allocations and bytes, or null) and error (a text, or null).",
  examples: [
    ["gc", "What there is to remove"],
    ["gc --yes", "Removes it"],
    ["gc frames --yes", "Only the pool frames, or what was left in it"],
  ],
  run(call) {
    const findings = findAll(call);
    const acted = call.flag("yes");
    if (acted) {
      findings.filter(({ error }) => error === null)
        .forEach((finding) => act(finding, call));
    }
    if (call.json) print(toJson(findings, acted));
    else print(...reportOf(findings, acted));
    const failed = findings.filter(({ error }) => error !== null);
    for (const { error } of failed) console.error(`${PROGRAM}: ${error}`);
    return failed.length === 0 ? Exit.OK : Exit.FAILURE;
  },
};

function findAll(call: Call): Finding[] {
  const pools = MemoryPool.list(directoryOption(call));
  for (const name of call.operands) {
    if (pools.some((pool) => pool.name === name)) continue;
    throw new Error(
      `Cannot find pool "${name}": no pool of this name is there`,
    );
  }
  return pools
    .filter(({ name }) =>
      call.operands.length === 0 || call.operands.includes(name)
    )
    .map((pool) => pool.isOrphan ? orphan(pool) : lookForLeft(pool, call))
    .filter(({ left, error }) => left?.allocations !== 0 || error !== null);
}

function orphan(pool: PoolListing): Finding {
  return { pool, left: null, freed: null, error: null };
}

function lookForLeft(pool: PoolListing, call: Call): Finding {
  const place = { name: pool.name, directory: call.directory };
  try {
    const left = leftByTheDead(summarize(lookInto(place)));
    return { pool, left, freed: null, error: null };
  } catch (error) {
    if (!(error instanceof ManagedMemoryError)) throw error;
    // One that was destroyed meanwhile is nobody's any more.
    const isGone = error.code === "not-found";
    return {
      pool,
      left: NOTHING,
      freed: null,
      error: isGone ? null : error.message,
    };
  }
}

function act(finding: Finding, call: Call): void {
  const { pool, left } = finding;
  try {
    if (left === null) {
      MemoryPool.remove(pool.name, directoryOption(call));
      finding.freed = { allocations: 0, bytes: pool.used };
    } else {
      using attached = MemoryPool.attach(pool.serialized);
      finding.freed = attached.reclaim();
    }
  } catch (error) {
    finding.error = error instanceof Error ? error.message : String(error);
  }
}

function toJson(findings: readonly Finding[], acted: boolean): string {
  return json({
    acted,
    orphans: findings.filter(({ left }) => left === null)
      .map(({ pool: { name, size, used }, freed, error }) => (
        { name, size, used, freed, error }
      )),
    leftBehind: findings.flatMap(({ pool: { name }, left, freed, error }) =>
      left === null ? [] : [{
        name,
        allocations: left.allocations,
        bytes: left.requested,
        freed,
        error,
      }]
    ),
  });
}

function reportOf(findings: readonly Finding[], acted: boolean): string[] {
  if (findings.length === 0) return ["Nothing to remove"];
  const orphans = findings.filter(({ left }) => left === null);
  const others = findings.filter(({ left }) =>
    left !== null && left.allocations > 0
  );
  return [
    ...orphansOf(orphans),
    ...others.length > 0 && orphans.length > 0 ? [""] : [],
    ...leftIn(others),
    "",
    ...acted ? [doneOf(findings)] : [
      "Nothing was changed; with --yes, the orphans are destroyed and what was left is freed",
    ],
  ];
}

function orphansOf(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  return [
    paint("Orphaned pools: no living process is attached", Style.BOLD),
    ...table(
      [
        { title: "POOL" },
        { title: "SIZE", isNumber: true },
        { title: "USED", isNumber: true },
        { title: "CREATOR", isNumber: true },
        { title: "SINCE" },
      ],
      findings.map(({ pool: { name, size, used, creator } }) => [
        name,
        bytes(size),
        bytes(used),
        String(creator.pid),
        creator.start === null ? "unknown" : moment(creator.start),
      ]),
    ),
  ];
}

function leftIn(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  return [
    paint("Left by the dead in pools that are in use", Style.BOLD),
    ...table(
      [
        { title: "POOL" },
        { title: "ALLOCATIONS", isNumber: true },
        { title: "BYTES", isNumber: true },
      ],
      findings.map(({ pool: { name }, left }) => [
        name,
        whole(left!.allocations),
        bytes(left!.requested),
      ]),
    ),
  ];
}

function doneOf(findings: readonly Finding[]): string {
  const done = findings.filter(({ freed }) => freed !== null);
  const destroyed = done.filter(({ left }) => left === null);
  const freed = done.filter(({ left }) => left !== null)
    .reduce((sum, one) => sum + one.freed!.allocations, 0);
  return `Destroyed ${some(destroyed.length, "pool")}, freed ${
    some(freed, "allocation")
  }`;
}
