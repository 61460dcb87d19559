// A terminal that a test types into and looks at: tmux without a window.

import { sleep } from "./processes.ts";

/** Far above what anything here takes. */
const DEADLINE = 20_000;

export interface TerminalOptions {
  columns?: number;
  rows?: number;
}

/** A shell in a terminal of its own. Take it with `await using`. */
export class Terminal implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(
    { columns = 100, rows = 30 }: TerminalOptions = {},
  ): Promise<Terminal> {
    const terminal = new Terminal(Deno.makeTempDirSync());
    await terminal.#tmux(
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      "unset NO_COLOR; PS1='$ ' exec sh",
    );
    await terminal.until(/^\$/);
    return terminal;
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#tmux("send-keys", "-l", line);
    await this.press("Enter");
  }

  /** Presses a key, as tmux calls it. */
  async press(key: string): Promise<void> {
    await this.#tmux("send-keys", key);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux(
      "resize-window",
      "-x",
      String(columns),
      "-y",
      String(rows),
    );
  }

  /** What is on the screen; with escape sequences for its colours if told to. */
  async screen(options: { withColours?: boolean } = {}): Promise<string> {
    const colours = options.withColours ? ["-e"] : [];
    return (await this.#tmux("capture-pane", "-p", ...colours)).trimEnd();
  }

  /** Whether the cursor is shown, and the terminal's second screen. */
  async state(): Promise<{ cursor: boolean; alternate: boolean }> {
    const [cursor, alternate] = (await this.#tmux(
      "display-message",
      "-p",
      "#{cursor_flag} #{alternate_on}",
    )).trim().split(" ");
    return { cursor: cursor === "1", alternate: alternate === "1" };
  }

  /** Waits until the screen matches, and answers what is on it. */
  async until(pattern: RegExp): Promise<string> {
    const started = performance.now();
    for (;;) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
      if (performance.now() - started > DEADLINE) {
        throw new Error(`The terminal never showed ${pattern}:\n${screen}`);
      }
      await sleep(30);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #tmux(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      // A server of its own, which reads nobody's configuration.
      args: ["-S", `${this.#folder}/socket`, "-f", "/dev/null", "-u", ...args],
      env: { TERM: "xterm-256color" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout);
    throw new Error(`tmux ${args[0]} failed: ${decoder.decode(stderr)}`);
  }
}
