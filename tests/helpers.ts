// What several test files share: pools with names of their own, the invariants
// that hold for every pool at rest, and the shape of every error. May use the
// public module and FFI only, so that each file that imports it runs with
// `--allow-ffi` alone.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertMatch,
} from "@std/assert";
import {
  AllocationError,
  ManagedMemoryError,
  type MemoryAlloc,
  MemoryPool,
  type PoolAttributes,
  PoolError,
} from "../mod.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** The descriptor of an allocation on another host. */
export const OTHER_HOST = Uint8Array.fromBase64(
  "TU1BMVVVVVVVVVVVVVVVVVVVVVVmZmZmZmZmZmZmZmZmZmZmBwAAAAAAAABBAAAAAAAAAAMAAAAJAABlbHNld2hlcmUWdj7tdZzbJQ==",
);

/** A pool name that no other test, and no other run, uses. */
export function uniqueName(): string {
  return `test-${crypto.randomUUID()}`;
}

/** A pool with a name of its own. Take it with `using`: its disposal destroys it. */
export function createPool(
  size: number = MIB,
  attributes?: PoolAttributes,
): MemoryPool {
  return MemoryPool.create(size, uniqueName(), 1, attributes);
}

/** Hands a value of the wrong type to a parameter, past the type checker. */
export function wrong(value: unknown): never {
  return value as never;
}

/** What `action` throws; it is an error if it returns. */
// deno-lint-ignore no-explicit-any
export function thrownBy(action: () => unknown): any {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("Expected the function to throw");
}

/** Asserts that `action` throws one of the two families that calls on a dead handle may throw. */
export function assertThrowsPoolOrAllocationError(action: () => unknown): void {
  const error = thrownBy(action);
  assert(
    error instanceof PoolError || error instanceof AllocationError,
    `Expected a PoolError or an AllocationError, got ${error}`,
  );
}

/** Asserts that `action` returns, or throws one of the module's own errors: nothing else. */
export function assertReturnsOrThrowsOwnError(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    assert(
      error instanceof ManagedMemoryError,
      `Expected one of the module's errors, got ${error}`,
    );
  }
}

/** Asserts what holds for every message: an action that failed, in a sentence without a full stop. */
export function assertMessageStyle(message: string): void {
  assertMatch(message, /^Cannot [a-z]/);
  assert(!message.endsWith("."), `A message has no full stop: ${message}`);
  assert(!message.includes("\n"), `A message is one line: ${message}`);
}

/** Asserts what holds for every error of the module: class, code and message. */
export function assertOwnError(error: unknown): void {
  assert(
    error instanceof ManagedMemoryError,
    `Expected one of the module's errors, got ${error}`,
  );
  const { code, message } = error as ManagedMemoryError;
  assertEquals(typeof code, "string");
  assertMatch(code, /^[a-z0-9]+(-[a-z0-9]+)*$/);
  assertMessageStyle(message);
}

/** Asserts that a buffer has been taken away from the program. */
export function assertEmptied(buffer: ArrayBuffer): void {
  assertEquals(buffer.byteLength, 0);
  assertEquals(buffer.detached, true);
}

/** Asserts every invariant of the contract that a pool at rest must satisfy. */
export function assertSound(pool: MemoryPool): void {
  const { size, freeSpace } = pool;
  let inFreeBlocks = 0;
  for (const [blockSize, count] of pool.freeBlocks) {
    inFreeBlocks += blockSize * count;
  }
  assertEquals(inFreeBlocks, freeSpace, "freeBlocks sums up to freeSpace");
  assert(
    freeSpace >= 0 && freeSpace <= size,
    `freeSpace ${freeSpace} lies within size ${size}`,
  );
  assertAlmostEquals(pool.utilization, (size - freeSpace) / size, 1e-9);

  const ids = new Set<bigint>();
  let requested = 0;
  const allocations = pool.getAllocations();
  for (const entry of allocations) {
    ids.add(entry.id);
    requested += entry.size;
  }
  assertEquals(ids.size, allocations.length, "each allocation is listed once");
  assertEquals(allocations.length, pool.currentAllocations);
  assert(requested <= size - freeSpace, "live blocks hold what was asked for");
  assert(allocations.length <= pool.maxUsedAllocations);
  assert(allocations.length <= pool.maxAllocations);
}

/** Asserts that nothing is allocated, and that all of the pool can be. */
export function assertWholeAndEmpty(pool: MemoryPool): void {
  assertSound(pool);
  assertEquals(pool.currentAllocations, 0);
  assertEquals(pool.getAllocations().length, 0);
  assertEquals(pool.freeSpace, pool.size);
  assertEquals(pool.utilization, 0);
  const everything = pool.alloc(pool.size);
  assertEquals(everything.size, pool.size);
  everything.free();
}

/** Asserts that no two of these live allocations share a byte, and that all lie within the pool. */
export function assertDisjoint(
  pool: MemoryPool,
  allocations: Iterable<MemoryAlloc>,
): void {
  const regionSize = pool.unsafeMemview.byteLength;
  const byOffset = [...allocations].filter((one) => one.size > 0)
    .sort((a, b) => a.byteOffset - b.byteOffset);
  let end = 0;
  for (const allocation of byOffset) {
    assert(
      allocation.byteOffset >= end,
      `The allocation at ${allocation.byteOffset} begins before ${end}`,
    );
    end = allocation.byteOffset + allocation.size;
  }
  assert(
    end <= regionSize,
    `An allocation ends at ${end}, the region at ${regionSize}`,
  );
}

/** The bytes of an allocation. */
export function bytesOf(allocation: MemoryAlloc): Uint8Array<ArrayBuffer> {
  return new Uint8Array(allocation.getMemview());
}

/** Repeatable pseudo-random integers below `bound`, by mulberry32. */
export function randomSource(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * bound);
  };
}

/** Whether every permission is granted, which Deno asks for before it opens files below /dev. */
export const hasAllPermissions =
  (["read", "write", "run", "env", "net", "sys", "ffi"] as const)
    .every((name) => Deno.permissions.querySync({ name }).state === "granted");

/** Fills an allocation with one value. */
export function fill(allocation: MemoryAlloc, value: number): void {
  bytesOf(allocation).fill(value);
}

/** Asserts that every byte of an allocation still has one value. */
export function assertFilled(allocation: MemoryAlloc, value: number): void {
  const bytes = bytesOf(allocation);
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== value) {
      throw new AssertionError(
        `Byte ${index} is ${bytes[index]}, not ${value}`,
      );
    }
  }
}
