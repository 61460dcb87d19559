// The process of the resume row that frees: takes all room, waits until the
// other process waits for it, and frees. Its arguments are descriptors in
// hexadecimal: of the pool, and of the board.

import { MemoryAlloc, MemoryPool } from "../../mod.ts";
import { now, wake } from "./libc.ts";
import { Board, ROOM, State } from "./resume_board.ts";
import { sleep } from "./sleep.ts";

const [ofPool, ofBoard] = Deno.args.map((text) => Uint8Array.fromHex(text));
using pool = MemoryPool.attach(ofPool!);
using shared = MemoryAlloc.attach(ofBoard!);
const board = new Board(shared);
console.log("ready");

for (;;) {
  const { state } = board;
  if (state === State.OVER) break;
  if (state === State.IDLE) {
    const room = pool.alloc(ROOM);
    board.state = State.TAKEN;
    while (board.state === State.TAKEN) await sleep(1);
    const waits = board.state;
    if (waits !== State.OVER) await sleep(board.delay);
    if (waits === State.WAITS_AT_FUTEX) {
      board.woken = now();
      wake(board.futex);
      room.free();
    } else {
      board.woken = now();
      room.free();
    }
    if (waits === State.OVER) break;
  }
  await sleep(1);
}
