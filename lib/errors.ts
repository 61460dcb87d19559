// The error classes, and the codes that tell their causes apart. Knows nothing
// of the native library: status.ts turns its answers into these.

/**
 * What went wrong, for programs: the `code` of every
 * {@linkcode ManagedMemoryError}.
 *
 * | code | meaning |
 * |---|---|
 * | `"allocation-limit"` | the pool's `maxAllocations` are live already |
 * | `"busy"` | a stopped process has held the pool's lock for too long; nothing was changed |
 * | `"corrupt"` | the pool's bytes contradict themselves |
 * | `"destroyed"` | the pool was destroyed |
 * | `"detached"` | this handle, or the pool handle that it came from, was detached |
 * | `"exists"` | a pool of this name is already there |
 * | `"file-system-full"` | the file system behind the pool is full |
 * | `"in-use"` | a living process is attached to the pool that shall be removed |
 * | `"incompatible-version"` | the pool or descriptor was made by an incompatible release |
 * | `"invalid-descriptor"` | not a descriptor of this kind: truncated, extended or changed |
 * | `"invalid-directory"` | the directory is not absolute, too long, or (on Linux) not on a tmpfs |
 * | `"invalid-name"` | the name is empty, too long, or has other characters than `A-Z a-z 0-9 . _ -` |
 * | `"library-unavailable"` | the native library could not be loaded |
 * | `"no-default-pool"` | the environment names no default pool |
 * | `"no-participant-slot"` | all 1024 participant slots of the pool are taken |
 * | `"no-proc"` | /proc is not mounted |
 * | `"no-room"` | no free block is large enough now, or older requests go first |
 * | `"not-a-pool"` | the file of this name is not a pool |
 * | `"not-found"` | no pool of this name is there: destroyed, or never created |
 * | `"not-local"` | the pool's memory is on another host |
 * | `"partial"` | this handle is a clone that covers a part of its allocation, which alone cannot be resized |
 * | `"replaced"` | another pool bears the name now |
 * | `"stale"` | the allocation was freed, or never made |
 * | `"system"` | the operating system refused; `cause` says why |
 * | `"timeout"` | room did not come in time |
 * | `"too-large"` | more than the pool, its file system, or the block of an allocation can ever hold |
 * | `"wrong-pool"` | the allocation belongs to another pool |
 *
 * @example Waiting out a process that was stopped
 * ```ts
 * import { ManagedMemoryError, type ManagedMemoryErrorCode, MemoryPool } from "@dragon/managed-memory";
 *
 * const PASSING: ManagedMemoryErrorCode[] = ["busy", "no-room", "allocation-limit"];
 *
 * function isPassing(error: unknown): boolean {
 *   return error instanceof ManagedMemoryError && PASSING.includes(error.code);
 * }
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * try {
 *   pool.alloc(100).free();
 * } catch (error) {
 *   if (!isPassing(error)) throw error;
 *   console.log("Try again later");
 * }
 * ```
 */
export type ManagedMemoryErrorCode =
  | "allocation-limit"
  | "busy"
  | "corrupt"
  | "destroyed"
  | "detached"
  | "exists"
  | "file-system-full"
  | "in-use"
  | "incompatible-version"
  | "invalid-descriptor"
  | "invalid-directory"
  | "invalid-name"
  | "library-unavailable"
  | "no-default-pool"
  | "no-participant-slot"
  | "no-proc"
  | "no-room"
  | "not-a-pool"
  | "not-found"
  | "not-local"
  | "partial"
  | "replaced"
  | "stale"
  | "system"
  | "timeout"
  | "too-large"
  | "wrong-pool";

/**
 * The base of every error of this module, except for `TypeError` and
 * `RangeError`, which wrong arguments cause.
 *
 * @example Telling causes apart
 * ```ts
 * import { ManagedMemoryError, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * try {
 *   MemoryPool.create(1024, "no/slashes", 1);
 * } catch (error) {
 *   if (!(error instanceof ManagedMemoryError)) throw error;
 *   assertEquals(error.code, "invalid-name");
 * }
 * ```
 */
export class ManagedMemoryError extends Error {
  /** What went wrong, for programs. */
  readonly code: ManagedMemoryErrorCode;

  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "ManagedMemoryError";
    this.code = options.code;
  }
}

/**
 * Something is wrong with a pool or with this handle to it: destroyed,
 * detached, not on this host, busy or corrupt.
 *
 * @example Using a pool after destroying it
 * ```ts
 * import { MemoryPool, PoolError } from "@dragon/managed-memory";
 * import { assertThrows } from "@std/assert";
 *
 * const pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * pool.destroy();
 * assertThrows(() => pool.alloc(100), PoolError);
 * ```
 */
export class PoolError extends ManagedMemoryError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "PoolError";
  }
}

/**
 * A pool could not be created. Nothing was left behind.
 *
 * @example Creating a pool under a name that is taken
 * ```ts
 * import { MemoryPool, PoolCreateError } from "@dragon/managed-memory";
 * import { assertThrows } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * assertThrows(() => MemoryPool.create(1024, pool.name, 2), PoolCreateError);
 * ```
 */
export class PoolCreateError extends PoolError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "PoolCreateError";
  }
}

/**
 * A pool could not be attached: destroyed, replaced by another of its name,
 * full of participants, or the descriptor is none.
 *
 * @example Attaching to a pool that is gone
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
export class PoolAttachError extends PoolError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "PoolAttachError";
  }
}

/**
 * There is no room for an allocation, or `maxAllocations` are live.
 *
 * @example Asking for more than there is
 * ```ts
 * import { AllocationNotAvailableError, MemoryPool } from "@dragon/managed-memory";
 * import { assertThrows } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using _all = pool.alloc(pool.size);
 * assertThrows(() => pool.alloc(1), AllocationNotAvailableError);
 * ```
 */
export class AllocationNotAvailableError extends PoolError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "AllocationNotAvailableError";
  }
}

/**
 * A blocking request for room reached its timeout. Its `name` is
 * `"TimeoutError"`, as of all such errors in Deno.
 *
 * @example Waiting in vain
 * ```ts
 * import { AllocTimeoutError, MemoryPool } from "@dragon/managed-memory";
 * import { assertRejects } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using _all = pool.alloc(pool.size);
 * await assertRejects(() => pool.allocBlocking(1, { timeout: 10 }), AllocTimeoutError);
 * ```
 */
export class AllocTimeoutError extends AllocationNotAvailableError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "TimeoutError";
  }
}

/**
 * Something is wrong with an allocation or with this handle to it: freed,
 * detached, unknown, of another pool, or its descriptor is none.
 *
 * @example Freeing twice
 * ```ts
 * import { AllocationError, MemoryPool } from "@dragon/managed-memory";
 * import { assertThrows } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * const allocation = pool.alloc(100);
 * allocation.free();
 * assertThrows(() => allocation.free(), AllocationError);
 * ```
 */
export class AllocationError extends ManagedMemoryError {
  /**
   * Makes an error. Programs rarely need to.
   *
   * @param message What failed and why.
   * @param options The code, and where the operating system was the cause, its error.
   */
  constructor(
    message: string,
    options: { code: ManagedMemoryErrorCode; cause?: unknown },
  ) {
    super(message, options);
    this.name = "AllocationError";
  }
}
