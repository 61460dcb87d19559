// The native library as a file, on Windows.

import { areSame, type LibraryFiles } from "./load_from_file.ts";

const GENERIC_READ = 0x80000000;
const GENERIC_WRITE = 0x40000000;
const FILE_SHARE_READ = 1;
const CREATE_NEW = 1;
const OPEN_EXISTING = 3;
const FILE_ATTRIBUTE_NORMAL = 0x80;
const MOVEFILE_REPLACE_EXISTING = 1;
const INVALID_HANDLE_VALUE = -1n;

const FUNCTIONS = {
  GetTempPathW: {
    parameters: [
      "u32", // DWORD size, in characters
      "buffer", // LPWSTR path
    ],
    result: "u32",
  },
  CreateFileW: {
    parameters: [
      "buffer", // LPCWSTR path
      "u32", // DWORD access
      "u32", // DWORD sharing
      "pointer", // LPSECURITY_ATTRIBUTES security
      "u32", // DWORD disposition
      "u32", // DWORD attributes
      "isize", // HANDLE template
    ],
    result: "isize",
  },
  ReadFile: {
    parameters: [
      "isize", // HANDLE file
      "buffer", // LPVOID bytes
      "u32", // DWORD length
      "buffer", // LPDWORD got
      "pointer", // LPOVERLAPPED overlapped
    ],
    result: "i32",
  },
  WriteFile: {
    parameters: [
      "isize", // HANDLE file
      "buffer", // LPCVOID bytes
      "u32", // DWORD length
      "buffer", // LPDWORD written
      "pointer", // LPOVERLAPPED overlapped
    ],
    result: "i32",
  },
  CloseHandle: {
    parameters: [
      "isize", // HANDLE file
    ],
    result: "i32",
  },
  MoveFileExW: {
    parameters: [
      "buffer", // LPCWSTR from
      "buffer", // LPCWSTR to
      "u32", // DWORD flags
    ],
    result: "i32",
  },
  DeleteFileW: {
    parameters: [
      "buffer", // LPCWSTR path
    ],
    result: "i32",
  },
  GetLastError: { parameters: [], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Files in the temporary directory of the user, which Windows closes to others. */
export class WindowsLibraryFiles implements LibraryFiles {
  readonly #library = Deno.dlopen("kernel32.dll", FUNCTIONS);
  readonly #system = this.#library.symbols;

  [Symbol.dispose](): void {
    this.#library.close();
  }

  pathOf(sha256: string): string {
    const text = new Uint16Array(1024);
    const length = this.#system.GetTempPathW(text.length, text);
    if (length === 0 || length >= text.length) {
      throw this.#error("GetTempPathW");
    }
    const directory = String.fromCharCode(...text.subarray(0, length));
    return `${directory}managed-memory-${sha256}.dll`;
  }

  /** Nobody can write to a file, or remove it, that is open for shared reading. */
  useIfSame<T>(
    path: string,
    bytes: Uint8Array<ArrayBuffer>,
    use: () => T,
  ): T | null {
    const file = this.#open(path, GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING);
    if (file === INVALID_HANDLE_VALUE) return null;
    try {
      return areSame(this.#read(file, bytes.length + 1), bytes) ? use() : null;
    } finally {
      this.#system.CloseHandle(file);
    }
  }

  /** Does not fail if another process was faster, and uses the file already. */
  publish(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    const passing = `${path}.${crypto.randomUUID()}`;
    const file = this.#open(passing, GENERIC_WRITE, 0, CREATE_NEW);
    if (file === INVALID_HANDLE_VALUE) throw this.#error("CreateFileW");
    try {
      this.#write(file, bytes);
    } finally {
      this.#system.CloseHandle(file);
    }
    const from = wideString(passing);
    const to = wideString(path);
    if (this.#system.MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING) === 0) {
      this.#system.DeleteFileW(from);
    }
  }

  #open(
    path: string,
    access: number,
    sharing: number,
    disposition: number,
  ): bigint {
    return this.#system.CreateFileW(
      wideString(path),
      access,
      sharing,
      null,
      disposition,
      FILE_ATTRIBUTE_NORMAL,
      0n,
    );
  }

  /** The first `most` bytes; fewer where the file ends. */
  #read(file: bigint, most: number): Uint8Array {
    const bytes = new Uint8Array(most);
    const got = new Uint32Array(1);
    if (this.#system.ReadFile(file, bytes, most, got, null) === 0) {
      throw this.#error("ReadFile");
    }
    return bytes.subarray(0, got[0]);
  }

  #write(file: bigint, bytes: Uint8Array<ArrayBuffer>): void {
    const written = new Uint32Array(1);
    if (
      this.#system.WriteFile(file, bytes, bytes.length, written, null) === 0
    ) {
      throw this.#error("WriteFile");
    }
  }

  #error(name: string): Error {
    return new Error(`${name}() failed: error ${this.#system.GetLastError()}`);
  }
}

/** A text in UTF-16 with the zero that ends it. */
function wideString(text: string): Uint16Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return units;
}
