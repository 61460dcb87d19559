// MemoryAllocations: a snapshot of what lives in a pool.

import type { AllocType } from "./alloc_type.ts";
import { checkWhole } from "./arguments.ts";

// mm_allocation: its size in bytes, and where its fields lie in it.
const ENTRY_SIZE = 32;
const ID = 0;
const SIZE = 16;
const TYPE = 24;

const WORDS = ENTRY_SIZE / Uint32Array.BYTES_PER_ELEMENT;
const WIDES = ENTRY_SIZE / BigUint64Array.BYTES_PER_ELEMENT;

/** Only those who have it can make instances. */
const KEY = Symbol("MemoryAllocations");

/** Wraps entries as the native library lists them. */
export let listAllocations: (entries: ArrayBuffer) => MemoryAllocations;

/**
 * A list of the allocations that lived at one time, from
 * {@linkcode MemoryPool.getAllocations}. What lived throughout that call is in
 * it exactly once; what was made or freed meanwhile may be in it or not. It
 * does not change afterwards, and does not keep anything alive.
 *
 * @example Freeing everything of a type
 * ```ts
 * import { AllocType, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * using pool = MemoryPool.create(4096, `example-${crypto.randomUUID()}`, 1);
 * pool.alloc(100);
 * pool.alloc(200);
 * for (const { type, id } of pool.getAllocations(AllocType.DATA)) {
 *   pool.getAllocById(type, id).free();
 * }
 * assertEquals(pool.currentAllocations, 0);
 * ```
 */
export class MemoryAllocations
  implements Iterable<{ type: AllocType; id: bigint; size: number }> {
  /** How many there are. */
  readonly length: number;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #wides: BigUint64Array<ArrayBuffer>;

  private constructor(key: symbol, entries: ArrayBuffer) {
    if (key !== KEY) {
      throw new TypeError(
        "Cannot construct a MemoryAllocations: use MemoryPool.getAllocations()",
      );
    }
    this.length = entries.byteLength / ENTRY_SIZE;
    this.#words = new Uint32Array(entries);
    this.#wides = new BigUint64Array(entries);
  }

  static {
    listAllocations = (entries) => new MemoryAllocations(KEY, entries);
  }

  /**
   * The type of one allocation.
   *
   * @param index From 0 to `length - 1`.
   * @returns Its type.
   * @throws {TypeError} if `index` is not a number.
   * @throws {RangeError} if there is no such index.
   *
   * @example Looking at the first
   * ```ts
   * import { AllocType, MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using _allocation = pool.alloc(100, AllocType.CHANNEL);
   * assertEquals(pool.getAllocations().allocType(0), AllocType.CHANNEL);
   * ```
   */
  allocType(index: number): AllocType {
    this.#check(index, "read the type of a listed allocation");
    return this.#words[index * WORDS + TYPE / 4]!;
  }

  /**
   * The id of one allocation.
   *
   * @param index From 0 to `length - 1`.
   * @returns Its id.
   * @throws {TypeError} if `index` is not a number.
   * @throws {RangeError} if there is no such index.
   *
   * @example Looking at the first
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(1024, `example-${crypto.randomUUID()}`, 1);
   * using allocation = pool.alloc(100);
   * assertEquals(pool.getAllocations().allocId(0), allocation.id);
   * ```
   */
  allocId(index: number): bigint {
    this.#check(index, "read the id of a listed allocation");
    return this.#wides[index * WIDES + ID / 8]!;
  }

  /**
   * Goes through the list.
   *
   * @returns An iterator over type, id, and size in bytes.
   *
   * @example Adding up sizes
   * ```ts
   * import { MemoryPool } from "@dragon/managed-memory";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = MemoryPool.create(4096, `example-${crypto.randomUUID()}`, 1);
   * using _first = pool.alloc(100);
   * using _second = pool.alloc(200);
   * let total = 0;
   * for (const { size } of pool.getAllocations()) total += size;
   * assertEquals(total, 300);
   * ```
   */
  *[Symbol.iterator](): Iterator<
    { type: AllocType; id: bigint; size: number }
  > {
    for (let index = 0; index < this.length; index++) {
      yield {
        type: this.#words[index * WORDS + TYPE / 4]!,
        id: this.#wides[index * WIDES + ID / 8]!,
        size: Number(this.#wides[index * WIDES + SIZE / 8]!),
      };
    }
  }

  #check(index: number, action: string): void {
    checkWhole(index, 0, action, "the index");
    if (index < this.length) return;
    throw new RangeError(
      `Cannot ${action}: the index is ${index}, the list has ${this.length} entries`,
    );
  }
}
