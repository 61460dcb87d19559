// The chart: bars on logarithmic scales, drawn from a run's figures. It has a
// ground of its own, so that it can be read wherever it is shown.

import type { Results } from "./results.ts";
import { median } from "./rounds.ts";
import type { Series } from "./row.ts";
import { toText } from "./table.ts";

interface Bar {
  readonly name: string;
  readonly figure: string;
  readonly isOwn?: boolean;
}

interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const own = (name: string, figure: string): Bar => ({
  name,
  figure,
  isOwn: true,
});
const other = (name: string, figure: string): Bar => ({ name, figure });

function handPanel(size: string): Panel {
  const figure = (way: string) => `hand ${size}: ${way}`;
  return {
    title: `Hand ${size} to another Deno process and back, every page touched`,
    bars: [
      own("managed-memory", figure("managed-memory")),
      own(
        "managed-memory, allocated anew",
        figure("managed-memory, allocated anew"),
      ),
      ...[
        "temporary file",
        "Unix socket",
        "named pipe",
        "pipe",
        "postMessage to a Worker",
      ].map((way) => other(way, figure(way))),
    ],
  };
}

const PANELS: readonly Panel[] = [
  {
    title: "Allocate and free 512 B, one process",
    bars: [
      other("mimalloc (C, nothing shared)", "C pair: mimalloc"),
      own("managed-memory (C)", "C pair: own"),
      own("managed-memory (TypeScript)", "TypeScript pair"),
      other("iceoryx2 (Rust)", "C pair: iceoryx2"),
      other("Boost.Interprocess (C++)", "C pair: boost"),
      other("Dragon (Python)", "TypeScript dragonPython"),
      other("Dragon (C)", "C pair: dragon"),
    ],
  },
  {
    title:
      "4 processes allocate and free at once, time per pair of all together",
    bars: [
      own("managed-memory (C)", "C 4 processes: own"),
      other("Boost.Interprocess (C++)", "C 4 processes: boost"),
    ],
  },
  {
    title: "One process allocates, another frees",
    bars: [
      own("managed-memory (C)", "C handed: own"),
      other("iceoryx2 (Rust)", "C handed: iceoryx2"),
      other("Boost.Interprocess (C++)", "C handed: boost"),
      other("Dragon (C)", "C handed: dragon"),
    ],
  },
  handPanel("1 MiB"),
  handPanel("64 MiB"),
];

const WIDTH = 760;
const MARGIN = 20;
/** Where bars begin, and how long the longest is. */
const [BARS_X, BARS_WIDTH] = [284, 382];
const [TITLE_HEIGHT, BAR_HEIGHT, BAR_STEP, PANEL_GAP] = [28, 16, 22, 18];
/** Bars begin this many powers of ten below the shortest value. */
const SHORTEST = 0.35;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .note { font-size: 11px; fill: #59636e }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .other { fill: #9aa4af }
  .own { fill: #1a7f5a }
  .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .ground { fill: #12171e; stroke: #3d444d }
    .other { fill: #67717c }
    .own { fill: #35b884 }
  }`;

/** The chart of a run, as an SVG; of the figures that it has. */
export function toChart({ figures, machine, date, rounds }: Results): string {
  const parts: string[] = [];
  let y = MARGIN;
  for (const panel of PANELS) {
    const bars = panel.bars.flatMap((bar) => {
      const series = figures[bar.figure];
      return series ? [{ ...bar, series, value: median(series.values) }] : [];
    }).sort((a, b) => a.value - b.value);
    if (bars.length === 0) continue;
    parts.push(text(MARGIN, y + 14, panel.title, "title"));
    y += TITLE_HEIGHT;
    for (const bar of bars) {
      parts.push(drawBar(bar, lengthOf(bar.value, bars), y));
      y += BAR_STEP;
    }
    y += PANEL_GAP;
  }
  const note = `Shorter is better; logarithmic scales. Medians of ${rounds} ` +
    `interleaved rounds, ${machine.cores} cores, ${machine.cpu}, ` +
    `Deno ${machine.deno}, ${date.slice(0, 10)}.`;
  parts.push(text(MARGIN, y + 8, note, "note"));
  const height = y + MARGIN + 4;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Benchmarks of managed-memory">
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${
    height - 1
  }" rx="8"/>
${parts.join("\n")}
</svg>
`;
}

function lengthOf(value: number, bars: readonly { value: number }[]): number {
  const values = bars.map((bar) => Math.log10(bar.value));
  const least = Math.min(...values) - SHORTEST;
  const share = (Math.log10(value) - least) / (Math.max(...values) - least);
  return Math.round(share * BARS_WIDTH);
}

function drawBar(
  { name, series, value, isOwn = false }: Bar & {
    series: Series;
    value: number;
  },
  length: number,
  y: number,
): string {
  const style = isOwn ? "strong" : "";
  const baseline = y + BAR_HEIGHT - 4;
  return [
    text(BARS_X - 8, baseline, name, style, "end"),
    `<rect class="${
      isOwn ? "own" : "other"
    }" x="${BARS_X}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2"/>`,
    text(BARS_X + length + 6, baseline, toText(value, series.unit), style),
  ].join("\n");
}

function text(
  x: number,
  y: number,
  content: string,
  style: string,
  anchor = "start",
): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" class="${style}" text-anchor="${anchor}">${escaped}</text>`;
}
