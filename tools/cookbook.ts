// Puts the programs of examples/ into docs/cookbook.md, each below the comment
// that names it: <!-- examples/NAME.ts -->. A test checks that this was done.
//
//   deno run -A tools/cookbook.ts

const ROOT = new URL("../", import.meta.url);
const COOKBOOK = new URL("docs/cookbook.md", ROOT);

const PROGRAM = /(<!-- (examples\/\w+\.ts) -->\n\n```ts ignore\n)[^]*?(```\n)/g;

/** Names of the programs that a text shows, as paths in the repository. */
export function programsOf(cookbook: string): string[] {
  return [...cookbook.matchAll(PROGRAM)].map((match) => match[2]!);
}

/** The text with each program as it is in its file. */
export function withPrograms(cookbook: string): string {
  return cookbook.replace(
    PROGRAM,
    (_, start: string, path: string, end: string) =>
      start + Deno.readTextFileSync(new URL(path, ROOT)) + end,
  );
}

/** The cookbook as it stands. */
export function readCookbook(): string {
  return Deno.readTextFileSync(COOKBOOK);
}

if (import.meta.main) {
  Deno.writeTextFileSync(COOKBOOK, withPrograms(readCookbook()));
}
