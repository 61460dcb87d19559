// A pool's heap as it was at one look: its blocks in order, what lies between
// them, and whose they are.

import {
  Inspector,
  type Participant,
  type PoolView,
  RecordState,
} from "../lib/inspection.ts";
import type { Place } from "../lib/place.ts";

/** A block that is taken: an allocation, or one that somebody keeps in a cache. */
export interface Block {
  readonly isLive: boolean;
  /** Bytes from the start of the data region. */
  readonly offset: number;
  /** Bytes of the block. */
  readonly extent: number;
  /** Bytes that were asked for; 0 if it is cached. */
  readonly size: number;
  readonly type: number;
  /** 0n if it is cached. */
  readonly id: bigint;
  readonly pid: number;
  /** Whether the attachment that it belongs to still exists. */
  isOwnerAlive: boolean;
}

/**
 * What a part of the data region is: an allocation; free, but kept in a cache;
 * free; free, its memory given back; never put to use yet.
 */
export type SegmentState = "live" | "cached" | "free" | "trimmed" | "untouched";

/** A part of the data region. All of them cover it without gaps, in order. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  readonly state: SegmentState;
  /** If it is live or cached. */
  readonly block: Block | null;
}

/** A pool at one look. */
export interface Snapshot {
  readonly name: string;
  readonly view: PoolView;
  readonly participants: readonly Participant[];
  readonly segments: readonly Segment[];
  /** Where what was put to use ends. */
  readonly end: number;
  /** How many allocations were freed, ever. */
  readonly frees: number;
  /** Records whose bytes contradict themselves. */
  readonly spoilt: number;
}

/** Where the memory of a free block may be missing from. */
interface Hole {
  readonly offset: number;
  readonly from: number;
}

/** Looks at a pool. */
export function lookInto(place: Place): Snapshot {
  using inspector = Inspector.open(place);
  return take(inspector);
}

/** Looks at the pool of an inspector. */
function take(inspector: Inspector): Snapshot {
  const view = inspector.pool();
  const blocks: Block[] = [];
  const attachments: number[] = [];
  const holes: Hole[] = [];
  let frees = 0;
  let spoilt = 0;
  inspector.eachRecord((record) => {
    const { state } = record;
    frees += record.frees;
    if (state === RecordState.SPOILT) spoilt++;
    if (state === RecordState.FREE && record.missingFrom !== null) {
      holes.push({ offset: record.offset, from: record.missingFrom });
    }
    if (state !== RecordState.LIVE && state !== RecordState.CACHED) return;
    blocks.push({
      isLive: state === RecordState.LIVE,
      offset: record.offset,
      extent: record.extent,
      size: record.size,
      type: record.type,
      id: record.id,
      pid: record.ownerPid,
      isOwnerAlive: false,
    });
    attachments.push(record.ownerAttachment);
  });
  // After the records: whoever attached since then owns none of them.
  const participants = inspector.participants();
  const alive = new Set(participants.map(({ attachment }) => attachment));
  blocks.forEach((block, index) => {
    block.isOwnerAlive = alive.has(attachments[index]!);
  });
  blocks.sort((one, other) => one.offset - other.offset);
  holes.sort((one, other) => one.offset - other.offset);
  const last = blocks.at(-1);
  const end = last === undefined
    ? view.end
    : Math.max(view.end, last.offset + last.extent);
  return {
    name: inspector.name,
    view,
    participants,
    segments: segmentsOf(blocks, holes, end, view.size),
    end,
    frees,
    spoilt,
  };
}

/**
 * What the blocks cover, and what lies between. Blocks may overlap where one was
 * seen before and another after its memory changed hands: the first one counts.
 */
function segmentsOf(
  blocks: readonly Block[],
  holes: readonly Hole[],
  end: number,
  size: number,
): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  let hole = 0;

  function add(to: number, state: SegmentState, block: Block | null): void {
    if (to <= at) return;
    segments.push({ from: at, to, state, block });
    at = to;
  }

  function addFree(to: number): void {
    while (hole < holes.length && holes[hole]!.offset < at) hole++;
    const missing = holes[hole];
    if (missing !== undefined && missing.offset < to) {
      add(Math.min(missing.from, to), "free", null);
      add(to, "trimmed", null);
    } else {
      add(to, "free", null);
    }
  }

  for (const block of blocks) {
    if (block.offset < at) continue;
    addFree(block.offset);
    add(block.offset + block.extent, block.isLive ? "live" : "cached", block);
  }
  addFree(end);
  add(size, "untouched", null);
  return segments;
}

/** The live blocks. */
export function* liveBlocks({ segments }: Snapshot): Generator<Block> {
  for (const { block } of segments) if (block?.isLive) yield block;
}

/** Sizes in bytes of what is free in one piece: cached blocks count as free. */
export function freeRuns({ segments }: Snapshot): number[] {
  const runs: number[] = [];
  let run = 0;
  for (const { from, to, state } of segments) {
    if (state !== "live") {
      run += to - from;
    } else if (run > 0) {
      runs.push(run);
      run = 0;
    }
  }
  if (run > 0) runs.push(run);
  return runs;
}

/** Living processes that are attached. */
export function countProcesses(participants: readonly Participant[]): number {
  return new Set(
    participants.map(({ pid, pidNamespace }) => `${pid} ${pidNamespace}`),
  ).size;
}
