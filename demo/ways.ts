/** The three ways to do the job: alone, with children on the pool, and with children on pipes. */

import { MemoryAlloc, type MemoryPool } from "../mod.ts";
import { cutIntoShares, sumUp, Tally } from "./job.ts";
import type { PipeResult, PipeWork, PoolResult, PoolWork } from "./messages.ts";
import { type TeamResult, workInTeam } from "./team.ts";

/** How large a piece is handled between two looks at the event loop. */
const PIECE = 4 * 2 ** 20;

/** How one way went. */
export interface Outcome {
  tally: Tally;
  /** Milliseconds until the children were ready; there were none without it. */
  startUp?: number;
  /** Milliseconds of the work itself. */
  work: number;
}

/** What the ways tell while they are at it. */
export interface Progress {
  started(pids: number[]): void;
  /** A share of the whole, from 0 to 1, is done. */
  advanced(share: number): void;
}

/** Counts the whole file in this process. */
export async function workAlone(
  file: MemoryAlloc,
  signal: AbortSignal,
  progress: Progress,
): Promise<Outcome> {
  const bytes = new Uint8Array(file.getMemview());
  const tally = new Tally();
  let work = 0;
  for (let at = 0; at < bytes.length; at += PIECE) {
    const started = performance.now();
    tally.count(bytes.subarray(at, at + PIECE), at);
    work += performance.now() - started;
    progress.advanced(Math.min(1, (at + PIECE) / bytes.length));
    await letSignalsIn();
    signal.throwIfAborted();
  }
  return { tally, work };
}

/** Children attach to the pool and count where the bytes lie; so are their tallies read. */
export async function workOnPool(
  pool: MemoryPool,
  file: MemoryAlloc,
  children: number,
  signal: AbortSignal,
  progress: Progress,
): Promise<Outcome> {
  const shares = cutIntoShares(file.size, children);
  let done = 0;
  const team = await workInTeam(
    import.meta.resolve("./worker_shared.ts"),
    children,
    signal,
    (pids) => progress.started(pids),
    async (child, index) => {
      const work: PoolWork = {
        pool: pool.serialize().toBase64(),
        bytes: file.serialize().toBase64(),
        ...shares[index]!,
      };
      await child.send(work);
      const answer = await child.receive<PoolResult>();
      const result = MemoryAlloc.attach(Uint8Array.fromBase64(answer.tally));
      const tally = new Tally();
      tally.merge(new Tally(result.getMemview()));
      result.free();
      progress.advanced(++done / children);
      return tally;
    },
  );
  return outcomeOf(team);
}

/** Every child gets the bytes of its share through a pipe, and sends its tally back through another. */
export async function workThroughPipes(
  file: MemoryAlloc,
  children: number,
  signal: AbortSignal,
  progress: Progress,
): Promise<Outcome> {
  const shares = cutIntoShares(file.size, children);
  const bytes = new Uint8Array(file.getMemview());
  let sent = 0;
  const team = await workInTeam(
    import.meta.resolve("./worker_pipe.ts"),
    children,
    signal,
    (pids) => progress.started(pids),
    async (child, index) => {
      const work: PipeWork = shares[index]!;
      const end = work.start + work.length;
      await child.send(work);
      for (let at = work.start; at < end; at += PIECE) {
        const piece = bytes.subarray(at, Math.min(at + PIECE, end));
        await child.write(piece);
        sent += piece.length;
        progress.advanced(sent / bytes.length);
      }
      const answer = await child.receive<PipeResult>();
      const tally = new Tally();
      tally.values.set(answer.tally);
      return tally;
    },
  );
  return outcomeOf(team);
}

/** Reads a file straight into an allocation of its size. Returns the milliseconds that took. */
export async function readInto(
  allocation: MemoryAlloc,
  source: Deno.FsFile,
  signal: AbortSignal,
  progress: Progress,
): Promise<number> {
  const started = performance.now();
  const bytes = new Uint8Array(allocation.getMemview());
  let at = 0;
  while (at < bytes.length) {
    const read = await source.read(bytes.subarray(at, at + PIECE));
    if (read === null) {
      throw new Error(`the file ended after ${at} of ${bytes.length} bytes`);
    }
    at += read;
    progress.advanced(at / bytes.length);
    signal.throwIfAborted();
  }
  return performance.now() - started;
}

function outcomeOf({ results, startUp, work }: TeamResult<Tally>): Outcome {
  return { tally: sumUp(results), startUp, work };
}

/** A turn of the event loop, in which listeners for Ctrl-C and the like run. */
function letSignalsIn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
