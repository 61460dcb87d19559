// Where the nanoseconds of an allocation go: the same work in layers, each on
// top of the one before, and Boost.Interprocess beside them.
//
//   deno run -A tools/build.ts library bench && deno run -A bench/layers.ts [ROUNDS]
//
// Each layer runs in processes of its own, as V8 compiles by what it has seen.
// What counts is the least time of all short rounds: whatever else runs on the
// machine only adds to it.

import { type Attachment, openNew } from "../lib/attachment.ts";
import { nativeLibrary } from "../lib/library.ts";
import { toPlan } from "../lib/options.ts";
import { fileOf } from "../lib/place.ts";
import type { MemoryAlloc, MemoryPool } from "../mod.ts";
import {
  attachAndDetach,
  denoView,
  type Loop,
  pair,
  pairWithArray,
  pairWithMemview,
  SIZE,
} from "./loops.ts";
import { Peers } from "./peers.ts";
import { createPool, MIB } from "./pools.ts";
import { nativeProgram } from "./programs.ts";
import { takeTurns } from "./rounds.ts";

const ROUNDS = 10;
/** Milliseconds that a process measures. */
const TIME = 500;
/** Calls in a row between two looks at the clock: garbage is collected in each. */
const CALLS = 20_000;

type Layer = (pool: MemoryPool) => Loop;

/** What was made last, where any code could find it. */
let kept: MemoryAlloc | null = null;

/** A pool without a MemoryPool, that nobody can find. */
function openPool(): Attachment {
  const plan = toPlan(64 * MIB, `bench-${crypto.randomUUID()}`, 1, {});
  const attachment = openNew(plan);
  Deno.removeSync(fileOf(plan));
  return attachment;
}

const LAYERS: Record<string, Layer> = {
  "two native calls that do nothing": () => {
    const native = nativeLibrary();
    return (calls) => {
      for (let call = 0; call < calls; call++) {
        native.mm_abi_version();
        native.mm_abi_version();
      }
    };
  },
  "the native calls of alloc and free": () => {
    const attachment = openPool();
    const { native, pointer } = attachment;
    return (calls) => {
      for (let call = 0; call < calls; call++) {
        native.mm_ffi_alloc(pointer, SIZE, 0);
        native.mm_ffi_free(pointer, attachment.idLow, attachment.idHigh);
      }
    };
  },
  "alloc + free": pair,
  "alloc + free of a handle that others see": (pool) => (calls) => {
    for (let call = 0; call < calls; call++) {
      kept = pool.alloc(SIZE);
      kept.free();
    }
  },
  "alloc + Uint8Array over unsafeMemview + free": pairWithArray,
  "getArrayBuffer + transfer(0)": denoView,
  "alloc + getMemview + free": pairWithMemview,
  "MemoryAlloc.attach + detach, pool attached": attachAndDetach,
};

/** The least nanoseconds that the work of a layer takes, in this process. */
function measureHere(layer: Layer): number {
  const work = layer(createPool(64 * MIB));
  const end = performance.now() + TIME;
  let least = Infinity;
  for (let start = 0; (start = performance.now()) < end;) {
    work(CALLS);
    least = Math.min(least, (performance.now() - start) * 1e6 / CALLS);
  }
  return least;
}

/** The same in a process of its own. */
async function measure(name: string): Promise<number> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", import.meta.url, "--layer", name],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure "${name}"`);
  return Number(new TextDecoder().decode(stdout));
}

async function measureAll(rounds: number): Promise<void> {
  const library = nativeProgram("alloc_bench");
  const boost = await new Peers({ isQuick: false }).get("boost");
  const programs: Record<string, () => Promise<number>> = {
    "C: mm_alloc + mm_free": () => library.measure("pair"),
  };
  if (boost !== undefined) {
    programs["C++: Boost.Interprocess, allocate + deallocate"] = () =>
      boost.measure("pair");
  }
  const layers = Object.keys(LAYERS).map((name) =>
    [name, () => measure(name)] as const
  );
  const times = await takeTurns(
    { ...programs, ...Object.fromEntries(layers) },
    rounds,
  );
  for (const [name, values] of Object.entries(times)) {
    console.log(`${Math.min(...values).toFixed(1).padStart(7)} ns  ${name}`);
  }
}

function parseRounds(text: string | undefined): number {
  const rounds = Number(text ?? ROUNDS);
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new Error("ROUNDS must be a whole number of at least 1");
}

if (import.meta.main) {
  const [option, name] = Deno.args;
  if (option === "--layer") console.log(measureHere(LAYERS[name!]!));
  else await measureAll(parseRounds(option));
}
