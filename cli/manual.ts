// The manual pages that --help shows.

import { type Command, COMMON, type Option, PROGRAM } from "./command.ts";
import { consoleSize, paint, Style } from "./terminal.ts";

const INDENT = "    ";
const WIDTH_MAX = 80;

const RUN = "deno run --allow-ffi jsr:@dragon/managed-memory/cli";

const INTRODUCTION = [
  "Looks at the pools of shared memory of this host, and removes what nobody needs any more.",
  `Called as "${RUN} COMMAND ...". It needs no other permission than --allow-ffi, which must be without a path.`,
  "Looking takes no slot of the pool and does not wait for its lock; the processes that use it do not notice. It takes the right to read the pool's file, so it shows pools of other users where their mode allows that.",
];

const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Done"],
  ["1", "Failed; standard error says why, in one line"],
  ["2", "Called in a way that it does not know"],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  [
    "NO_COLOR",
    "If set, no colours. There are none either where the output is not a terminal; it is plain ASCII then.",
  ],
];

/** Breaks a text into lines of at most `width` characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}

class Page {
  readonly lines: string[] = [];
  readonly #width = Math.max(
    40,
    Math.min(consoleSize().columns, WIDTH_MAX),
  );

  title(text: string): void {
    if (this.lines.length > 0) this.lines.push("");
    this.lines.push(paint(text, Style.BOLD));
  }

  paragraph(text: string, indent = INDENT): void {
    const width = this.#width - indent.length;
    this.lines.push(...wrap(text, width).map((line) => indent + line));
  }

  paragraphs(texts: readonly string[]): void {
    texts.forEach((text, index) => {
      if (index > 0) this.lines.push("");
      this.paragraph(text);
    });
  }

  /** A line as it stands, however long. */
  verbatim(text: string): void {
    this.lines.push(INDENT + text);
  }

  /** Terms, each with what it means below it. */
  terms(terms: readonly (readonly [string, string])[]): void {
    terms.forEach(([term, text], index) => {
      if (index > 0) this.lines.push("");
      this.lines.push(INDENT + paint(term, Style.BOLD));
      this.paragraph(text, INDENT + INDENT);
    });
  }
}

function termOf(name: string, { value, short }: Option): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

function synopsis({ name, operands, options }: Command): string {
  const all = Object.entries({ ...options, ...COMMON })
    .filter(([name]) => name !== "help")
    .map(([name, option]) => ` [${termOf(name, option)}]`);
  return `${PROGRAM} ${name}${operands === "" ? "" : ` ${operands}`}${
    all.join("")
  }`;
}

/** The manual page of the program. */
export function programPage(commands: readonly Command[]): string[] {
  const page = new Page();
  page.title("NAME");
  page.paragraph(`${PROGRAM} - looks at pools of shared memory`);
  page.title("SYNOPSIS");
  page.verbatim(`${PROGRAM} COMMAND [OPTION]...`);
  page.verbatim(`${PROGRAM} COMMAND --help`);
  page.title("DESCRIPTION");
  page.paragraphs(INTRODUCTION);
  page.title("COMMANDS");
  page.terms(commands.map(({ name, operands, summary }) => [
    `${name} ${operands}`.trimEnd(),
    summary,
  ]));
  page.title("OPTIONS OF ALL COMMANDS");
  page.terms(
    Object.entries(COMMON).map(([name, one]) => [termOf(name, one), one.text]),
  );
  page.title("ENVIRONMENT");
  page.terms(ENVIRONMENT);
  page.title("EXIT STATUS");
  page.terms(EXIT_STATUS);
  return page.lines;
}

/** The manual page of a command. */
export function commandPage(command: Command): string[] {
  const page = new Page();
  page.title("NAME");
  page.paragraph(`${PROGRAM} ${command.name} - ${command.summary}`);
  page.title("SYNOPSIS");
  page.paragraph(synopsis(command));
  page.title("DESCRIPTION");
  page.paragraphs(command.description);
  page.title("OPTIONS");
  page.terms(
    Object.entries({ ...command.options, ...COMMON })
      .map(([name, option]) => [termOf(name, option), option.text]),
  );
  page.title("JSON");
  page.paragraph(command.json);
  page.title("EXIT STATUS");
  page.terms(EXIT_STATUS);
  page.title("EXAMPLES");
  page.terms(
    command.examples.map((
      [args, text],
    ) => [`${PROGRAM} ${args}`, text]),
  );
  return page.lines;
}
