// Functions that several tests have their peers run. Like every such function,
// each uses its parameters and globals only.

import type { Here } from "./fixtures/remote_call.ts";

/** Attaches to a pool and keeps it. */
export function attachPool(
  { MemoryPool, kept }: Here,
  serialized: Uint8Array,
): void {
  kept.pool = MemoryPool.attach(serialized);
}

/** Attaches to an allocation and keeps it with its bytes. */
export function attachAllocation(
  { MemoryAlloc, kept }: Here,
  serialized: Uint8Array,
): void {
  kept.allocation = MemoryAlloc.attach(serialized);
  kept.view = new Uint8Array(kept.allocation.getMemview());
}

/** Detaches from the kept pool. */
export function detachPool({ kept }: Here): void {
  kept.pool!.detach();
}

/** Makes {@linkcode churn} return. */
export function stopChurning({ kept }: Here): void {
  kept.stop = true;
}

/**
 * Allocates, fills, checks and frees at random, `rounds` times or until told to
 * stop, and frees all in the end. Fails when a byte changed that it had written:
 * no two of `tag` 0 to 3 ever write the same value. Its allocations have the type
 * 100 + `tag`.
 */
export async function churn(
  { MemoryPool, AllocationNotAvailableError, PoolError, kept }: Here,
  serialized: Uint8Array,
  tag: number,
  rounds: number,
  largest: number,
): Promise<number> {
  const pool = MemoryPool.attach(serialized);
  const live: { allocation: ReturnType<typeof pool.alloc>; value: number }[] =
    [];

  /** Behind a peer that was stopped inside of the lock, calls say so and change nothing. */
  async function insist<T>(call: () => T): Promise<T> {
    for (;;) {
      try {
        return call();
      } catch (error) {
        if (!(error instanceof PoolError) || error.code !== "busy") throw error;
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }

  async function takeOne(): Promise<void> {
    const size = Math.floor(Math.random() * (largest + 1));
    try {
      const allocation = await insist(() => pool.alloc(size, 100 + tag));
      const value = tag * 64 + kept.count % 64;
      new Uint8Array(allocation.getMemview()).fill(value);
      live.push({ allocation, value });
    } catch (error) {
      if (!(error instanceof AllocationNotAvailableError)) throw error;
    }
  }

  async function giveOneBack(): Promise<void> {
    const { allocation, value } = live.splice(
      Math.floor(Math.random() * live.length),
      1,
    )[0]!;
    const bytes = new Uint8Array(allocation.getMemview());
    const wrong = bytes.findIndex((byte) => byte !== value);
    if (wrong >= 0) {
      throw new Error(
        `Byte ${wrong} of ${bytes.length} is ${bytes[wrong]}, not ${value}`,
      );
    }
    await insist(() => pool.free(allocation));
  }

  for (let round = 0; round < rounds && !kept.stop; round++) {
    if (live.length > 0 && Math.random() < 0.5) await giveOneBack();
    else await takeOne();
    kept.count++;
    if (round % 64 === 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  while (live.length > 0) await giveOneBack();
  pool.detach();
  return kept.count;
}
