// Looking into a pool from outside, as the command line's tools do: without
// attaching, by copies that the native library takes of the pool's file. Knows
// how those are laid out. Not part of the public module.

import { nativeLibrary } from "./library.ts";
import { cString, cStringOrNull, type Place } from "./place.ts";
import { toStart } from "./pool_entry.ts";
import { callError, OK } from "./status.ts";
import type { Native } from "./symbols.ts";

/** MM_SLOTS_MAX */
const PARTICIPANTS_MAX = 1024;

/** Records that are copied at a time. */
const RECORDS = 1024;

// mm_pool_view: its size in bytes, and where its fields lie.
const VIEW_SIZE = 80;
const VIEW_UID = 0;
const VIEW_POOL_SIZE = 8;
const VIEW_MIN_BLOCK_SIZE = 16;
const VIEW_MAX_ALLOCATIONS = 24;
const VIEW_MOST_ALLOCATIONS = 32;
const VIEW_END = 40;
const VIEW_MEMORY = 48;
const VIEW_CREATOR_START = 56;
const VIEW_CREATOR_PID = 64;
const VIEW_LOCK_HOLDER = 72;
const VIEW_IS_DESTROYED = 76;

// mm_participant_view, likewise.
const PARTICIPANT_SIZE = 32;
const PARTICIPANT_SLOT = 0;
const PARTICIPANT_EPOCH = 4;
const PARTICIPANT_PID = 8;
const PARTICIPANT_NAMESPACE = 12;
const PARTICIPANT_IS_WAITING = 16;
const PARTICIPANT_PASSES = 20;
const PARTICIPANT_WAITING_SIZE = 24;

// mm_record_view: its size, and where its fields lie, in 32-bit words.
const RECORD_WORDS = 18;
const RECORD_ID = 0;
const RECORD_FREES = 2;
const RECORD_OFFSET = 4;
const RECORD_SIZE = 6;
const RECORD_EXTENT = 8;
const RECORD_MISSING_FROM = 10;
const RECORD_STATE = 12;
const RECORD_TYPE = 13;
const RECORD_OWNER_PID = 14;
const RECORD_OWNER_SLOT = 15;
const RECORD_OWNER_EPOCH = 16;

/** What a record of the block table describes. */
export const RecordState = {
  UNUSED: 0,
  FREE: 1,
  LIVE: 2,
  CACHED: 3,
  SPOILT: 4,
} as const;

/** What a pool shows of itself. Sizes are in bytes. */
export interface PoolView {
  readonly uid: bigint;
  readonly size: number;
  readonly minBlockSize: number;
  readonly maxAllocations: number;
  readonly mostAllocations: number;
  /** How much of the data region was put to use so far. */
  readonly end: number;
  /** Memory that the pool's file takes. */
  readonly memory: number;
  readonly creatorPid: number;
  /** Null: not known. */
  readonly creatorStart: Date | null;
  /** The process that holds the lock at this moment; 0: nobody. */
  readonly lockHolder: number;
  readonly isDestroyed: boolean;
}

/** A living attachment: a thread of a process. */
export interface Participant {
  readonly attachment: number;
  readonly pid: number;
  /** Tells processes of one pid apart. */
  readonly pidNamespace: number;
  /** Its oldest request that waits for room; null: none waits. */
  readonly waiting: { readonly size: number; readonly passes: number } | null;
}

/** One number for an attachment, ever: of its slot, and how often that was taken. */
function attachmentOf(slot: number, epoch: number): number {
  return epoch * PARTICIPANTS_MAX + slot;
}

/** A record of the block table, while a visitor looks at it. */
export class RecordView {
  /** Which one it is, from 0. */
  index = -1;
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(
    RECORDS * RECORD_WORDS,
  );
  #at = 0;

  moveTo(position: number): void {
    this.#at = position * RECORD_WORDS;
    this.index++;
  }

  #wide(word: number): number {
    const at = this.#at + word;
    return this.words[at]! + this.words[at + 1]! * 2 ** 32;
  }

  get state(): number {
    return this.words[this.#at + RECORD_STATE]!;
  }

  get id(): bigint {
    const at = this.#at + RECORD_ID;
    return BigInt(this.words[at + 1]!) << 32n | BigInt(this.words[at]!);
  }

  /** How many allocations of this record were freed. */
  get frees(): number {
    return this.#wide(RECORD_FREES);
  }

  get offset(): number {
    return this.#wide(RECORD_OFFSET);
  }

  /** Bytes that were asked for. */
  get size(): number {
    return this.#wide(RECORD_SIZE);
  }

  /** Bytes of the block, if it is live or cached. */
  get extent(): number {
    return this.#wide(RECORD_EXTENT);
  }

  /** Where the memory of a free block may be missing from; null: nowhere. */
  get missingFrom(): number | null {
    const from = this.#wide(RECORD_MISSING_FROM);
    return from === 0 ? null : from - 1;
  }

  get type(): number {
    return this.words[this.#at + RECORD_TYPE]!;
  }

  /** The owner's process, or the last owner's. */
  get ownerPid(): number {
    return this.words[this.#at + RECORD_OWNER_PID]!;
  }

  /** The owner's attachment, or the last owner's. */
  get ownerAttachment(): number {
    return attachmentOf(
      this.words[this.#at + RECORD_OWNER_SLOT]!,
      this.words[this.#at + RECORD_OWNER_EPOCH]!,
    );
  }
}

/** A pool that is looked at. */
export class Inspector implements Disposable {
  readonly name: string;
  readonly #native: Native;
  readonly #pointer: Deno.PointerValue;

  private constructor(name: string, native: Native, pointer: bigint) {
    this.name = name;
    this.#native = native;
    this.#pointer = Deno.UnsafePointer.create(pointer);
  }

  /** Opens the pool of a name. */
  static open({ name, directory }: Place): Inspector {
    const native = nativeLibrary();
    const pointer = new BigUint64Array(1);
    const status = native.mm_inspect_open(
      cString(name),
      cStringOrNull(directory),
      pointer,
    );
    check(status, name);
    return new Inspector(name, native, pointer[0]!);
  }

  pool(): PoolView {
    const bytes = new Uint8Array(VIEW_SIZE);
    check(this.#native.mm_inspect_pool(this.#pointer, bytes), this.name);
    const view = new DataView(bytes.buffer);
    const wide = (at: number) => Number(view.getBigUint64(at, true));
    return {
      uid: view.getBigUint64(VIEW_UID, true),
      size: wide(VIEW_POOL_SIZE),
      minBlockSize: wide(VIEW_MIN_BLOCK_SIZE),
      maxAllocations: wide(VIEW_MAX_ALLOCATIONS),
      mostAllocations: wide(VIEW_MOST_ALLOCATIONS),
      end: wide(VIEW_END),
      memory: wide(VIEW_MEMORY),
      creatorPid: view.getUint32(VIEW_CREATOR_PID, true),
      creatorStart: toStart(wide(VIEW_CREATOR_START)),
      lockHolder: view.getUint32(VIEW_LOCK_HOLDER, true),
      isDestroyed: view.getUint32(VIEW_IS_DESTROYED, true) !== 0,
    };
  }

  participants(): Participant[] {
    const bytes = new Uint8Array(PARTICIPANTS_MAX * PARTICIPANT_SIZE);
    const count = new BigUint64Array(1);
    const status = this.#native.mm_inspect_participants(
      this.#pointer,
      bytes,
      BigInt(PARTICIPANTS_MAX),
      count,
    );
    check(status, this.name);
    return Array.from({ length: Number(count[0]) }, (_, index) => {
      const view = new DataView(bytes.buffer, index * PARTICIPANT_SIZE);
      const word = (at: number) => view.getUint32(at, true);
      return {
        attachment: attachmentOf(
          word(PARTICIPANT_SLOT),
          word(PARTICIPANT_EPOCH),
        ),
        pid: word(PARTICIPANT_PID),
        pidNamespace: word(PARTICIPANT_NAMESPACE),
        waiting: word(PARTICIPANT_IS_WAITING) === 0 ? null : {
          size: Number(view.getBigUint64(PARTICIPANT_WAITING_SIZE, true)),
          passes: word(PARTICIPANT_PASSES),
        },
      };
    });
  }

  /** Shows all records to a visitor; the view is another one's after each call. */
  eachRecord(visit: (record: RecordView) => void): void {
    const record = new RecordView();
    const cursor = new BigUint64Array(1);
    const count = new BigUint64Array(1);
    do {
      const status = this.#native.mm_inspect_records(
        this.#pointer,
        cursor,
        record.words,
        BigInt(RECORDS),
        count,
      );
      check(status, this.name);
      for (let position = 0; position < count[0]!; position++) {
        record.moveTo(position);
        visit(record);
      }
    } while (count[0] !== 0n);
  }

  [Symbol.dispose](): void {
    this.#native.mm_inspect_close(this.#pointer);
  }
}

function check(status: number, name: string): void {
  if (status !== OK) throw callError(status, `look into pool "${name}"`);
}
