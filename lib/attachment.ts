// One attachment of this thread to one pool: the native handle, and what all
// users of it in this thread share. Who holds on to it, and for how long, is
// pool_handle.ts.

import {
  attachParsed,
  hasIdentity,
  hasPlace,
  parsedHash,
  parsedKey,
  parsedName,
  type PoolKey,
  readDescriptor,
  writePool,
} from "./descriptor.ts";
import { PoolCreateError } from "./errors.ts";
import { idOf } from "./ids.ts";
import { nativeLibrary } from "./library.ts";
import { MemviewTable } from "./memviews.ts";
import type { PoolPlan } from "./options.ts";
import { cString, cStringOrNull, fileOf, type Place } from "./place.ts";
import { lookAt } from "./pool_entry.ts";
import type { PoolHandle } from "./pool_handle.ts";
import {
  attachError,
  createError,
  E_DESTROYED,
  E_EXISTS,
  E_STALE,
  OK,
} from "./status.ts";
import type { Native } from "./symbols.ts";
import type { WaitQueue } from "./wait_queue.ts";

// mm_pool_info: where its fields lie, in bytes.
const INFO_UID = 16;
const INFO_SIZE = 24;
const INFO_MAX_ALLOCATIONS = 40;
const INFO_NAME = 56;

// mm_ffi_results: its size in bytes, and where its fields lie, in 32-bit words.
const RESULTS_SIZE = 112;
const RESULT_OFFSET = 2;
const RESULT_SIZE = 4;
const RESULT_TYPE = 6;
const RESULT_FREE_SPACE = 8;
const RESULT_ALLOCATIONS = 10;
const RESULT_MOST_ALLOCATIONS = 12;
const RESULT_TICKET = 14;
const RESULT_COUNT = 16;
const RESULT_OWNER_PID = 20;
const RESULT_OWNER_IS_ALIVE = 21;
const RESULT_RECLAIMED_ALLOCATIONS = 22;
const RESULT_RECLAIMED_BYTES = 24;
const RESULT_HASH = 26;

const { getArrayBuffer, getCString } = Deno.UnsafePointerView;

/** The native handle of this thread for one pool, and what it answered last. */
export class Attachment {
  readonly native: Native;
  readonly pointer: Deno.PointerObject;
  /** What descriptors of the pool have in common. */
  readonly key: PoolKey;
  readonly name: string;
  readonly uid: bigint;
  /** Bytes of the data region. */
  readonly size: number;
  readonly maxAllocations: number;
  readonly memviews: MemviewTable;
  /** Requests of this thread that wait for room in this pool. */
  queue: WaitQueue | null;
  /** False once the native handle is gone. */
  isOpen: boolean;

  /** Handles that keep the attachment open. */
  holders: number;
  /** How many of them the user made, by creating or attaching the pool. */
  explicitHolders: number;
  /** The one of those that was made last, while it is attached. */
  principal: PoolHandle | null;
  /** For what is attached besides those. */
  borrowed: PoolHandle | null;

  readonly #data: Deno.PointerObject;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #unsigned: Uint32Array<ArrayBuffer>;

  constructor(pointer: Deno.PointerObject, key: PoolKey) {
    const native = nativeLibrary();
    const info = new Deno.UnsafePointerView(native.mm_pool_describe(pointer)!);
    const results = getArrayBuffer(
      native.mm_ffi_results_of(pointer)!,
      RESULTS_SIZE,
    );
    this.native = native;
    this.pointer = pointer;
    this.key = key;
    this.name = getCString(info.getPointer(INFO_NAME)!);
    this.uid = info.getBigUint64(INFO_UID);
    this.size = Number(info.getBigUint64(INFO_SIZE));
    this.maxAllocations = Number(info.getBigUint64(INFO_MAX_ALLOCATIONS));
    this.memviews = new MemviewTable((idLow, idHigh) =>
      native.mm_ffi_find(pointer, idLow, idHigh) !== E_STALE
    );
    this.queue = null;
    this.isOpen = true;
    this.holders = 0;
    this.explicitHolders = 0;
    this.principal = null;
    this.borrowed = null;
    this.#data = native.mm_ffi_data(pointer)!;
    this.#words = new Int32Array(results);
    this.#unsigned = new Uint32Array(results);
  }

  /** Low half of the id of the last allocation that was made or found. */
  get idLow(): number {
    return this.#words[0]!;
  }

  /** High half of that id. */
  get idHigh(): number {
    return this.#words[1]!;
  }

  /** Offset in bytes of that allocation in the data region. */
  get offset(): number {
    return wide(this.#unsigned, RESULT_OFFSET);
  }

  /** Size in bytes of that allocation. */
  get allocationSize(): number {
    return wide(this.#unsigned, RESULT_SIZE);
  }

  /** Type of that allocation. */
  get type(): number {
    return this.#unsigned[RESULT_TYPE]!;
  }

  /** Of the last statistics. */
  get freeSpace(): number {
    return wide(this.#unsigned, RESULT_FREE_SPACE);
  }

  /** Of the last statistics. */
  get allocations(): number {
    return wide(this.#unsigned, RESULT_ALLOCATIONS);
  }

  /** Of the last statistics. */
  get mostAllocations(): number {
    return wide(this.#unsigned, RESULT_MOST_ALLOCATIONS);
  }

  /** The last ticket that was taken. */
  get ticket(): number {
    return wide(this.#unsigned, RESULT_TICKET);
  }

  /** Entries of the last list. */
  get count(): number {
    return wide(this.#unsigned, RESULT_COUNT);
  }

  /** Process of the last owner that was asked for. */
  get ownerPid(): number {
    return this.#unsigned[RESULT_OWNER_PID]!;
  }

  /** Whether that owner is still attached. */
  get ownerIsAlive(): boolean {
    return this.#words[RESULT_OWNER_IS_ALIVE] !== 0;
  }

  /** How many allocations were reclaimed last. */
  get reclaimedAllocations(): number {
    return wide(this.#unsigned, RESULT_RECLAIMED_ALLOCATIONS);
  }

  /** Their sizes in bytes. */
  get reclaimedBytes(): number {
    return wide(this.#unsigned, RESULT_RECLAIMED_BYTES);
  }

  /** The last hash. */
  get hash(): bigint {
    return idOf(this.#words[RESULT_HASH]!, this.#words[RESULT_HASH + 1]!);
  }

  /** Frees an allocation, its buffers emptied before; answers a status. */
  free(idLow: number, idHigh: number): number {
    this.memviews.emptyAllocation(idLow, idHigh);
    const status = this.native.mm_ffi_free(this.pointer, idLow, idHigh);
    if (this.queue !== null && status === OK) this.queue.noteRoom();
    return status;
  }

  /** A new ArrayBuffer over a part of the data region that the caller has checked. */
  bufferAt(offset: number, size: number): ArrayBuffer {
    return size === 0
      ? new ArrayBuffer(0)
      : getArrayBuffer(this.#data, size, offset);
  }

  /** Whether the descriptor that was read last, of this pool's identity, has its name too. */
  matchesParsed(): boolean {
    return hasPlace(this.key);
  }

  /** OK, or E_DESTROYED. */
  probe(): number {
    const status = this.native.mm_ffi_find(this.pointer, 0, 0);
    return status === E_DESTROYED ? status : OK;
  }

  /** Whether both are of one pool. */
  isOfSamePool(other: Attachment): boolean {
    return this.key.every((word, index) => word === other.key[index]);
  }

  /** Gives the native handle back. */
  end(): void {
    this.isOpen = false;
    const rest = attachments.get(this.key[0]!)!.filter((one) => one !== this);
    if (rest.length > 0) attachments.set(this.key[0]!, rest);
    else attachments.delete(this.key[0]!);
    this.memviews.emptyAll();
    this.#words.buffer.transfer(0);
    if (this.memviews.isMappingNeeded) {
      this.native.mm_pool_detach_keep_mapping(this.pointer);
    } else {
      this.native.mm_pool_detach(this.pointer);
    }
  }
}

/** The 64-bit number at a word. */
function wide(words: Uint32Array, at: number): number {
  const high = words[at + 1]!;
  return high === 0 ? words[at]! : words[at]! + high * 0x1_0000_0000;
}

/** This thread's attachments, by the first part of the pool's identity. */
const attachments = new Map<number, Attachment[]>();

/**
 * This thread's attachment to the pool that the descriptor names that was read
 * last, if it has one.
 */
export function findParsed(): Attachment | null {
  const bucket = attachments.get(parsedHash());
  if (bucket === undefined) return null;
  for (const attachment of bucket) {
    if (hasIdentity(attachment.key)) return attachment;
  }
  return null;
}

/** Where the native library writes a new handle's address. */
const address = new BigUint64Array(1);

/** Takes on the new handle, of the pool that the descriptor names that was read last. */
function open(): Attachment {
  const pointer = Deno.UnsafePointer.create(address[0]!)!;
  const attachment = new Attachment(pointer, parsedKey());
  const bucket = attachments.get(attachment.key[0]!);
  if (bucket !== undefined) bucket.push(attachment);
  else attachments.set(attachment.key[0]!, [attachment]);
  return attachment;
}

/** Attaches to the pool that the descriptor names that was read last. */
export function openParsed(): Attachment {
  const status = attachParsed(address);
  if (status === OK) return open();
  throw attachError(status, `attach to pool "${parsedName()}"`);
}

/** Creates a pool and attaches to it. */
export function openNew(pool: PoolPlan): Attachment {
  const native = nativeLibrary();
  const status = native.mm_ffi_pool_create(
    pool.size,
    cString(pool.name),
    pool.uid,
    pool.minBlockSize,
    pool.maxAllocations,
    pool.mode,
    cStringOrNull(pool.directory),
    pool.preAllocate,
    pool.preAllocate.length,
    pool.numaNode === undefined ? 0 : pool.numaNode + 1,
    address,
  );
  if (status === OK) {
    const pointer = Deno.UnsafePointer.create(address[0]!)!;
    readDescriptor(writePool(native, pointer));
    return open();
  }
  if (status === E_EXISTS) throw existsError(pool);
  throw createError(status, `create pool "${pool.name}"`);
}

/** Says who is in the way. */
function existsError(pool: PoolPlan): PoolCreateError {
  return new PoolCreateError(
    `Cannot create pool "${pool.name}": ${obstacle(pool)}`,
    { code: "exists" },
  );
}

function obstacle(place: Place): string {
  const entry = lookAt(place);
  if (entry === null) return "the name was in use";
  const file = fileOf(place);
  if (!entry.isPool) {
    return `the name is in use by something that is not a pool of this release: ${file}`;
  }
  return entry.isOrphan
    ? "the name is in use by an orphan, a pool that no living process is attached to; " +
      `to remove it, call ${removalOf(place)} or delete ${file}`
    : "the name is in use by a pool that a living process is attached to";
}

/** The call that removes a pool. */
function removalOf({ name, directory }: Place): string {
  return directory === undefined
    ? `MemoryPool.remove("${name}")`
    : `MemoryPool.remove("${name}", { directory: ${
      JSON.stringify(directory)
    } })`;
}
