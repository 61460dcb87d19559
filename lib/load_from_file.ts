// Loads the native library out of the package where libraries must be files. It
// is kept in the user's own temporary directory, under its hash, and compared
// byte by byte before it is used.

import type { EmbeddedLibrary } from "./embedded.ts";
import { openLibrary } from "./open_library.ts";
import type { Native } from "./symbols.ts";

/** What an operating system does with such files. */
export interface LibraryFiles extends Disposable {
  /** The path of the file for a library of this hash. */
  pathOf(sha256: string): string;
  /**
   * Calls `use` while the file is open, if it is exactly these bytes.
   *
   * @returns What `use` returned; null if there is no such file.
   */
  useIfSame<T>(
    path: string,
    bytes: Uint8Array<ArrayBuffer>,
    use: () => T,
  ): T | null;
  /**
   * Makes the file, whole from the beginning and for this user only, in place of
   * one that is there and not in use.
   */
  publish(path: string, bytes: Uint8Array<ArrayBuffer>): void;
}

/**
 * Loads the library from its file, which is made if it is not there.
 *
 * @param embedded The library.
 * @param files The operating system's files.
 * @returns Its functions.
 * @throws {Error} If the system does not allow it; says why.
 */
export function loadFromFile(
  { bytes, buildId, sha256 }: EmbeddedLibrary,
  files: LibraryFiles,
): Native {
  const path = files.pathOf(sha256);
  const load = () => openLibrary(path, buildId);
  const found = files.useIfSame(path, bytes, load);
  if (found !== null) return found;
  files.publish(path, bytes);
  const made = files.useIfSame(path, bytes, load);
  if (made !== null) return made;
  throw new Error(`"${path}" does not hold what was written to it`);
}

/** Whether two libraries are the same. */
export function areSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, at) => byte === other[at]);
}
