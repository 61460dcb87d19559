// What is done to bytes that are handed over, so that every page of them is
// touched and nobody can skip anything.

const PAGE = 4096;
/** From page to page another line of the cache: at one place in all pages they would not fit into it. */
const LINE = 64;

/** Writes a value into each page. */
export function stamp(bytes: Uint8Array, value: number): void {
  let line = 0;
  for (let page = 0; page < bytes.length; page += PAGE) {
    bytes[page + line] = value;
    line = next(line, page, bytes.length);
  }
}

/** Adds one to the value of each page. */
export function restamp(bytes: Uint8Array): void {
  let line = 0;
  for (let page = 0; page < bytes.length; page += PAGE) {
    bytes[page + line]! += 1;
    line = next(line, page, bytes.length);
  }
}

/**
 * Looks at the value of each page.
 *
 * @throws {Error} If one is another.
 */
export function verify(bytes: Uint8Array, value: number): void {
  let line = 0;
  let isRight = true;
  for (let page = 0; page < bytes.length; page += PAGE) {
    isRight = isRight && bytes[page + line] === value;
    line = next(line, page, bytes.length);
  }
  if (!isRight) throw new Error("The bytes came back as they should not");
}

/** The last page may be a short one, of which the first byte serves. */
function next(line: number, page: number, length: number): number {
  return page + 2 * PAGE > length ? 0 : (line + LINE) % PAGE;
}
