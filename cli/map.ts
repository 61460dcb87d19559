// map: the heap as a picture.

import { type Call, type Command, Exit, UsageError } from "./command.ts";
import { bytes, json, percent, some } from "./format.ts";
import { type Cell, type Grid, gridOf } from "./heap_map.ts";
import { type Kind, kindOf, KINDS, nameOfType } from "./kinds.ts";
import { lookInto, type Snapshot } from "./snapshot.ts";
import { toSvg } from "./svg.ts";
import { consoleSize, hasColours, paint, print, Style } from "./terminal.ts";

const ROWS = 16;
const ROWS_RANGE = { least: 1, most: 1000 };

/** The command `map`. */
export const map: Command = {
  name: "map",
  summary: "draws a pool's heap",
  operands: "POOL",
  count: { least: 1, most: 1 },
  options: {
    svg: { text: "Write an SVG image instead of text" },
    rows: {
      value: "N",
      text:
        `How many rows the picture may have, ${ROWS_RANGE.most} at most. Default: ${ROWS}`,
    },
    whole: {
      text: "Draw the whole pool, also what was never put to use yet",
    },
  },
  description: [
    "Draws the pool's memory from its first byte on, line by line, up to where it was put to use so far. Each cell stands for as many bytes as the line above the picture says, and shows what most of the allocated bytes in it are: allocations by their type, or that their owner is gone; or else what kind of free space it is.",
    "On a terminal the shade of a cell says how much of it is allocated. Without colours a letter says what it is: large where half of the cell or more is allocated, small where it is less.",
    "The SVG shows every block by itself as far as it is wide enough, and says more where the pointer rests on it. It is legible on light and on dark ground, and follows the reader's choice of these.",
  ],
  json:
    "An object with name, size and end (of what was put to use) in bytes, and segments, which cover the pool without gaps: each with from, to, state (live, cached, free, trimmed or untouched), and if it is live its id (a string), type, size, pid and isOwnerAlive.",
  examples: [
    ["map frames", "The pool frames in the terminal"],
    ["map frames --svg > frames.svg", "The same as an image"],
  ],
  run(call) {
    if (call.json && call.flag("svg")) {
      throw new UsageError("--json and --svg exclude each other");
    }
    const rows = call.whole("rows", ROWS_RANGE) ?? ROWS;
    const snapshot = lookInto(call.place);
    if (call.json) print(toJson(snapshot));
    else if (call.flag("svg")) {
      print(toSvg(snapshot, spanOf(snapshot, call), rows));
    } else print(...picture(snapshot, spanOf(snapshot, call), rows));
    return Exit.OK;
  },
};

/** How many bytes to draw. */
function spanOf({ end, view }: Snapshot, call: Call): number {
  return call.flag("whole") || end === 0 ? view.size : end;
}

function toJson({ name, view, end, segments }: Snapshot): string {
  return json({
    name,
    size: view.size,
    end,
    segments: segments.map(({ from, to, state, block }) => {
      if (!block?.isLive) return { from, to, state };
      const { id, type, size, pid, isOwnerAlive } = block;
      return { from, to, state, id, type, size, pid, isOwnerAlive };
    }),
  });
}

function picture(snapshot: Snapshot, span: number, rows: number): string[] {
  const { name, view, end, segments } = snapshot;
  const labels = bytes(1023 * 1024).length + 2;
  const room = Math.max(consoleSize().columns - labels, 8);
  // A power of two, so that rows begin at round numbers.
  const columns = 2 ** Math.floor(Math.log2(room));
  const grid = gridOf(segments, span, {
    columns,
    rows,
    least: view.minBlockSize,
  });
  const { cellSize } = grid;
  const used = segments.reduce(
    (sum, { from, to, state }) => state === "live" ? sum + to - from : sum,
    0,
  );
  return [
    paint(`Pool "${name}"`, Style.BOLD) +
    ` ${bytes(view.size)}, ${percent(used / view.size)} allocated, ${
      bytes(end)
    } put to use so far`,
    `One cell: ${bytes(cellSize)}, one row: ${bytes(cellSize * columns)}`,
    "",
    ...linesOf(grid, columns, labels),
    "",
    ...legend(snapshot, span),
  ];
}

function linesOf({ rows, cellSize }: Grid, columns: number, labels: number) {
  return rows.map((row, index) => {
    const label = bytes(index * columns * cellSize).padStart(labels - 2);
    return `${paint(label, Style.DIM)}  ${drawRow(row)}`;
  });
}

/** One row; cells of one style are painted together. */
function drawRow(row: readonly Cell[]): string {
  let text = "";
  let run = "";
  let style: number | null = null;
  for (const cell of row) {
    if (style !== null && cell.kind.style !== style) {
      text += paint(run, style);
      run = "";
    }
    style = cell.kind.style;
    run += glyphOf(cell);
  }
  return style === null ? text : text + paint(run, style);
}

const SHADES = "░▒▓█";

/** What a kind without live bytes looks like where there are colours. */
const GLYPHS: Readonly<Record<string, string>> = {
  cached: "▫",
  free: "·",
  trimmed: "~",
  untouched: " ",
};

function glyphOf({ kind, live }: Cell): string {
  if (!hasColours()) {
    return live > 0 && live < 0.5 ? kind.letter.toLowerCase() : kind.letter;
  }
  if (live === 0) return GLYPHS[kind.key]!;
  return SHADES[Math.min(Math.floor(live * 4), 3)]!;
}

/** Which kinds the picture shows, and how much of each. */
function legend({ segments }: Snapshot, span: number): string[] {
  const shown = new Map<Kind, { count: number; bytes: number }>();
  for (const segment of segments) {
    if (segment.from >= span) break;
    const kind = kindOf(segment);
    const one = shown.get(kind) ?? { count: 0, bytes: 0 };
    one.count++;
    one.bytes += segment.to - segment.from;
    shown.set(kind, one);
  }
  return KINDS.flatMap((kind) => {
    const one = shown.get(kind);
    if (one === undefined) return [];
    const sign = paint(
      glyphOf({ kind, live: kind.key in GLYPHS ? 0 : 1 }),
      kind.style,
    );
    return [
      `  ${sign} ${describe(kind, segments).padEnd(26)}${
        some(one.count, "block").padStart(16)
      }${bytes(one.bytes).padStart(14)}`,
    ];
  });
}

/** A kind's label; that of other types names them if they are few. */
function describe(kind: Kind, segments: Snapshot["segments"]): string {
  if (kind.key !== "other") return kind.label;
  const types = new Set<number>();
  for (const segment of segments) {
    if (kindOf(segment) === kind) types.add(segment.block!.type);
    if (types.size > 1) return kind.label;
  }
  return [...types].map(nameOfType).join("");
}
