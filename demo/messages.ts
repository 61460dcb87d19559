/** What the parent and the children of the demo say to each other, one JSON text a line. */

import type { Share } from "./job.ts";

/** A child's first line: it has loaded its code and waits for work. */
export const READY = "ready";

/** Work for a child that shares memory: where the bytes lie, and which are its. */
export interface PoolWork extends Share {
  /** The pool's descriptor, in base64. */
  pool: string;
  /** The descriptor of the allocation that holds the file, in base64. */
  bytes: string;
}

/** The answer of a child that shares memory. */
export interface PoolResult {
  /** The descriptor of the allocation that holds its tally, in base64. */
  tally: string;
}

/** Work for a child on pipes: so many bytes follow this line. */
export type PipeWork = Share;

/** The answer of a child on pipes. */
export interface PipeResult {
  tally: number[];
}
