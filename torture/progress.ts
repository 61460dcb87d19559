// How far the torture is: a bar on a terminal, now and then a line elsewhere.

import { count, type Counts } from "./counts.ts";

const WIDTH = 30;
/** Lines that a whole run prints where there is no terminal. */
const LINES = 10;

export class Progress {
  readonly #kills: number;
  readonly #isTerminal = Deno.stderr.isTerminal();
  #printed = 0;

  constructor(kills: number) {
    this.#kills = kills;
  }

  show(counts: Counts): void {
    const share = Math.min(1, counts.kills / this.#kills);
    const text = `${count(counts.kills)} of ${count(this.#kills)} kills, ` +
      `${count(counts.killsInLock)} inside the lock, ` +
      `${count(counts.violations)} violations`;
    if (this.#isTerminal) {
      const bar = "#".repeat(Math.floor(share * WIDTH)).padEnd(WIDTH, ".");
      this.#write(`\r\x1b[2K[${bar}] ${text}`);
    } else if (Math.floor(share * LINES) > this.#printed) {
      this.#printed = Math.floor(share * LINES);
      this.#write(`${text}\n`);
    }
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#isTerminal) this.#write("\r\x1b[2K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
