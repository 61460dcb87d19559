// MemoryAlloc: what a user holds of one allocation.

import type { AllocType } from "./alloc_type.ts";
import {
  checkBytes,
  checkNumber,
  checkWhole,
  checkWithin,
  quote,
} from "./arguments.ts";
import { type Attachment, findParsed, openParsed } from "./attachment.ts";
import {
  isLocal,
  namesAllocation,
  parsedBytes,
  parsedIdHigh,
  parsedIdLow,
  parsedName,
  parsedType,
  parsedUid,
  readDescriptor,
  writeAllocation,
} from "./descriptor.ts";
import { AllocationError, type ManagedMemoryError } from "./errors.ts";
import { idOf } from "./ids.ts";
import { Memview } from "./memviews.ts";
import { type AllocationCopyOptions, toCopyWish } from "./options.ts";
import { MemoryPool, poolOf } from "./pool.ts";
import { PoolHandle } from "./pool_handle.ts";
import { fillRange } from "./ranges.ts";
import {
  allocationAttachError,
  allocError,
  attachError,
  callError,
  E_BUSY,
  E_CORRUPT,
  E_DESCRIPTOR,
  E_DESTROYED,
  E_STALE,
  E_TOO_LARGE,
  OK,
} from "./status.ts";

/** Only this file can make instances. */
const KEY = Symbol("MemoryAlloc");

// Roles and endings are numbers, as V8 stores and compares those most cheaply.

/** Made the allocation: frees it when disposed of. */
const MAKER = 0;
/** Found an allocation that was there. */
const FINDER = 1;
/** Found one, and holds on to the pool as well. */
const HOLDER = 2;
/** Made one, and holds on to the pool as well. */
const HOLDING_MAKER = 3;
const FREED = 4;
const DETACHED = 5;

/** How a MemoryAlloc came about. */
type Role =
  | typeof MAKER
  | typeof FINDER
  | typeof HOLDER
  | typeof HOLDING_MAKER;

/** How a MemoryAlloc ended: greater than every role. */
type Ending = typeof FREED | typeof DETACHED;

/** Which allocation, where it lies, and in how large a pool. */
type Place = Pick<Attachment, "idLow" | "idHigh" | "offset" | "size">;

/** Which bytes of its allocation a clone covers. */
interface Part {
  /** Where the allocation begins, in bytes from the start of the data region. */
  readonly base: number;
  /** Bytes from there to the part. */
  readonly offset: number;
  /** Bytes; Infinity: all that follow. */
  readonly length: number;
}

/** What only some handles come to have: kept apart, so that the others are small. */
interface Extras {
  /** Null where the handle covers the whole allocation. */
  part: Part | null;
  memview: Memview | null;
  buffer: ArrayBuffer | null;
  serialized: Uint8Array<ArrayBuffer> | null;
}

/** Wraps the allocation that was made last through `handle`: of this type and size. */
export let takeMade: (
  handle: PoolHandle,
  attachment: Attachment,
  type: AllocType,
  size: number,
) => MemoryAlloc;

/** Wraps the allocation that was found last through `handle`. */
export let takeFound: (
  handle: PoolHandle,
  attachment: Attachment,
) => MemoryAlloc;

/** Copies bytes into an allocation that was just made, and is as large. */
export let writeInto: (
  allocation: MemoryAlloc,
  bytes: Uint8Array<ArrayBuffer>,
) => void;

/** Frees an allocation through whatever handle of its pool. */
export let freeThrough: (
  attachment: Attachment,
  allocation: MemoryAlloc,
) => void;

/**
 * A handle to one allocation: a run of bytes in a pool. Comes from
 * {@linkcode MemoryPool.alloc}, {@linkcode MemoryPool.getAllocById} or
 * {@linkcode MemoryAlloc.attach}.
 *
 * A handle that is dropped frees nothing: allocations live until somebody
 * frees them, whatever happens to the processes that use them.
 *
 * @example Writing in one place, reading in another
 * ```ts
 * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using allocation = pool.alloc(4);
 * new Uint8Array(allocation.getMemview()).set([1, 2, 3, 4]);
 *
 * // These bytes can go to any other process of this host.
 * const serialized = allocation.serialize();
 *
 * using attached = MemoryAlloc.attach(serialized);
 * assertEquals([...new Uint8Array(attached.getMemview())], [1, 2, 3, 4]);
 * ```
 */
export class MemoryAlloc implements Disposable {
  readonly #handle: PoolHandle;
  readonly #idLow: number;
  readonly #idHigh: number;
  readonly #type: AllocType;
  /** Of what the handle covers, as of the last look; -1 where the pool is on another host. */
  #size: number;
  #byteOffset: number;
  #state: Role | Ending;
  /** Null until one of them is there. */
  #extras: Extras | null = null;

  private constructor(
    key: symbol,
    handle: PoolHandle,
    place: Place,
    type: AllocType,
    size: number,
    role: Role,
  ) {
    if (key !== KEY) throw constructorError();
    const { offset } = place;
    if (!(offset + size <= place.size)) throw corruptError(handle);
    this.#handle = handle;
    this.#idLow = place.idLow;
    this.#idHigh = place.idHigh;
    this.#type = type;
    this.#size = size;
    this.#byteOffset = offset;
    this.#state = role;
  }

  static {
    takeMade = (handle, attachment, type, size) =>
      new MemoryAlloc(KEY, handle, attachment, type, size, MAKER);
    takeFound = (handle, attachment) =>
      MemoryAlloc.#found(handle, attachment, FINDER);
    writeInto = (allocation, bytes) => allocation.#write(bytes);
    freeThrough = (attachment, allocation) =>
      allocation.#freeThrough(attachment);
  }

  /**
   * Attaches to an allocation from its descriptor. If this thread is not
   * attached to the pool, attaches to it as well, and lets go of it at
   * {@linkcode MemoryAlloc.detach} or {@linkcode MemoryAlloc.free}.
   * Otherwise the handle lasts as long as this thread's handles to the pool.
   *
   * A descriptor that was made on another host gives a handle of which only
   * `id`, `type`, `pool`, `serialize()` and `detach()` are of use.
   *
   * @param serialized What {@linkcode MemoryAlloc.serialize} returned, in this
   * or in any other process.
   * @returns A new handle; disposing of it detaches.
   * @throws {TypeError} if `serialized` is not a Uint8Array.
   * @throws {AllocationError} if the bytes are not an allocation's descriptor,
   * or the allocation was freed.
   * @throws {PoolAttachError} if the pool cannot be attached, for example
   * because it was destroyed.
   *
   * @example Attaching to an allocation without its pool
   * ```ts
   * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const serialized = pool.alloc(100).serialize();
   * pool.detach();
   *
   * const attached = MemoryAlloc.attach(serialized);
   * assertEquals(attached.getMemview().byteLength, 100);
   * attached.pool.destroy();
   * ```
   */
  static attach(serialized: Uint8Array): MemoryAlloc {
    const action = "attach to an allocation";
    checkBytes(serialized, action);
    const read = readDescriptor(serialized);
    if (read !== OK) throw allocationAttachError(read, action);
    if (!namesAllocation()) {
      throw new AllocationError(
        `Cannot ${action}: the descriptor is a pool's; use MemoryPool.attach()`,
        { code: "invalid-descriptor" },
      );
    }
    if (!isLocal()) return MemoryAlloc.#remote();

    const idLow = parsedIdLow();
    const idHigh = parsedIdHigh();
    const type = parsedType();
    const found = findParsed();
    if (found !== null && !found.matchesParsed()) {
      throw allocationAttachError(E_DESCRIPTOR, action);
    }
    const handle = found !== null && found.explicitHolders > 0
      ? PoolHandle.borrow(found)
      : PoolHandle.hold(found ?? openParsed(), "implicit");
    const attachment = handle.attachment!;
    let status = attachment.native.mm_ffi_find(
      attachment.pointer,
      idLow,
      idHigh,
    );
    if (status === OK && attachment.type !== type) status = E_STALE;
    if (status === OK) {
      const role = handle.kind === "implicit" ? HOLDER : FINDER;
      return MemoryAlloc.#found(handle, attachment, role);
    }

    const what = `attach to allocation ${
      idOf(idLow, idHigh)
    } of pool "${handle.name}"`;
    if (handle.kind === "implicit") handle.release("detached");
    throw status === E_STALE
      ? allocationAttachError(status, what)
      : attachError(status, what);
  }

  static #found(
    handle: PoolHandle,
    attachment: Attachment,
    role: typeof FINDER | typeof HOLDER,
  ): MemoryAlloc {
    const { type, allocationSize } = attachment;
    return new MemoryAlloc(
      KEY,
      handle,
      attachment,
      type,
      allocationSize,
      role,
    );
  }

  static #remote(): MemoryAlloc {
    const serialized = parsedBytes();
    const handle = PoolHandle.remote(parsedName(), parsedUid(), null);
    const allocation = new MemoryAlloc(
      KEY,
      handle,
      { idLow: parsedIdLow(), idHigh: parsedIdHigh(), offset: -1, size: 0 },
      parsedType(),
      -1,
      HOLDER,
    );
    allocation.#extras = { ...noExtras(), serialized };
    return allocation;
  }

  /**
   * Names the allocation within its pool; never used again for another one.
   *
   * @returns An integer in [1, 2^64).
   */
  get id(): bigint {
    return idOf(this.#idLow, this.#idHigh);
  }

  /**
   * What the allocation was labelled with when it was made.
   *
   * @returns One of {@linkcode AllocType}, or an integer of the user's own.
   */
  get type(): AllocType {
    return this.#type;
  }

  /**
   * Size in bytes: as it was asked for, or as {@linkcode MemoryAlloc.resize}
   * made it. Does not look: where another handle has resized the allocation,
   * it is the size that this one found last, for example in
   * {@linkcode MemoryAlloc.getMemview}.
   *
   * @returns Bytes; of a clone, those that it covers.
   * @throws {PoolError} if the pool is on another host.
   */
  get size(): number {
    if (this.#size >= 0) return this.#size;
    throw this.#handle.refusal(`read the size of ${this.#label}`);
  }

  /**
   * Where the allocation lies in the pool's data region: what to add when using
   * {@linkcode MemoryPool.unsafeMemview}.
   *
   * @returns Bytes, a multiple of the pool's `minBlockSize`; of a clone, where
   * the part begins that it covers.
   * @throws {PoolError} if the pool is on another host.
   */
  get byteOffset(): number {
    if (this.#byteOffset >= 0) return this.#byteOffset;
    throw this.#handle.refusal(`read the offset of ${this.#label}`);
  }

  /**
   * The pool that the allocation lies in.
   *
   * @returns The handle that it came from; for an allocation that was attached,
   * the handle to its pool that this thread made last, or, if the allocation
   * attached to the pool by itself, one that lasts as long as it does.
   */
  get pool(): MemoryPool {
    return poolOf(this.#handle);
  }

  /**
   * Whose the allocation is: that of the thread that made it, or that adopted it
   * last. It is for people and for {@linkcode MemoryPool.reclaim}: anybody may
   * use and free it, and it outlives its owner.
   *
   * @returns The owner's process id, in its own PID namespace, and whether it is
   * still attached to the pool: false when its process has ended, and also when
   * it has detached.
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example Seeing whose an allocation is
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * assertEquals(allocation.owner, { pid: Deno.pid, alive: true });
   * ```
   */
  get owner(): { pid: number; alive: boolean } {
    const verb = "read the owner of";
    const attachment = this.#use(verb);
    const { native, pointer } = attachment;
    const status = native.mm_ffi_owner_of(pointer, this.#idLow, this.#idHigh);
    this.#checkStatus(status, attachment, verb);
    return { pid: attachment.ownerPid, alive: attachment.ownerIsAlive };
  }

  /**
   * Whether this handle can be used. It does not tell whether another process
   * has freed the allocation.
   *
   * @returns False after {@linkcode MemoryAlloc.free} or
   * {@linkcode MemoryAlloc.detach}, and once the pool's handle ended.
   */
  get isAttached(): boolean {
    return this.#state < FREED && this.#handle.ended === null;
  }

  /**
   * The memory itself, shared with all who are attached. Looks first whether
   * the allocation still lives.
   *
   * The buffer is emptied (detached, of length 0) when this thread frees the
   * allocation, detaches from it, or detaches from or destroys its pool. Await
   * pending reads and writes on it before. It can be moved away with
   * `transfer()` or `postMessage()`; then nothing empties it, and the pool's
   * memory stays mapped until the process ends.
   *
   * @returns An ArrayBuffer of `size` bytes: the same one at every call, or a
   * new one if the last was moved away or the allocation was resized; the one
   * of another size is emptied.
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example Using the memory as numbers
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(8 * Float64Array.BYTES_PER_ELEMENT);
   * const numbers = new Float64Array(allocation.getMemview());
   * numbers.fill(0.5);
   *
   * allocation.free();
   * assertEquals(numbers.length, 0);
   * ```
   */
  getMemview(): ArrayBuffer {
    const attachment = this.#look("use");
    const extras = this.#extras ??= noExtras();
    const { buffer } = extras;
    return buffer !== null && !buffer.detached &&
        buffer.byteLength === this.#size
      ? buffer
      : this.#makeMemview(attachment, extras);
  }

  #makeMemview(attachment: Attachment, extras: Extras): ArrayBuffer {
    const { memviews } = attachment;
    if (extras.memview !== null) memviews.emptyOne(extras.memview);
    const buffer = attachment.bufferAt(this.#byteOffset, this.#size);
    const memview = new Memview(
      this.#idLow,
      this.#idHigh,
      this.#handle,
      buffer,
    );
    memviews.add(memview);
    extras.memview = memview;
    extras.buffer = buffer;
    return buffer;
  }

  /**
   * The allocation's descriptor: bytes by which any process on this host can
   * attach to it. That of a clone names the whole allocation: pass on which part
   * is meant, and clone again. Kept after the first call, so that it still answers when the
   * handle has ended.
   *
   * @returns A copy of the descriptor.
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed.
   *
   * @example Passing an allocation on
   * ```ts
   * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * using attached = MemoryAlloc.attach(allocation.serialize());
   * assertEquals(attached.id, allocation.id);
   * ```
   */
  serialize(): Uint8Array<ArrayBuffer> {
    const known = this.#extras?.serialized;
    if (known) return known.slice();
    const attachment = this.#use("serialize");
    this.#checkLive(attachment, "serialize");
    const serialized = writeAllocation(
      attachment.native,
      attachment.pointer,
      this.#idLow,
      this.#idHigh,
      this.#type,
    );
    const extras = this.#extras ??= noExtras();
    extras.serialized = serialized;
    return serialized.slice();
  }

  /**
   * Makes this thread the owner, whoever was it before, so that
   * {@linkcode MemoryPool.reclaim} spares the allocation as long as this thread
   * is attached to the pool. Changes nothing else: disposing of a handle frees
   * or detaches as it did before.
   *
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is busy or corrupt, or is on
   * another host.
   *
   * @example Keeping what another process made
   * ```ts
   * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   *
   * // In the process that was handed the descriptor:
   * using attached = MemoryAlloc.attach(allocation.serialize());
   * attached.adopt();
   * assertEquals(attached.owner, { pid: Deno.pid, alive: true });
   * ```
   */
  adopt(): void {
    const attachment = this.#use("adopt");
    const { native, pointer } = attachment;
    const status = native.mm_ffi_adopt(pointer, this.#idLow, this.#idHigh);
    this.#checkStatus(status, attachment, "adopt");
  }

  /**
   * Another handle to the same memory, or to a part of it: nothing is copied.
   * Its `getMemview()`, `size`, `byteOffset`, `clear()`, `copy()`, `equals()` and
   * `hash()` are about that part. All else is about the allocation: freeing it
   * through any handle frees all of it, for everybody, and its descriptor names
   * all of it. If the allocation is made smaller than the part reaches, the part
   * is what is left of it.
   *
   * @param offset First byte of the part, from the start of what this handle
   * covers.
   * @param length Bytes of the part; without it, all that follow, also when the
   * allocation is resized.
   * @returns A new handle; disposing of it detaches, and of this one changes
   * nothing for it.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if the part reaches beyond what this handle covers.
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example One handle for each half
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new Uint8Array([1, 2, 3, 4]));
   * using left = allocation.clone(0, 2);
   * using right = allocation.clone(2);
   * assertEquals([...new Uint8Array(left.getMemview())], [1, 2]);
   * assertEquals([...new Uint8Array(right.getMemview())], [3, 4]);
   * ```
   */
  clone(offset: number = 0, length?: number): MemoryAlloc {
    const action = "clone an allocation";
    checkWhole(offset, 0, action, "the offset");
    if (length !== undefined) checkWhole(length, 0, action, "the length");
    const attachment = this.#look("clone");
    checkWithin(offset, this.#size, action, "the offset");
    if (length !== undefined) {
      checkWithin(length, this.#size - offset, action, "the length");
    }
    const isHolder = this.#handle.kind === "implicit";
    const clone = new MemoryAlloc(
      KEY,
      isHolder ? PoolHandle.hold(attachment, "implicit") : this.#handle,
      {
        idLow: this.#idLow,
        idHigh: this.#idHigh,
        offset: this.#byteOffset + offset,
        size: attachment.size,
      },
      this.#type,
      (length ?? this.#size - offset) + 0, // never -0
      isHolder ? HOLDER : FINDER,
    );
    const part = this.#extras?.part;
    if (part || offset > 0 || length !== undefined) {
      clone.#extras = {
        ...noExtras(),
        part: {
          base: attachment.offset,
          offset: (part ? part.offset : 0) + offset,
          length: (length ?? (part ? part.length : Infinity) - offset) + 0,
        },
      };
    }
    return clone;
  }

  /**
   * Allocates as many bytes as this handle covers, and copies them there.
   *
   * @param pool Where to; without it, the pool that the allocation lies in.
   * @param options The copy's type, and how long to wait for room.
   * @returns A handle to the copy; disposing of it frees the copy.
   * @throws {TypeError} if an argument is of the wrong type.
   * @throws {RangeError} if a number is out of its range.
   * @throws {AllocationError} if the allocation was freed or detached, also
   * while it was copied.
   * @throws {AllocationNotAvailableError} if there is no room, `maxAllocations`
   * are live, or the file system is full.
   * @throws {AllocTimeoutError} if a timeout was given, and room did not come in
   * that time.
   * @throws {PoolError} if a pool was destroyed or detached, is busy or corrupt,
   * or is on another host.
   *
   * @example Keeping a state while work goes on
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new Uint8Array([1, 2, 3]));
   * using copy = allocation.copy();
   * allocation.clear();
   * assertEquals([...new Uint8Array(copy.getMemview())], [1, 2, 3]);
   * ```
   */
  copy(pool?: MemoryPool, options: AllocationCopyOptions = {}): MemoryAlloc {
    const { type = this.#type, timeout } = toCopyWish(options);
    if (pool !== undefined && !(pool instanceof MemoryPool)) {
      throw new TypeError(
        `Cannot copy an allocation: the pool must be a MemoryPool, not ${
          quote(pool)
        }`,
      );
    }
    const source = this.#look("copy");
    const isHolder = pool === undefined && this.#handle.kind === "implicit";
    const held = isHolder ? PoolHandle.hold(source, "implicit") : null;
    let copy: MemoryAlloc;
    try {
      const target = pool ?? poolOf(held ?? this.#handle);
      copy = timeout === 0
        ? target.alloc(this.#size, type)
        : target.allocBlockingSync(this.#size, { timeout, type });
    } catch (error) {
      held?.release("detached");
      throw error;
    }
    if (isHolder) copy.#state = HOLDING_MAKER;
    const { native, pointer } = copy.#handle.open!;
    try {
      this.#checkLive(source, "copy"); // it may have been waited for
      native.mm_ffi_copy(
        pointer,
        copy.#byteOffset,
        copy.#size,
        source.pointer,
        this.#byteOffset,
      );
      this.#checkLive(source, "copy");
    } catch (error) {
      copy[Symbol.dispose]();
      throw error;
    }
    return copy;
  }

  /**
   * Changes the allocation's size where it is: up to the end of its block, which
   * has at least the first size rounded up to the pool's `minBlockSize`. The
   * block stays as large as it is, also for `freeSpace`. What comes to belong to
   * the allocation holds what was there before; {@linkcode MemoryAlloc.clear}
   * makes it zero.
   *
   * If the size changes, every buffer that this thread got for the allocation is
   * emptied; `getMemview()` gives one of the new size. Other handles, and other
   * processes, see the new size when they look next: `getMemview()`,
   * `MemoryAlloc.attach()`, lists.
   *
   * @param size Bytes.
   * @throws {TypeError} if `size` is not a number.
   * @throws {RangeError} if it is out of its range.
   * @throws {AllocationNotAvailableError} if its block has fewer bytes:
   * allocate anew and copy.
   * @throws {AllocationError} if the allocation was freed or detached, or, with
   * code `"partial"`, this handle is a clone of a part.
   * @throws {PoolError} if the pool was destroyed, is busy or corrupt, or is on
   * another host.
   *
   * @example Handing on only what was used
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(4096, `example-${crypto.randomUUID()}`, 1);
   * using message = pool.alloc(1000);
   * const { written } = new TextEncoder().encodeInto(
   *   "hello",
   *   new Uint8Array(message.getMemview()),
   * );
   * message.resize(written);
   * assertEquals(message.getMemview().byteLength, 5);
   * ```
   */
  resize(size: number): void {
    checkWhole(size, 0, "resize an allocation", "the size");
    const attachment = this.#use("resize");
    if (this.#extras?.part) {
      throw new AllocationError(
        `Cannot resize ${this.#label}: this handle covers only a part of it`,
        { code: "partial" },
      );
    }
    const { native, pointer, memviews } = attachment;
    const status = native.mm_ffi_resize(
      pointer,
      this.#idLow,
      this.#idHigh,
      size,
    );
    if (status === E_TOO_LARGE) {
      throw allocError(
        status,
        `resize ${this.#label} to ${size} bytes in its block`,
      );
    }
    this.#checkStatus(status, attachment, "resize");
    if (size !== this.#size) {
      memviews.emptyAllocation(this.#idLow, this.#idHigh);
    }
    this.#size = size + 0; // never -0
  }

  /**
   * Makes bytes zero. The range is that of `TypedArray.prototype.fill()`:
   * negative numbers count from the end, and what lies outside is left out.
   *
   * @param start First byte of what this handle covers.
   * @param end The byte behind the last one; without it, the end.
   * @throws {TypeError} if an argument is not a number.
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example Beginning with zeros
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new Uint8Array([1, 2, 3, 4]));
   * allocation.clear(1, -1);
   * assertEquals([...new Uint8Array(allocation.getMemview())], [1, 0, 0, 4]);
   * ```
   */
  clear(start: number = 0, end?: number): void {
    const action = "clear an allocation";
    checkNumber(start, action, "the start");
    if (end !== undefined) checkNumber(end, action, "the end");
    const { native, pointer } = this.#look("clear");
    const size = this.#size;
    const { from, length } = fillRange(start, end ?? size, size);
    native.mm_ffi_clear(pointer, this.#byteOffset + from, length);
  }

  /**
   * Whether both have the same size and the same bytes, wherever they lie. What
   * others write meanwhile is compared as it comes.
   *
   * @param other A handle of this or of another pool.
   * @returns True also for one handle with itself.
   * @throws {TypeError} if `other` is not a MemoryAlloc.
   * @throws {AllocationError} if one of them was freed or detached.
   * @throws {PoolError} if a pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example Comparing contents
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assert } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new Uint8Array([1, 2, 3]));
   * using copy = allocation.copy();
   * assert(allocation.equals(copy) && !allocation.isSame(copy));
   * ```
   */
  equals(other: MemoryAlloc): boolean {
    checkAllocation(other, "compare allocations");
    const attachment = this.#look("compare");
    const others = other.#look("compare");
    if (this.#size !== other.#size) return false;
    const isEqual = attachment.native.mm_ffi_equals(
      attachment.pointer,
      this.#byteOffset,
      this.#size,
      others.pointer,
      other.#byteOffset,
    );
    this.#checkLive(attachment, "compare");
    other.#checkLive(others, "compare");
    return isEqual === 1;
  }

  /**
   * Whether both are handles to one allocation, and so to the same memory, also
   * where they cover different parts of it. Does not look at the memory: works
   * as well when it was freed, or a handle has ended.
   *
   * @param other Any handle.
   * @returns True also for one handle with itself.
   * @throws {TypeError} if `other` is not a MemoryAlloc.
   *
   * @example Telling handles apart
   * ```ts
   * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
   * import { assert } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * using attached = MemoryAlloc.attach(allocation.serialize());
   * assert(attached !== allocation && attached.isSame(allocation));
   * ```
   */
  isSame(other: MemoryAlloc): boolean {
    checkAllocation(other, "compare allocations");
    if (this.#idLow !== other.#idLow || this.#idHigh !== other.#idHigh) {
      return false;
    }
    const own = this.#handle.attachment;
    const others = other.#handle.attachment;
    if (own !== null && others !== null) {
      return own === others || own.isOfSamePool(others);
    }
    if (own !== others) return false;
    // Of another host: there is nothing but the descriptors.
    const bytes = other.#extras!.serialized!;
    return this.#extras!.serialized!.every((byte, at) => byte === bytes[at]);
  }

  /**
   * A hash of the bytes: XXH64 with seed 0, the same on every machine and in
   * every release. It finds changes and tells contents apart, at several GiB per
   * second; it is no protection against somebody who wants two to be equal.
   *
   * @returns An integer in [0, 2^64).
   * @throws {AllocationError} if the allocation was freed or detached.
   * @throws {PoolError} if the pool was destroyed, is corrupt, or is on another
   * host.
   *
   * @example Seeing whether something was changed
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.allocFrom(new TextEncoder().encode("abc"));
   * assertEquals(allocation.hash(), 0x44bc2cf5ad770999n);
   * ```
   */
  hash(): bigint {
    const attachment = this.#look("hash");
    const { native, pointer } = attachment;
    native.mm_ffi_hash(pointer, this.#byteOffset, this.#size);
    this.#checkLive(attachment, "hash");
    return attachment.hash;
  }

  /**
   * Ends this handle and empties its buffer. The allocation lives on. Does
   * nothing when done already.
   *
   * @example Letting go of an allocation that others use
   * ```ts
   * import { AllocType, MemoryPool } from "@dragon/managed-memory";
   * import { assert } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const allocation = pool.alloc(100);
   * allocation.detach();
   * assert(pool.allocationExists(AllocType.DATA, allocation.id));
   * ```
   */
  detach(): void {
    if (this.#state >= FREED) return;
    const attachment = this.#handle.open;
    const memview = this.#extras?.memview;
    if (attachment !== null && memview) attachment.memviews.emptyOne(memview);
    this.#end(DETACHED);
  }

  /**
   * Frees the allocation, whoever made it, also through a clone of a part, and
   * empties every buffer that this thread got for it. The buffers are emptied first, even if freeing then
   * fails because the pool is busy.
   *
   * @throws {AllocationError} if it was freed already, or this handle detached.
   * @throws {PoolError} if the pool was destroyed, is busy or corrupt, or is on
   * another host.
   *
   * @example Freeing an allocation
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * const allocation = pool.alloc(100);
   * allocation.free();
   * assertEquals(pool.freeSpace, pool.size);
   * ```
   */
  free(): void {
    // As #use() says it: in one call more, V8 would inline less of what follows.
    const attachment = this.#handle.open;
    if (attachment === null || this.#state >= FREED) {
      throw this.#refusal("free");
    }
    this.#free(attachment);
  }

  /**
   * For `using`: frees through a handle that allocated, detaches one that
   * attached or was cloned. Never throws because that was done already, by whomever.
   *
   * @example Memory for a block of code
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * {
   *   using scratch = pool.alloc(100);
   *   new Uint8Array(scratch.getMemview()).fill(1);
   * }
   * assertEquals(pool.currentAllocations, 0);
   * ```
   */
  [Symbol.dispose](): void {
    if (this.#state >= FREED) return;
    const attachment = this.#handle.open;
    const isMaker = this.#state === MAKER || this.#state === HOLDING_MAKER;
    if (!isMaker || attachment === null) return this.detach();
    const status = attachment.free(this.#idLow, this.#idHigh);
    if (status !== OK && status !== E_STALE && status !== E_DESTROYED) {
      throw this.#failure(status, "free");
    }
    this.#end(FREED);
  }

  get #label(): string {
    return `allocation ${this.id} of pool "${this.#handle.name}"`;
  }

  /** The attachment, for a call that needs the memory. */
  #use(verb: string): Attachment {
    const attachment = this.#handle.open;
    if (attachment !== null && this.#state < FREED) return attachment;
    throw this.#refusal(verb);
  }

  /** Why this handle is of no use. */
  #refusal(verb: string): ManagedMemoryError {
    const action = `${verb} ${this.#label}`;
    if (this.#state === FREED) return callError(E_STALE, action);
    if (this.#state === DETACHED) {
      return new AllocationError(`Cannot ${action}: it was detached`, {
        code: "detached",
      });
    }
    if (this.#handle.ended !== "detached") return this.#handle.refusal(action);
    return new AllocationError(`Cannot ${action}: its pool was detached`, {
      code: "detached",
    });
  }

  /** What a call that failed throws. */
  #failure(status: number, verb: string): ManagedMemoryError {
    return callError(status, `${verb} ${this.#label}`);
  }

  /** The attachment, where the allocation lives; and what this handle covers of it now. */
  #look(verb: string): Attachment {
    const attachment = this.#use(verb);
    this.#checkLive(attachment, verb);
    const { offset, allocationSize } = attachment;
    const part = this.#extras?.part;
    if (!part) {
      if (offset !== this.#byteOffset) throw corruptError(this.#handle);
      this.#size = allocationSize;
    } else {
      if (offset !== part.base) throw corruptError(this.#handle);
      const start = Math.min(part.offset, allocationSize);
      this.#byteOffset = offset + start;
      this.#size = Math.min(part.length, allocationSize - start);
    }
    return attachment;
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    const { native, pointer } = this.#use("write to");
    native.mm_ffi_write(pointer, this.#byteOffset, this.#size, bytes);
  }

  #checkLive(attachment: Attachment, verb: string): void {
    const { native, pointer } = attachment;
    const status = native.mm_ffi_find(pointer, this.#idLow, this.#idHigh);
    this.#checkStatus(status, attachment, verb);
  }

  /** Throws what a call answered, and takes away the memory of what has gone. */
  #checkStatus(status: number, attachment: Attachment, verb: string): void {
    if (status === OK) return;
    if (status !== E_BUSY) {
      attachment.memviews.emptyAllocation(this.#idLow, this.#idHigh);
    }
    throw this.#failure(status, verb);
  }

  #freeThrough(attachment: Attachment): void {
    const own = this.#handle.attachment;
    if (this.#state >= FREED) throw this.#refusal("free");
    if (own !== attachment && (own === null || !own.isOfSamePool(attachment))) {
      throw new AllocationError(
        `Cannot free ${this.#label}: it does not belong to pool "${attachment.name}"`,
        { code: "wrong-pool" },
      );
    }
    this.#free(attachment);
  }

  #free(attachment: Attachment): void {
    const status = attachment.free(this.#idLow, this.#idHigh);
    if (status !== OK) throw this.#failure(status, "free");
    this.#end(FREED);
  }

  #end(ending: Ending): void {
    const role = this.#state;
    this.#state = ending;
    if (role >= HOLDER) this.#handle.release("detached");
  }
}

function noExtras(): Extras {
  return { part: null, memview: null, buffer: null, serialized: null };
}

function checkAllocation(value: MemoryAlloc, action: string): void {
  if (value instanceof MemoryAlloc) return;
  throw new TypeError(
    `Cannot ${action}: the other must be a MemoryAlloc, not ${quote(value)}`,
  );
}

function constructorError(): TypeError {
  return new TypeError(
    "Cannot construct a MemoryAlloc: use MemoryPool.alloc() or MemoryAlloc.attach()",
  );
}

function corruptError(handle: PoolHandle): ManagedMemoryError {
  return callError(E_CORRUPT, `use pool "${handle.name}"`);
}
