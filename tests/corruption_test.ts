// A pool whose shared bytes somebody spoilt: every call answers with a value or
// one of the module's errors, nothing crashes, and other pools go on. The bytes
// are changed through the pool's file, as another process could.

import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
} from "@std/assert";
import { AllocType, MemoryAlloc, MemoryPool, PoolError } from "../mod.ts";
import {
  assertFilled,
  assertOwnError,
  assertReturnsOrThrowsOwnError,
  assertSound,
  createPool,
  fill,
  KIB,
  randomSource,
  thrownBy,
} from "./helpers.ts";
import { editFile, fileSize, poolFile, removeFile } from "./libc.ts";

const WORD = 8;

/** Bytes before the data region, which is the last part of the file. */
function metadataSize(pool: MemoryPool): number {
  return fileSize(poolFile(pool.name))! - pool.unsafeMemview.byteLength;
}

/** Lets `change` edit everything in the pool's file that is not data. */
function editMetadata(
  pool: MemoryPool,
  change: (bytes: Uint8Array<ArrayBuffer>) => void,
): void {
  editFile(poolFile(pool.name), 0, metadataSize(pool), change);
}

/** Offsets of the words that hold something. */
function usedWords(bytes: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let offset = 0; offset < bytes.length; offset += WORD) {
    if (bytes.subarray(offset, offset + WORD).some((byte) => byte !== 0)) {
      offsets.push(offset);
    }
  }
  return offsets;
}

/** A pool with free blocks between its allocations, and a list of these. */
function createUsedPool(): [MemoryPool, MemoryAlloc[]] {
  const pool = createPool(64 * KIB);
  const allocations = Array.from(
    { length: 20 },
    (_, index) => pool.alloc(100 * index, index % 3),
  );
  for (const index of [3, 4, 8, 15]) allocations[index]!.free();
  return [pool, allocations];
}

/** Makes every call that a spoilt pool must survive. */
function callEverything(
  pool: MemoryPool,
  allocations: readonly MemoryAlloc[],
  serialized: Uint8Array,
): void {
  const { id, type } = allocations[0]!;
  const calls: (() => unknown)[] = [
    () => [...pool.getAllocations()],
    () => pool.getAllocations(AllocType.CHANNEL).length,
    () => pool.allocationExists(type, id),
    () => pool.getAllocById(type, id).getMemview(),
    () => MemoryAlloc.attach(allocations[1]!.serialize()).detach(),
    () => pool.freeSpace,
    () => pool.freeBlocks,
    () => pool.utilization,
    () => pool.currentAllocations,
    () => pool.maxUsedAllocations,
    () => pool.alloc(1000).getMemview(),
    () => pool.alloc(0),
    () => allocations[5]!.getMemview(),
    () => allocations[5]!.free(),
    () => allocations[6]!.free(),
    () => pool.alloc(pool.size),
    () => pool.trim(),
    () => pool.alloc(3000),
    () => pool.allocBlockingSync(1000, { timeout: 0 }),
    () => [...pool.getAllocations()],
    () => pool.freeBlocks,
    () => MemoryPool.attach(serialized).detach(),
    () => pool.serialize(),
  ];
  for (const call of calls) assertReturnsOrThrowsOwnError(call);
}

Deno.test("MemoryPool throws PoolError with code corrupt when its records were overwritten", () => {
  const [pool, allocations] = createUsedPool();
  const serialized = pool.serialize();
  try {
    // The records are the last part of the metadata, and more than half of it.
    editMetadata(pool, (bytes) => {
      for (const offset of usedWords(bytes)) {
        if (offset > bytes.length / 2) bytes.fill(0xff, offset, offset + WORD);
      }
    });
    const error = thrownBy(() => pool.alloc(5000));
    assertInstanceOf(error, PoolError);
    assertOwnError(error);
    assertEquals(error.code, "corrupt");
    callEverything(pool, allocations, serialized);
  } finally {
    pool.detach();
    removeFile(poolFile(pool.name));
  }
});

Deno.test("MemoryPool survives any one word of its metadata being overwritten", () => {
  const random = randomSource(61);
  const [sample] = createUsedPool();
  let offsets: number[] = [];
  editMetadata(sample, (bytes) => offsets = usedWords(bytes));
  sample.destroy();
  assertGreater(offsets.length, 20);

  for (let round = 0; round < 300; round++) {
    const offset = offsets[random(offsets.length)]!;
    const [pool, allocations] = createUsedPool();
    const serialized = pool.serialize();
    for (const allocation of allocations.slice(0, 2)) allocation.serialize();
    try {
      editFile(poolFile(pool.name), offset, WORD, (bytes) => {
        switch (round % 4) {
          case 0:
            bytes.fill(0);
            break;
          case 1:
            bytes.fill(0xff);
            break;
          case 2:
            bytes[random(WORD)]! ^= 1 << random(8);
            break;
          default:
            for (let index = 0; index < WORD; index++) {
              bytes[index] = random(256);
            }
        }
      });
      callEverything(pool, allocations, serialized);
    } finally {
      pool.detach();
      removeFile(poolFile(pool.name));
    }
  }
});

Deno.test("MemoryPool survives its metadata being replaced by zeros or noise", () => {
  const random = randomSource(62);
  const changes: ((bytes: Uint8Array) => void)[] = [
    (bytes) => bytes.fill(0),
    (bytes) => bytes.fill(0xff),
    (bytes) => bytes.forEach((_, index) => bytes[index] = random(256)),
    (bytes) => bytes.copyWithin(4096, 0),
  ];
  for (const change of changes) {
    const [pool, allocations] = createUsedPool();
    const serialized = pool.serialize();
    for (const allocation of allocations.slice(0, 2)) allocation.serialize();
    try {
      editMetadata(pool, change);
      callEverything(pool, allocations, serialized);
    } finally {
      pool.detach();
      removeFile(poolFile(pool.name));
    }
  }
});

Deno.test("MemoryPool leaves other pools alone when one is corrupt", () => {
  using bystander = createPool(64 * KIB);
  const allocation = bystander.alloc(1000);
  fill(allocation, 5);
  const [pool, allocations] = createUsedPool();
  try {
    editMetadata(pool, (bytes) => bytes.fill(0xff, 4096));
    callEverything(pool, allocations, pool.serialize());
    assertFilled(allocation, 5);
    assertSound(bystander);
    bystander.alloc(100).free();
  } finally {
    pool.detach();
    removeFile(poolFile(pool.name));
  }
});

Deno.test("MemoryPool keeps its metadata out of reach of every memview", () => {
  using pool = createPool(64 * KIB);
  const allocations = [
    pool.alloc(1),
    pool.alloc(1000),
    pool.alloc(0),
    pool.alloc(5000),
  ];
  allocations[1]!.free();
  new Uint8Array(pool.unsafeMemview).fill(0xff);
  assertSound(pool);
  assertEquals(pool.currentAllocations, 3);
  for (const index of [0, 2, 3]) {
    assertEquals(
      pool.allocationExists(AllocType.DATA, allocations[index]!.id),
      true,
    );
    allocations[index]!.free();
  }
  assert(pool.freeSpace === pool.size);
  assertSound(pool);
});
