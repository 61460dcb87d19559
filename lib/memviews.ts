// Which ArrayBuffers this thread got over a pool's memory, so that they can be
// taken away before that memory goes.
//
// An ArrayBuffer that is detached already when we come to detach it was moved
// by its user: something that we cannot reach points into the memory, which
// must then stay mapped for good. So that this is seen, the table holds buffers
// strongly; when very many gather (handles that were dropped and never
// detached), it lets go of them, and where one has vanished unseen it has to
// assume the same.

/** Not what a user may have put on a buffer under this name. */
const { transfer } = ArrayBuffer.prototype;

/** Buffers that a table holds strongly before it looks through them. */
const CROWD = 1024;
const FIRST_BUCKETS = 64;

/** Whoever got memviews: they can be taken away together. */
export interface MemviewOwner {
  /** How many memviews it has in the table. */
  memviews: number;
}

/** One ArrayBuffer over the memory of one allocation; id 0: over the whole pool. */
export class Memview {
  readonly idLow: number;
  readonly idHigh: number;
  readonly owner: MemviewOwner;
  /** Null when the table has let go of it; then `weak` leads to it. */
  buffer: ArrayBuffer | null;
  weak: WeakRef<ArrayBuffer> | null;
  /** The next one in the same bucket. */
  next: Memview | null;

  constructor(
    idLow: number,
    idHigh: number,
    owner: MemviewOwner,
    buffer: ArrayBuffer,
  ) {
    this.idLow = idLow;
    this.idHigh = idHigh;
    this.owner = owner;
    this.buffer = buffer;
    this.weak = null;
    this.next = null;
  }
}

/** Whether an allocation lives. */
export type IsLive = (idLow: number, idHigh: number) => boolean;

/** The memviews of one pool in this thread: a hash table by allocation id. */
export class MemviewTable {
  readonly #isLive: IsLive;
  #buckets: (Memview | null)[];
  #crowd: number;
  /** How many there are. */
  count: number;
  /** Whether something that cannot be reached may point into the memory. */
  isMappingNeeded: boolean;

  constructor(isLive: IsLive) {
    this.#isLive = isLive;
    this.#buckets = new Array(FIRST_BUCKETS).fill(null);
    this.#crowd = CROWD;
    this.count = 0;
    this.isMappingNeeded = false;
  }

  add(memview: Memview): void {
    if (this.count >= this.#crowd) this.#thin();
    if (this.count >= 2 * this.#buckets.length) this.#grow();
    this.#insert(memview);
    this.count++;
    memview.owner.memviews++;
  }

  /** Empties every buffer over an allocation. */
  emptyAllocation(idLow: number, idHigh: number): void {
    if (this.count > 0) this.emptyListed(idLow, idHigh);
  }

  /** The same where there is any at all; apart from it, so that V8 inlines the test. */
  private emptyListed(idLow: number, idHigh: number): void {
    const bucket = idLow & (this.#buckets.length - 1);
    let previous: Memview | null = null;
    for (
      let at: Memview | null = this.#buckets[bucket]!;
      at !== null;
      at = at.next
    ) {
      if (at.idLow === idLow && at.idHigh === idHigh) {
        this.#unlink(bucket, previous, at);
        this.#empty(at);
      } else {
        previous = at;
      }
    }
  }

  /** Empties the buffer of one memview, if it is still in the table. */
  emptyOne(memview: Memview): void {
    const bucket = memview.idLow & (this.#buckets.length - 1);
    let previous: Memview | null = null;
    for (
      let at: Memview | null = this.#buckets[bucket]!;
      at !== null;
      at = at.next
    ) {
      if (at === memview) {
        this.#unlink(bucket, previous, at);
        this.#empty(at);
        return;
      }
      previous = at;
    }
  }

  /** Empties every buffer that was got through `owner`. */
  emptyOwned(owner: MemviewOwner): void {
    if (owner.memviews > 0) {
      this.#emptyWhere((memview) => memview.owner === owner);
    }
  }

  /** Empties every buffer over an allocation that `isGone`. */
  emptyGone(isGone: (idLow: number, idHigh: number) => boolean): void {
    if (this.count === 0) return;
    this.#emptyWhere(({ idLow, idHigh }) =>
      (idLow !== 0 || idHigh !== 0) && isGone(idLow, idHigh)
    );
  }

  /** Empties every buffer. */
  emptyAll(): void {
    if (this.count > 0) this.#emptyWhere(() => true);
  }

  #emptyWhere(matches: (memview: Memview) => boolean): void {
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      let previous: Memview | null = null;
      for (
        let at: Memview | null = this.#buckets[bucket]!;
        at !== null;
        at = at.next
      ) {
        if (matches(at)) {
          this.#unlink(bucket, previous, at);
          this.#empty(at);
        } else {
          previous = at;
        }
      }
    }
  }

  #insert(memview: Memview): void {
    const bucket = memview.idLow & (this.#buckets.length - 1);
    memview.next = this.#buckets[bucket]!;
    this.#buckets[bucket] = memview;
  }

  /** Takes one out of its bucket; its own `next` stays, for whoever walks. */
  #unlink(bucket: number, previous: Memview | null, memview: Memview): void {
    if (previous === null) this.#buckets[bucket] = memview.next;
    else previous.next = memview.next;
    this.count--;
    memview.owner.memviews--;
  }

  #empty(memview: Memview): void {
    const buffer = memview.buffer ?? memview.weak?.deref();
    memview.buffer = null;
    memview.weak = null;
    if (buffer === undefined || buffer.detached) this.isMappingNeeded = true;
    else transfer.call(buffer, 0);
  }

  #grow(): void {
    const old = this.#buckets;
    this.#buckets = new Array(4 * old.length).fill(null);
    for (let memview of old) {
      while (memview !== null) {
        const next: Memview | null = memview.next;
        this.#insert(memview);
        memview = next;
      }
    }
  }

  /** Drops what is of no use any more, and holds what is left only weakly. */
  #thin(): void {
    this.#emptyWhere((memview) => {
      const buffer = memview.buffer ?? memview.weak?.deref();
      if (buffer === undefined || buffer.detached) return true;
      const { idLow, idHigh } = memview;
      return (idLow !== 0 || idHigh !== 0) && !this.#isLive(idLow, idHigh);
    });
    for (let memview of this.#buckets) {
      for (; memview !== null; memview = memview.next) {
        if (memview.buffer === null) continue;
        memview.weak = new WeakRef(memview.buffer);
        memview.buffer = null;
      }
    }
    this.#crowd = Math.max(CROWD, 2 * this.count);
  }
}
