// top: what goes on in a pool, live.

import { Inspector } from "../lib/inspection.ts";
import { type Call, type Command, Exit } from "./command.ts";
import { bytes, json, percent, some, table, whole } from "./format.ts";
import { type Activity, type Sample, Sampler } from "./sample.ts";
import { Screen } from "./screen.ts";
import { consoleSize, isTerminal, paint, print, Style } from "./terminal.ts";

// In seconds.
const INTERVAL = 1;
const INTERVAL_RANGE = { least: 0.05, most: 86_400 };

const COUNT_RANGE = { least: 1, most: Number.MAX_SAFE_INTEGER };
const BAR_MAX = 40;

/** How many lines come between two headings, where lines are written. */
const HEADING_EVERY = 20;

const PROCESS_COLUMNS = [
  { title: "PROCESS", isNumber: true },
  { title: "THREADS", isNumber: true },
  { title: "ALLOCATIONS", isNumber: true },
  { title: "IN BLOCKS", isNumber: true },
  { title: "ALLOCS/S", isNumber: true },
  { title: "FREES/S", isNumber: true },
  { title: "WAITS FOR", isNumber: true },
];

/** The command `top`. */
export const top: Command = {
  name: "top",
  summary: "shows what goes on in a pool, live",
  operands: "POOL",
  count: { least: 1, most: 1 },
  options: {
    interval: {
      value: "SECONDS",
      text:
        `How often to look, at least ${INTERVAL_RANGE.least}. Default: ${INTERVAL}. A look costs about 0.1 s for a million allocations`,
    },
    count: {
      value: "N",
      text: "End after so many looks. Default: go on until the end",
    },
  },
  description: [
    "On a terminal: how much of the pool is in use, how many allocations are made and freed per second, who waits for room, and the same for each process, until q or Ctrl-C is pressed. Elsewhere one line for each look.",
    "The rates of the pool are exact, also for what goes through caches: each record of the pool says how often its block was freed. Those of a process are those of the blocks that it was the last to own, which is nearly the same, as a process mostly uses the blocks again that it has freed itself.",
    "A process waits for room in allocBlocking(); what is shown is the oldest request of each of its threads, and the largest of these. A line marked as gone is of owners that died or detached and have left allocations.",
    "Ends with a failure when the pool is destroyed.",
  ],
  json:
    "One object in a line for each look, the first one after one interval: time (ISO 8601), size, used, cached and memory in bytes, allocations, frees (ever), allocsPerSecond, freesPerSecond, waiters, processes, and activities: the same by process with pid, isAlive, attachments, and waitsFor in bytes.",
  examples: [
    ["top frames", "The pool frames, until q is pressed"],
    ["top frames --json --count 1 --interval 5", "Rates over five seconds"],
  ],
  async run(call) {
    const interval = 1000 *
      (call.number("interval", INTERVAL_RANGE) ?? INTERVAL);
    const count = call.whole("count", COUNT_RANGE) ?? Infinity;
    using inspector = Inspector.open(call.place);
    const sampler = new Sampler(inspector);
    const watch = isTerminal() && !call.json ? onScreen : inLines;
    await watch(sampler, { name: inspector.name, interval, count, call });
    return Exit.OK;
  },
};

interface Plan {
  readonly name: string;
  /** Milliseconds from one look to the next. */
  readonly interval: number;
  readonly count: number;
  readonly call: Call;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A line for each look, or an object. */
async function inLines(
  sampler: Sampler,
  { interval, count, call }: Plan,
): Promise<void> {
  sampler.take();
  for (let line = 0; line < count; line++) {
    await sleep(interval);
    const sample = sampler.take();
    if (call.json) print(json(sample, 0));
    else print(...linesOf(sample, line % HEADING_EVERY === 0));
  }
}

function linesOf(sample: Sample, withHeading: boolean): string[] {
  const { size, used, allocations, waiters, processes } = sample;
  const cells = [
    ["TIME", sample.time.toISOString().slice(11, 19), 8],
    ["USED", bytes(used), 10],
    ["", percent(used / size), 6],
    ["ALLOCATIONS", whole(allocations), 12],
    ["ALLOCS/S", rate(sample.allocsPerSecond), 11],
    ["FREES/S", rate(sample.freesPerSecond), 11],
    ["WAITERS", whole(waiters), 7],
    ["PROCESSES", whole(processes), 9],
  ] as const;
  const line = cells.map(([, text, width]) => text.padStart(width)).join(" ");
  if (!withHeading) return [line];
  return [
    cells.map(([title, , width]) => title.padStart(width)).join(" "),
    line,
  ];
}

function rate(perSecond: number | null): string {
  return perSecond === null ? "..." : whole(perSecond);
}

/** The whole terminal, drawn anew at each look. */
async function onScreen(
  sampler: Sampler,
  { name, interval, count }: Plan,
): Promise<void> {
  let sample = sampler.take();
  using screen = new Screen(() => draw());
  const draw = () => screen.show(frameOf(name, sample));
  draw();
  let isOver = false;
  const over = screen.ended.then(() => {
    isOver = true;
  });
  for (let look = 0; look < count; look++) {
    const timer = Promise.withResolvers<void>();
    const id = setTimeout(timer.resolve, interval);
    await Promise.race([timer.promise, over]);
    clearTimeout(id);
    if (isOver) return;
    sample = sampler.take();
    draw();
  }
}

function frameOf(name: string, sample: Sample): string[] {
  const { columns, rows } = consoleSize();
  const { size, used, cached, memory, allocations } = sample;
  const share = used / size;
  const waiters = some(sample.waiters, "waiter");
  const processes = some(sample.processes, "process", "processes");
  const head = [
    paint(`Pool "${name}"`, Style.BOLD),
    "",
    barOf(share, Math.min(BAR_MAX, columns - 40)) +
    ` ${percent(share)}  ${bytes(used)} of ${bytes(size)}`,
    `${some(allocations, "allocation")}  ${
      rate(sample.allocsPerSecond)
    } allocs/s  ` +
    `${rate(sample.freesPerSecond)} frees/s`,
    `${processes}  ${
      sample.waiters > 0 ? paint(waiters, Style.YELLOW) : waiters
    }  ${bytes(cached)} in caches  ${bytes(memory)} of memory`,
    "",
  ];
  const room = Math.max(rows - head.length - 3, 1);
  const shown = sample.activities.slice(0, room);
  const [title, ...lines] = table(PROCESS_COLUMNS, shown.map(cellsOf));
  const hidden = sample.activities.length - shown.length;
  return [
    ...head,
    paint(title!, Style.DIM),
    ...lines.map((line, index) => paint(line, styleOf(shown[index]!))),
    ...hidden > 0 ? [`${whole(hidden)} more`] : [],
  ];
}

function cellsOf(one: Activity): string[] {
  return [
    String(one.pid),
    one.isAlive ? whole(one.attachments) : "gone",
    whole(one.allocations),
    bytes(one.used),
    rate(one.allocsPerSecond),
    rate(one.freesPerSecond),
    one.waiters > 0 ? bytes(one.waitsFor) : "-",
  ];
}

function styleOf({ isAlive, waiters }: Activity): number {
  return !isAlive ? Style.RED : waiters > 0 ? Style.YELLOW : 0;
}

function barOf(share: number, width: number): string {
  const full = Math.round(Math.max(width, 8) * Math.min(share, 1));
  const style = share > 0.9 ? Style.RED : Style.GREEN;
  return `[${paint("#".repeat(full), style)}${
    " ".repeat(Math.max(width, 8) - full)
  }]`;
}
