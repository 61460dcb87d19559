// A heap as an SVG image, legible on light and on dark ground.

import { bytes, percent, some } from "./format.ts";
import { ceilPower } from "./heap_map.ts";
import { type Kind, kindOf, KINDS, LIVE_KINDS, nameOfType } from "./kinds.ts";
import type { Segment, Snapshot } from "./snapshot.ts";

// Everything is in pixels.
const WIDTH = 960;
const MARGIN = 24;
const LABELS = 76;
const TOP = 84;
const ROW = 20;
const PITCH = 25;
const LEGEND_COLUMNS = 4;
const LEGEND_PITCH = 44;
const DRAWN = WIDTH - 2 * MARGIN - LABELS;

/** What is narrower is drawn together with its neighbours. */
const NARROW = 2;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function px(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

function styles(): string {
  const colours = (tone: "light" | "dark") =>
    KINDS.map((kind) => `.${kind.key}{fill:${kind[tone]}}`).join("");
  return "<style>" +
    "text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}" +
    ".name{font-size:18px;font-weight:600}" +
    ".card{fill:#ffffff;stroke:#d5dbe2}.ink{fill:#1d2630}.faint{fill:#5a6673}" +
    colours("light") +
    "@media(prefers-color-scheme:dark){" +
    ".card{fill:#12171d;stroke:#343d48}.ink{fill:#e8edf2}.faint{fill:#9aa6b3}" +
    colours("dark") + "}</style>";
}

/** A part of a row, of one kind; `title` is what it says under the pointer. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly kind: Kind;
  readonly title: string;
}

function titleOf(kind: Kind, { from, to, block }: Segment): string {
  if (!block?.isLive) return `${kind.label}: ${bytes(to - from)} at ${from}`;
  const whose = block.isOwnerAlive
    ? `process ${block.pid}`
    : "a process that is gone";
  return `${
    nameOfType(block.type)
  }: ${block.size} bytes at ${from}, of ${whose}`;
}

/** Kinds of narrow neighbours, and how wide each is. */
class Cluster {
  readonly #widths = new Map<Kind, number>();
  #count = 0;
  #title = "";
  from = 0;
  to = 0;

  get width(): number {
    return this.to - this.from;
  }

  add(from: number, to: number, kind: Kind, title: string): void {
    if (this.#count === 0) this.from = from;
    this.#title = title;
    this.#count++;
    this.to = to;
    this.#widths.set(kind, (this.#widths.get(kind) ?? 0) + to - from);
  }

  /** All of them as one piece, of the kind that is widest. */
  take(): Piece | null {
    if (this.#count === 0) return null;
    const [kind] = [...this.#widths].reduce((most, one) =>
      one[1] > most[1] ? one : most
    );
    const title = this.#count === 1
      ? this.#title
      : `${some(this.#count, "block")}, most of it ${kind.label}`;
    const piece = { from: this.from, to: this.to, kind, title };
    this.#widths.clear();
    this.#count = 0;
    return piece;
  }
}

/** The pieces of one row, which shows the bytes from `start` on. */
function* piecesOf(
  segments: readonly Segment[],
  start: number,
  rowSize: number,
): Generator<Piece> {
  const cluster = new Cluster();
  for (const segment of segments) {
    const kind = kindOf(segment);
    const from = Math.max(segment.from - start, 0) / rowSize * DRAWN;
    const to = Math.min(segment.to - start, rowSize) / rowSize * DRAWN;
    const title = titleOf(kind, segment);
    if (to - from < NARROW) {
      cluster.add(from, to, kind, title);
      if (cluster.width < NARROW) continue;
    }
    const narrow = cluster.take();
    if (narrow !== null) yield narrow;
    if (to - from >= NARROW) {
      yield { from, to, kind, title };
    }
  }
  const narrow = cluster.take();
  if (narrow !== null) yield narrow;
}

/** Segments by the rows that show a part of them. */
function rowsOf(
  segments: readonly Segment[],
  span: number,
  rowSize: number,
): Segment[][] {
  const rows = Array.from(
    { length: Math.ceil(span / rowSize) },
    (): Segment[] => [],
  );
  for (const segment of segments) {
    const end = Math.min(segment.to, span);
    for (
      let row = Math.floor(segment.from / rowSize);
      row * rowSize < end;
      row++
    ) {
      rows[row]!.push({ ...segment, to: end });
    }
  }
  return rows;
}

function drawPiece({ from, to, kind, title }: Piece, y: number): string {
  // Neighbours stay apart: so each allocation is seen.
  const gap = to - from >= NARROW * 2 ? 1 : 0;
  return `<rect class="${kind.key}" x="${
    px(MARGIN + LABELS + from)
  }" y="${y}"` +
    ` width="${px(to - from - gap)}" height="${ROW}"` +
    `${LIVE_KINDS.has(kind) ? ' rx="1.5"' : ""}>` +
    `<title>${escape(title)}</title></rect>`;
}

function text(x: number, y: number, style: string, content: string): string {
  return `<text class="${style}" x="${px(x)}" y="${px(y)}">${
    escape(content)
  }</text>`;
}

function header({ name, view, end, segments }: Snapshot): string[] {
  const live = segments.filter(({ state }) => state === "live");
  const used = live.reduce((sum, { from, to }) => sum + to - from, 0);
  return [
    text(MARGIN, MARGIN + 16, "name ink", `Heap of pool ${name}`),
    text(
      MARGIN,
      MARGIN + 38,
      "faint",
      `${bytes(view.size)}, ${percent(used / view.size)} of it in ${
        some(live.length, "allocation")
      }; ${bytes(end)} put to use so far`,
    ),
  ];
}

function legend(segments: readonly Segment[], span: number, y: number) {
  const amounts = new Map<Kind, number>();
  for (const segment of segments) {
    if (segment.from >= span) break;
    const kind = kindOf(segment);
    const length = Math.min(segment.to, span) - segment.from;
    amounts.set(kind, (amounts.get(kind) ?? 0) + length);
  }
  const shown = KINDS.filter((kind) => amounts.has(kind));
  const width = (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS;
  const lines = shown.flatMap((kind, index) => {
    const x = MARGIN + (index % LEGEND_COLUMNS) * width;
    const top = y + Math.floor(index / LEGEND_COLUMNS) * LEGEND_PITCH;
    return [
      `<rect class="${kind.key}" x="${
        px(x)
      }" y="${top}" width="14" height="14" rx="2" stroke="#8793a0" stroke-width="0.5"/>`,
      text(x + 22, top + 12, "ink", kind.label),
      text(x + 22, top + 28, "faint", bytes(amounts.get(kind)!)),
    ];
  });
  return {
    lines,
    height: Math.ceil(shown.length / LEGEND_COLUMNS) * LEGEND_PITCH,
  };
}

/** Draws the first `span` bytes of a heap in at most `most` rows. */
export function toSvg(snapshot: Snapshot, span: number, most: number): string {
  const { name, segments } = snapshot;
  const rowSize = ceilPower(span / most);
  const rows = rowsOf(segments, span, rowSize);
  const drawn = rows.flatMap((row, index) => {
    const y = TOP + index * PITCH;
    return [
      text(MARGIN, y + ROW - 5, "faint", bytes(index * rowSize)),
      ...[...piecesOf(row, index * rowSize, rowSize)]
        .map((piece) => drawPiece(piece, y)),
    ];
  });
  const legendTop = TOP + rows.length * PITCH + 14;
  const { lines, height: legendHeight } = legend(segments, span, legendTop);
  const height = legendTop + legendHeight + MARGIN - 12;
  const title = `Heap of pool ${escape(name)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    styles(),
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${
      height - 1
    }" rx="10"/>`,
    ...header(snapshot),
    ...drawn,
    ...lines,
    "</svg>",
  ].join("\n");
}
