// Descriptors as bytes: read through the native library, which alone knows
// their format. One area per thread takes them in and out, so that neither
// foreign buffers nor new ones cross the border.

import { nativeLibrary } from "./library.ts";
import { E_DESCRIPTOR, OK } from "./status.ts";
import type { Native } from "./symbols.ts";

/** MM_DESCRIPTOR_MAX */
const LENGTH_MAX = 1408;

// mm_descriptor: where its fields lie, in bytes.
const DESCRIPTOR_SIZE = 1288;
const HOST = 16;
const UID = 32;
const ID = 40;
const TYPE = 48;
const NAME = 56;
const DIRECTORY = 257;

const decoder = new TextDecoder();

const bytes = new Uint8Array(LENGTH_MAX);
const parsed = new Uint8Array(DESCRIPTOR_SIZE);
const words = new Int32Array(parsed.buffer);
const unsigned = new Uint32Array(parsed.buffer);
const wide = new BigUint64Array(parsed.buffer);

interface Pointers {
  readonly bytes: Deno.PointerObject;
  readonly parsed: Deno.PointerObject;
}

/** What descriptors of this host have at HOST; null: not asked for yet. */
let host: Int32Array<ArrayBuffer> | null = null;

let pointers: Pointers | null = null;

function pointersOf(): Pointers {
  return pointers ??= {
    bytes: Deno.UnsafePointer.of(bytes)!,
    parsed: Deno.UnsafePointer.of(parsed)!,
  };
}

/** Bytes of the descriptor that was read last. */
let length = 0;

/**
 * Copies a caller's bytes, in whatever memory they are, and reads them as a
 * descriptor. Answers a status; the functions below tell what it says, until
 * the next one is read.
 */
export function readDescriptor(serialized: Uint8Array): number {
  const native = nativeLibrary();
  const count = serialized.length;
  if (count === 0 || count > LENGTH_MAX) return E_DESCRIPTOR;
  bytes.set(serialized);
  return readBytes(native, count);
}

/** The same for the descriptor of the default pool, which the environment names. */
export function readDefaultDescriptor(): number {
  const native = nativeLibrary();
  const count = native.mm_ffi_default_pool(pointersOf().bytes, LENGTH_MAX);
  if (count < OK) return count;
  return count === 0 ? E_DESCRIPTOR : readBytes(native, count);
}

function readBytes(native: Native, count: number): number {
  length = count;
  const areas = pointersOf();
  const status = native.mm_ffi_descriptor_read(
    areas.bytes,
    length,
    areas.parsed,
  );
  return status === OK && host === null ? readHost(native) : status;
}

function readHost(native: Native): number {
  const identity = new Int32Array(4);
  const status = native.mm_host_identity(identity);
  if (status === OK) host = identity;
  return status;
}

/** Whether the descriptor that was read last names an allocation; else it names a pool. */
export function namesAllocation(): boolean {
  return parsedIdLow() !== 0 || parsedIdHigh() !== 0;
}

/** Whether the descriptor that was read last was made on this host. */
export function isLocal(): boolean {
  const word = HOST / 4;
  return host !== null && words[word] === host[0] &&
    words[word + 1] === host[1] && words[word + 2] === host[2] &&
    words[word + 3] === host[3];
}

/** Low half of the allocation's id in the descriptor that was read last. */
export function parsedIdLow(): number {
  return words[ID / 4]!;
}

/** High half of that id. */
export function parsedIdHigh(): number {
  return words[ID / 4 + 1]!;
}

/** The allocation's type in the descriptor that was read last. */
export function parsedType(): number {
  return unsigned[TYPE / 4]!;
}

/** The pool's uid in the descriptor that was read last. */
export function parsedUid(): bigint {
  return wide[UID / 8]!;
}

/** The pool's name in the descriptor that was read last. */
export function parsedName(): string {
  const end = parsed.indexOf(0, NAME);
  return decoder.decode(parsed.subarray(NAME, Math.min(end, DIRECTORY)));
}

/** Which pool a descriptor names, to compare others with. */
export type PoolKey = Int32Array<ArrayBuffer>;

/** The pool that the descriptor names that was read last. */
export function parsedKey(): PoolKey {
  const end = parsed.indexOf(0, DIRECTORY) + 1;
  return words.slice(0, Math.ceil(end / 4));
}

/** The first part of its identity, for hash tables. */
export function parsedHash(): number {
  return words[0]!;
}

/** Whether the descriptor that was read last has the pool's identity. */
export function hasIdentity(key: PoolKey): boolean {
  return words[0] === key[0] && words[1] === key[1] &&
    words[2] === key[2] && words[3] === key[3];
}

/** Whether it has the pool's name and directory as well. */
export function hasPlace(key: PoolKey): boolean {
  for (let word = NAME / 4; word < key.length; word++) {
    if (words[word] !== key[word]) return false;
  }
  return true;
}

/** A copy of the descriptor that was read last. */
export function parsedBytes(): Uint8Array<ArrayBuffer> {
  return bytes.slice(0, length);
}

/**
 * Attaches to the pool that the descriptor names that was read last. Answers a
 * status, and in `handle` the address of the native handle.
 */
export function attachParsed(handle: BigUint64Array<ArrayBuffer>): number {
  return nativeLibrary().mm_pool_attach(
    pointersOf().bytes,
    BigInt(length),
    handle,
  );
}

/** The bytes of a pool's descriptor. */
export function writePool(
  native: Native,
  pool: Deno.PointerObject,
): Uint8Array<ArrayBuffer> {
  const length = native.mm_ffi_pool_serialize(
    pool,
    pointersOf().bytes,
    LENGTH_MAX,
  );
  return bytes.slice(0, Math.max(length, OK));
}

/** The bytes of an allocation's descriptor. */
export function writeAllocation(
  native: Native,
  pool: Deno.PointerObject,
  idLow: number,
  idHigh: number,
  type: number,
): Uint8Array<ArrayBuffer> {
  const length = native.mm_ffi_allocation_serialize(
    pool,
    idLow,
    idHigh,
    type,
    pointersOf().bytes,
    LENGTH_MAX,
  );
  return bytes.slice(0, Math.max(length, OK));
}
