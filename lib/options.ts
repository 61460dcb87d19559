// What a user may say about a pool to be made, or about waiting for room:
// the options' types, and their checks.

import { AllocType } from "./alloc_type.ts";
import {
  checkBoolean,
  checkMinBlockSize,
  checkMode,
  checkObject,
  checkSignal,
  checkString,
  checkType,
  checkWhole,
  checkWithin,
  quote,
  toTimeout,
  toUid,
} from "./arguments.ts";
import { PoolCreateError, PoolError } from "./errors.ts";
import { isName, type Place } from "./place.ts";
import { callError, createError, E_NAME } from "./status.ts";

const DEFAULT_MODE = 0o600;
const MAX_NUMA_NODE = 1023;

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
   * Whoever may not read and write the file cannot attach. Windows takes what
   * the directory's access list says instead.
   *
   * @default {0o600}
   */
  mode?: number | undefined;
  /**
   * Absolute path of the directory to back the pool; on Linux, of a tmpfs.
   * Without it, `/dev/shm` on Linux, `/tmp` on macOS, and on Windows the user's
   * temporary folder.
   */
  directory?: string | undefined;
  /**
   * Sizes in bytes of blocks to have memory for from the start: as much as
   * allocations of all these sizes together take is committed at creation (0.25
   * s per GiB), which fails if there is not so much. So the first allocations
   * of these sizes need not commit, and cannot find the file system full. The
   * memory is not set aside for them: anybody may allocate it, in any sizes.
   */
  preAllocate?: Iterable<number> | undefined;
  /**
   * The NUMA node, from 0 to 1023, that the pool's memory should come from,
   * whoever commits it. A preference: where the node has none left, another
   * gives it. Creation fails, with code `"system"`, where there is no such
   * node, the system knows no nodes, or forbids to choose (Docker does, without
   * `--cap-add SYS_NICE`). Without it, the system's choice, usually the node on
   * which memory is first allocated.
   */
  numaNode?: number | undefined;
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

/**
 * How to copy; see {@linkcode MemoryAlloc.copy}.
 *
 * @example Labelling a copy
 * ```ts
 * import { type AllocationCopyOptions, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using allocation = pool.allocFrom(new Uint8Array([1, 2, 3]));
 * const options: AllocationCopyOptions = { type: 4711, timeout: 1000 };
 * using copy = allocation.copy(pool, options);
 * assertEquals(copy.type, 4711);
 * ```
 */
export interface AllocationCopyOptions {
  /** The type of the copy. Without it, that of what is copied. */
  type?: AllocType | undefined;
  /**
   * Milliseconds to wait for room, blocking the thread; Infinity waits without
   * limit. Without it, and with 0, does not wait.
   */
  timeout?: number | undefined;
}

/** A pool to be made, as the native library takes it. */
export interface PoolPlan extends Place {
  readonly size: number;
  readonly uid: bigint;
  /** 0: the default. */
  readonly minBlockSize: number;
  /** 0: what the size allows. */
  readonly maxAllocations: number;
  readonly mode: number;
  /** Sizes in bytes. */
  readonly preAllocate: BigUint64Array<ArrayBuffer>;
  readonly numaNode: number | undefined;
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
  const { preAllocate = [], numaNode } = attributes;
  if (minBlockSize !== undefined) checkMinBlockSize(minBlockSize, action);
  if (maxAllocations !== undefined) {
    checkWhole(maxAllocations, 1, action, "maxAllocations");
  }
  checkMode(mode, action);
  const blocks = toBlockSizes(preAllocate, action);
  if (numaNode !== undefined) {
    checkWithin(numaNode, MAX_NUMA_NODE, action, "numaNode");
  }
  checkDirectory(directory, action, PoolCreateError);
  if (!isName(name)) throw createError(E_NAME, action);
  return {
    size,
    name,
    uid: exactUid,
    minBlockSize: minBlockSize ?? 0,
    maxAllocations: maxAllocations ?? 0,
    mode,
    directory,
    preAllocate: blocks,
    numaNode,
  };
}

function toBlockSizes(
  sizes: Iterable<number>,
  action: string,
): BigUint64Array<ArrayBuffer> {
  checkObject(sizes, action, "preAllocate");
  if (typeof sizes[Symbol.iterator] !== "function") {
    throw new TypeError(
      `Cannot ${action}: preAllocate must be a list, not ${quote(sizes)}`,
    );
  }
  return BigUint64Array.from(sizes, (size) => {
    checkWhole(size, 0, action, "a size in preAllocate");
    return BigInt(size);
  });
}

/** Throws unless `directory` is a string that C can take, or undefined. */
function checkDirectory(
  directory: string | undefined,
  action: string,
  Class: typeof PoolError,
): void {
  if (directory === undefined) return;
  checkString(directory, action, "the directory");
  if (!directory.includes("\0")) return;
  throw new Class(`Cannot ${action}: the directory has a NUL in it`, {
    code: "invalid-directory",
  });
}

/** Checks the options of MemoryPool.list(); answers the directory. */
export function toDirectory(
  options: { directory?: string | undefined },
): string | undefined {
  const action = "list the pools";
  checkObject(options, action, "options");
  const { directory } = options;
  checkDirectory(directory, action, PoolError);
  return directory;
}

/** A pool to be removed. */
export interface Removal extends Place {
  /** Whether to remove it also while a living process is attached. */
  readonly force: boolean;
}

/** Checks the arguments of MemoryPool.remove(). */
export function toRemoval(
  name: string,
  options: { force?: boolean | undefined; directory?: string | undefined },
): Removal {
  checkString(name, "remove a pool", "the name");
  const action = `remove pool ${quote(name)}`;
  checkObject(options, action, "options");
  const { force = false, directory } = options;
  checkBoolean(force, action, "force");
  checkDirectory(directory, action, PoolError);
  if (!isName(name)) throw callError(E_NAME, action);
  return { name, directory, force };
}

/** What MemoryAlloc.copy() was asked for. */
export interface CopyWish {
  readonly type: AllocType | undefined;
  /** Milliseconds; 0: does not wait. */
  readonly timeout: number;
}

/** Checks the options of MemoryAlloc.copy(). */
export function toCopyWish(options: AllocationCopyOptions): CopyWish {
  const action = "copy an allocation";
  checkObject(options, action, "options");
  const { type, timeout = 0 } = options;
  if (type !== undefined) checkType(type, action);
  return { type, timeout: toTimeout(timeout, action) };
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
    size: size + 0, // never -0
    type: type + 0,
    timeout: toTimeout(timeout, action),
    signal: signal ?? null,
  };
}
