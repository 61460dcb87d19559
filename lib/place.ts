// Where pools are: by name, in a directory. Knows how the native library calls
// their files, and how it takes both.

import { nativeLibrary } from "./library.ts";

const NAME = /^[A-Za-z0-9._-]{1,200}$/;

const encoder = new TextEncoder();

/** A pool's name, and its directory if it is not the default. */
export interface Place {
  readonly name: string;
  readonly directory: string | undefined;
}

/** Whether a pool can be called so. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

/** The directory's path. */
export function directoryOf(directory: string | undefined): string {
  if (directory !== undefined) return directory;
  const text = nativeLibrary().mm_default_directory();
  return Deno.UnsafePointerView.getCString(text!);
}

/** The path of the file behind a pool. */
export function fileOf({ name, directory }: Place): string {
  return `${directoryOf(directory)}/managed-memory.${name}`;
}

/** A text without NUL, as C takes it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** The same, or null where there is none. */
export function cStringOrNull(
  text: string | undefined,
): Uint8Array<ArrayBuffer> | null {
  return text === undefined ? null : cString(text);
}
