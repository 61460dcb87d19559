// What is measured of the module, as plain loops: V8 compiles both `alloc` and
// `free` into a loop that calls them itself, not into a function that a loop is
// given to call.

import { MemoryAlloc, type MemoryPool } from "../mod.ts";

/** Bytes of every allocation. */
export const SIZE = 512;

/** Does its work so many times. */
export type Loop = (times: number) => void;

export function pair(pool: MemoryPool): Loop {
  return (times) => {
    for (let time = 0; time < times; time++) pool.alloc(SIZE).free();
  };
}

export function pairWithArray(pool: MemoryPool): Loop {
  const region = pool.unsafeMemview;
  return (times) => {
    for (let time = 0; time < times; time++) {
      const allocation = pool.alloc(SIZE);
      new Uint8Array(region, allocation.byteOffset, allocation.size);
      allocation.free();
    }
  };
}

export function pairWithMemview(pool: MemoryPool): Loop {
  return (times) => {
    for (let time = 0; time < times; time++) {
      const allocation = pool.alloc(SIZE);
      allocation.getMemview();
      allocation.free();
    }
  };
}

/** What Deno takes for a view of foreign memory as such. */
export function denoView(): Loop {
  const pointer = Deno.UnsafePointer.of(new Uint8Array(SIZE))!;
  return (times) => {
    for (let time = 0; time < times; time++) {
      Deno.UnsafePointerView.getArrayBuffer(pointer, SIZE).transfer(0);
    }
  };
}

export function attachAndDetach(pool: MemoryPool): Loop {
  const serialized = pool.alloc(SIZE).serialize();
  return (times) => {
    for (let time = 0; time < times; time++) {
      MemoryAlloc.attach(serialized).detach();
    }
  };
}
