// Checks of what callers pass: a wrong JavaScript type is a TypeError, a number
// out of range a RangeError. Knows nothing of pools.

const MAX_UID = 2n ** 64n - 1n;
const MIN_BLOCK_SIZE = 64;
const MAX_MODE = 0o777;

/** A value for a message: short, and on one line. */
export function quote(value: unknown): string {
  switch (typeof value) {
    case "string": {
      const text = value.length > 64 ? `${value.slice(0, 64)}…` : value;
      return JSON.stringify(text);
    }
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : "an object";
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

function numberError(
  action: string,
  what: string,
  value: unknown,
  range: string,
): Error {
  const text = `Cannot ${action}: ${what} must be ${range}, not ${
    quote(value)
  }`;
  return typeof value === "number" ? new RangeError(text) : new TypeError(text);
}

/** Throws unless `value` is a whole number from `least` to 2^53 - 1. */
export function checkWhole(
  value: number,
  least: number,
  action: string,
  what: string,
): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw wholeError(value, least, action, what);
}

function wholeError(
  value: unknown,
  least: number,
  action: string,
  what: string,
): Error {
  const range = `a whole number from ${least} to 2^53 - 1`;
  return numberError(action, what, value, range);
}

/** Throws unless `value` is a whole number from 0 to `most`. */
export function checkWithin(
  value: number,
  most: number,
  action: string,
  what: string,
): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return;
  throw numberError(action, what, value, `a whole number from 0 to ${most}`);
}

/** Throws unless `value` is a number, of whatever value. */
export function checkNumber(value: number, action: string, what: string): void {
  if (typeof value === "number") return;
  throw new TypeError(
    `Cannot ${action}: ${what} must be a number, not ${quote(value)}`,
  );
}

/** The bytes of a buffer or of a view, of this thread alone. */
export function toContents(
  value: ArrayBufferView | ArrayBufferLike,
  action: string,
): Uint8Array<ArrayBuffer> {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof ArrayBuffer) {
    if (buffer.detached) {
      throw new TypeError(`Cannot ${action}: the buffer is detached`);
    }
    if (value instanceof Uint8Array) return value as Uint8Array<ArrayBuffer>;
    return ArrayBuffer.isView(value)
      ? new Uint8Array(buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(buffer);
  }
  if (buffer instanceof SharedArrayBuffer) {
    const shared = ArrayBuffer.isView(value)
      ? new Uint8Array(buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(buffer);
    return Uint8Array.from(shared); // native calls take no shared ones
  }
  throw new TypeError(
    `Cannot ${action}: the bytes must be an ArrayBuffer or a view of one, not ${
      quote(value)
    }`,
  );
}

/** Throws unless `size` bytes of this type can be asked for. */
export function checkRequest(size: number, type: number): void {
  if (
    Number.isSafeInteger(size) && size >= 0 &&
    typeof type === "number" && type >>> 0 === type
  ) return;
  refuse(size, type);
}

/** Throws for the one of both that is wrong. */
function refuse(size: number, type: number): void {
  checkWhole(size, 0, "allocate", "the size");
  checkType(type, "allocate");
}

/** Throws unless `type` is an integer in [0, 2^32). */
export function checkType(type: number, action: string): void {
  if (typeof type === "number" && type >>> 0 === type) return;
  throw numberError(
    action,
    "the type",
    type,
    "a whole number from 0 to 2^32 - 1",
  );
}

/** The uid as a bigint in [0, 2^64). */
export function toUid(uid: number | bigint, action: string): bigint {
  if (typeof uid === "bigint") {
    if (uid >= 0n && uid <= MAX_UID) return uid;
    throw new RangeError(
      `Cannot ${action}: the uid must be from 0 to 2^64 - 1, not ${quote(uid)}`,
    );
  }
  checkWhole(uid, 0, action, "the uid");
  return BigInt(uid);
}

/** Throws unless `id` is a bigint in [0, 2^64). */
export function checkId(id: bigint, action: string): void {
  if (typeof id !== "bigint") {
    throw new TypeError(
      `Cannot ${action}: the id must be a bigint, not ${quote(id)}`,
    );
  }
  if (id >= 0n && id <= MAX_UID) return;
  throw new RangeError(
    `Cannot ${action}: the id must be from 0 to 2^64 - 1, not ${quote(id)}`,
  );
}

/** Throws unless `value` is a string. */
export function checkString(value: string, action: string, what: string): void {
  if (typeof value === "string") return;
  throw new TypeError(
    `Cannot ${action}: ${what} must be a string, not ${quote(value)}`,
  );
}

/** Throws unless `value` is a boolean. */
export function checkBoolean(
  value: boolean,
  action: string,
  what: string,
): void {
  if (typeof value === "boolean") return;
  throw new TypeError(
    `Cannot ${action}: ${what} must be a boolean, not ${quote(value)}`,
  );
}

/** Throws unless `value` is an object. */
export function checkObject(value: object, action: string, what: string): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(
    `Cannot ${action}: ${what} must be an object, not ${quote(value)}`,
  );
}

/** Throws unless `value` is a Uint8Array. */
export function checkBytes(value: Uint8Array, action: string): void {
  if (value instanceof Uint8Array) return;
  throw new TypeError(
    `Cannot ${action}: the descriptor must be a Uint8Array, not ${
      quote(value)
    }`,
  );
}

/** Throws unless `size` is a power of two that a smallest block can have. */
export function checkMinBlockSize(size: number, action: string): void {
  if (
    Number.isSafeInteger(size) && size >= MIN_BLOCK_SIZE &&
    (BigInt(size) & BigInt(size - 1)) === 0n
  ) {
    return;
  }
  throw numberError(
    action,
    "minBlockSize",
    size,
    "a power of two of at least 64",
  );
}

/** Throws unless `mode` is permission bits. */
export function checkMode(mode: number, action: string): void {
  if (Number.isInteger(mode) && mode >= 0 && mode <= MAX_MODE) return;
  throw numberError(action, "mode", mode, "from 0 to 0o777");
}

/** The timeout in milliseconds; Infinity where there is none. */
export function toTimeout(timeout: number | undefined, action: string): number {
  if (timeout === undefined) return Infinity;
  if (typeof timeout === "number" && timeout >= 0) return timeout;
  throw numberError(action, "the timeout", timeout, "0 or more milliseconds");
}

/** Throws unless `signal` is an AbortSignal. */
export function checkSignal(signal: AbortSignal, action: string): void {
  if (signal instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot ${action}: the signal must be an AbortSignal, not ${quote(signal)}`,
  );
}
