// The few calls of the C library by which tests look at a pool's file from
// outside of the module: with FFI, so that they need no file permission.
// Linux with glibc, as Deno itself.

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC_STATS = 0x7ff;
const O_RDWR = 2;

const libc = Deno.dlopen("libc.so.6", {
  statx: {
    parameters: ["i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  umask: { parameters: ["u32"], result: "u32" },
}).symbols;

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The file that backs the pool of this name in the default directory. */
export function poolFile(name: string): string {
  return `/dev/shm/managed-memory.${name}`;
}

/** What statx() says of a path, or undefined where there is no file. */
function statusOf(path: string): DataView | undefined {
  const result = new DataView(new ArrayBuffer(256));
  const status = libc.statx(
    AT_FDCWD,
    cString(path),
    AT_SYMLINK_NOFOLLOW,
    STATX_BASIC_STATS,
    result,
  );
  return status === 0 ? result : undefined;
}

/** Permission bits of a file, or undefined where there is none. */
export function fileMode(path: string): number | undefined {
  const status = statusOf(path);
  return status && status.getUint16(28, true) & 0o7777;
}

/** Length of a file in bytes, or undefined where there is none. */
export function fileSize(path: string): number | undefined {
  const status = statusOf(path);
  return status && Number(status.getBigUint64(40, true));
}

/** Memory or disk that a file takes, in bytes, or undefined where there is none. */
export function fileUse(path: string): number | undefined {
  const status = statusOf(path);
  return status && Number(status.getBigUint64(48, true)) * 512;
}

/** Removes a file, if it is there. */
export function removeFile(path: string): void {
  libc.unlink(cString(path));
}

/** Removes the pool's file when disposed of, for a test that fails before it destroys the pool. */
export function removedInTheEnd({ name }: { name: string }): Disposable {
  return { [Symbol.dispose]: () => removeFile(poolFile(name)) };
}

/** Size of the file system at a directory, in bytes. */
export function fileSystemSize(directory: string): number {
  const result = new DataView(new ArrayBuffer(256));
  if (libc.statfs(cString(directory), result) !== 0) {
    throw new Error(`Cannot look at the file system of "${directory}"`);
  }
  return Number(result.getBigUint64(8, true) * result.getBigUint64(16, true));
}

/** Runs `action` with the process's umask set to `mask`. */
export function withUmask<T>(mask: number, action: () => T): T {
  const before = libc.umask(mask);
  try {
    return action();
  } finally {
    libc.umask(before);
  }
}

/** Lets `change` edit `length` bytes of a file from `offset` on, and writes them back. */
export function editFile(
  path: string,
  offset: number,
  length: number,
  change: (bytes: Uint8Array<ArrayBuffer>) => void,
): void {
  const file = libc.open(cString(path), O_RDWR);
  if (file < 0) throw new Error(`Cannot open "${path}"`);
  try {
    const bytes = new Uint8Array(length);
    if (
      Number(libc.pread(file, bytes, BigInt(length), BigInt(offset))) !== length
    ) {
      throw new Error(
        `Cannot read ${length} bytes of "${path}" from ${offset} on`,
      );
    }
    change(bytes);
    if (
      Number(libc.pwrite(file, bytes, BigInt(length), BigInt(offset))) !==
        length
    ) {
      throw new Error(
        `Cannot write ${length} bytes of "${path}" from ${offset} on`,
      );
    }
  } finally {
    libc.close(file);
  }
}
