// What the native library answers, and which error each answer is. The only
// place that knows its status codes (csrc/managed_memory.h).

import {
  AllocationError,
  AllocationNotAvailableError,
  type ManagedMemoryError,
  type ManagedMemoryErrorCode,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "./errors.ts";

export const OK = 0;
export const E_INVALID = -1;
export const E_NAME = -2;
export const E_DIRECTORY = -3;
export const E_EXISTS = -4;
export const E_TOO_LARGE = -5;
export const E_NOT_FOUND = -6;
export const E_REPLACED = -7;
export const E_DESTROYED = -8;
export const E_DESCRIPTOR = -9;
export const E_NOT_LOCAL = -10;
export const E_NOT_A_POOL = -11;
export const E_VERSION = -12;
export const E_NO_SLOT = -13;
export const E_NO_ROOM = -14;
export const E_LIMIT = -15;
export const E_FS_FULL = -16;
export const E_TIMEOUT = -17;
export const E_QUEUED = -18;
export const E_BUSY = -19;
export const E_CORRUPT = -20;
export const E_STALE = -21;
export const E_NO_PROC = -23;
export const E_IN_USE = -24;
export const E_NO_DEFAULT = -25;

const SYSTEM_BASE = -1000;
const ENOSPC = 28;

interface Reason {
  readonly code: ManagedMemoryErrorCode;
  readonly text: string;
}

const REASONS: Readonly<Record<number, Reason>> = {
  [E_NAME]: {
    code: "invalid-name",
    text: "a name has 1 to 200 characters of A-Z a-z 0-9 . _ -",
  },
  [E_DIRECTORY]: {
    code: "invalid-directory",
    text: `the directory is not the absolute path of a directory on ${
      Deno.build.os === "linux" ? "a tmpfs" : "a disk of this host"
    }`,
  },
  [E_EXISTS]: { code: "exists", text: "the name is in use" },
  [E_TOO_LARGE]: { code: "too-large", text: "it can never hold so much" },
  [E_NOT_FOUND]: {
    code: "not-found",
    text: "no pool of this name is there",
  },
  [E_REPLACED]: { code: "replaced", text: "another pool bears its name now" },
  [E_DESTROYED]: { code: "destroyed", text: "the pool was destroyed" },
  [E_DESCRIPTOR]: {
    code: "invalid-descriptor",
    text: "the descriptor is truncated, extended or changed",
  },
  [E_NOT_LOCAL]: {
    code: "not-local",
    text: "the pool's memory is on another host",
  },
  [E_NOT_A_POOL]: { code: "not-a-pool", text: "its file is not a pool" },
  [E_VERSION]: {
    code: "incompatible-version",
    text: "it was made by an incompatible release",
  },
  [E_NO_SLOT]: {
    code: "no-participant-slot",
    text: "all of its 1024 participant slots are taken",
  },
  [E_NO_ROOM]: {
    code: "no-room",
    text: "no free block is large enough now",
  },
  [E_LIMIT]: {
    code: "allocation-limit",
    text: "as many allocations as it may have are live",
  },
  [E_FS_FULL]: {
    code: "file-system-full",
    text: "the file system behind it is full",
  },
  [E_QUEUED]: { code: "no-room", text: "older requests wait for room" },
  [E_BUSY]: {
    code: "busy",
    text: "a process that was stopped has held the pool's lock for too long",
  },
  [E_CORRUPT]: {
    code: "corrupt",
    text: "the pool's bytes contradict themselves",
  },
  [E_STALE]: { code: "stale", text: "it was freed, or never made" },
  [E_NO_PROC]: { code: "no-proc", text: "/proc is not mounted" },
  [E_NO_DEFAULT]: {
    code: "no-default-pool",
    text:
      "the environment variable MANAGED_MEMORY_DEFAULT_POOL is not set, or empty",
  },
  [E_IN_USE]: {
    code: "in-use",
    text: "a living process is attached to it, and force was not asked for",
  },
};

/** Errors that can reach a user: name and meaning by the number on Linux. */
const SYSTEM_ERRORS: Readonly<Record<number, readonly [string, string]>> = {
  1: ["EPERM", "the operation is not permitted"],
  2: ["ENOENT", "there is no such file or directory"],
  5: ["EIO", "input or output failed"],
  6: ["ENXIO", "there is no such device"],
  11: ["EAGAIN", "a resource is not available for the moment"],
  12: ["ENOMEM", "no memory or address space is left"],
  13: ["EACCES", "permission is denied"],
  16: ["EBUSY", "a resource is busy"],
  20: ["ENOTDIR", "a part of the path is not a directory"],
  21: ["EISDIR", "it is a directory"],
  22: ["EINVAL", "an argument is invalid"],
  23: ["ENFILE", "the system has too many open files"],
  24: ["EMFILE", "the process has no file descriptor left"],
  27: ["EFBIG", "the file would be too large"],
  [ENOSPC]: ["ENOSPC", "no space is left on the file system"],
  30: ["EROFS", "the file system is read-only"],
  36: ["ENAMETOOLONG", "a file name is too long"],
  37: ["ENOLCK", "no file lock is left"],
  38: ["ENOSYS", "the kernel does not have this system call"],
  40: ["ELOOP", "the path has too many symbolic links"],
  75: ["EOVERFLOW", "a value is too large"],
  95: ["EOPNOTSUPP", "the file system does not support this"],
  122: ["EDQUOT", "the disk quota is used up"],
};

/** An error of the operating system: the `cause` of a {@linkcode ManagedMemoryError}. */
class SystemError extends Error {
  override readonly name = "SystemError";
  /** The system's name for it, such as `"ENOSPC"`. */
  readonly code: string;
  /** The system's number for it. */
  readonly errno: number;

  constructor(errno: number) {
    const [code, text] = systemError(errno);
    super(`${code}: ${text}`);
    this.code = code;
    this.errno = errno;
  }
}

/** What other systems number otherwise: the number on Linux by theirs. */
const LINUX_NUMBERS: Readonly<
  Record<string, Readonly<Record<number, number>>>
> = {
  darwin: { 35: 11, 45: 95, 62: 40, 63: 36, 69: 122, 77: 37, 78: 38, 84: 75 },
  windows: { 38: 36, 39: 37, 40: 38, 114: 40, 129: 95, 132: 75 },
};

function systemError(errno: number): readonly [string, string] {
  const number = LINUX_NUMBERS[Deno.build.os]?.[errno] ?? errno;
  return SYSTEM_ERRORS[number] ?? [`errno ${errno}`, "the system call failed"];
}

type ErrorClass = new (
  message: string,
  options: { code: ManagedMemoryErrorCode; cause?: unknown },
) => ManagedMemoryError;

/** The error for a status; `action` continues "Cannot". */
function errorOf(
  Class: ErrorClass,
  status: number,
  action: string,
): ManagedMemoryError {
  if (status <= SYSTEM_BASE) {
    const errno = SYSTEM_BASE - status;
    const [name, text] = systemError(errno);
    return new Class(`Cannot ${action}: ${text} (${name})`, {
      code: "system",
      cause: new SystemError(errno),
    });
  }
  const { code, text } = REASONS[status] ?? REASONS[E_CORRUPT]!;
  const message = `Cannot ${action}: ${text}`;
  return status === E_FS_FULL
    ? new Class(message, { code, cause: new SystemError(ENOSPC) })
    : new Class(message, { code });
}

/** Why a pool could not be created. */
export function createError(
  status: number,
  action: string,
): ManagedMemoryError | RangeError {
  return status === E_INVALID
    ? new RangeError(`Cannot ${action}: an attribute is out of range`)
    : errorOf(PoolCreateError, status, action);
}

/** Why a pool could not be attached. */
export function attachError(
  status: number,
  action: string,
): ManagedMemoryError {
  return errorOf(PoolAttachError, status, action);
}

/** Why memory could not be allocated. */
export function allocError(status: number, action: string): ManagedMemoryError {
  switch (status) {
    case E_TOO_LARGE:
    case E_NO_ROOM:
    case E_LIMIT:
    case E_FS_FULL:
    case E_QUEUED:
      return errorOf(AllocationNotAvailableError, status, action);
    default:
      return errorOf(PoolError, status, action);
  }
}

/** Why an allocation could not be attached. */
export function allocationAttachError(
  status: number,
  action: string,
): ManagedMemoryError {
  return errorOf(AllocationError, status, action);
}

/** Why any other call failed. */
export function callError(status: number, action: string): ManagedMemoryError {
  return errorOf(
    status === E_STALE ? AllocationError : PoolError,
    status,
    action,
  );
}
