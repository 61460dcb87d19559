// What is written into allocations, so that any reader can tell whether it is
// whole. The same as in native/payload.h.

const WHOLE = 0x5741524445443031n;
const FIRST_FACTOR = 0x85ebca6b;
const STEP = 0x9e3779b1;

/** Bytes; what is smaller bears no payload. */
export const PAYLOAD_HEADER = 32;
/** Type of the allocations that bear one. */
export const PAYLOAD_TYPE = 4711;

function firstOf(stamp: bigint): number {
  const high = Number(stamp >> 32n) | 0;
  const low = Number(stamp & 0xffffffffn) | 0;
  return Math.imul(high ^ low, FIRST_FACTOR) >>> 0;
}

/** The words between header and tail. */
function bodyOf(buffer: ArrayBuffer): Uint32Array {
  return new Uint32Array(
    buffer,
    PAYLOAD_HEADER,
    Math.floor((buffer.byteLength - PAYLOAD_HEADER) / 4),
  );
}

/** The bytes after the last whole word. */
function tailOf(buffer: ArrayBuffer): Uint8Array {
  return new Uint8Array(buffer, buffer.byteLength - buffer.byteLength % 4);
}

/** Fills the memory of an allocation. */
export function writePayload(
  buffer: ArrayBuffer,
  id: bigint,
  stamp: bigint,
): void {
  const header = new BigUint64Array(buffer, 0, PAYLOAD_HEADER / 8);
  header[1] = id;
  header[2] = BigInt(buffer.byteLength);
  header[3] = stamp;
  const body = bodyOf(buffer);
  let value = firstOf(stamp);
  for (let word = 0; word < body.length; word++) {
    body[word] = value;
    value = (value + STEP) >>> 0;
  }
  const tail = tailOf(buffer);
  for (let at = 0; at < tail.length; at++) tail[at] = value >>> (8 * at);
  Atomics.store(header, 0, WHOLE ^ id);
}

/** The stamp in an allocation's memory. */
export function stampOf(buffer: ArrayBuffer): bigint {
  return new BigUint64Array(buffer, 0, PAYLOAD_HEADER / 8)[3]!;
}

/** Whether an allocation's memory holds what its maker wrote, and all of it. */
export function isWhole(
  buffer: ArrayBuffer,
  id: bigint,
  stamp: bigint,
): boolean {
  const header = new BigUint64Array(buffer, 0, PAYLOAD_HEADER / 8);
  if (
    Atomics.load(header, 0) !== (WHOLE ^ id) || header[1] !== id ||
    header[2] !== BigInt(buffer.byteLength) || header[3] !== stamp
  ) {
    return false;
  }
  let value = firstOf(stamp);
  for (const word of bodyOf(buffer)) {
    if (word !== value) return false;
    value = (value + STEP) >>> 0;
  }
  return tailOf(buffer).every((byte, at) =>
    byte === (value >>> (8 * at) & 255)
  );
}
