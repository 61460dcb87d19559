// The native library as a file, on systems with a C library like macOS's.

import { Libc } from "./libc.ts";
import { areSame, type LibraryFiles } from "./load_from_file.ts";
import { cString } from "./place.ts";

/** macOS gives every user a directory below it that is closed to others. */
const CS_DARWIN_USER_TEMP_DIR = 65537;

const O_RDONLY = 0;
const O_NOFOLLOW = 0x100; // of macOS
const O_CLOEXEC = 0x1000000; // of macOS

/** Where such files are, and how they are opened. */
export interface PosixPlace {
  /** A directory that no other user may write to. */
  readonly directory: string;
  /** For open(): to read, and not to follow symbolic links. */
  readonly flags: number;
}

/** Files of macOS, unless another place is given. */
export class PosixLibraryFiles implements LibraryFiles {
  readonly #libc = new Libc();
  readonly #place: PosixPlace;

  constructor(place?: PosixPlace) {
    this.#place = place ?? {
      directory: this.#libc.confstr(CS_DARWIN_USER_TEMP_DIR),
      flags: O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
    };
  }

  [Symbol.dispose](): void {
    this.#libc[Symbol.dispose]();
  }

  pathOf(sha256: string): string {
    return `${this.#place.directory}/managed-memory-${sha256}.dylib`;
  }

  useIfSame<T>(
    path: string,
    bytes: Uint8Array<ArrayBuffer>,
    use: () => T,
  ): T | null {
    let file: number;
    try {
      file = this.#libc.open(path, this.#place.flags);
    } catch {
      return null;
    }
    try {
      // One byte more than expected, so that a longer file is seen to be longer.
      const found = new Uint8Array(bytes.length + 1);
      const length = this.#libc.read(file, found);
      return areSame(found.subarray(0, length), bytes) ? use() : null;
    } finally {
      this.#libc.close(file);
    }
  }

  publish(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    const passing = cString(`${path}.XXXXXX`);
    const file = this.#libc.mkstemp(passing);
    try {
      this.#libc.write(file, bytes);
      this.#libc.rename(passing, path);
    } catch (error) {
      this.#libc.unlink(passing);
      throw error;
    } finally {
      this.#libc.close(file);
    }
  }
}
