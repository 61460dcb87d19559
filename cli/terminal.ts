// Where the output goes: how wide it is, whether it shows colours.

/** What to assume where there is no terminal. */
const FALLBACK = { columns: 80, rows: 24 };

const encoder = new TextEncoder();

/** Codes of colours and the like (ISO 6429). */
export const Style = {
  BOLD: 1,
  DIM: 2,
  RED: 31,
  GREEN: 32,
  YELLOW: 33,
  MAGENTA: 35,
  CYAN: 36,
  GREY: 90,
  BLUE: 94,
} as const;

/** Whether a person looks at the standard output. */
export function isTerminal(): boolean {
  return Deno.stdout.isTerminal();
}

/** Whether colours are wanted: on a terminal, without `NO_COLOR`. */
export function hasColours(): boolean {
  return isTerminal() && !Deno.noColor;
}

/** Columns and rows of the terminal. */
export function consoleSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : FALLBACK;
  } catch {
    return FALLBACK;
  }
}

/** The text in a style, where colours are wanted. */
export function paint(text: string, style: number): string {
  return hasColours() && text !== "" ? `\x1b[${style}m${text}\x1b[0m` : text;
}

/** Writes a text to the standard output. */
export function write(text: string): void {
  let rest = encoder.encode(text);
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

/** Writes lines to the standard output. */
export function print(...lines: string[]): void {
  write(lines.map((line) => `${line}\n`).join(""));
}
