// The functions of the C library that loading needs, on Linux and macOS. None
// with variable arguments: on arm64 macOS passes those in another way than FFI.

import { cString } from "./place.ts";

const FUNCTIONS = {
  close: {
    parameters: [
      "i32", // int file
    ],
    result: "i32",
  },
  confstr: {
    parameters: [
      "i32", // int name
      "buffer", // char *text
      "usize", // size_t size
    ],
    result: "usize",
  },
  memfd_create: {
    parameters: [
      "buffer", // const char *name
      "u32", // unsigned flags
    ],
    result: "i32",
    optional: true, // Linux only
  },
  mkstemp: {
    parameters: [
      "buffer", // char *path
    ],
    result: "i32",
  },
  open: {
    parameters: [
      "buffer", // const char *path
      "i32", // int flags: never O_CREAT, which has a variable argument
    ],
    result: "i32",
  },
  read: {
    parameters: [
      "i32", // int file
      "buffer", // void *bytes
      "usize", // size_t length
    ],
    result: "isize",
  },
  rename: {
    parameters: [
      "buffer", // const char *from
      "buffer", // const char *to
    ],
    result: "i32",
  },
  strerror: {
    parameters: [
      "i32", // int error
    ],
    result: "pointer",
  },
  unlink: {
    parameters: [
      "buffer", // const char *path
    ],
    result: "i32",
  },
  write: {
    parameters: [
      "i32", // int file
      "buffer", // const void *bytes
      "usize", // size_t length
    ],
    result: "isize",
  },
  __errno_location: {
    parameters: [],
    result: "pointer",
    optional: true, // Linux only
  },
  __error: {
    parameters: [],
    result: "pointer",
    optional: true, // macOS only
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** To musl's loader, too, every name that begins with "libc." is itself. */
const LIBRARY = Deno.build.os === "darwin"
  ? "/usr/lib/libSystem.B.dylib"
  : "libc.so.6";

/** The C library of this process. Errors name the function that failed. */
export class Libc implements Disposable {
  readonly #library = Deno.dlopen(LIBRARY, FUNCTIONS);
  readonly #functions = this.#library.symbols;

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** A string of the system's configuration. */
  confstr(name: number): string {
    const text = new Uint8Array(1024);
    const size = this.#functions.confstr(name, text, BigInt(text.length));
    if (size === 0n || size > text.length) throw this.#error("confstr");
    return new TextDecoder().decode(text.subarray(0, Number(size) - 1));
  }

  /** Makes a file that is only in memory. */
  memfdCreate(name: string, flags: number): number {
    const file = this.#functions.memfd_create?.(cString(name), flags);
    if (file === undefined) throw new Error("there is no memfd_create()");
    return this.#checked("memfd_create", file);
  }

  /** Makes a file of mode 0600 and a new name, which replaces the X in `path`. */
  mkstemp(path: Uint8Array<ArrayBuffer>): number {
    return this.#checked("mkstemp", this.#functions.mkstemp(path));
  }

  /** Opens a file that is there. */
  open(path: string, flags: number): number {
    return this.#checked("open", this.#functions.open(cString(path), flags));
  }

  /** Reads until `bytes` is full, or the file at its end: the number of bytes. */
  read(file: number, bytes: Uint8Array<ArrayBuffer>): number {
    let length = 0;
    while (length < bytes.length) {
      const rest = bytes.subarray(length);
      const got = this.#functions.read(file, rest, BigInt(rest.length));
      if (this.#checked("read", Number(got)) === 0) break;
      length += Number(got);
    }
    return length;
  }

  /** Writes all of `bytes`. */
  write(file: number, bytes: Uint8Array<ArrayBuffer>): void {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      const got = this.#functions.write(file, rest, BigInt(rest.length));
      at += this.#checked("write", Number(got));
    }
  }

  close(file: number): void {
    this.#functions.close(file);
  }

  rename(from: Uint8Array<ArrayBuffer>, to: string): void {
    this.#checked("rename", this.#functions.rename(from, cString(to)));
  }

  unlink(path: Uint8Array<ArrayBuffer>): void {
    this.#functions.unlink(path);
  }

  #checked(name: string, result: number): number {
    if (result < 0) throw this.#error(name);
    return result;
  }

  #error(name: string): Error {
    const { __error, __errno_location, strerror } = this.#functions;
    const location = (__error ?? __errno_location)?.() ?? null;
    if (location === null) return new Error(`${name}() failed`);
    const code = new Deno.UnsafePointerView(location).getInt32();
    const text = strerror(code);
    const reason = text === null
      ? `error ${code}`
      : Deno.UnsafePointerView.getCString(text);
    return new Error(`${name}() failed: ${reason}`);
  }
}
