// Pools for benchmarks, of which nothing stays behind, however the process
// ends: a pool's name goes as soon as the pool is there. Its memory goes with
// the last process that uses it.

import { MemoryPool } from "../mod.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** A pool and the file that it lies in. */
export interface PoolAndFile extends Disposable {
  readonly pool: MemoryPool;
  readonly file: Deno.FsFile;
}

function fileOf(pool: MemoryPool): string {
  return `/dev/shm/managed-memory.${pool.name}`;
}

function newPool(size: number): MemoryPool {
  return MemoryPool.create(size, `bench-${crypto.randomUUID()}`, Deno.pid);
}

/** Creates a pool that nobody can find any more, and opens its file. */
export function createPoolAndFile(size: number): PoolAndFile {
  const pool = newPool(size);
  const path = fileOf(pool);
  const file = Deno.openSync(path);
  Deno.removeSync(path);
  return {
    pool,
    file,
    [Symbol.dispose]() {
      file.close();
      pool.detach();
    },
  };
}

/** Creates a pool that nobody can find any more. */
export function createPool(size: number = GIB): MemoryPool {
  const { pool, file } = createPoolAndFile(size);
  file.close();
  return pool;
}

/** A pool that other processes can find until its name is taken away. */
export interface NamedPool {
  readonly pool: MemoryPool;
  /** Takes the name away; by itself that happens when this process ends. */
  unname(): Promise<void>;
}

/** Creates a pool whose name a shell removes when this process is gone, also if it was killed. */
export function createNamedPool(size: number): NamedPool {
  const pool = newPool(size);
  const guard = new Deno.Command("sh", {
    args: ["-c", `trap "" INT TERM HUP; read -r _; rm -f "$0"`, fileOf(pool)],
    stdin: "piped",
  }).spawn();
  return {
    pool,
    async unname() {
      await guard.stdin.close();
      await guard.status;
    },
  };
}
