// Makes a pool as programs leave it after a while, and draws its heap by the
// command line's `map --svg`, for the README:
//
//   deno task heap-map
//
// The pool is the same every time, and so is the image.

import { AllocType, type MemoryAlloc, MemoryPool } from "../mod.ts";

const NAME = "example";
const KIB = 1024;

/** Repeatable numbers below `bound`: a linear congruential generator. */
function randomSource(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * bound);
  };
}

/** What the other process allocates, and leaves behind when it ends. */
function leaveBehind(serialized: Uint8Array): void {
  const pool = MemoryPool.attach(serialized);
  for (let left = 0; left < 6; left++) {
    pool.alloc((left + 1) * 9 * KIB, AllocType.CHANNEL);
  }
  pool.detach();
}

async function runOther(pool: MemoryPool): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-ffi",
      "--no-prompt",
      import.meta.url,
      pool.serialize().toBase64(),
    ],
  }).output();
  if (!success) throw new Error("The other process failed");
}

function sizeOf(type: number, random: (bound: number) => number): number {
  switch (type) {
    case AllocType.DATA:
      return (8 + random(120)) * KIB;
    case AllocType.CHANNEL_BUFFER:
      return 16 * KIB;
    default:
      return 1 * KIB + random(6 * KIB);
  }
}

/** Allocates and frees as a program does that has been running for a while. */
async function fill(pool: MemoryPool): Promise<void> {
  const random = randomSource(8);
  const types = [
    AllocType.DATA,
    AllocType.DATA,
    AllocType.CHANNEL,
    AllocType.CHANNEL_BUFFER,
    AllocType.CHANNEL_BUFFER,
    4711,
  ];
  const held: MemoryAlloc[] = [pool.alloc(48 * KIB, AllocType.BOOTSTRAP)];
  for (let round = 0; round < 260; round++) {
    if (round === 90) await runOther(pool);
    const type = types[random(types.length)]!;
    held.push(pool.alloc(sizeOf(type, random), type));
    if (round % 5 > 2) held.splice(1 + random(held.length - 1), 1)[0]!.free();
  }
}

/** The pool's heap as the command line draws it. */
async function draw(directory: string): Promise<string> {
  using pool = MemoryPool.create(16 * KIB * KIB, NAME, 1, { directory });
  await fill(pool);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-ffi",
      "--no-prompt",
      import.meta.resolve("../cli.ts"),
      "map",
      NAME,
      "--svg",
      "--directory",
      directory,
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The heap could not be drawn");
  // Whose allocations they are changes from run to run.
  return new TextDecoder().decode(stdout)
    .replaceAll(`process ${Deno.pid}`, "process 1");
}

/** Draws in a directory of its own, for another pool may have the name. */
async function main(): Promise<void> {
  const directory = await Deno.makeTempDir({ dir: "/dev/shm" });
  try {
    const image = await draw(directory);
    await Deno.stdout.write(new TextEncoder().encode(image));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const [serialized] = Deno.args;
if (serialized === undefined) await main();
else leaveBehind(Uint8Array.fromBase64(serialized));
