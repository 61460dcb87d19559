// What a Deno worker does in the pool, and how it notices that something is
// wrong. The same as native/worker_actions.c does, through the module.

import {
  ManagedMemoryError,
  type ManagedMemoryErrorCode,
  MemoryAlloc,
  type MemoryPool,
} from "../mod.ts";
import { type Board, MAILBOXES } from "./board.ts";
import type { Dice } from "./dice.ts";
import {
  isWhole,
  PAYLOAD_HEADER,
  PAYLOAD_TYPE,
  stampOf,
  writePayload,
} from "./payload.ts";

const HELD_MAX = 48;
const FREED_MAX = 8;

/** Codes that any call may answer at any time. */
const ALWAYS: readonly string[] = ["busy", "destroyed"];
const NO_ROOM: readonly ManagedMemoryErrorCode[] = [
  "no-room",
  "allocation-limit",
  "timeout",
];

interface Held {
  readonly allocation: MemoryAlloc;
  readonly id: bigint;
  readonly type: number;
  /** Of its payload, or the byte that fills it. */
  readonly stamp: bigint;
  /** Another owns it, and may have died meanwhile. */
  readonly isReceived: boolean;
  /** Another made it, and this worker owns it. */
  readonly isAdopted: boolean;
}

/** Everything that a worker does while it is attached to one pool. */
export class Actions {
  /** The pool was destroyed. */
  isGone = false;
  readonly #board: Board;
  readonly #cell: number;
  readonly #dice: Dice;
  readonly #pool: MemoryPool;
  readonly #nonce: bigint;
  readonly #held: Held[] = [];
  readonly #freed: { id: bigint; type: number }[] = [];
  #made = 0;

  constructor(board: Board, cell: number, dice: Dice, pool: MemoryPool) {
    this.#board = board;
    this.#cell = cell;
    this.#dice = dice;
    this.#pool = pool;
    this.#nonce = BigInt(dice.roll() | 1) & 0xffffffffn;
    board.nonce = this.#nonce;
  }

  /** Whether nothing is held. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** One random action; allocates only if it may. */
  async act(mayAllocate: boolean): Promise<void> {
    const kind = this.#dice.below(1000);
    if (kind < 420) {
      if (mayAllocate) await this.#allocate();
    } else if (kind < 800) {
      this.#freeOne();
    } else if (kind < 870) {
      this.#verifyOne();
    } else if (kind < 950) {
      this.#exchange();
    } else if (kind < 980) {
      this.#useFreed();
    } else if (kind < 998) {
      this.#list();
    } else {
      this.#readStatistics();
    }
  }

  /** Frees all that is held, where that was not changed. */
  freeAll(): void {
    while (this.#held.length > 0 && !this.isGone) {
      if (!this.#freeAt(this.#held.length - 1)) return;
    }
  }

  /** Gives up the handles of a pool that was destroyed. */
  letGo(): void {
    for (const { allocation } of this.#held.splice(0)) allocation.detach();
  }

  /** Keeps an allocation that was just made, with its payload. */
  keep(allocation: MemoryAlloc): void {
    const { id, type } = allocation;
    const buffer = allocation.getMemview();
    let stamp: bigint;
    if (type === PAYLOAD_TYPE) {
      stamp = this.#nonce << 32n | BigInt(this.#cell) << 24n |
        BigInt(this.#made++ & 0xffffff);
      writePayload(buffer, id, stamp);
    } else {
      stamp = BigInt(this.#dice.below(256));
      new Uint8Array(buffer).fill(Number(stamp));
    }
    this.#held.push({
      allocation,
      id,
      type,
      stamp,
      isReceived: false,
      isAdopted: false,
    });
  }

  /** What `call` answers; undefined if it failed in an expected way. */
  attempt<T>(
    what: string,
    expected: readonly ManagedMemoryErrorCode[],
    call: () => T,
  ): T | undefined {
    this.#board.countOperation();
    try {
      return call();
    } catch (error) {
      this.judge(what, expected, error);
      return undefined;
    }
  }

  /** Looks whether an error is one that may come. */
  judge(
    what: string,
    expected: readonly ManagedMemoryErrorCode[],
    error: unknown,
  ): void {
    const code = error instanceof ManagedMemoryError ? error.code : "";
    if (code === "destroyed") this.isGone = true;
    if (code === "busy") this.#board.countBusy();
    if (ALWAYS.includes(code)) return;
    if (expected.some((one) => one === code)) return;
    this.#board.say(`${what}: ${error}`);
  }

  #size(): number {
    const kind = this.#dice.below(100);
    if (kind < 5) return this.#dice.below(PAYLOAD_HEADER);
    return PAYLOAD_HEADER +
      this.#dice.below(kind < 65 ? 256 : kind < 92 ? 2048 : 8192);
  }

  async #allocate(): Promise<void> {
    if (this.#held.length >= HELD_MAX) return;
    const size = this.#size();
    const type = size < PAYLOAD_HEADER ? this.#dice.below(8) : PAYLOAD_TYPE;
    const kind = this.#dice.below(100);
    const timeout = this.#dice.below(30);
    let allocation: MemoryAlloc | undefined;
    if (kind < 10) {
      this.#board.countOperation();
      try {
        allocation = await this.#pool.allocBlocking(size, { timeout, type });
      } catch (error) {
        this.judge("allocBlocking", NO_ROOM, error);
      }
    } else if (kind < 15) {
      allocation = this.attempt(
        "allocBlockingSync",
        NO_ROOM,
        () => this.#pool.allocBlockingSync(size, { timeout, type }),
      );
    } else {
      allocation = this.attempt(
        "alloc",
        NO_ROOM,
        () => this.#pool.alloc(size, type),
      );
    }
    if (allocation !== undefined) this.keep(allocation);
  }

  /** A received allocation is gone: only because its maker is gone. */
  #checkMakerGone(id: bigint, stamp: bigint): void {
    const cell = Number(stamp >> 24n & 0xffn);
    if (this.#board.nonceOf(cell) === stamp >> 32n) {
      this.#board.say(`${id} is gone, although its maker lives`);
    }
  }

  /** Whether it is there; undefined if that could not be seen. */
  #exists(id: bigint, type: number): boolean | undefined {
    return this.attempt(
      "allocationExists",
      [],
      () => this.#pool.allocationExists(type, id),
    );
  }

  /** Whether what is held is there and whole. */
  #verify({ allocation, id, type, stamp, isReceived }: Held): boolean {
    const buffer = this.attempt(
      "getMemview",
      isReceived ? ["stale"] : [],
      () => allocation.getMemview(),
    );
    if (buffer === undefined) return false;
    const isRight = type === PAYLOAD_TYPE
      ? isWhole(buffer, id, stamp)
      : new Uint8Array(buffer).every((byte) => byte === Number(stamp));
    // What was freed while it was read may hold anything.
    const exists = this.#exists(id, type);
    if (exists === undefined) return false;
    if (!exists && !isReceived) this.#board.say(`${id} is gone`);
    if (!exists && isReceived) this.#checkMakerGone(id, stamp);
    if (exists && !isRight) this.#board.say(`foreign byte in ${id}`);
    return exists;
  }

  #verifyOne(): void {
    if (this.isEmpty) return;
    const at = this.#dice.below(this.#held.length);
    const held = this.#held[at]!;
    if (!this.#verify(held) && held.isReceived) this.#takeOut(at);
  }

  #takeOut(at: number): Held {
    const held = this.#held[at]!;
    this.#held[at] = this.#held[this.#held.length - 1]!;
    this.#held.pop();
    return held;
  }

  /** False if a stopped peer was in the way. */
  #freeAt(at: number): boolean {
    const held = this.#held[at]!;
    this.#verify(held);
    try {
      this.#board.countOperation();
      const buffer = held.allocation.isAttached &&
        this.#memviewOf(held.allocation);
      this.#pool.free(held.allocation);
      if (buffer && buffer.byteLength !== 0) {
        this.#board.say(`the memview of ${held.id} outlives it`);
      }
      this.#freed[this.#dice.below(FREED_MAX)] = held;
    } catch (error) {
      this.judge("free", held.isReceived ? ["stale"] : [], error);
      const code = error instanceof ManagedMemoryError ? error.code : "";
      if (code === "busy") return false;
      if (code === "stale") this.#checkMakerGone(held.id, held.stamp);
    }
    this.#takeOut(at);
    held.allocation.detach();
    return true;
  }

  /** The memview, or null where the allocation is gone. */
  #memviewOf(allocation: MemoryAlloc): ArrayBuffer | null {
    try {
      return allocation.getMemview();
    } catch {
      return null;
    }
  }

  #freeOne(): void {
    if (!this.isEmpty) this.#freeAt(this.#dice.below(this.#held.length));
  }

  /** What was freed once is nothing for ever. */
  #useFreed(): void {
    const freed = this.#freed[this.#dice.below(FREED_MAX)];
    if (freed === undefined) return;
    if (this.#exists(freed.id, freed.type)) {
      this.#board.say(`${freed.id} was freed and is there again`);
    }
  }

  /** Swaps one of its own, or nothing, for what lies in a mailbox. */
  #exchange(): void {
    let given = 0n;
    if (!this.isEmpty) {
      const at = this.#dice.below(this.#held.length);
      const { type, isReceived, isAdopted } = this.#held[at]!;
      if (type === PAYLOAD_TYPE && !isReceived && !isAdopted) {
        const held = this.#takeOut(at);
        given = held.id;
        held.allocation.detach();
      }
    }
    if (this.#held.length >= HELD_MAX) return;
    const taken = this.#board.exchange(this.#dice.below(MAILBOXES), given);
    if (taken !== 0n) this.#receive(taken);
  }

  #receive(id: bigint): void {
    const allocation = this.attempt("receiving", ["stale"], () => {
      const found = this.#pool.getAllocById(PAYLOAD_TYPE, id);
      if (this.#dice.percent(50)) return found;
      const attached = MemoryAlloc.attach(found.serialize());
      found.detach();
      return attached;
    });
    if (allocation === undefined) return;
    const stamp = this.attempt(
      "getMemview",
      ["stale"],
      () => stampOf(allocation.getMemview()),
    );
    const held = { allocation, id, type: PAYLOAD_TYPE, stamp: stamp ?? 0n };
    const received = { ...held, isReceived: true, isAdopted: false };
    // Unless it is still there, that was the stamp of who has the memory now.
    const isThere = stamp !== undefined && this.#exists(id, PAYLOAD_TYPE);
    if (!isThere || !this.#verify(received)) {
      allocation.detach();
      return;
    }
    const isAdopted = this.#dice.percent(50) &&
      this.attempt("adopt", ["stale"], () => {
          allocation.adopt();
          return true;
        }) === true;
    this.#held.push({ ...held, isReceived: !isAdopted, isAdopted });
  }

  /** All that it made must be listed exactly once. */
  #list(): void {
    const listed = this.attempt(
      "getAllocations",
      [],
      () => Array.from(this.#pool.getAllocations(), ({ id }) => id),
    );
    if (listed === undefined) return;
    const ids = new Set(listed);
    if (ids.size !== listed.length) this.#board.say("an id is listed twice");
    for (const { id, isReceived } of this.#held) {
      if (!isReceived && !ids.has(id)) this.#board.say(`${id} is not listed`);
    }
  }

  #readStatistics(): void {
    const free = this.attempt("freeSpace", [], () => this.#pool.freeSpace);
    if (free !== undefined && (free < 0 || free > this.#pool.size)) {
      this.#board.say(`freeSpace is ${free} of ${this.#pool.size}`);
    }
    this.attempt("freeBlocks", [], () => this.#pool.freeBlocks);
  }
}
