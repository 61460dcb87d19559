// Where warden and workers write to each other, outside of the pool that is
// tortured. The layout is that of native/board.h.

import type { MemoryAlloc } from "../mod.ts";

/** What workers shall do. */
export const Phase = { PLAY: 0n, HUSH: 1n, DRAIN: 2n, SILENCE: 3n } as const;
/** What a worker does. */
export const State = { RUNNING: 1n, WAITING: 2n } as const;
/** How a commanded wait ended. */
export const Answer = { SERVED: 1n, DESTROYED: 2n, OTHER: 3n } as const;

export const MAILBOXES = 64;

// Where things lie, in words of 64 bits unless said otherwise.
const PHASE = 0;
const POOL = 1;
const DESCRIPTOR_LENGTH = 2;
const AUDIT = 3;
const DESCRIPTOR_BYTES = 32;
const DESCRIPTOR_CAPACITY = 1408;
const MAILBOX = 180;
const CELLS = MAILBOX + MAILBOXES;
const CELL_WORDS = 32;
const NONCE = 0;
const OPERATIONS = 1;
const COMMAND = 2;
const DONE = 3;
const ANSWER = 4;
const STATE = 5;
const DRAINED = 6;
const VIOLATIONS = 7;
const BUSY = 8;
const TEXT = 10;

/** The board, as the worker of one cell uses it. */
export class Board {
  readonly #words: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #cell: number;

  constructor(allocation: MemoryAlloc, cell: number) {
    const buffer = allocation.getMemview();
    this.#words = new BigUint64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#cell = CELLS + cell * CELL_WORDS;
  }

  get phase(): bigint {
    return Atomics.load(this.#words, PHASE);
  }

  get audit(): bigint {
    return Atomics.load(this.#words, AUDIT);
  }

  /** Number of the present pool; 0n while it changes. */
  get pool(): bigint {
    return Atomics.load(this.#words, POOL);
  }

  /** Descriptor of the pool of that number; null if there is another meanwhile. */
  descriptor(number: bigint): Uint8Array<ArrayBuffer> | null {
    const length = Number(Atomics.load(this.#words, DESCRIPTOR_LENGTH));
    if (length > DESCRIPTOR_CAPACITY) return null;
    const copy = this.#bytes.slice(DESCRIPTOR_BYTES, DESCRIPTOR_BYTES + length);
    return this.pool === number ? new Uint8Array(copy) : null;
  }

  /** Puts an id (0n: nothing) into a mailbox, and takes out what was there. */
  exchange(box: number, id: bigint): bigint {
    return Atomics.exchange(this.#words, MAILBOX + box, id);
  }

  /** The nonce of another worker's present attachment. */
  nonceOf(cell: number): bigint {
    return Atomics.load(this.#words, CELLS + cell * CELL_WORDS + NONCE);
  }

  set nonce(nonce: bigint) {
    this.#store(NONCE, nonce);
  }

  set state(state: bigint) {
    this.#store(STATE, state);
  }

  set drained(audit: bigint) {
    this.#store(DRAINED, audit);
  }

  /** What the warden commands and was not done yet; 0n: nothing. */
  get command(): bigint {
    const command = this.#load(COMMAND);
    return command === this.#load(DONE) ? 0n : command;
  }

  answer(command: bigint, answer: bigint): void {
    this.#store(ANSWER, answer);
    this.#store(DONE, command);
  }

  countOperation(): void {
    this.#store(OPERATIONS, this.#load(OPERATIONS) + 1n);
  }

  countBusy(): void {
    this.#store(BUSY, this.#load(BUSY) + 1n);
  }

  /** Reports a violation. */
  say(violation: string): void {
    const text = this.#bytes.subarray(
      (this.#cell + TEXT) * 8,
      (this.#cell + CELL_WORDS) * 8 - 1,
    );
    text.fill(0);
    text.set(new TextEncoder().encode(violation).subarray(0, text.length));
    this.#store(VIOLATIONS, this.#load(VIOLATIONS) + 1n);
  }

  #load(word: number): bigint {
    return Atomics.load(this.#words, this.#cell + word);
  }

  #store(word: number, value: bigint): void {
    Atomics.store(this.#words, this.#cell + word, value);
  }
}
