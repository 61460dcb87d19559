// Allocating with patience: at once where that can be, else by a request in the
// thread's queue for the pool.

import { type MemoryAlloc, takeMade } from "./allocation.ts";
import type { Attachment } from "./attachment.ts";
import type { Wish } from "./options.ts";
import { rouse, rouseBefore, serve } from "./parking.ts";
import type { PoolHandle } from "./pool_handle.ts";
import {
  allocError,
  E_BUSY,
  E_FS_FULL,
  E_LIMIT,
  E_NO_ROOM,
  E_QUEUED,
  E_TOO_LARGE,
  OK,
} from "./status.ts";
import { actionOf, WaitQueue } from "./wait_queue.ts";

/** Whether it makes sense to wait after a try that ended so. */
function isWorthWaiting(status: number): boolean {
  return status === E_NO_ROOM || status === E_LIMIT || status === E_FS_FULL ||
    status === E_QUEUED || status === E_BUSY;
}

/** Allocates at once, if it can be done and nobody of this thread waits. */
function tryAtOnce(
  handle: PoolHandle,
  attachment: Attachment,
  wish: Wish,
): MemoryAlloc | null {
  const { native, pointer, queue } = attachment;
  const { size, type, timeout } = wish;
  if (size > attachment.size) {
    throw allocError(E_TOO_LARGE, actionOf(size, handle));
  }
  if (timeout > 0 && queue !== null && !queue.isEmpty) return null;
  const status = native.mm_ffi_wait_try(pointer, 0, size, type);
  if (status === OK) return takeMade(handle, attachment, type, size);
  if (timeout > 0 && isWorthWaiting(status)) return null;
  throw allocError(status, actionOf(size, handle));
}

/** Allocates when there is room; throws only what is clear before waiting. */
export function allocWaiting(
  handle: PoolHandle,
  attachment: Attachment,
  wish: Wish,
): Promise<MemoryAlloc> {
  const allocation = tryAtOnce(handle, attachment, wish);
  if (allocation !== null) return Promise.resolve(allocation);

  const queue = attachment.queue ??= new WaitQueue(attachment);
  const { promise, resolve, reject } = Promise.withResolvers<MemoryAlloc>();
  const isFirst = queue.isEmpty;
  const request = queue.add(handle, wish, resolve, reject);
  if (!isFirst && queue.tryEarly(request)) rouse();
  else rouseBefore(request.deadline);
  serve(queue);
  return promise;
}

/** Allocates when there is room, and blocks the thread until then. */
export function allocWaitingSync(
  handle: PoolHandle,
  attachment: Attachment,
  wish: Wish,
): MemoryAlloc {
  const allocation = tryAtOnce(handle, attachment, wish);
  if (allocation !== null) return allocation;

  const { native, pointer } = attachment;
  const queue = attachment.queue ??= new WaitQueue(attachment);
  const request = queue.add(handle, wish, null, null);
  // Of two sleepers in one participant, a wake-up might reach the wrong one.
  rouse();
  for (;;) {
    queue.pass(performance.now());
    if (request.isDecided) break;
    const stay = Math.max(0, Math.ceil(queue.dueAt - performance.now()));
    native.mm_wait(pointer, queue.seen, stay);
  }
  if (request.allocation !== null) return request.allocation;
  throw request.error;
}
