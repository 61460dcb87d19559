// The process of the resume row that waits, by turns for room in a pool and in
// a bare native call: how long after the other process's call it goes on.
//
//   deno run -A bench/programs/resume_waiter.ts ROUNDS SAMPLES BLOCKED_MS
//
// Prints JSON: rounds of samples of both in microseconds, and the share of a
// core that a blocked request takes.

import process from "node:process";
import { createNamedPool } from "../pools.ts";
import { now, park } from "./libc.ts";
import { Board, POOL_SIZE, ROOM, State } from "./resume_board.ts";

/** Milliseconds until the other process frees, so that this one is asleep. */
const [DELAY, MORE_DELAY] = [2, 2];

const [rounds, samples, blocked] = Deno.args.map(Number) as [
  number,
  number,
  number,
];
const { pool, unname } = createNamedPool(POOL_SIZE);
const shared = pool.alloc(Board.SIZE);
new Uint8Array(shared.getMemview()).fill(0);
const board = new Board(shared);

async function resumed(delay: number): Promise<number> {
  await board.until(State.TAKEN);
  board.delay = delay;
  const request = pool.allocBlocking(ROOM);
  board.state = State.WAITS_FOR_ROOM;
  const room = await request;
  const time = now() - board.woken;
  room.free();
  board.state = State.IDLE;
  return time / 1000;
}

async function woken(delay: number): Promise<number> {
  await board.until(State.TAKEN);
  board.delay = delay;
  const call = park(board.futex);
  board.state = State.WAITS_AT_FUTEX;
  await call;
  const time = now() - board.woken;
  board.state = State.IDLE;
  return time / 1000;
}

/** By turns, so that both meet the same machine. */
async function round(): Promise<{ own: number[]; floor: number[] }> {
  const own: number[] = [], floor: number[] = [];
  while (own.length < samples) {
    own.push(await resumed(DELAY + Math.random() * MORE_DELAY));
    floor.push(await woken(DELAY + Math.random() * MORE_DELAY));
  }
  return { own, floor };
}

/** Share of a core that this process takes while a request is blocked. */
async function shareOfCore(): Promise<number> {
  await board.until(State.TAKEN);
  const before = process.cpuUsage();
  const start = performance.now();
  await resumed(blocked);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - start);
}

const freer = new Deno.Command(Deno.execPath(), {
  args: [
    "run",
    "--quiet",
    "--allow-all",
    import.meta.resolve("./resume_freer.ts"),
    pool.serialize().toHex(),
    shared.serialize().toHex(),
  ],
  stdin: "null",
  stdout: "piped",
}).spawn();
const output = freer.stdout.getReader();
await output.read();
await unname();

for (let warmUp = 0; warmUp < 10; warmUp++) {
  await resumed(DELAY);
  await woken(DELAY);
}
const results = [];
for (let count = 0; count < rounds; count++) results.push(await round());
const share = await shareOfCore();
board.state = State.OVER;
await freer.status;
console.log(JSON.stringify({ rounds: results, share }));
pool.detach();
