// show: one pool in numbers.

import { type Command, Exit } from "./command.ts";
import { bytes, json, moment, percent, some, table, whole } from "./format.ts";
import { lookInto, type Snapshot } from "./snapshot.ts";
import { type Share, summarize, type Summary } from "./summary.ts";
import { paint, print, Style } from "./terminal.ts";

const SHARE_COLUMNS = [
  { title: "ALLOCATIONS", isNumber: true },
  { title: "ASKED FOR", isNumber: true },
  { title: "IN BLOCKS", isNumber: true },
];

function cellsOf({ allocations, requested, used }: Share): string[] {
  return [whole(allocations), bytes(requested), bytes(used)];
}

/** The command `show`. */
export const show: Command = {
  name: "show",
  summary: "shows a pool in numbers",
  operands: "POOL",
  count: { least: 1, most: 1 },
  options: {},
  description: [
    "Shows what a pool is, who is attached to it and what they wait for, how much of it is in use, its allocations by type and by owner, and how broken up its free space is.",
    "What was asked for is less than what the blocks take, which are whole multiples of the smallest block. Blocks in caches are free: whoever freed them keeps them for its next allocation, and anybody may take them back. Fragmentation is the share of the free space that does not lie in its largest piece: at 0% one allocation can have all of it.",
    "The number of allocations at their most counts those in caches as well, unless the pool has a limit of its own; it is never below the truth. Owners are processes; where one is gone, what it left can be reclaimed by gc.",
    "Others go on meanwhile, so on a busy pool the numbers may not quite agree with each other.",
  ],
  json:
    "An object with name; pool: uid (a string), sizes in bytes and other numbers of the whole pool; heap: what its allocations add up to, with byType, byOwner and freeClasses (free pieces from a size on to twice of it); frees: allocations that were ever freed; spoilt: records that contradict themselves; and participants: each with its pid and what it waits for (null: nothing).",
  examples: [
    ["show frames", "The pool frames"],
    ["show frames --directory /mnt/pools", "One that lies elsewhere"],
  ],
  run(call) {
    const snapshot = lookInto(call.place);
    const summary = summarize(snapshot);
    print(
      ...call.json
        ? [toJson(snapshot, summary)]
        : sections(snapshot, summary).flatMap((lines, index) =>
          index === 0 ? lines : ["", ...lines]
        ),
    );
    return Exit.OK;
  },
};

function toJson(snapshot: Snapshot, summary: Summary): string {
  const { name, view, participants, frees, spoilt } = snapshot;
  return json({
    name,
    pool: view,
    heap: summary,
    frees,
    spoilt,
    participants: participants.map(({ pid, waiting }) => ({ pid, waiting })),
  });
}

function sections(snapshot: Snapshot, summary: Summary): string[][] {
  return [
    factsOf(snapshot, summary),
    useOf(snapshot, summary),
    waitingOf(snapshot),
    typesOf(summary),
    ownersOf(summary),
    freeSpaceOf(summary),
  ].filter((lines) => lines.length > 0);
}

function heading(text: string): string {
  return paint(text, Style.BOLD);
}

/** Lines of a name and what it is. */
function facts(...pairs: (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  return pairs.map(([name, value]) => `  ${name.padEnd(width)}${value}`);
}

/** `table()` below a heading. */
function listed(title: string, ...args: Parameters<typeof table>): string[] {
  return [heading(title), ...table(...args).map((line) => `  ${line}`)];
}

function factsOf({ name, view }: Snapshot, summary: Summary): string[] {
  const { processes, attachments } = summary;
  const since = view.creatorStart === null
    ? ""
    : `, which began ${moment(view.creatorStart)} UTC`;
  const state = view.isDestroyed
    ? "destroyed"
    : attachments === 0
    ? "an orphan: nobody is attached"
    : `${some(processes, "process", "processes")} attached`;
  return [
    heading(`Pool "${name}"`),
    ...facts(
      ["uid", String(view.uid)],
      ["size", `${bytes(view.size)} (${whole(view.size)} bytes)`],
      ["smallest block", bytes(view.minBlockSize)],
      ["most allocations", whole(view.maxAllocations)],
      ["creator", `process ${view.creatorPid}${since}`],
      ["state", state],
    ),
    ...view.lockHolder === 0
      ? []
      : facts(["lock", `held at this moment by process ${view.lockHolder}`]),
  ];
}

function useOf({ view, end, frees, spoilt }: Snapshot, summary: Summary) {
  const { used, requested, allocations, cached } = summary;
  const lines = [
    heading("Use"),
    ...facts(
      ["in blocks", `${bytes(used)}, ${percent(used / view.size)}`],
      ["asked for", bytes(requested)],
      ["free", `${bytes(summary.free)}, ${bytes(cached)} of it in caches`],
      ["put to use so far", bytes(end)],
      ["memory of the file", bytes(view.memory)],
      [
        "allocations",
        `${whole(allocations)}, at most ${whole(view.mostAllocations)} at once`,
      ],
      ["allocated ever", whole(frees + allocations)],
      ["freed ever", whole(frees)],
    ),
  ];
  if (spoilt > 0) {
    lines.push(
      paint(`  ${some(spoilt, "record")} of blocks spoilt`, Style.RED),
    );
  }
  return lines;
}

function waitingOf({ participants }: Snapshot): string[] {
  const rows = participants.flatMap(({ pid, waiting }) =>
    waiting === null
      ? []
      : [[String(pid), bytes(waiting.size), whole(waiting.passes)]]
  );
  if (rows.length === 0) return [];
  return listed("Waiting for room", [
    { title: "PROCESS", isNumber: true },
    { title: "OLDEST REQUEST", isNumber: true },
    { title: "PASSED BY", isNumber: true },
  ], rows);
}

function typesOf({ byType }: Summary): string[] {
  if (byType.length === 0) return [];
  return listed(
    "Allocations by type",
    [{ title: "TYPE" }, ...SHARE_COLUMNS],
    byType.map((one) => [one.name, ...cellsOf(one)]),
  );
}

function ownersOf({ byOwner }: Summary): string[] {
  if (byOwner.length === 0) return [];
  return listed(
    "Allocations by owner",
    [{ title: "PROCESS", isNumber: true }, { title: "" }, ...SHARE_COLUMNS],
    byOwner.map((one) => [
      String(one.pid),
      one.isAlive ? "" : "gone",
      ...cellsOf(one),
    ]),
  );
}

function freeSpaceOf(summary: Summary): string[] {
  const { freeClasses, largestFree, fragmentation } = summary;
  return [
    ...listed(
      "Free space",
      [
        { title: "PIECES FROM", isNumber: true },
        { title: "COUNT", isNumber: true },
        { title: "BYTES", isNumber: true },
      ],
      freeClasses.map((one) => [
        bytes(one.from),
        whole(one.count),
        bytes(one.bytes),
      ]),
    ),
    ...facts(
      ["largest piece", bytes(largestFree)],
      ["fragmentation", percent(fragmentation)],
    ),
  ];
}
