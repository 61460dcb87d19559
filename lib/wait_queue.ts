// The requests of one thread that wait for room in one pool, oldest first. A
// request is decided in a pass over the queue; passes are made by parking.ts,
// or by alloc_blocking.ts while it blocks the thread.
//
// The native library shows the oldest request of this queue to all other
// participants and decides who goes first; see "Waiting, in parts" in
// csrc/managed_memory.h.

import { type MemoryAlloc, takeMade } from "./allocation.ts";
import type { Attachment } from "./attachment.ts";
import { AllocTimeoutError } from "./errors.ts";
import type { Wish } from "./options.ts";
import { rouse } from "./parking.ts";
import type { PoolHandle } from "./pool_handle.ts";
import {
  allocError,
  E_BUSY,
  E_CORRUPT,
  E_DESTROYED,
  E_FS_FULL,
  E_LIMIT,
  E_NO_ROOM,
  E_QUEUED,
  OK,
} from "./status.ts";
import { unwatch, watch } from "./signals.ts";

/** Longest time between two passes, in milliseconds: what is shown must be renewed. */
const PATIENCE = 250;
/** The same after a pass that could not see whether there is room. */
const SHORT_PATIENCE = 50;
/** Requests that one pass serves at most, so that the event loop gets its turn. */
const PORTION = 1000;

/** What a request does, for messages; continues "Cannot". */
export function actionOf(size: number, handle: PoolHandle): string {
  return `allocate ${size} bytes in pool "${handle.name}"`;
}

/** A call of allocBlocking() or allocBlockingSync() that waits. */
class Request {
  readonly handle: PoolHandle;
  readonly wish: Wish;
  readonly ticket: number;
  /** By the clock of performance.now(). */
  readonly deadline: number;
  /** Null: synchronous, somebody looks at the fields below. */
  readonly resolve: ((allocation: MemoryAlloc) => void) | null;
  readonly reject: ((error: unknown) => void) | null;
  isDecided: boolean;
  allocation: MemoryAlloc | null;
  error: unknown;
  previous: Request | null;
  next: Request | null;

  constructor(
    handle: PoolHandle,
    wish: Wish,
    ticket: number,
    deadline: number,
    resolve: ((allocation: MemoryAlloc) => void) | null,
    reject: ((error: unknown) => void) | null,
  ) {
    this.handle = handle;
    this.wish = wish;
    this.ticket = ticket;
    this.deadline = deadline;
    this.resolve = resolve;
    this.reject = reject;
    this.isDecided = false;
    this.allocation = null;
    this.error = undefined;
    this.previous = null;
    this.next = null;
  }

  get action(): string {
    return actionOf(this.wish.size, this.handle);
  }
}

export class WaitQueue {
  readonly attachment: Attachment;
  /** Wake-ups that the last pass has seen. */
  seen: number;
  /** When the next pass must be made, by the clock of performance.now(). */
  dueAt: number;
  #first: Request | null;
  #last: Request | null;
  /** Asynchronous requests that were decided and not settled yet. */
  #decided: Request[];
  /** No request is smaller. */
  #smallest: number;
  /** What is shown to others as the smallest. */
  #shown: number;
  /** No request has an earlier deadline. */
  #earliest: number;
  /** Requests from this size on found no room in the last pass. */
  #refused: number;

  constructor(attachment: Attachment) {
    this.attachment = attachment;
    this.seen = 0;
    this.dueAt = 0;
    this.#first = null;
    this.#last = null;
    this.#decided = [];
    this.#smallest = Infinity;
    this.#shown = Infinity;
    this.#earliest = Infinity;
    this.#refused = 0;
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#first === null;
  }

  /** Takes a ticket for a request and puts it last. */
  add(
    handle: PoolHandle,
    wish: Wish,
    resolve: ((allocation: MemoryAlloc) => void) | null,
    reject: ((error: unknown) => void) | null,
  ): Request {
    const { native, pointer } = this.attachment;
    const status = native.mm_ffi_wait_ticket(pointer);
    if (status !== OK) throw allocError(status, actionOf(wish.size, handle));
    const deadline = performance.now() + wish.timeout;
    const request = new Request(
      handle,
      wish,
      this.attachment.ticket,
      deadline,
      resolve,
      reject,
    );
    request.previous = this.#last;
    if (this.#last === null) {
      this.#first = request;
      this.dueAt = 0;
    } else {
      this.#last.next = request;
    }
    this.#last = request;
    this.#smallest = Math.min(this.#smallest, wish.size);
    this.#earliest = Math.min(this.#earliest, deadline);
    this.dueAt = Math.min(this.dueAt, deadline);
    if (wish.signal !== null) watch(wish.signal);
    return request;
  }

  /** Whether a pass is to be made now. */
  isDue(now: number): boolean {
    const { isOpen, native, pointer } = this.attachment;
    return isOpen &&
      (now >= this.dueAt || native.mm_wait_begin(pointer) !== this.seen);
  }

  /** Tries to serve every request, oldest first; those whose time is up fail. */
  pass(now: number): void {
    const { native, pointer } = this.attachment;
    const shown = this.#first;
    const status = this.#show();
    this.seen = native.mm_wait_begin(pointer);
    this.dueAt = now + PATIENCE;
    if (status === OK) this.#tryAll(now);
    else if (status === E_BUSY) this.#holdBack(now);
    else return this.#failAll(status);
    if (now >= this.#earliest) this.#expire(now);
    // When the lock is busy, what is shown is marked as withdrawn.
    if (this.#first !== shown) this.#show();
    this.dueAt = Math.min(this.dueAt, this.#earliest);
  }

  #tryAll(now: number): void {
    const { native, pointer } = this.attachment;
    let portion = PORTION;
    let smallest = Infinity;
    this.#refused = Infinity;
    for (let request = this.#first; request !== null; request = request.next) {
      const { size, type } = request.wish;
      if (size < this.#refused) {
        const status = native.mm_ffi_wait_try(
          pointer,
          request.ticket,
          size,
          type,
        );
        switch (status) {
          case OK:
            this.#grant(request);
            if (--portion > 0) continue;
            this.dueAt = now;
            return;
          case E_NO_ROOM:
          case E_FS_FULL:
            this.#refused = size;
            break;
          case E_LIMIT:
            this.#refused = 0;
            return;
          case E_QUEUED:
          case E_BUSY:
            return this.#holdBack(now);
          case E_DESTROYED:
          case E_CORRUPT:
            return this.#failAll(status);
          default:
            this.#decide(request, null, allocError(status, request.action));
            continue;
        }
        if (size <= this.#smallest) return;
      }
      smallest = Math.min(smallest, size);
    }
    this.#smallest = smallest;
  }

  /** It could not be seen whether there is room. */
  #holdBack(now: number): void {
    this.#refused = 0;
    this.dueAt = now + SHORT_PATIENCE;
  }

  /** A request that is smaller than all that found no room is served at once, if it fits. */
  tryEarly(request: Request): boolean {
    const { native, pointer } = this.attachment;
    const { size, type } = request.wish;
    if (size >= this.#shown) return false;
    if (native.mm_wait_begin(pointer) !== this.seen) return false;
    if (this.#show() !== OK || size >= this.#refused) return false;
    const status = native.mm_ffi_wait_try(pointer, request.ticket, size, type);
    if (status !== OK) {
      this.#refused = status === E_NO_ROOM ? size : 0;
      return false;
    }
    this.#grant(request);
    return true;
  }

  /** Turns away what waits through a handle that ends. */
  dismiss(handle: PoolHandle): void {
    for (const request of this.#decided) {
      if (request.handle !== handle || request.allocation === null) continue;
      takeBack(request.allocation);
      request.allocation = null;
      request.error = handle.refusal(request.action);
    }
    this.#turnAway(
      (request) => request.handle === handle,
      (request) => handle.refusal(request.action),
    );
  }

  /** Turns away what waits under a signal that was aborted. */
  abort(signal: AbortSignal): void {
    const { reason } = signal;
    this.#turnAway((request) => request.wish.signal === signal, () => reason);
  }

  /** Fails requests outside of a pass, and has the next one made soon. */
  #turnAway(
    isMeant: (request: Request) => boolean,
    errorFor: (request: Request) => unknown,
  ): void {
    let count = 0;
    for (let request = this.#first; request !== null; request = request.next) {
      if (!isMeant(request)) continue;
      this.#decide(request, null, errorFor(request));
      count++;
    }
    if (count === 0) return;
    this.dueAt = 0;
    rouse();
  }

  /**
   * This thread has freed something. The native library tells other
   * participants, not the one that frees.
   */
  noteRoom(): void {
    if (this.isEmpty || this.dueAt === 0) return;
    this.dueAt = 0;
    rouse();
  }

  /** Settles the promises of the requests that were decided. */
  settle(): void {
    const decided = this.#decided;
    if (decided.length === 0) return;
    this.#decided = [];
    for (const { allocation, error, resolve, reject } of decided) {
      if (allocation !== null) resolve!(allocation);
      else reject!(error);
    }
  }

  /** Shows the oldest request to the other participants, or that there is none. */
  #show(): number {
    const { native, pointer } = this.attachment;
    const first = this.#first;
    this.#shown = this.#smallest;
    return first === null
      ? native.mm_ffi_wait_show(pointer, 0, 0, 0)
      : native.mm_ffi_wait_show(
        pointer,
        first.ticket,
        first.wish.size,
        this.#smallest,
      );
  }

  #grant(request: Request): void {
    const { handle, wish: { type, size } } = request;
    try {
      this.#decide(
        request,
        takeMade(handle, this.attachment, type, size),
        undefined,
      );
    } catch (error) {
      this.#decide(request, null, error);
    }
  }

  #expire(now: number): void {
    this.#earliest = Infinity;
    for (let request = this.#first; request !== null; request = request.next) {
      if (request.deadline > now) {
        this.#earliest = Math.min(this.#earliest, request.deadline);
        continue;
      }
      const text =
        `Cannot ${request.action}: no room came within ${request.wish.timeout} ms`;
      this.#decide(
        request,
        null,
        new AllocTimeoutError(text, { code: "timeout" }),
      );
    }
  }

  #failAll(status: number): void {
    for (let request = this.#first; request !== null; request = request.next) {
      this.#decide(request, null, allocError(status, request.action));
    }
  }

  /** Takes a request out of the queue; its own `next` stays, for whoever walks. */
  #decide(
    request: Request,
    allocation: MemoryAlloc | null,
    error: unknown,
  ): void {
    if (request.previous === null) this.#first = request.next;
    else request.previous.next = request.next;
    if (request.next === null) this.#last = request.previous;
    else request.next.previous = request.previous;
    if (this.#first === null) {
      this.#smallest = Infinity;
      this.#earliest = Infinity;
    }
    request.isDecided = true;
    request.allocation = allocation;
    request.error = error;
    if (request.wish.signal !== null) unwatch(request.wish.signal);
    if (request.resolve !== null) this.#decided.push(request);
  }
}

/** Frees what was allocated for somebody who cannot be given it. */
function takeBack(allocation: MemoryAlloc): void {
  try {
    allocation[Symbol.dispose]();
  } catch {
    // The pool is busy or corrupt: the allocation stays, as after a crash.
  }
}
