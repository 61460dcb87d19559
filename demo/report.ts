/**
 * What the demo prints: a line per stage, which grows while it is going on if
 * there is a terminal to see it, and the table at the end.
 */

import type { Tally } from "./job.ts";
import type { Outcome, Progress } from "./ways.ts";

const BAR_WIDTH = 24;
const NAME_WIDTH = 24;
const COLUMN_WIDTH = 13;

const terminal = Deno.stdout.isTerminal();
const colored = terminal && !Deno.noColor;

function style(code: number, text: string): string {
  return colored ? `\x1b[${code}m${text}\x1b[0m` : text;
}

const bold = (text: string) => style(1, text);
const dim = (text: string) => style(2, text);
const green = (text: string) => style(32, text);
const red = (text: string) => style(31, text);

/** Shows how far a stage is; without a terminal, only what was started and that it is done. */
export class Stage implements Progress {
  readonly #name: string;
  #note = "";
  #percent = -1;

  constructor(name: string) {
    this.#name = name.padEnd(NAME_WIDTH);
    this.#draw(0);
  }

  started(pids: number[]): void {
    this.#note = ` children ${pids.join(" ")}`;
    if (!terminal) console.log(`${this.#name} started${this.#note}`);
    this.#draw(0);
  }

  advanced(share: number): void {
    this.#draw(Math.floor(share * 100));
  }

  finish(summary: string): void {
    if (terminal) write("\r\x1b[K");
    console.log(`${this.#name} ${green("done")} ${summary}`);
  }

  #draw(percent: number): void {
    if (!terminal || (percent === this.#percent && percent > 0)) return;
    this.#percent = percent;
    const filled = Math.round(percent / 100 * BAR_WIDTH);
    const bar = "█".repeat(filled) + dim("░".repeat(BAR_WIDTH - filled));
    write(
      `\r\x1b[K${this.#name} ${bar} ${String(percent).padStart(3)} %${
        this.#note && dim(this.#note)
      }`,
    );
  }
}

export function printTitle(text: string): void {
  console.log(bold(text));
}

/** The ways side by side, each with its ratio to the last one. */
export function printTable(ways: Record<string, Outcome>, size: number): void {
  const rows = Object.entries(ways);
  const base = rows.at(-1)![1].work;
  console.log();
  console.log(bold(
    "".padEnd(NAME_WIDTH) +
      ["start-up", "work", "rate", "speed"].map((title) =>
        title.padStart(COLUMN_WIDTH)
      ).join(""),
  ));
  for (const [name, { startUp, work }] of rows) {
    const cells = [
      startUp === undefined ? "-" : milliseconds(startUp),
      milliseconds(work),
      size === 0 || work === 0 ? "-" : `${bytes(size / work * 1000)}/s`,
      size === 0 || work === 0 ? "-" : `${(base / work).toFixed(2)} x`,
    ];
    console.log(
      name.padEnd(NAME_WIDTH) +
        cells.map((cell) => cell.padStart(COLUMN_WIDTH)).join(""),
    );
  }
  console.log(dim(
    `\nstart-up: from starting the children until all had loaded their code
work:     from handing over the bytes or descriptors until all results were read;
          reading the file beforehand is in none of them
speed:    against ${rows.at(-1)![0]}`,
  ));
}

/** Says that all ways found the same, and what. */
export function printAgreement(tally: Tally): void {
  const total = tally.total;
  let found = "";
  if (total > 0) {
    const most = tally.counts.indexOf(Math.max(...tally.counts));
    const share = tally.counts[most]! / total * 100;
    found = `; the most frequent byte is 0x${hex(most, 2)} with ${
      share.toFixed(1)
    } %`;
  }
  console.log(
    `\n${green("All results agree")}: checksum ${
      hex(tally.checksum, 8)
    }${found}`,
  );
}

export function printFailure(message: string): void {
  if (terminal) write("\r\x1b[K");
  console.error(`${red("Demo failed")}: ${message}`);
}

/** A length for people: `95.6 MB`. */
export function bytes(length: number): string {
  for (
    const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const
  ) {
    if (length >= factor) return `${(length / factor).toFixed(1)} ${unit}`;
  }
  return `${Math.round(length)} B`;
}

/** A time for people: `12.3 ms`. */
export function milliseconds(time: number): string {
  return `${time.toFixed(1)} ms`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function write(text: string): void {
  const rest = new TextEncoder().encode(text);
  for (let at = 0; at < rest.length;) {
    at += Deno.stdout.writeSync(rest.subarray(at));
  }
}
