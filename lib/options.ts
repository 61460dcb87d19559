// What a user may say about a pool to be made, or about waiting for room:
// the options' types, and their checks.

import { AllocType } from "./alloc_type.ts";
import {
  checkMinBlockSize,
  checkMode,
  checkObject,
  checkSignal,
  checkString,
  checkType,
  checkWhole,
  quote,
  toTimeout,
  toUid,
} from "./arguments.ts";
import { PoolCreateError } from "./errors.ts";
import { createError, E_NAME } from "./status.ts";

const NAME = /^[A-Za-z0-9._-]{1,200}$/;
const DEFAULT_MODE = 0o600;

/**
 * How to make a pool; see {@linkcode MemoryPool.create}.
 *
 * @example A pool that a group of users may share
 * ```ts
 * import { MemoryPool, type PoolAttributes } from "@dragon/managed-memory";
 *
 * const attributes: PoolAttributes = { mode: 0o660, maxAllocations: 1000 };
 * const name = `example-${crypto.randomUUID()}`;
 * using pool = MemoryPool.create(2 ** 20, name, 1, attributes);
 * ```
 */
export interface PoolAttributes {
  /**
   * Smallest block in bytes: a power of two, at least 64. Every allocation
   * takes a multiple of it, and begins at one.
   *
   * @default {64}
   */
  minBlockSize?: number | undefined;
  /** Most allocations live at once. Without it, what the pool's size allows. */
  maxAllocations?: number | undefined;
  /**
   * Permission bits of the backing file, set exactly, whatever the umask is.
   * Whoever may not read and write the file cannot attach.
   *
   * @default {0o600}
   */
  mode?: number | undefined;
  /**
   * Absolute path of the tmpfs directory to back the pool.
   *
   * @default {"/dev/shm"}
   */
  directory?: string | undefined;
}

/**
 * How to wait; see {@linkcode MemoryPool.allocBlocking}.
 *
 * @example Giving up for a reason of one's own
 * ```ts
 * import { type AllocBlockingOptions, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using _all = pool.alloc(pool.size);
 * const controller = new AbortController();
 * const options: AllocBlockingOptions = { signal: controller.signal };
 * const reason = pool.allocBlocking(1, options).catch((reason) => reason);
 * controller.abort("not needed any more");
 * assertEquals(await reason, "not needed any more");
 * ```
 */
export interface AllocBlockingOptions {
  /**
   * Milliseconds to wait. Omitted, undefined or Infinity waits without limit; 0
   * tries once.
   */
  timeout?: number | undefined;
  /** Ends the wait early; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * The type of the allocation.
   *
   * @default {AllocType.DATA}
   */
  type?: AllocType | undefined;
}

/** A pool to be made, as the native library takes it. */
export interface PoolPlan {
  readonly size: number;
  readonly name: string;
  readonly uid: bigint;
  /** 0: the default. */
  readonly minBlockSize: number;
  /** 0: what the size allows. */
  readonly maxAllocations: number;
  readonly mode: number;
  readonly directory: string | undefined;
}

/** Checks the arguments of MemoryPool.create(). */
export function toPlan(
  size: number,
  name: string,
  uid: number | bigint,
  attributes: PoolAttributes,
): PoolPlan {
  checkString(name, "create a pool", "the name");
  const action = `create pool ${quote(name)}`;
  checkWhole(size, 1, action, "the size");
  const exactUid = toUid(uid, action);
  checkObject(attributes, action, "attributes");
  const { minBlockSize, maxAllocations, mode = DEFAULT_MODE, directory } =
    attributes;
  if (minBlockSize !== undefined) checkMinBlockSize(minBlockSize, action);
  if (maxAllocations !== undefined) {
    checkWhole(maxAllocations, 1, action, "maxAllocations");
  }
  checkMode(mode, action);
  if (directory !== undefined) checkString(directory, action, "the directory");
  if (!NAME.test(name)) throw createError(E_NAME, action);
  if (directory?.includes("\0")) {
    throw new PoolCreateError(
      `Cannot ${action}: the directory has a NUL in it`,
      { code: "invalid-directory" },
    );
  }
  return {
    size,
    name,
    uid: exactUid,
    minBlockSize: minBlockSize ?? 0,
    maxAllocations: maxAllocations ?? 0,
    mode,
    directory,
  };
}

/** A request for room that may wait. */
export interface Wish {
  readonly size: number;
  readonly type: AllocType;
  /** Milliseconds; Infinity: without limit. */
  readonly timeout: number;
  readonly signal: AbortSignal | null;
}

/** Checks the arguments of allocBlocking() and allocBlockingSync(). */
export function toWish(size: number, options: AllocBlockingOptions): Wish {
  const action = "allocate";
  checkWhole(size, 0, action, "the size");
  checkObject(options, action, "options");
  const { timeout, type = AllocType.DATA, signal } = options;
  checkType(type, action);
  if (signal !== undefined) checkSignal(signal, action);
  return {
    size,
    type,
    timeout: toTimeout(timeout, action),
    signal: signal ?? null,
  };
}
