// What the two processes of the resume row tell each other, in an allocation
// of the pool that they share.

import type { MemoryAlloc } from "../../mod.ts";
import { sleep } from "./sleep.ts";

/** Bytes of the pool. */
export const POOL_SIZE = 64 * 1024;
/** Bytes that the waiting process asks for, and the other one holds. */
export const ROOM = 40 * 1024;

/** Whose turn it is. */
export const State = {
  /** The freeing process may take the room. */
  IDLE: 0,
  /** It has the room; the waiting process may ask. */
  TAKEN: 1,
  /** Somebody waits for room. */
  WAITS_FOR_ROOM: 2,
  /** Somebody waits at the futex. */
  WAITS_AT_FUTEX: 3,
  OVER: 4,
} as const;

export class Board {
  static readonly SIZE = 64;
  /** What the floor sleeps at. */
  readonly futex: Int32Array<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #numbers: Float64Array<ArrayBuffer>;

  constructor(allocation: MemoryAlloc) {
    const buffer = allocation.getMemview();
    this.futex = new Int32Array(buffer, 0, 1);
    this.#words = new Int32Array(buffer, 4, 1);
    this.#numbers = new Float64Array(buffer, 8, 2);
  }

  get state(): number {
    return Atomics.load(this.#words, 0);
  }

  set state(state: number) {
    Atomics.store(this.#words, 0, state);
  }

  /** When the freeing process woke the other, in nanoseconds of libc.ts. */
  get woken(): number {
    return this.#numbers[0]!;
  }

  set woken(time: number) {
    this.#numbers[0] = time;
  }

  /** Milliseconds that it leaves the other waiting. */
  get delay(): number {
    return this.#numbers[1]!;
  }

  set delay(milliseconds: number) {
    this.#numbers[1] = milliseconds;
  }

  async until(state: number): Promise<void> {
    while (this.state !== state) await sleep(1);
  }
}
