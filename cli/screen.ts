// The whole terminal for one program, given back as it was.

import { consoleSize, write } from "./terminal.ts";

const CTRL_C = 3;
const KEY_Q = "q".charCodeAt(0);

// Terminal control, as xterm and all since understand it.
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const TO_END_OF_LINE = "\x1b[K";
const TO_END_OF_SCREEN = "\x1b[J";

/** What takes no room on the screen. */
// deno-lint-ignore no-control-regex
const STYLE = /(\x1b\[[0-9;]*m)/;

const ENDING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
/** Ctrl-Z would leave the terminal to the shell as it is: it does nothing. */
const IGNORED: readonly Deno.Signal[] = ["SIGTSTP"];
const REDRAWING: readonly Deno.Signal[] = ["SIGWINCH", "SIGCONT"];

/** The beginning of a line that has room in `columns`; styles take none. */
export function clip(line: string, columns: number): string {
  let room = columns;
  return line.split(STYLE).map((part, index) => {
    if (index % 2 === 1) return part;
    const shown = part.slice(0, room);
    room -= shown.length;
    return shown;
  }).join("");
}

/**
 * A screen of its own, without a cursor, on which `q` and Ctrl-C mean the end.
 * Its disposal gives the terminal back.
 */
export class Screen implements Disposable {
  readonly #ended = Promise.withResolvers<void>();
  readonly #end = () => this.#ended.resolve();
  readonly #ignore = () => {};
  readonly #redraw: () => void;
  readonly #hasKeys = Deno.stdin.isTerminal();

  /** `redraw` is called whenever the terminal has forgotten what was on it. */
  constructor(redraw: () => void) {
    this.#redraw = () => {
      this.#enter();
      redraw();
    };
    this.#listen(Deno.addSignalListener);
    this.#enter();
    if (this.#hasKeys) this.#watchKeys();
  }

  /** Resolves when the user has had enough. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Shows lines from the top on; what has no room is left out. */
  show(lines: readonly string[]): void {
    const { columns, rows } = consoleSize();
    const shown = lines.slice(0, rows)
      .map((line) => clip(line, columns) + TO_END_OF_LINE);
    write(HOME + shown.join("\r\n") + TO_END_OF_SCREEN);
  }

  [Symbol.dispose](): void {
    this.#listen(Deno.removeSignalListener);
    if (this.#hasKeys) Deno.stdin.setRaw(false);
    write(LEAVE);
  }

  /** Begins to listen to signals, or ends it. */
  #listen(change: typeof Deno.addSignalListener): void {
    for (const signal of ENDING) change(signal, this.#end);
    for (const signal of IGNORED) change(signal, this.#ignore);
    for (const signal of REDRAWING) change(signal, this.#redraw);
  }

  #enter(): void {
    if (this.#hasKeys) Deno.stdin.setRaw(true, { cbreak: true });
    write(ENTER);
  }

  async #watchKeys(): Promise<void> {
    const keys = new Uint8Array(16);
    for (;;) {
      const count = await Deno.stdin.read(keys);
      if (count === null) return;
      const pressed = keys.subarray(0, count);
      if (pressed.includes(KEY_Q) || pressed.includes(CTRL_C)) this.#end();
    }
  }
}
