// The types that an allocation can bear.

/**
 * The types of allocation that have names. Any other integer from 0 to
 * 2^32 - 1 may be used as well; types are labels and change nothing about the
 * memory.
 *
 * @example Allocating with a type of one's own
 * ```ts
 * import { AllocType, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * const INDEX = 100;
 * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
 * using data = pool.alloc(100);
 * using index = pool.alloc(100, INDEX);
 * assertEquals([data.type, index.type], [AllocType.DATA, INDEX]);
 * assertEquals(pool.getAllocations(INDEX).length, 1);
 * ```
 */
export const AllocType: {
  /** Plain memory; the default. */
  readonly DATA: 0;
  /** A channel. */
  readonly CHANNEL: 1;
  /** A buffer of a channel. */
  readonly CHANNEL_BUFFER: 2;
  /** What a runtime needs to start. */
  readonly BOOTSTRAP: 3;
} = Object.freeze({ DATA: 0, CHANNEL: 1, CHANNEL_BUFFER: 2, BOOTSTRAP: 3 });

/**
 * One of {@linkcode AllocType}, or any other integer in [0, 2^32) of the user's
 * own.
 *
 * @example Naming the types of a program
 * ```ts
 * import { AllocType } from "@dragon/managed-memory";
 *
 * const TYPES: Record<string, AllocType> = { frames: AllocType.DATA, index: 100 };
 * console.log(TYPES);
 * ```
 */
export type AllocType = number;
