/**
 * A child of the demo that works the usual way: its share comes through its
 * standard input, its tally goes through its standard output.
 */

import { readMessage, readSome } from "./input.ts";
import { Tally } from "./job.ts";
import { type PipeResult, type PipeWork, READY } from "./messages.ts";

console.log(JSON.stringify(READY));
const work = readMessage<PipeWork>();
if (work) {
  const tally = new Tally();
  let counted = 0;
  while (counted < work.length) {
    const bytes = readSome();
    if (bytes.length === 0) Deno.exit(1);
    tally.count(bytes, work.start + counted);
    counted += bytes.length;
  }
  const answer: PipeResult = { tally: [...tally.values] };
  console.log(JSON.stringify(answer));
}
