// What goes on in a pool: counts at one look, and rates from two. Nothing is
// counted in the pool for this: each record says how often it was freed.

import { type Inspector, RecordState } from "../lib/inspection.ts";
import { countProcesses } from "./snapshot.ts";

/** Allocations of one process, or of those of its attachments that are gone. */
export interface Activity {
  readonly pid: number;
  readonly isAlive: boolean;
  /** Its attachments: a thread has one. */
  attachments: number;
  allocations: number;
  /** Bytes of their blocks. */
  used: number;
  /** Per second, from records of which it is the last owner; null: not known yet. */
  allocsPerSecond: number | null;
  freesPerSecond: number | null;
  /** Attachments that wait for room, and the most that one of them asks for. */
  waiters: number;
  waitsFor: number;
}

/** A pool at one moment. */
export interface Sample {
  readonly time: Date;
  readonly size: number;
  readonly used: number;
  readonly cached: number;
  readonly memory: number;
  readonly allocations: number;
  readonly frees: number;
  /** Null: there was no look before. */
  readonly allocsPerSecond: number | null;
  readonly freesPerSecond: number | null;
  readonly waiters: number;
  readonly processes: number;
  readonly activities: readonly Activity[];
}

/** What is counted while the records pass. */
interface Count {
  pid: number;
  live: number;
  used: number;
  frees: number;
}

/** What is kept for the next look. */
interface Before {
  readonly at: number;
  readonly allocations: number;
  readonly frees: number;
  /** Live allocations by attachment. */
  readonly live: ReadonlyMap<number, number>;
}

/** Looks at one pool again and again. */
export class Sampler {
  readonly #inspector: Inspector;
  /** How often each record was freed at the last look. */
  #freed = new Float64Array(1024);
  #before: Before | null = null;

  constructor(inspector: Inspector) {
    this.#inspector = inspector;
  }

  /** Looks at the pool; throws once it was destroyed. */
  take(): Sample {
    const view = this.#inspector.pool();
    if (view.isDestroyed) {
      throw new Error(
        `Cannot watch pool "${this.#inspector.name}" any longer: the pool was destroyed`,
      );
    }
    const at = performance.now();
    const { counts, total, cached } = this.#count();
    const before = this.#before;
    const seconds = before === null ? 0 : (at - before.at) / 1000;
    const rates = before === null ? null : {
      frees: Math.max(total.frees - before.frees, 0) / seconds,
      allocs: Math.max(
        total.frees - before.frees + total.live - before.allocations,
        0,
      ) / seconds,
    };
    const participants = this.#inspector.participants();
    const activities = this.#activities(counts, participants, seconds);
    this.#before = {
      at,
      allocations: total.live,
      frees: total.frees,
      live: new Map(
        [...counts].map(([attachment, { live }]) => [attachment, live]),
      ),
    };
    return {
      time: new Date(),
      size: view.size,
      used: total.used,
      cached,
      memory: view.memory,
      allocations: total.live,
      frees: total.frees,
      allocsPerSecond: rates?.allocs ?? null,
      freesPerSecond: rates?.frees ?? null,
      waiters: participants.filter(({ waiting }) => waiting !== null).length,
      processes: countProcesses(participants),
      activities,
    };
  }

  /** Counts by attachment, over all records. */
  #count() {
    const counts = new Map<number, Count>();
    const total = { live: 0, used: 0, frees: 0 };
    let cached = 0;
    this.#inspector.eachRecord((record) => {
      const { index, state, frees } = record;
      if (index >= this.#freed.length) this.#grow();
      const freed = Math.max(frees - this.#freed[index]!, 0);
      this.#freed[index] = frees;
      total.frees += frees;
      if (state === RecordState.CACHED) cached += record.extent;
      if (state !== RecordState.LIVE && freed === 0) return;
      const attachment = record.ownerAttachment;
      let count = counts.get(attachment);
      if (count === undefined) {
        count = { pid: record.ownerPid, live: 0, used: 0, frees: 0 };
        counts.set(attachment, count);
      }
      count.frees += freed;
      if (state !== RecordState.LIVE) return;
      count.live++;
      count.used += record.extent;
      total.live++;
      total.used += record.extent;
    });
    return { counts, total, cached };
  }

  #grow(): void {
    const larger = new Float64Array(this.#freed.length * 2);
    larger.set(this.#freed);
    this.#freed = larger;
  }

  /** The counts by process, the living ones first by what they use. */
  #activities(
    counts: ReadonlyMap<number, Count>,
    participants: ReturnType<Inspector["participants"]>,
    seconds: number,
  ): Activity[] {
    const before = this.#before;
    const activities = new Map<string, Activity>();
    const of = (pid: number, isAlive: boolean): Activity => {
      const key = `${pid} ${isAlive}`;
      let one = activities.get(key);
      if (one === undefined) {
        const rate = before === null ? null : 0;
        one = {
          pid,
          isAlive,
          attachments: 0,
          allocations: 0,
          used: 0,
          allocsPerSecond: rate,
          freesPerSecond: rate,
          waiters: 0,
          waitsFor: 0,
        };
        activities.set(key, one);
      }
      return one;
    };
    const alive = new Set<number>();
    for (const { attachment, pid, waiting } of participants) {
      alive.add(attachment);
      const one = of(pid, true);
      one.attachments++;
      if (waiting === null) continue;
      one.waiters++;
      one.waitsFor = Math.max(one.waitsFor, waiting.size);
    }
    for (const [attachment, { pid, live, used, frees }] of counts) {
      const isAlive = alive.has(attachment);
      if (live === 0 && !isAlive) continue;
      const one = of(pid, isAlive);
      one.allocations += live;
      one.used += used;
      if (before === null) continue;
      const more = live - (before.live.get(attachment) ?? 0);
      one.freesPerSecond! += frees / seconds;
      one.allocsPerSecond! += Math.max(frees + more, 0) / seconds;
    }
    return [...activities.values()].sort((one, other) =>
      Number(other.isAlive) - Number(one.isAlive) || other.used - one.used ||
      one.pid - other.pid
    );
  }
}
