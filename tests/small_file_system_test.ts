// Pools on a file system that is too small or full: an error, nothing left
// behind, and never a SIGBUS. Each test mounts a tmpfs of 4 MiB, which only
// root may; where that is not possible, all are reported as ignored.

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
} from "@std/assert";
import {
  AllocationNotAvailableError,
  AllocType,
  type MemoryAlloc,
  MemoryPool,
  PoolCreateError,
} from "../mod.ts";
import {
  assertFilled,
  assertOwnError,
  assertSound,
  assertWholeAndEmpty,
  bytesOf,
  fill,
  hasAllPermissions,
  KIB,
  MIB,
  thrownBy,
  uniqueName,
} from "./helpers.ts";
import { fileSystemSize } from "./libc.ts";

const FILE_SYSTEM_SIZE = 4 * MIB;

function succeeds(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" })
    .outputSync().success;
}

/** A tmpfs of 4 MiB that lasts as long as the scope that takes it with `using`. */
class SmallFileSystem implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "managed-memory-test-" });

  constructor() {
    const options = `size=${FILE_SYSTEM_SIZE}`;
    if (
      !succeeds("mount", "-t", "tmpfs", "-o", options, "tmpfs", this.directory)
    ) {
      Deno.removeSync(this.directory);
      throw new Error(`Cannot mount a tmpfs at "${this.directory}"`);
    }
  }

  /** Names of the files in it. */
  get files(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name);
  }

  /** Takes all room that is left, and gives it back when disposed of. */
  fill(): Disposable {
    const path = `${this.directory}/filler`;
    using file = Deno.openSync(path, { create: true, write: true });
    const page = new Uint8Array(4096).fill(0xff);
    try {
      while (file.writeSync(page) > 0);
    } catch (error) {
      // The only failure that a full file system answers with.
      assert(
        error instanceof Error && /os error 28/.test(error.message),
        `${error}`,
      );
    }
    return { [Symbol.dispose]: () => Deno.removeSync(path) };
  }

  [Symbol.dispose](): void {
    // Lazily, since memory that was moved away may keep it busy.
    if (
      !succeeds("umount", this.directory) &&
      !succeeds("umount", "-l", this.directory)
    ) {
      throw new Error(`Cannot unmount "${this.directory}"`);
    }
    Deno.removeSync(this.directory);
  }
}

function canMount(): boolean {
  if (!hasAllPermissions || Deno.build.os !== "linux" || Deno.uid() !== 0) {
    return false;
  }
  try {
    using fileSystem = new SmallFileSystem();
    return fileSystemSize(fileSystem.directory) === FILE_SYSTEM_SIZE;
  } catch {
    return false;
  }
}

const ignore = !canMount();

function smallFileSystemTest(
  name: string,
  fn: (fileSystem: SmallFileSystem) => void,
): void {
  Deno.test({
    name: `${name} (needs root and --allow-all, to mount a small tmpfs)`,
    ignore,
    fn() {
      using fileSystem = new SmallFileSystem();
      fn(fileSystem);
      assertEquals(fileSystem.files, [], "nothing is left behind");
    },
  });
}

/** Allocates `size` bytes each, and writes them, until the file system is full. */
function allocateUntilFull(pool: MemoryPool, size: number): MemoryAlloc[] {
  const allocations: MemoryAlloc[] = [];
  while (true) {
    try {
      const allocation = pool.alloc(size);
      fill(allocation, allocations.length & 0xff);
      allocations.push(allocation);
    } catch (error) {
      assertInstanceOf(error, AllocationNotAvailableError);
      assertOwnError(error);
      return allocations;
    }
  }
}

function assertAllFilled(allocations: readonly MemoryAlloc[]): void {
  for (const [index, allocation] of allocations.entries()) {
    assertFilled(allocation, index & 0xff);
  }
}

smallFileSystemTest(
  "MemoryPool.create() keeps its file in attribute directory",
  ({ directory }) => {
    const name = uniqueName();
    using pool = MemoryPool.create(MIB, name, 1, { directory });
    assertEquals([...Deno.readDirSync(directory)].map((entry) => entry.name), [
      `managed-memory.${name}`,
    ]);
    using other = MemoryPool.attach(pool.serialize());
    const allocation = pool.alloc(1000);
    fill(allocation, 1);
    assertFilled(other.getAllocById(AllocType.DATA, allocation.id), 1);
  },
);

smallFileSystemTest(
  "MemoryPool.create() throws when the pool is larger than the file system, and leaves nothing",
  (fileSystem) => {
    const { directory } = fileSystem;
    for (
      const size of [FILE_SYSTEM_SIZE, FILE_SYSTEM_SIZE + 1, 16 * MIB, 2 ** 40]
    ) {
      const error = thrownBy(() =>
        MemoryPool.create(size, uniqueName(), 1, { directory })
      );
      assertInstanceOf(error, PoolCreateError);
      assertOwnError(error);
      assertEquals(fileSystem.files, []);
    }
    using pool = MemoryPool.create(64 * KIB, uniqueName(), 1, { directory });
    assertWholeAndEmpty(pool);
  },
);

smallFileSystemTest(
  "MemoryPool.create() throws when the file system is full, and leaves nothing",
  (fileSystem) => {
    const { directory } = fileSystem;
    {
      using _filler = fileSystem.fill();
      const error = thrownBy(() =>
        MemoryPool.create(MIB, uniqueName(), 1, { directory })
      );
      assertInstanceOf(error, PoolCreateError);
      assertOwnError(error);
      assertEquals(fileSystem.files, ["filler"]);
    }
    using pool = MemoryPool.create(MIB, uniqueName(), 1, { directory });
    assertWholeAndEmpty(pool);
  },
);

smallFileSystemTest(
  "MemoryPool.alloc() gives a pool of 80 % of the file system as one, to its last byte",
  ({ directory }) => {
    const size = Math.floor(FILE_SYSTEM_SIZE * 0.8);
    using pool = MemoryPool.create(size, uniqueName(), 1, { directory });
    assertGreaterOrEqual(pool.size, size);
    const allocation = pool.alloc(pool.size);
    fill(allocation, 0xab);
    assertEquals(bytesOf(allocation)[pool.size - 1], 0xab);
    allocation.free();
    assertWholeAndEmpty(pool);
  },
);

for (const size of [64, 1000, 100_000, MIB]) {
  smallFileSystemTest(
    `MemoryPool.alloc() of ${size} bytes throws when the file system is full, and existing ones stay fine`,
    (fileSystem) => {
      using pool = MemoryPool.create(3 * MIB, uniqueName(), 1, {
        directory: fileSystem.directory,
      });
      const before = [pool.alloc(size), pool.alloc(size)];
      for (const [index, allocation] of before.entries()) {
        fill(allocation, index);
      }
      {
        using _filler = fileSystem.fill();
        const during = allocateUntilFull(pool, size);
        assert(
          pool.currentAllocations < Math.floor(3 * MIB / size),
          "the file system was full",
        );
        assertSound(pool);
        assertAllFilled(before);
        assertAllFilled(during);
        for (const [index, allocation] of during.entries()) {
          fill(allocation, index & 0xff);
        }
        // What was committed can be used again, however full the file system is.
        before.pop()!.free();
        before.push(pool.alloc(size));
        fill(before[1]!, 1);
        for (const allocation of during) allocation.free();
        assertAllFilled(before);
      }
      for (const allocation of before) allocation.free();
      assertWholeAndEmpty(pool);
    },
  );
}

smallFileSystemTest(
  "MemoryPool.alloc() never dies of SIGBUS when two pools share too small a file system",
  ({ directory }) => {
    using first = MemoryPool.create(3 * MIB, uniqueName(), 1, { directory });
    using second = MemoryPool.create(3 * MIB, uniqueName(), 2, { directory });
    const inFirst: MemoryAlloc[] = [];
    const inSecond: MemoryAlloc[] = [];
    for (let round = 0; round < 3 * MIB / 50_000; round++) {
      for (
        const [pool, allocations] of [[first, inFirst], [
          second,
          inSecond,
        ]] as const
      ) {
        try {
          allocations.push(pool.alloc(50_000));
        } catch (error) {
          assertInstanceOf(error, AllocationNotAvailableError);
        }
      }
    }
    assert((inFirst.length + inSecond.length) * 50_000 <= FILE_SYSTEM_SIZE);
    for (const allocations of [inFirst, inSecond]) {
      for (const [index, allocation] of allocations.entries()) {
        fill(allocation, index);
      }
    }
    assertAllFilled(inFirst);
    assertAllFilled(inSecond);
    assertSound(first);
    assertSound(second);
  },
);

smallFileSystemTest(
  "MemoryPool.alloc() throws after trim() when somebody else took the memory, and never dies of SIGBUS",
  (fileSystem) => {
    using pool = MemoryPool.create(3 * MIB, uniqueName(), 1, {
      directory: fileSystem.directory,
    });
    const size = 50_000;
    const allocations = allocateUntilFull(pool, size);
    for (const allocation of allocations.splice(10)) allocation.free();
    assertGreaterOrEqual(pool.trim(), MIB);
    {
      using _filler = fileSystem.fill();
      // What is left in parts of pages does not do for one.
      assertEquals(allocateUntilFull(pool, size), []);
      const small = allocateUntilFull(pool, 100);
      assertSound(pool);
      assertAllFilled(small);
      assertAllFilled(allocations);
      for (const allocation of small) allocation.free();
    }
    allocations.push(...allocateUntilFull(pool, size));
    assertGreaterOrEqual(allocations.length, Math.floor(3 * MIB / size) - 1);
    for (const allocation of allocations) allocation.free();
    assertWholeAndEmpty(pool);
  },
);

smallFileSystemTest(
  "MemoryPool answers about itself on a full file system as always",
  (fileSystem) => {
    using pool = MemoryPool.create(3 * MIB, uniqueName(), 1, {
      directory: fileSystem.directory,
    });
    const allocation = pool.alloc(1000);
    fill(allocation, 7);
    using _filler = fileSystem.fill();
    assertSound(pool);
    assertEquals(pool.getAllocations().length, 1);
    assertEquals(pool.allocationExists(AllocType.DATA, allocation.id), true);
    assertFilled(pool.getAllocById(AllocType.DATA, allocation.id), 7);
    const serialized = pool.serialize();
    assertEquals(MemoryPool.describe(serialized).name, pool.name);
    allocation.free();
    assertSound(pool);
    assertEquals(pool.freeSpace, pool.size);
  },
);
