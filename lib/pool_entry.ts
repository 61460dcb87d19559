// What the file of a pool shows to somebody who does not attach to it, as the
// native library lays it out.

import { nativeLibrary } from "./library.ts";
import { cString, cStringOrNull, type Place } from "./place.ts";
import { OK } from "./status.ts";

/** Size of a mm_pool_entry in bytes. */
export const POOL_ENTRY_SIZE = 1664;

// mm_pool_entry: where its fields lie, in bytes.
const NAME = 0;
const IS_POOL = 201;
const IS_DESTROYED = 202;
const SIZE = 208;
const USED = 216;
const UID = 224;
const CREATOR_START = 232;
const CREATOR_PID = 240;
const PROCESSES = 244;
const ATTACHMENTS = 248;
const DESCRIPTOR_LENGTH = 252;
const DESCRIPTOR = 256;

/** Latest time that a Date can hold, in milliseconds since 1970. */
const LATEST = 8_640_000_000_000_000;

const decoder = new TextDecoder();

/** One mm_pool_entry. */
export class PoolEntry {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;

  /** `bytes` is what the native library has filled in, or will. */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get name(): string {
    const end = this.#bytes.indexOf(0, NAME);
    return decoder.decode(this.#bytes.subarray(NAME, end));
  }

  /** Whether it is a pool of this release; else only its name is known. */
  get isPool(): boolean {
    return this.#view.getUint8(IS_POOL) !== 0;
  }

  get isDestroyed(): boolean {
    return this.#view.getUint8(IS_DESTROYED) !== 0;
  }

  get size(): number {
    return Number(this.#view.getBigUint64(SIZE, true));
  }

  get used(): number {
    return Number(this.#view.getBigUint64(USED, true));
  }

  get uid(): bigint {
    return this.#view.getBigUint64(UID, true);
  }

  /** Null: not known. */
  get creatorStart(): Date | null {
    return toStart(Number(this.#view.getBigUint64(CREATOR_START, true)));
  }

  get creatorPid(): number {
    return this.#view.getUint32(CREATOR_PID, true);
  }

  /** Living processes that are attached. */
  get processes(): number {
    return this.#view.getUint32(PROCESSES, true);
  }

  /** Whether nobody who lives is attached. */
  get isOrphan(): boolean {
    return this.#view.getUint32(ATTACHMENTS, true) === 0;
  }

  /** A copy of the pool's descriptor. */
  get descriptor(): Uint8Array<ArrayBuffer> {
    const length = this.#view.getUint32(DESCRIPTOR_LENGTH, true);
    return this.#bytes.slice(DESCRIPTOR, DESCRIPTOR + length);
  }
}

/** When a process began, from milliseconds since 1970; null: not known. */
export function toStart(milliseconds: number): Date | null {
  return milliseconds === 0 || milliseconds > LATEST
    ? null
    : new Date(milliseconds);
}

/** What there is under a name; null if nothing, or nothing that may be seen. */
export function lookAt({ name, directory }: Place): PoolEntry | null {
  const bytes = new Uint8Array(POOL_ENTRY_SIZE);
  const status = nativeLibrary().mm_pool_probe(
    cString(name),
    cStringOrNull(directory),
    bytes,
  );
  return status === OK ? new PoolEntry(bytes) : null;
}
