// Pools by name: listing those of a directory, and removing one.

import { type Attachment, findParsed } from "./attachment.ts";
import { readDescriptor } from "./descriptor.ts";
import { nativeLibrary } from "./library.ts";
import type { Removal } from "./options.ts";
import { cString, cStringOrNull, directoryOf, type Place } from "./place.ts";
import { lookAt, POOL_ENTRY_SIZE, PoolEntry } from "./pool_entry.ts";
import { callError, OK } from "./status.ts";

/** Pools that there is room for at first, and to spare later. */
const ROOM = 64;

/**
 * What there is to know of a pool without attaching to it, at the moment of
 * {@linkcode MemoryPool.list}.
 *
 * @example Attaching to a pool by its name
 * ```ts
 * import { MemoryPool, type PoolListing } from "@dragon/managed-memory";
 * import { assert, assertEquals } from "@std/assert";
 *
 * function find(name: string): PoolListing | undefined {
 *   return MemoryPool.list().find((listing) => listing.name === name);
 * }
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 7);
 * const listing = find(pool.name);
 * assert(listing !== undefined);
 *
 * using attached = MemoryPool.attach(listing.serialized);
 * assertEquals(attached.uid, 7n);
 * ```
 */
export interface PoolListing {
  /** How the pool is called on this host. */
  readonly name: string;
  /** The number that the creator gave to the pool. */
  readonly uid: bigint;
  /** Bytes that one allocation can take when the pool is empty. */
  readonly size: number;
  /** Bytes in live blocks. */
  readonly used: number;
  /** Living processes that are attached. */
  readonly processes: number;
  /** The process that created the pool; it need not live any more. */
  readonly creator: {
    /** Its id, in its own PID namespace. */
    readonly pid: number;
    /** When it began; null where that could not be told. */
    readonly start: Date | null;
  };
  /** Whether no living process is attached. */
  readonly isOrphan: boolean;
  /** The pool's descriptor, for {@linkcode MemoryPool.attach}. */
  readonly serialized: Uint8Array<ArrayBuffer>;
}

function toListing(entry: PoolEntry): PoolListing {
  return {
    name: entry.name,
    uid: entry.uid,
    size: entry.size,
    used: entry.used,
    processes: entry.processes,
    creator: { pid: entry.creatorPid, start: entry.creatorStart },
    isOrphan: entry.isOrphan,
    serialized: entry.descriptor,
  };
}

/** Lists the pools of a directory by name, without those that are none any more. */
export function listPools(directory: string | undefined): PoolListing[] {
  return readEntries(directory)
    .filter((entry) => entry.isPool && !entry.isDestroyed)
    .map(toListing)
    .sort((one, other) => one.name < other.name ? -1 : 1);
}

function readEntries(directory: string | undefined): PoolEntry[] {
  const native = nativeLibrary();
  const path = cStringOrNull(directory);
  for (let room = ROOM;;) {
    const bytes = new Uint8Array(room * POOL_ENTRY_SIZE);
    const count = native.mm_ffi_pool_list(path, bytes, room);
    if (count < OK) {
      throw callError(count, `list the pools of "${directoryOf(directory)}"`);
    }
    if (count <= room) {
      return Array.from({ length: count }, (_, index) => {
        const start = index * POOL_ENTRY_SIZE;
        return new PoolEntry(bytes.subarray(start, start + POOL_ENTRY_SIZE));
      });
    }
    room = count + ROOM;
  }
}

/** Removes a pool by its name. */
export function removePool(removal: Removal): void {
  const native = nativeLibrary();
  const own = removal.force ? findNamed(removal) : null;
  own?.memviews.emptyAll();
  const status = native.mm_pool_remove(
    cString(removal.name),
    cStringOrNull(removal.directory),
    removal.force ? 1 : 0,
  );
  // What waits in this thread learns at once that the pool is gone.
  own?.queue?.noteRoom();
  if (status === OK) return;
  throw callError(status, `remove pool "${removal.name}"`);
}

/** This thread's attachment to the pool that bears the name now, if it has one. */
function findNamed(place: Place): Attachment | null {
  const entry = lookAt(place);
  return entry?.isPool && readDescriptor(entry.descriptor) === OK
    ? findParsed()
    : null;
}
