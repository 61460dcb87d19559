// MemoryPool: what a user holds of one pool.

import { allocWaiting, allocWaitingSync } from "./alloc_blocking.ts";
import { AllocType } from "./alloc_type.ts";
import {
  freeThrough,
  MemoryAlloc,
  takeFound,
  takeMade,
  writeInto,
} from "./allocation.ts";
import { listAllocations, type MemoryAllocations } from "./allocations.ts";
import {
  checkBoolean,
  checkBytes,
  checkId,
  checkObject,
  checkRequest,
  checkType,
  quote,
  toContents,
} from "./arguments.ts";
import {
  type Attachment,
  findParsed,
  openNew,
  openParsed,
} from "./attachment.ts";
import {
  isLocal,
  namesAllocation,
  parsedBytes,
  parsedName,
  parsedUid,
  readDefaultDescriptor,
  readDescriptor,
  writePool,
} from "./descriptor.ts";
import {
  AllocationError,
  type ManagedMemoryError,
  PoolAttachError,
  type PoolError,
} from "./errors.ts";
import { highHalf, lowHalf } from "./ids.ts";
import {
  type AllocBlockingOptions,
  type PoolAttributes,
  toDirectory,
  toPlan,
  toRemoval,
  toWish,
} from "./options.ts";
import { PoolHandle } from "./pool_handle.ts";
import { listPools, type PoolListing, removePool } from "./registry.ts";
import {
  allocError,
  attachError,
  callError,
  E_DESCRIPTOR,
  E_DESTROYED,
  E_STALE,
  OK,
} from "./status.ts";
import { actionOf } from "./wait_queue.ts";

const ANY_TYPE = -1;
/** Entries that one native call lists. */
const LIST_CHUNK = 1024;
const ENTRY_SIZE = 32;

/** Only this file can make instances. */
const KEY = Symbol("MemoryPool");

/** The user's object for a handle. */
export let poolOf: (handle: PoolHandle) => MemoryPool;

/**
 * A handle to a pool: a named region of memory with an allocator inside, which
 * all processes of this host can share. One process creates it, others attach
 * by its descriptor; each thread (a Deno Worker too) needs a handle of its own.
 * The handles of one thread to one pool share what they have mapped.
 *
 * @example Creating, sharing and destroying a pool
 * ```ts
 * import { MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * using pool = MemoryPool.create(2 ** 20, `example-${crypto.randomUUID()}`, 1);
 * using allocation = pool.alloc(1000);
 *
 * // These bytes can go to any other process of this host.
 * const serialized = pool.serialize();
 *
 * using attached = MemoryPool.attach(serialized);
 * assertEquals(attached.currentAllocations, 1);
 * ```
 */
export class MemoryPool implements Disposable {
  readonly #handle: PoolHandle;

  private constructor(key: symbol, handle: PoolHandle) {
    if (key !== KEY) {
      throw new TypeError(
        "Cannot construct a MemoryPool: use MemoryPool.create() or MemoryPool.attach()",
      );
    }
    this.#handle = handle;
    handle.pool = this;
  }

  static {
    poolOf = (handle) => {
      const principal = handle.kind === "borrowed"
        ? handle.attachment!.principal
        : null;
      const own = principal ?? handle;
      return own.pool ?? new MemoryPool(KEY, own);
    };
  }

  /**
   * Creates a pool and attaches to it. It costs memory only for what is used
   * of it, and lives until somebody destroys it, also when all processes that
   * use it have ended.
   *
   * @param size Bytes that the pool must hold, at least 1; rounded up to whole
   * pages.
   * @param name How the pool is called on this host: 1 to 200 of the
   * characters `A-Z a-z 0-9 . _ -`.
   * @param uid A number of the user's own in [0, 2^64); need not be unique.
   * @param attributes How to make it.
   * @returns A handle; disposing of it destroys the pool.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {PoolCreateError} if the name is not allowed or in use, or the file
   * system cannot hold the pool.
   * @throws {ManagedMemoryError} if the native library could not be loaded.
   *
   * @example Creating a pool for large blocks
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(2 ** 20, `example-${crypto.randomUUID()}`, 1, {
   *   minBlockSize: 4096,
   *   maxAllocations: 100,
   * });
   * assertEquals(pool.maxAllocations, 100);
   * ```
   */
  static create(
    size: number,
    name: string,
    uid: number | bigint,
    attributes: PoolAttributes = {},
  ): MemoryPool {
    const attachment = openNew(toPlan(size, name, uid, attributes));
    return new MemoryPool(KEY, PoolHandle.hold(attachment, "created"));
  }

  /**
   * Attaches to a pool from its descriptor. Each call makes a handle of its
   * own; the pool's memory stays mapped until all are detached. A pool can have
   * 1024 participants at once: each thread that is attached is one.
   *
   * A descriptor that was made on another host gives a handle with `isLocal`
   * false, of which only `name`, `uid`, `serialize()` and `detach()` are of use.
   *
   * @param serialized What {@linkcode MemoryPool.serialize} returned, in this
   * or in any other process.
   * @returns A new handle; disposing of it detaches.
   * @throws {TypeError} if `serialized` is not a Uint8Array.
   * @throws {PoolAttachError} if the bytes are not a pool's descriptor, the pool
   * was destroyed, all its participant slots are taken, or the process has no
   * file descriptor left.
   *
   * @example Attaching to a pool
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using attached = MemoryPool.attach(pool.serialize());
   * assertEquals(attached.name, pool.name);
   * ```
   */
  static attach(serialized: Uint8Array): MemoryPool {
    const action = "attach to a pool";
    readPoolDescriptor(serialized, action);
    return MemoryPool.#attachParsed();
  }

  /**
   * Attaches to the pool that this process's environment names, which is how a
   * child process, or a whole tree of them, gets at a pool without a word: the
   * variable `MANAGED_MEMORY_DEFAULT_POOL` holds the pool's descriptor in base64.
   * Needs no `--allow-env`, as the native library reads it.
   *
   * @returns A new handle, as of {@linkcode MemoryPool.attach}.
   * @throws {PoolAttachError} with code `"no-default-pool"` if the variable is
   * not set, or empty; with `"invalid-descriptor"` if it is not a pool's
   * descriptor; and for whatever reason {@linkcode MemoryPool.attach} has.
   *
   * @example Giving a pool to child processes
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const command = new Deno.Command(Deno.execPath(), {
   *   args: ["run", "--allow-ffi", "child.ts"],
   *   env: { MANAGED_MEMORY_DEFAULT_POOL: pool.serialize().toBase64() },
   * });
   *
   * // command.spawn(), and in child.ts:
   * function work() {
   *   using pool = MemoryPool.attachDefault();
   *   return pool.currentAllocations;
   * }
   * ```
   */
  static attachDefault(): MemoryPool {
    const action = "attach to the default pool";
    checkPoolDescriptor(readDefaultDescriptor(), action);
    return MemoryPool.#attachParsed();
  }

  /** Attaches to the pool that the descriptor names that was read last. */
  static #attachParsed(): MemoryPool {
    if (!isLocal()) {
      const remote = PoolHandle.remote(
        parsedName(),
        parsedUid(),
        parsedBytes(),
      );
      return new MemoryPool(KEY, remote);
    }
    const found = findParsed();
    if (found !== null) {
      const status = found.matchesParsed() ? found.probe() : E_DESCRIPTOR;
      if (status !== OK) {
        throw attachError(status, `attach to pool "${found.name}"`);
      }
    }
    return new MemoryPool(
      KEY,
      PoolHandle.hold(found ?? openParsed(), "attached"),
    );
  }

  /**
   * Reads a pool's descriptor without attaching, also one of a pool that is on
   * another host or was destroyed.
   *
   * @param serialized What {@linkcode MemoryPool.serialize} returned.
   * @returns The pool's uid and name.
   * @throws {TypeError} if `serialized` is not a Uint8Array.
   * @throws {PoolAttachError} if the bytes are not a pool's descriptor.
   *
   * @example Reading a descriptor
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 7);
   * const { uid, name } = MemoryPool.describe(pool.serialize());
   * assertEquals([uid, name], [7n, pool.name]);
   * ```
   */
  static describe(serialized: Uint8Array): { uid: bigint; name: string } {
    readPoolDescriptor(serialized, "describe a pool");
    return { uid: parsedUid(), name: parsedName() };
  }

  /**
   * Lists the pools of this host that this user may read, without attaching to
   * them: also orphans, which no living process is attached to.
   *
   * @param options With `directory`, the absolute path of the directory to look
   * in; for the default see {@linkcode PoolAttributes.directory}.
   * @returns A new list, sorted by name. What was destroyed, or was made by an
   * incompatible release, is not in it.
   * @throws {TypeError} if an option is of the wrong type.
   * @throws {PoolError} if the directory cannot be read, or is not on a tmpfs.
   * @throws {ManagedMemoryError} if the native library could not be loaded.
   *
   * @example Looking for orphans
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * const name = `example-${crypto.randomUUID()}`;
   * MemoryPool.create(1024, name, 1).detach();
   *
   * const orphans = MemoryPool.list().filter((listing) => listing.isOrphan);
   * assertEquals(orphans.some((listing) => listing.name === name), true);
   * MemoryPool.remove(name);
   * ```
   */
  static list(
    options: { directory?: string | undefined } = {},
  ): PoolListing[] {
    return listPools(toDirectory(options));
  }

  /**
   * Destroys a pool by its name, without attaching to it: the remedy for an
   * orphan. Also removes a file of that name that is not a pool, or was spoilt.
   *
   * @param name How the pool is called.
   * @param options With `force` true, destroys it also while living processes
   * are attached, as {@linkcode MemoryPool.destroy} does: their calls throw from
   * now on, and every buffer that this thread got of it is emptied first. With
   * `directory`, the absolute path of the directory that backs it; for the
   * default see {@linkcode PoolAttributes.directory}.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {PoolError} with code `"in-use"` if a living process is attached,
   * this one included, and `force` is not true; with `"not-found"` if there is
   * no such pool; if the name or the directory is not allowed, or the operating
   * system refuses; or, with code `"busy"`, if it was destroyed but its name
   * could not be removed.
   * @throws {ManagedMemoryError} if the native library could not be loaded.
   *
   * @example Removing what a process has left behind
   * ```ts
   * import { MemoryPool, PoolError } from "@dragon/managed-memory";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * const name = `example-${crypto.randomUUID()}`;
   * const pool = MemoryPool.create(1024, name, 1);
   * const error = assertThrows(() => MemoryPool.remove(name), PoolError);
   * assertEquals(error.code, "in-use");
   *
   * pool.detach();
   * MemoryPool.remove(name);
   * ```
   */
  static remove(
    name: string,
    options: {
      force?: boolean | undefined;
      directory?: string | undefined;
    } = {},
  ): void {
    removePool(toRemoval(name, options));
  }

  /**
   * How the pool is called on its host.
   *
   * @returns The name given at creation.
   */
  get name(): string {
    return this.#handle.name;
  }

  /**
   * The number that the creator gave to the pool.
   *
   * @returns An integer in [0, 2^64).
   */
  get uid(): bigint {
    return this.#handle.uid;
  }

  /**
   * Bytes that one allocation can take when the pool is empty; at least the
   * size asked for.
   *
   * @returns Bytes.
   * @throws {PoolError} if the pool is on another host.
   */
  get size(): number {
    return this.#facts("read the size of").size;
  }

  /**
   * Bytes not in live blocks; equals `size` when nothing is allocated. They
   * need not be in one piece.
   *
   * @returns Bytes.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   */
  get freeSpace(): number {
    return this.#statistics("read the free space of").freeSpace;
  }

  /**
   * Used share of `size`.
   *
   * @returns From 0 to 1.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   */
  get utilization(): number {
    const { size, freeSpace } = this.#statistics("read the utilization of");
    return (size - freeSpace) / size;
  }

  /**
   * How many allocations live now.
   *
   * @returns A count.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   */
  get currentAllocations(): number {
    return this.#statistics("count the allocations of").allocations;
  }

  /**
   * Most allocations ever live at once: exact with an explicit
   * `maxAllocations`, else not below the truth.
   *
   * @returns A count.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   */
  get maxUsedAllocations(): number {
    return this.#statistics("count the allocations of").mostAllocations;
  }

  /**
   * Most allocations that can live at once.
   *
   * @returns A count.
   * @throws {PoolError} if the pool is on another host.
   */
  get maxAllocations(): number {
    return this.#facts("read the limit of").maxAllocations;
  }

  /**
   * Free blocks now: block size in bytes -> how many, the smallest first; sums
   * up to `freeSpace` while nobody allocates or frees.
   *
   * @returns A new map.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   */
  get freeBlocks(): ReadonlyMap<number, number> {
    const action = "list the free blocks of";
    const attachment = this.#handle.use(action);
    const { native, pointer } = attachment;
    const sizes = new BigUint64Array(LIST_CHUNK);
    const counts = new Map<number, number>();
    for (let restart = 1;; restart = 0) {
      const status = native.mm_ffi_list_free_blocks(
        pointer,
        restart,
        sizes,
        LIST_CHUNK,
      );
      if (status !== OK) {
        throw callError(status, `${action} pool "${this.name}"`);
      }
      const listed = attachment.count;
      if (listed === 0) break;
      for (let index = 0; index < listed; index++) {
        const size = Number(sizes[index]!);
        counts.set(size, (counts.get(size) ?? 0) + 1);
      }
    }
    return new Map([...counts].sort(([one], [other]) => one - other));
  }

  /**
   * Whether the pool's memory is on this host.
   *
   * @returns False for a descriptor that was made on another host, or before
   * this one was started anew.
   */
  get isLocal(): boolean {
    return this.#handle.kind !== "remote";
  }

  /**
   * Whether this handle can be used. It does not tell whether another process
   * has destroyed the pool.
   *
   * @returns False after {@linkcode MemoryPool.detach} or
   * {@linkcode MemoryPool.destroy} through this handle.
   */
  get isAttached(): boolean {
    return this.#handle.ended === null;
  }

  /**
   * One ArrayBuffer over the whole data region, for use with an allocation's
   * `byteOffset` and `size`. Making a typed array over a part of it is several
   * times faster than {@linkcode MemoryAlloc.getMemview}, and unsafe: it is not
   * emptied by `free()`, so that a typed array over memory that was freed shows
   * what is made of it next. It is emptied when this handle detaches, or this
   * thread destroys the pool.
   *
   * Touch only bytes of allocations: others need not exist, and a full file
   * system then ends the process.
   *
   * @returns The same buffer at every call, or a new one if the last was moved
   * away.
   * @throws {PoolError} if the pool was detached or destroyed, or is on another
   * host.
   *
   * @example Many small allocations
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(2 ** 20, `example-${crypto.randomUUID()}`, 1);
   * const region = pool.unsafeMemview;
   * using allocation = pool.alloc(64);
   * new Uint8Array(region, allocation.byteOffset, allocation.size).fill(7);
   * assertEquals(new Uint8Array(allocation.getMemview())[63], 7);
   * ```
   */
  get unsafeMemview(): ArrayBuffer {
    const attachment = this.#handle.use("use the memory of");
    const status = attachment.probe();
    if (status !== OK) {
      throw callError(status, `use the memory of pool "${this.name}"`);
    }
    return this.#handle.region(attachment);
  }

  /**
   * Allocates memory. Its contents are undefined.
   *
   * @param size Bytes; 0 is allowed.
   * @param type What to label it with.
   * @returns A handle; disposing of it frees the allocation.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {AllocationNotAvailableError} if there is no room, `maxAllocations`
   * are live, or the file system is full.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   *
   * @example Allocating
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * assertEquals(allocation.getMemview().byteLength, 100);
   * ```
   */
  alloc(size: number, type: AllocType = AllocType.DATA): MemoryAlloc {
    checkRequest(size, type);
    const handle = this.#handle;
    const attachment = handle.open;
    if (attachment === null) throw refusalOf(size, handle);
    const { native, pointer } = attachment;
    const label = type + 0; // never -0, which Deno would refuse
    const status = native.mm_ffi_alloc(pointer, size, label);
    if (status !== OK) throw failureOf(status, size, handle);
    return takeMade(handle, attachment, label, size + 0);
  }

  /**
   * Allocates memory for bytes, and copies them there.
   *
   * @param bytes A buffer, or a view: what it shows of its buffer. Not kept.
   * @param type What to label it with.
   * @returns A handle to as many bytes; disposing of it frees the allocation.
   * @throws {TypeError} if an argument is of the wrong type, or the buffer is
   * detached.
   * @throws {RangeError} if `type` is out of its range.
   * @throws {AllocationNotAvailableError} if there is no room, `maxAllocations`
   * are live, or the file system is full.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   *
   * @example Sharing a text
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new TextEncoder().encode("hello"));
   * assertEquals(new TextDecoder().decode(allocation.getMemview()), "hello");
   * ```
   */
  allocFrom(
    bytes: ArrayBufferView | ArrayBufferLike,
    type: AllocType = AllocType.DATA,
  ): MemoryAlloc {
    const contents = toContents(bytes, "allocate");
    const allocation = this.alloc(contents.length, type);
    writeInto(allocation, contents);
    return allocation;
  }

  /**
   * Allocates memory as soon as there is room. Those who wait are served oldest
   * first, over all processes; one that needs little may pass one that needs
   * much, but not for ever. While a call waits it keeps the event loop alive,
   * and holds up nothing else.
   *
   * @param size Bytes; 0 is allowed.
   * @param options How long to wait, and the allocation's type.
   * @returns A promise of a handle. It never throws, but rejects with what
   * {@linkcode MemoryPool.alloc} throws for wrong arguments, a request that
   * could never be served, and a pool that is or comes to be destroyed or
   * detached; with an {@linkcode AllocTimeoutError} when the time is up; with
   * an {@linkcode AllocationNotAvailableError} where the timeout is 0; and with
   * the signal's reason.
   *
   * @example Waiting for somebody to free
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const all = pool.alloc(pool.size);
   * setTimeout(() => all.free(), 10);
   * using allocation = await pool.allocBlocking(100, { timeout: 5000 });
   * assertEquals(allocation.size, 100);
   * ```
   */
  allocBlocking(
    size: number,
    options: AllocBlockingOptions = {},
  ): Promise<MemoryAlloc> {
    try {
      const wish = toWish(size, options);
      if (wish.signal?.aborted) throw wish.signal.reason;
      const handle = this.#handle;
      if (handle.open === null) throw refusalOf(size, handle);
      return allocWaiting(handle, handle.open, wish);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * As {@linkcode MemoryPool.allocBlocking}, but blocks the thread until there
   * is room. No timer, promise or message of this thread is seen to meanwhile.
   *
   * @param size Bytes; 0 is allowed.
   * @param options How long to wait, and the allocation's type.
   * @returns A handle; disposing of it frees the allocation.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {AllocTimeoutError} when the time is up.
   * @throws {AllocationNotAvailableError} if it could never be served, or the
   * timeout is 0 and there is no room.
   * @throws {PoolError} if the pool was destroyed or detached, is corrupt, or is
   * on another host.
   *
   * @example Waiting in a thread of its own
   * ```ts
   * import { AllocTimeoutError, MemoryPool } from "@dragon/managed-memory";
   * import { assertThrows } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using _all = pool.alloc(pool.size);
   * assertThrows(() => pool.allocBlockingSync(1, { timeout: 10 }), AllocTimeoutError);
   * ```
   */
  allocBlockingSync(
    size: number,
    options: Omit<AllocBlockingOptions, "signal"> = {},
  ): MemoryAlloc {
    const wish = toWish(size, options);
    const handle = this.#handle;
    if (handle.open === null) throw refusalOf(size, handle);
    return allocWaitingSync(handle, handle.open, wish);
  }

  /**
   * Frees an allocation of this pool, whichever handle it came from.
   *
   * @param allocation What to free.
   * @throws {TypeError} if it is not a MemoryAlloc.
   * @throws {AllocationError} if it was freed already, its handle was detached,
   * or it belongs to another pool.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   *
   * @example Freeing
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const allocation = pool.alloc(100);
   * pool.free(allocation);
   * assertEquals(allocation.isAttached, false);
   * ```
   */
  free(allocation: MemoryAlloc): void {
    if (!(allocation instanceof MemoryAlloc)) {
      throw new TypeError(
        `Cannot free: the allocation must be a MemoryAlloc, not ${
          quote(allocation)
        }`,
      );
    }
    freeThrough(this.#handle.use("free an allocation of"), allocation);
  }

  /**
   * Frees the allocations whose owner is gone: whose process has ended, or has
   * detached from the pool, before this call, and that nobody adopted (see
   * {@linkcode MemoryAlloc.owner}). Never happens by itself, as data may well
   * outlive its maker. Every buffer that this thread got for them is emptied.
   *
   * @returns How many were freed, and their sizes in bytes, as they were asked
   * for.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host. What was freed before that stays freed.
   *
   * @example Tidying up after those who have gone
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * // A process allocates and ends, or detaches.
   * const maker = MemoryPool.create(4096, `example-${crypto.randomUUID()}`, 1);
   * maker.alloc(1000);
   * maker.detach({ serialize: true });
   *
   * // In another:
   * const pool = MemoryPool.attach(maker.serialize());
   * assertEquals(pool.reclaim(), { allocations: 1, bytes: 1000 });
   * pool.destroy();
   * ```
   */
  reclaim(): { allocations: number; bytes: number } {
    const action = "reclaim memory of";
    const attachment = this.#handle.use(action);
    const { native, pointer, memviews, queue } = attachment;
    const status = native.mm_ffi_reclaim(pointer);
    const { reclaimedAllocations, reclaimedBytes } = attachment;
    if (reclaimedAllocations > 0) {
      // Which they are is known only now. As no code of this thread has run
      // meanwhile, none has seen a buffer over memory that was free.
      memviews.emptyGone((idLow, idHigh) =>
        native.mm_ffi_find(pointer, idLow, idHigh) !== OK
      );
      queue?.noteRoom();
    }
    if (status !== OK) throw callError(status, `${action} pool "${this.name}"`);
    return { allocations: reclaimedAllocations, bytes: reclaimedBytes };
  }

  /**
   * Gives the memory of free blocks back to the system, as far as they cover
   * whole pages, and keeps none in reserve. It is committed anew when it is
   * allocated. Others go on meanwhile, but wait for this call where they need
   * more memory than the pool has.
   *
   * Never happens by itself. A typed array over an allocation that another
   * thread or process freed, which must not be used any more, is dangerous from
   * now on: on a full file system, touching it ends the process.
   *
   * @returns Bytes that the system got back; 0 if there was nothing to give.
   * @throws {PoolError} if the pool was destroyed or detached, is busy or
   * corrupt, or is on another host.
   *
   * @example Giving memory back after a time of heavy use
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assert, assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(2 ** 24, `example-${crypto.randomUUID()}`, 1);
   * pool.alloc(pool.size).free();
   * assert(pool.trim() >= 2 ** 24);
   * assertEquals(pool.freeSpace, pool.size);
   * ```
   */
  trim(): number {
    const action = "trim";
    const { native, pointer } = this.#handle.use(action);
    const bytes = native.mm_ffi_pool_trim(pointer);
    if (bytes >= 0) return bytes;
    throw callError(bytes, `${action} pool "${this.name}"`);
  }

  /**
   * Lists what lives in the pool, without holding up others.
   *
   * @param type Only allocations of this type; without it, all.
   * @returns A snapshot, which does not change afterwards.
   * @throws {TypeError} if `type` is not a number.
   * @throws {RangeError} if `type` is out of its range.
   * @throws {PoolError} if the pool was destroyed or detached, is corrupt, or is
   * on another host.
   *
   * @example Counting allocations of a type
   * ```ts
   * import { AllocType, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using _data = pool.alloc(100);
   * using _channel = pool.alloc(100, AllocType.CHANNEL);
   * assertEquals(pool.getAllocations().length, 2);
   * assertEquals(pool.getAllocations(AllocType.CHANNEL).length, 1);
   * ```
   */
  getAllocations(type?: AllocType): MemoryAllocations {
    const action = "list the allocations of";
    if (type !== undefined) checkType(type, `${action} a pool`);
    const attachment = this.#handle.use(action);
    const { native, pointer } = attachment;
    let entries = new Uint8Array(LIST_CHUNK * ENTRY_SIZE);
    let length = 0;
    for (let restart = 1;; restart = 0) {
      const room = entries.subarray(length, length + LIST_CHUNK * ENTRY_SIZE);
      const status = native.mm_ffi_list(
        pointer,
        restart,
        type ?? ANY_TYPE,
        room,
        LIST_CHUNK,
      );
      if (status !== OK) {
        throw callError(status, `${action} pool "${this.name}"`);
      }
      const listed = attachment.count;
      if (listed === 0) break;
      length += listed * ENTRY_SIZE;
      if (entries.length - length < LIST_CHUNK * ENTRY_SIZE) {
        const larger = new Uint8Array(2 * entries.length);
        larger.set(entries);
        entries = larger;
      }
    }
    return listAllocations(entries.buffer.slice(0, length));
  }

  /**
   * Whether an allocation of this type and id lives.
   *
   * @param type Its type.
   * @param id Its id.
   * @returns False if it was freed, never made, or is of another type.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {PoolError} if the pool was destroyed or detached, is corrupt, or is
   * on another host.
   *
   * @example Asking for an allocation
   * ```ts
   * import { AllocType, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const allocation = pool.alloc(100);
   * assertEquals(pool.allocationExists(AllocType.DATA, allocation.id), true);
   * allocation.free();
   * assertEquals(pool.allocationExists(AllocType.DATA, allocation.id), false);
   * ```
   */
  allocationExists(type: AllocType, id: bigint): boolean {
    const action = "look for an allocation of";
    const attachment = this.#handle.use(action);
    const status = find(attachment, type, id, `${action} a pool`);
    if (status === OK) return true;
    if (status === E_STALE) return false;
    throw callError(status, `${action} pool "${this.name}"`);
  }

  /**
   * A handle to a living allocation.
   *
   * @param type Its type.
   * @param id Its id.
   * @returns A new handle; disposing of it detaches.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {AllocationError} if it was freed, never made, or is of another
   * type.
   * @throws {PoolError} if the pool was destroyed or detached, is corrupt, or is
   * on another host.
   *
   * @example Finding an allocation
   * ```ts
   * import { AllocType, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * using found = pool.getAllocById(AllocType.DATA, allocation.id);
   * assertEquals(found.byteOffset, allocation.byteOffset);
   * ```
   */
  getAllocById(type: AllocType, id: bigint): MemoryAlloc {
    const action = "find an allocation of";
    const attachment = this.#handle.use(action);
    const status = find(attachment, type, id, `${action} a pool`);
    if (status === OK) {
      return takeFound(this.#handle, attachment);
    }
    if (status !== E_STALE) {
      throw callError(status, `${action} pool "${this.name}"`);
    }
    throw new AllocationError(
      `Cannot find allocation ${id} of type ${type} in pool "${this.name}": ` +
        "it was freed, or never made",
      { code: "stale" },
    );
  }

  /**
   * The pool's descriptor: bytes by which any process on this host can attach
   * to it. Kept after the first call, so that it still answers when the handle
   * has ended.
   *
   * @returns A copy of the descriptor, of less than 300 bytes in the default
   * directory.
   * @throws {PoolError} if the pool was destroyed or detached before it was ever
   * asked for.
   *
   * @example Passing a pool on
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using attached = MemoryPool.attach(pool.serialize());
   * ```
   */
  serialize(): Uint8Array<ArrayBuffer> {
    const handle = this.#handle;
    if (handle.serialized === null) {
      const attachment = handle.use("serialize");
      const status = attachment.probe();
      if (status !== OK) {
        throw callError(status, `serialize pool "${this.name}"`);
      }
      handle.serialized = writePool(attachment.native, attachment.pointer);
    }
    return handle.serialized.slice();
  }

  /**
   * Ends this handle: empties every buffer that was got through it, and rejects
   * what waits for room through it. The pool and its allocations live on. Does
   * nothing when done already.
   *
   * @param options With `serialize` true, keeps the pool's descriptor, so that
   * {@linkcode MemoryPool.serialize} still answers.
   * @throws {TypeError} if an option is of the wrong type.
   *
   * @example Leaving a pool to others
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   *
   * const pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * pool.detach({ serialize: true });
   *
   * using attached = MemoryPool.attach(pool.serialize());
   * attached.destroy();
   * ```
   */
  detach(options: { serialize?: boolean | undefined } = {}): void {
    const handle = this.#handle;
    checkObject(options, "detach a pool", "options");
    const { serialize = false } = options;
    checkBoolean(serialize, "detach a pool", "serialize");
    if (serialize && handle.open !== null) {
      const { native, pointer } = handle.open;
      handle.serialized ??= writePool(native, pointer);
    }
    handle.release("detached");
  }

  /**
   * Destroys the pool for everybody, and ends this handle. The name is free at
   * once; the others' calls throw from now on, and their memory stays mapped
   * until they detach. Every buffer that this thread got of the pool is emptied.
   *
   * @throws {PoolError} if the pool was destroyed already, by whomever, or
   * detached, or is on another host; or, with code `"system"` or `"busy"`, if it
   * was destroyed but its name could not be removed.
   *
   * @example Destroying a pool
   * ```ts
   * import { MemoryPool, PoolAttachError } from "@dragon/managed-memory";
   * import { assertThrows } from "@std/assert";
   *
   * const pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const serialized = pool.serialize();
   * pool.destroy();
   * assertThrows(() => MemoryPool.attach(serialized), PoolAttachError);
   * ```
   */
  destroy(): void {
    const status = this.#tryDestroy(this.#handle.use("destroy"));
    if (status === OK) return;
    throw callError(status, `destroy pool "${this.name}"`);
  }

  /**
   * For `using`: destroys the pool through the handle that created it, detaches
   * one that attached. Never throws because that was done already, by whomever.
   *
   * @example A pool for a block of code
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * let pool: MemoryPool;
   * {
   *   using inner = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   *   pool = inner;
   * }
   * assertEquals(pool.isAttached, false);
   * ```
   */
  [Symbol.dispose](): void {
    const { kind, open } = this.#handle;
    if (kind !== "created" || open === null) return this.detach();
    const status = this.#tryDestroy(open);
    if (status === E_DESTROYED) this.detach();
    else if (status !== OK) {
      throw callError(status, `destroy pool "${this.name}"`);
    }
  }

  /** Destroys the pool and ends this handle, unless somebody was faster. */
  #tryDestroy(attachment: Attachment): number {
    attachment.memviews.emptyAll();
    const status = attachment.native.mm_pool_destroy(attachment.pointer);
    if (status !== E_DESTROYED) this.#handle.release("destroyed");
    return status;
  }

  /** What never changes about the pool, also when this handle has ended. */
  #facts(verb: string): Attachment {
    return this.#handle.attachment ?? this.#handle.use(verb);
  }

  /** The attachment with new statistics. */
  #statistics(verb: string): Attachment {
    const attachment = this.#handle.use(verb);
    const status = attachment.native.mm_ffi_read_stats(attachment.pointer);
    if (status === OK) return attachment;
    throw callError(status, `${verb} pool "${this.name}"`);
  }
}

/** Why memory could not be allocated. */
function failureOf(
  status: number,
  size: number,
  handle: PoolHandle,
): ManagedMemoryError {
  return allocError(status, actionOf(size, handle));
}

/** Why a handle cannot allocate. */
function refusalOf(size: number, handle: PoolHandle): PoolError {
  return handle.refusal(actionOf(size, handle));
}

/** Reads a descriptor that must be a pool's. */
function readPoolDescriptor(serialized: Uint8Array, action: string): void {
  checkBytes(serialized, action);
  checkPoolDescriptor(readDescriptor(serialized), action);
}

/** Throws unless reading a descriptor ended well, and it is a pool's. */
function checkPoolDescriptor(status: number, action: string): void {
  if (status !== OK) throw attachError(status, action);
  if (!namesAllocation()) return;
  throw new PoolAttachError(
    `Cannot ${action}: the descriptor is an allocation's; use MemoryAlloc.attach()`,
    { code: "invalid-descriptor" },
  );
}

/** Finds a living allocation; answers a status. */
function find(
  attachment: Attachment,
  type: AllocType,
  id: bigint,
  action: string,
): number {
  checkType(type, action);
  checkId(id, action);
  const { native, pointer } = attachment;
  const status = native.mm_ffi_find(pointer, lowHalf(id), highHalf(id));
  return status === OK && attachment.type !== type ? E_STALE : status;
}
