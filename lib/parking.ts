// Sleeping until room may have come, without blocking the event loop: a native
// call that only waits is parked on another thread. There is one at a time per
// JavaScript thread, whatever number of requests and pools wait, because the
// threads that such calls sit on are few and file operations need them too. A
// thread that waits for several pools parks at each in turn for a moment.
//
// While calls of the program run, either nothing waits or a call is parked.
// Promises are settled only between two parked calls: when the last one is
// settled, no native call is left behind.

import { E_TIMEOUT } from "./status.ts";
import type { WaitQueue } from "./wait_queue.ts";

/** Longest stay at one pool while others wait too, in milliseconds. */
const TURN = 30;

/** The queues of this thread that have asynchronous requests. */
let queues: WaitQueue[] = [];
/** Where this thread is parked. */
let parked: WaitQueue | null = null;
let parkedUntil = 0;
let isServing = false;
let turn = 0;

/** Sees to a queue's asynchronous requests until it is empty. */
export function serve(queue: WaitQueue): void {
  if (queues.includes(queue)) return;
  queues.push(queue);
  if (isServing) rouse();
  else serveAll();
}

/** The queues with asynchronous requests. */
export function servedQueues(): readonly WaitQueue[] {
  return queues;
}

/** Ends the stay of the parked call, so that its requests are looked at. */
export function rouse(): void {
  if (parked?.attachment.isOpen) {
    parked.attachment.native.mm_unpark(parked.attachment.pointer);
    parkedUntil = 0;
  }
}

/** Ends the stay of the parked call if it would last beyond `time`. */
export function rouseBefore(time: number): void {
  if (parkedUntil > time) rouse();
}

async function serveAll(): Promise<void> {
  isServing = true;
  for (;;) {
    const now = performance.now();
    for (const queue of queues) {
      if (queue.isDue(now)) queue.pass(now);
    }
    const served = queues;
    queues = queues.filter((queue) => !queue.isEmpty);
    for (const queue of served) queue.settle();
    if (queues.length === 0) break;
    await park(queues[turn++ % queues.length]!);
  }
  isServing = false;
}

async function park(queue: WaitQueue): Promise<void> {
  const now = performance.now();
  const stay = Math.max(0, Math.ceil(queue.dueAt - now));
  const milliseconds = queues.length > 1 ? Math.min(stay, TURN) : stay;
  const { native, pointer } = queue.attachment;
  parked = queue;
  parkedUntil = now + milliseconds;
  native.mm_park_prepare(pointer);
  const status = await native.mm_park(pointer, queue.seen, milliseconds);
  if (status !== E_TIMEOUT) queue.dueAt = 0;
  parked = null;
}
