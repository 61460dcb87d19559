// What it takes to hand bytes to another process and get them back, by several
// ways in turns.
//
//   deno run -A bench/programs/hand.ts SIZE ROUNDS
//
// Prints a line of JSON per way: `{ way, rounds }`, in microseconds.

import { median } from "../rounds.ts";
import { Buffers, type Way, WAYS } from "./hand_ways.ts";

/** Milliseconds of a round and of warming up: as often as fits, but not less than that. */
const ROUND = 50;
const [WARM_UP, WARM_UPS] = [200, 3];

/** Microseconds of once there and back: the median, which an interruption of the machine's does not spoil. */
async function measure(way: Way, time: number, least: number): Promise<number> {
  const values: number[] = [];
  const begin = performance.now();
  for (let now = begin; values.length < least || now - begin < time;) {
    const start = now;
    await way.hand();
    now = performance.now();
    values.push((now - start) * 1000);
  }
  return median(values);
}

const [size, rounds] = Deno.args.map(Number) as [number, number];
const buffers = new Buffers(size);
const ways: [string, Way, number[]][] = [];
for (const [name, start] of Object.entries(WAYS)) {
  ways.push([name, await start(buffers), []]);
}
for (const [, way] of ways) await measure(way, WARM_UP, WARM_UPS);
for (let round = 0; round < rounds; round++) {
  for (const [, way, values] of ways) values.push(await measure(way, ROUND, 1));
}
for (const [name, way, values] of ways) {
  way.close();
  console.log(JSON.stringify({ way: name, rounds: values }));
}
