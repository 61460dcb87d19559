/**
 * A child's standard input: lines, then perhaps raw bytes. Synchronous, for a
 * child has nothing else to do, and this is the fastest way to read a pipe.
 */

const NEWLINE = 10;
/** Linux gives at most 64 KiB a read from a pipe of the default capacity. */
const BUFFER_SIZE = 2 ** 16;

const buffer = new Uint8Array(BUFFER_SIZE);
let start = 0;
let end = 0;

/** The bytes that are there, or nothing at the end; they stay valid until the next read. */
export function readSome(): Uint8Array {
  if (start === end) {
    start = 0;
    end = Deno.stdin.readSync(buffer) ?? 0;
  }
  const bytes = buffer.subarray(start, end);
  start = end;
  return bytes;
}

/** The next line as a value, or undefined when the parent said no more. */
export function readMessage<T>(): T | undefined {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const bytes = readSome();
    if (bytes.length === 0) return undefined;
    const newline = bytes.indexOf(NEWLINE);
    if (newline < 0) {
      text += decoder.decode(bytes, { stream: true });
      continue;
    }
    start = end - (bytes.length - newline - 1);
    return JSON.parse(text + decoder.decode(bytes.subarray(0, newline)));
  }
}
