// What the regression guard makes of its counts. That the counts are right is
// `deno task guard` itself.

import { assertEquals, assertThrows } from "@std/assert";
import { readDump } from "../guard/callgrind.ts";
import { isAllowed, judgeWork } from "../guard/verdict.ts";

const RECORDED = {
  operations: 10,
  instructions: 1000,
  atomics: 20,
  systemCalls: 0,
};

Deno.test("judgeWork() finds more than 5 % more of anything worse", () => {
  const judge = (change: Partial<typeof RECORDED>) =>
    judgeWork(RECORDED, { ...RECORDED, ...change });
  assertEquals(judge({ instructions: 1050, atomics: 21 }), "same");
  assertEquals(judge({ instructions: 1051 }), "worse");
  assertEquals(judge({ atomics: 22 }), "worse");
  assertEquals(judge({ systemCalls: 1 }), "worse");
  assertEquals(judge({ instructions: 500, systemCalls: 1 }), "worse");
  assertEquals(judge({ instructions: 949 }), "better");
  assertEquals(isAllowed("worse"), false);
  assertEquals(isAllowed("better"), true);
});

Deno.test("judgeWork() refuses what cannot be compared", () => {
  const verdicts = [
    judgeWork(undefined, RECORDED),
    judgeWork(RECORDED, undefined),
    judgeWork(RECORDED, { ...RECORDED, operations: 11 }),
  ];
  assertEquals(verdicts, ["not recorded", "gone", "other work"]);
  assertEquals(verdicts.map(isAllowed), [false, false, false]);
});

Deno.test("readDump() adds what the library did itself", () => {
  const dump = `events: Ir Ge sysCount sysTime
ob=/lib/libc.so.6
fn=fcntl
0 7 1 3 9
ob=/zig-out/guard/libmanaged_memory.so
fn=mm_alloc
0 100 2
cob=/lib/libc.so.6
cfn=fcntl
calls=3 0
0 70 10 30 90
0 50
totals: 157 3 3 9
`;
  assertEquals(readDump(dump), {
    instructions: 150,
    atomics: 2,
    systemCalls: 3,
  });
  assertThrows(() => readDump("events: Ir\n"), Error, "not counted Ge");
});
