/**
 * Named pools of shared memory with an allocator inside, for Deno processes on
 * one host. One process creates a pool; any other attaches to it from a short
 * descriptor; all of them allocate, free, look up, read and write the same
 * bytes without a copy. Needs `--allow-ffi` and nothing else.
 *
 * It implements the system that Dragon HPC calls Managed Memory.
 *
 * @example Two handles on one memory
 * ```ts
 * import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";
 * import { assertEquals } from "@std/assert";
 *
 * // In one process:
 * using pool = MemoryPool.create(2 ** 20, `example-${crypto.randomUUID()}`, 1);
 * using allocation = pool.alloc(5);
 * new Uint8Array(allocation.getMemview()).set(new TextEncoder().encode("hello"));
 * const serialized = allocation.serialize();
 *
 * // In another, which was handed `serialized`:
 * using attached = MemoryAlloc.attach(serialized);
 * assertEquals(new TextDecoder().decode(attached.getMemview()), "hello");
 * ```
 *
 * @module
 */

export { AllocType } from "./lib/alloc_type.ts";
export { MemoryAlloc } from "./lib/allocation.ts";
export { MemoryAllocations } from "./lib/allocations.ts";
export {
  AllocationError,
  AllocationNotAvailableError,
  AllocTimeoutError,
  ManagedMemoryError,
  type ManagedMemoryErrorCode,
  PoolAttachError,
  PoolCreateError,
  PoolError,
} from "./lib/errors.ts";
export type {
  AllocationCopyOptions,
  AllocBlockingOptions,
  PoolAttributes,
} from "./lib/options.ts";
export { MemoryPool } from "./lib/pool.ts";
export type { PoolListing } from "./lib/registry.ts";
