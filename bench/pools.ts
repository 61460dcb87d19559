// Pools for benchmarks, of which nothing stays behind, however the process
// ends: a pool's name goes as soon as the pool is there. Its memory goes with
// the last process that uses it.

import { MemoryPool } from "../mod.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** A pool and the file that it lies in. */
export interface PoolAndFile {
  readonly pool: MemoryPool;
  readonly file: Deno.FsFile;
}

/** Creates a pool that nobody can find any more, and opens its file. */
export function createPoolAndFile(size: number): PoolAndFile {
  const pool = MemoryPool.create(
    size,
    `bench-${crypto.randomUUID()}`,
    Deno.pid,
  );
  const path = `/dev/shm/managed-memory.${pool.name}`;
  const file = Deno.openSync(path);
  Deno.removeSync(path);
  return { pool, file };
}

/** Creates a pool that nobody can find any more. */
export function createPool(size: number = GIB): MemoryPool {
  const { pool, file } = createPoolAndFile(size);
  file.close();
  return pool;
}
