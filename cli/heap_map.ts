// A heap as a grid of cells, for a terminal: what each stretch of bytes holds.

import { type Kind, kindOf, LIVE_KINDS } from "./kinds.ts";
import type { Segment } from "./snapshot.ts";

/** How much of which kind lies in a cell. */
export interface Cell {
  /** What most of its live bytes are; or, if there are none, most of its bytes. */
  readonly kind: Kind;
  /** The share of it that is of live kinds, from 0 to 1. */
  readonly live: number;
}

/** Rows of cells, from the first byte on; the last row may be shorter. */
export interface Grid {
  readonly rows: readonly (readonly Cell[])[];
  /** Bytes of each cell. */
  readonly cellSize: number;
}

/** The smallest power of two that is not below `value`. */
export function ceilPower(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(value, 1)));
}

function sumOf(amounts: readonly (readonly [Kind, number])[]): number {
  return amounts.reduce((sum, [, bytes]) => sum + bytes, 0);
}

function cellOf(amounts: ReadonlyMap<Kind, number>): Cell {
  const all = [...amounts];
  const live = all.filter(([kind]) => LIVE_KINDS.has(kind));
  const [kind] = (live.length > 0 ? live : all)
    .reduce((most, one) => one[1] > most[1] ? one : most);
  return { kind, live: sumOf(live) / sumOf(all) };
}

/**
 * Draws the first `span` bytes of a heap.
 *
 * @param columns How many cells a row has.
 * @param rows How many rows there may be.
 * @param least What a cell is not smaller than, in bytes.
 */
export function gridOf(
  segments: readonly Segment[],
  span: number,
  { columns, rows, least }: { columns: number; rows: number; least: number },
): Grid {
  const cellSize = Math.max(least, ceilPower(span / (columns * rows)));
  const cells: Cell[] = [];
  let amounts = new Map<Kind, number>();
  let at = 0;
  for (const segment of segments) {
    const kind = kindOf(segment);
    const to = Math.min(segment.to, span);
    while (at < to) {
      const end = Math.min((cells.length + 1) * cellSize, span);
      const upTo = Math.min(to, end);
      amounts.set(kind, (amounts.get(kind) ?? 0) + upTo - at);
      at = upTo;
      if (at === end) {
        cells.push(cellOf(amounts));
        amounts = new Map();
      }
    }
  }
  const grid: Cell[][] = [];
  for (let start = 0; start < cells.length; start += columns) {
    grid.push(cells.slice(start, start + columns));
  }
  return { rows: grid, cellSize };
}
