// One hold on an attachment. Each MemoryPool has one, and so does each
// allocation that was attached by itself. Ending a hold takes away what was
// got through it; ending the last one ends the attachment.

import type { Attachment } from "./attachment.ts";
import { PoolError } from "./errors.ts";
import { Memview, type MemviewOwner } from "./memviews.ts";
import type { MemoryPool } from "./pool.ts";

/**
 * How a handle came about, which decides how long it lasts.
 *
 * - `created`, `attached`: by MemoryPool.create() and attach(); until the user
 *   ends it.
 * - `implicit`: for one allocation that was attached by itself; goes with it.
 * - `borrowed`: for the allocations that were attached while the user held on
 *   to their pool; goes with the last of the user's handles.
 * - `remote`: the pool is on another host.
 */
export type HandleKind =
  | "created"
  | "attached"
  | "implicit"
  | "borrowed"
  | "remote";

/** How a handle ends. */
export type Ending = "detached" | "destroyed";

export class PoolHandle implements MemviewOwner {
  readonly kind: HandleKind;
  readonly name: string;
  readonly uid: bigint;
  /** What this handle is, or was, a hold on; null where the pool is on another host. */
  readonly attachment: Attachment | null;
  /** The same as long as this handle holds on, and null afterwards. */
  open: Attachment | null;
  /** How this handle ended; null while it lasts. */
  ended: Ending | null;
  memviews: number;
  /** The user's object for this handle, once somebody asked for it. */
  pool: MemoryPool | null;
  /** The pool's descriptor, once somebody asked for it. */
  serialized: Uint8Array<ArrayBuffer> | null;
  #region: Memview | null;
  #regionBuffer: ArrayBuffer | null;

  private constructor(
    kind: HandleKind,
    name: string,
    uid: bigint,
    attachment: Attachment | null,
    serialized: Uint8Array<ArrayBuffer> | null,
  ) {
    this.kind = kind;
    this.name = name;
    this.uid = uid;
    this.attachment = attachment;
    this.open = attachment;
    this.ended = null;
    this.memviews = 0;
    this.pool = null;
    this.serialized = serialized;
    this.#region = null;
    this.#regionBuffer = null;
  }

  /** A handle that the user made, or one for an allocation that was attached by itself. */
  static hold(
    attachment: Attachment,
    kind: "created" | "attached" | "implicit",
  ): PoolHandle {
    const { name, uid } = attachment;
    const handle = new PoolHandle(kind, name, uid, attachment, null);
    attachment.holders++;
    if (kind !== "implicit") {
      attachment.explicitHolders++;
      attachment.principal = handle;
    }
    return handle;
  }

  /** The handle for allocations that are attached while the user holds on to the pool. */
  static borrow(attachment: Attachment): PoolHandle {
    const { name, uid } = attachment;
    return attachment.borrowed ??= new PoolHandle(
      "borrowed",
      name,
      uid,
      attachment,
      null,
    );
  }

  /** A handle to a pool on another host. */
  static remote(
    name: string,
    uid: bigint,
    serialized: Uint8Array<ArrayBuffer> | null,
  ): PoolHandle {
    return new PoolHandle("remote", name, uid, null, serialized);
  }

  /** The attachment, for a call that needs it; `action` continues "Cannot". */
  use(action: string): Attachment {
    if (this.open !== null) return this.open;
    throw this.refusal(`${action} pool "${this.name}"`);
  }

  /** Why this handle is of no use; `action` continues "Cannot". */
  refusal(action: string): PoolError {
    const { ended } = this;
    if (ended === null) {
      return new PoolError(`Cannot ${action}: the pool is on another host`, {
        code: "not-local",
      });
    }
    const reason = ended === "destroyed"
      ? "the pool was destroyed"
      : "the pool was detached";
    return new PoolError(`Cannot ${action}: ${reason}`, { code: ended });
  }

  /** One ArrayBuffer over the whole data region. */
  region(attachment: Attachment): ArrayBuffer {
    const old = this.#regionBuffer;
    if (old !== null && !old.detached) return old;
    if (this.#region !== null) attachment.memviews.emptyOne(this.#region);
    const buffer = attachment.bufferAt(0, attachment.size);
    this.#region = new Memview(0, 0, this, buffer);
    this.#regionBuffer = buffer;
    attachment.memviews.add(this.#region);
    return buffer;
  }

  /**
   * Lets go: empties what was got through this handle, and turns away what
   * waits for room. Does nothing when done already.
   */
  release(ending: Ending): void {
    if (this.ended !== null) return;
    this.ended = ending;
    const attachment = this.open;
    if (attachment === null) return;
    attachment.queue?.dismiss(this);
    attachment.memviews.emptyOwned(this);
    this.open = null;
    if (attachment.borrowed === this) attachment.borrowed = null;
    if (attachment.principal === this) attachment.principal = null;
    if (this.kind === "borrowed") return;
    if (this.kind !== "implicit" && --attachment.explicitHolders === 0) {
      attachment.borrowed?.release(ending);
    }
    if (--attachment.holders === 0) attachment.end();
  }
}
