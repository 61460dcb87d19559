// Which AbortSignals end waiting requests. One listener does for all requests
// under a signal, and goes with the last of them.

import { servedQueues } from "./parking.ts";

/** Not what a user may have put on a signal under these names. */
const { addEventListener, removeEventListener } = EventTarget.prototype;

/** How many requests wait under a signal. */
const watched = new Map<AbortSignal, number>();

/** A request begins to wait under a signal. */
export function watch(signal: AbortSignal): void {
  const count = watched.get(signal) ?? 0;
  watched.set(signal, count + 1);
  if (count === 0) addEventListener.call(signal, "abort", onAbort);
}

/** A request under a signal was decided. */
export function unwatch(signal: AbortSignal): void {
  const count = watched.get(signal)!;
  if (count > 1) {
    watched.set(signal, count - 1);
  } else {
    watched.delete(signal);
    removeEventListener.call(signal, "abort", onAbort);
  }
}

function onAbort(event: Event): void {
  const signal = event.target;
  if (!(signal instanceof AbortSignal) || !signal.aborted) return;
  for (const queue of servedQueues()) queue.abort(signal);
}
