// One Deno process of the population: does everything that the module can do,
// at random, until it is killed. Needs --allow-ffi only.
//
//   deno run --allow-ffi torture/worker.ts BOARD CELL SEED

import { ManagedMemoryError, MemoryAlloc, MemoryPool } from "../mod.ts";
import { Actions } from "./actions.ts";
import { Answer, Board, Phase, State } from "./board.ts";
import { Dice } from "./dice.ts";

/** Actions between two turns of the event loop. */
const BATCH = 40;
const COMMAND_TIMEOUT = 10_000;
/** Errors of an attach to a pool that is just being destroyed. */
const PASSING = ["destroyed", "not-found", "replaced", "busy"];

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Attaches to the present pool, unless it is the one that is gone. */
function attach(board: Board, gone: bigint): [MemoryPool, bigint] | null {
  const number = board.pool;
  if (number === 0n || number === gone) return null;
  const descriptor = board.descriptor(number);
  if (descriptor === null) return null;
  try {
    return [MemoryPool.attach(descriptor), number];
  } catch (error) {
    const isPassing = error instanceof ManagedMemoryError &&
      PASSING.includes(error.code);
    if (!isPassing) board.say(`attach: ${error}`);
    return null;
  }
}

/** Waits for room, as the warden commands. */
async function obey(
  board: Board,
  pool: MemoryPool,
  actions: Actions,
): Promise<void> {
  const command = board.command;
  if (command === 0n) return;
  board.state = State.WAITING;
  try {
    const allocation = await pool.allocBlocking(
      Number(command & 0xffffffffn),
      { timeout: COMMAND_TIMEOUT },
    );
    board.answer(command, Answer.SERVED);
    actions.keep(allocation);
  } catch (error) {
    const isDestroyed = error instanceof ManagedMemoryError &&
      error.code === "destroyed";
    board.answer(command, isDestroyed ? Answer.DESTROYED : Answer.OTHER);
    actions.judge("allocBlocking", [], error);
  }
  board.state = State.RUNNING;
}

/** Works in one pool for a while. Answers whether the pool was destroyed. */
async function work(
  board: Board,
  cell: number,
  dice: Dice,
  pool: MemoryPool,
): Promise<boolean> {
  const actions = new Actions(board, cell, dice, pool);
  let mayLeave = false;
  while (!actions.isGone && !(mayLeave && actions.isEmpty)) {
    // Whoever is not running yet is not waited for: say so before looking.
    board.state = State.RUNNING;
    const audit = board.audit;
    const phase = board.phase;
    await obey(board, pool, actions);
    if (actions.isGone) break;
    if (phase === Phase.SILENCE) {
      await pause(1);
      continue;
    }
    if (phase === Phase.DRAIN) {
      actions.freeAll();
      if (actions.isEmpty) board.drained = audit;
      await pause(1);
      continue;
    }
    for (let action = 0; action < BATCH && board.phase === phase; action++) {
      await actions.act(phase === Phase.PLAY);
    }
    mayLeave = dice.below(100) === 0;
    if (mayLeave) actions.freeAll();
    await pause(0);
  }
  board.nonce = 0n;
  actions.letGo();
  pool.detach();
  return actions.isGone;
}

async function main([descriptor, cell, seed]: string[]): Promise<void> {
  const index = Number(cell);
  const allocation = MemoryAlloc.attach(Uint8Array.fromHex(descriptor!));
  const board = new Board(allocation, index);
  const dice = new Dice(BigInt(seed!));
  let gone = 0n;
  for (;;) {
    try {
      const attached = attach(board, gone);
      if (attached === null) {
        await pause(1);
        continue;
      }
      const [pool, number] = attached;
      gone = await work(board, index, dice, pool) ? number : 0n;
    } catch (error) {
      board.say(`unexpected: ${error instanceof Error ? error.stack : error}`);
      await pause(10);
    }
  }
}

await main(Deno.args);
