// Checks the models of docs/model/ with spin, and that spin finds what is broken
// when a part of a protocol is taken away.
//
//   deno run -A tools/model.ts [--quick]

import { toLine } from "./counts.ts";

const MODELS = new URL("../docs/model/", import.meta.url);

/** A checker may use this many MB. */
const COMPILER = ["cc", "-w", "-DMEMLIM=4000"];
const DEPTH = "-m3000000";
const AT_ONCE = 2;

/** What is checked: assertions in every state, or that everybody is served. */
type Property = "safety" | "liveness";

interface Configuration {
  readonly model: "lock" | "wait" | "cache";
  readonly property: Property;
  /** Definitions for spin, without `-D`. */
  readonly with: string;
  /** Whether the property must hold; otherwise spin must find it broken. */
  readonly holds: boolean;
  /** Whether it is one of the largest: left out with `--quick`. */
  readonly slow?: true;
}

const CONFIGURATIONS: readonly Configuration[] = [
  ...lock("safety", true, ["PARTICIPANTS=2"]),
  ...lock("safety", true, [""], true),
  ...lock("liveness", true, [
    "DEATHS=1",
    "DEATHS=0 SLICES=0",
    "DEATHS=0 SLICES=0 ROUNDS=2 GIVES_UP",
  ]),
  ...lock("safety", false, [
    "BROKEN_NO_RECOVERY",
    "BROKEN_NO_EPOCH",
    "BROKEN_STORES_TO_TAKE_OVER",
  ]),
  ...lock("liveness", false, [
    "DEATHS=0 SLICES=0 BROKEN_NO_WAKE",
    "DEATHS=0 SLICES=0 BROKEN_FORGETS_SLEEPERS",
    "DEATHS=1 SLICES=0",
    "DEATHS=0 SLICES=0 ROUNDS=2 GIVES_UP BROKEN_LAST_SLEEP",
  ]),

  ...wait(true, [
    "LOOKS=0 SIZES=2,1 FREERS=2 GIVES=1,1",
    "LOOKS=0 GIVES=2",
    "SIZES=2,1 ROOM=1 ASKS=2",
    "SIZES=2,1 GIVES=2 BARGERS=1",
    "DEATHS=1",
  ]),
  ...wait(true, [
    "ROOM=1 BUSY=2",
    "SIZES=2,1 GIVES=2 DEATHS=1",
    "SIZES=2,1 FREERS=2 GIVES=1,1 DEATHS=1",
    "SIZES=2,1 ROOM=1 ASKS=2 DEATHS=1",
    "SIZES=2,1 GIVES=2 BARGERS=1 DEATHS=1",
    "LEAVES=1 DEATHS=1",
    "BUSY=1 DEATHS=1",
    "DEATHS=2",
  ], true),
  ...wait(false, [
    "LOOKS=0 BROKEN_TRIES_BEFORE_IT_SHOWS",
    "LOOKS=0 BROKEN_SEEN_AFTER_TRY",
    "LOOKS=0 GIVES=2 BROKEN_TELLS_NOBODY_NEXT",
    "SIZES=2,1 ROOM=1 ASKS=2 BROKEN_HOLDS_FOR_EVER",
    "ROOM=1 BUSY=2 BROKEN_SLEEPS_LONG_WHEN_BUSY",
    "DEATHS=1 BROKEN_NO_PATIENCE",
    "DEATHS=1 BROKEN_RECOVERY_NOT_COUNTED",
    "LOOKS=0 DEATHS=1",
    "LOOKS=0 LEAVES=1",
    "LOOKS=0 BUSY=1",
    "LOOKS=0 SIZES=2,1 GIVES=2 BARGERS=1",
    "LOOKS=0 SIZES=2,1 ROOM=1 ASKS=2",
  ]),

  ...cache("safety", true, [
    "DEATHS=2 ROUNDS=3",
    "READS=2 ROUNDS=3",
    "DEATHS=1 STRANGERS=1",
    "STRANGERS=2 ROUNDS=3",
    "READS=1 STRANGERS=1",
    "DEATHS=1 READS=1 READER_DIES=1",
  ]),
  ...cache("safety", true, [
    "DEATHS=1 ROUNDS=3 READS=1",
    "DEATHS=1 ROUNDS=3 STRANGERS=1",
    "DEATHS=1 ROUNDS=3 READS=2 READER_DIES=1",
  ], true),
  ...cache("liveness", true, [
    "LOOKS=0",
    "LOOKS=0 READS=1 HAS_BIAS=0",
    "READS=1",
    "STRANGERS=1",
    "DEATHS=1 HEIRS=0 READS=1",
  ]),
  ...cache("liveness", true, [
    "DEATHS=2 ROUNDS=3",
    "DEATHS=1 READS=1",
    "DEATHS=1 STRANGERS=1",
  ], true),
  ...cache("safety", false, [
    "BROKEN_STORES_TO_CLAIM",
    "BROKEN_WRITES_ITS_ENTRY_LAST",
    "BROKEN_CLEARS_ITS_ENTRY_FIRST",
    "BROKEN_FREES_WHAT_THE_LIVING_CLAIMED",
    "DEATHS=1 BROKEN_KEEPS_WHAT_THE_DEAD_CLAIMED",
    "DEATHS=1 BROKEN_BELIEVES_AN_OLD_LOOK",
    "BROKEN_REVOKES_WITHOUT_A_FENCE",
    "BROKEN_DOES_NOT_REVOKE",
    "BROKEN_READS_THE_CLAIM_TOO_EARLY",
    "BROKEN_IGNORES_THE_CLAIM",
    "BROKEN_SHOWS_ITS_CLAIM_LATE",
    "BROKEN_CLEARS_ITS_CLAIM_FIRST",
    "BROKEN_BIASES_WITHOUT_JOINING",
    "ROUNDS=3 READS=1 BROKEN_BIASES_WITHOUT_THE_LOCK",
    "ROUNDS=3 DEATHS=1 BROKEN_INHERITS_THE_BIAS",
    "READS=1 READER_DIES=1 BROKEN_REVOKES_IN_ONE_STEP",
    "ROUNDS=3 READS=1 BROKEN_ENDS_ANOTHERS_REVOCATION",
    "ROUNDS=3 READS=2 BROKEN_BIASES_BY_STORE",
    "STRANGERS=1 BROKEN_FREES_WHAT_IS_TIED",
    "STRANGERS=1 BROKEN_FREES_WHAT_IS_CLAIMED",
    "STRANGERS=1 BROKEN_FREES_WITHOUT_LOOKING",
    "STRANGERS=1 BROKEN_FREES_ALL_BY_ITS_BIAS",
  ]),
  ...cache("liveness", false, [
    "LOOKS=0 BROKEN_LOOKS_BEFORE_IT_CACHES",
    "LOOKS=0 BROKEN_SWEEPS_BEFORE_IT_SHOWS",
    "DEATHS=1 BROKEN_INHERITS_UNCOUNTED",
    "BROKEN_FORGETS_TO_CLEAR_ITS_CLAIM",
    "DEATHS=1 HEIRS=0 BROKEN_SPARES_THE_CLAIM_OF_THE_DEAD",
    "DEATHS=1 BROKEN_INHERITS_THE_CLAIM",
    "LOOKS=0 DEATHS=1",
    "LOOKS=0 READS=1",
    "LOOKS=0 READS=1 HAS_BIAS=0 BROKEN_TELLS_OF_ITS_OWN_ONLY",
  ]),
];

function lock(
  property: Property,
  holds: boolean,
  all: string[],
  slow = false,
): Configuration[] {
  return configurations("lock", property, holds, all, slow);
}

function wait(holds: boolean, all: string[], slow = false): Configuration[] {
  return configurations("wait", "liveness", holds, all, slow);
}

function cache(
  property: Property,
  holds: boolean,
  all: string[],
  slow = false,
): Configuration[] {
  return configurations("cache", property, holds, all, slow);
}

function configurations(
  model: Configuration["model"],
  property: Property,
  holds: boolean,
  all: string[],
  slow: boolean,
): Configuration[] {
  return all.map((definitions) => ({
    model,
    property,
    with: definitions,
    holds,
    ...(slow && { slow }),
  }));
}

/** What the checker found. */
interface Finding {
  readonly states: number;
  readonly depth: number;
  /** Undefined if it did not come to an end. */
  readonly holds: boolean | undefined;
}

/** Generates, compiles and runs the checker of a configuration in `folder`. */
async function check(
  configuration: Configuration,
  folder: string,
): Promise<Finding> {
  const { model, property } = configuration;
  const definitions = configuration.with.split(" ").filter((d) => d !== "")
    .map((definition) => `-D${definition}`);
  const source = new URL(`${model}.pml`, MODELS);
  await Deno.copyFile(source, `${folder}/${model}.pml`);
  await run(["spin", "-a", ...definitions, `${model}.pml`], folder);
  // NFAIR=3: fairness among up to twelve processes.
  const how = property === "safety" ? "-DSAFETY" : "-DNFAIR=3";
  // Compiling with optimization takes longer than most of the runs.
  const level = configuration.slow ? "-O2" : "-O0";
  await run([...COMPILER, level, how, "-o", "pan", "pan.c"], folder);
  // Fair: whoever can go on for ever does so at last.
  const args = property === "safety" ? ["-noclaim"] : ["-a", "-f"];
  return finding(await run([`${folder}/pan`, DEPTH, ...args], folder));
}

function finding(output: string): Finding {
  const states = /(\d+) states, stored/.exec(output)?.[1];
  const depth = /depth reached (\d+), errors: (\d+)/.exec(output);
  const isBroken = /^pan:\d+: (assertion violated|acceptance cycle)/m;
  const isCut = /search depth too small|reached -DMEMLIM|out of memory/;
  const errors = depth?.[2];
  return {
    states: Number(states),
    depth: Number(depth?.[1]),
    holds: errors === "0" && !isCut.test(output)
      ? true
      : isBroken.test(output)
      ? false
      : undefined,
  };
}

/** What a command prints; an error with all of it if it fails. */
async function run([name, ...args]: string[], cwd: string): Promise<string> {
  const command = new Deno.Command(name!, {
    args,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) {
    throw new Error(`${[name, ...args].join(" ")} failed:\n${output}`);
  }
  return output;
}

/**
 * Why the models cannot be checked here.
 *
 * @returns What is missing, and how to install it; undefined if nothing is.
 */
export async function missingForModels(): Promise<string | undefined> {
  const needed = [
    { command: ["spin", "-V"], packages: "spin" },
    {
      command: [
        "cc",
        "-fsyntax-only",
        "-include",
        "stdio.h",
        "-xc",
        "/dev/null",
      ],
      packages: "gcc libc6-dev",
    },
  ];
  const absent = [];
  for (const { command, packages } of needed) {
    try {
      await run(command, ".");
    } catch {
      absent.push(packages);
    }
  }
  if (absent.length === 0) return undefined;
  return "Checking the models needs spin and a C compiler; " +
    `on Debian: apt-get install ${absent.join(" ")}`;
}

function row(cells: (string | number)[]): string {
  const [model, configuration, property, states, depth, seconds, result] = cells
    .map(String);
  return [
    model!.padEnd(5),
    configuration!.padEnd(53),
    property!.padEnd(8),
    states!.padStart(9),
    depth!.padStart(6),
    seconds!.padStart(8),
    ` ${result}`,
  ].join(" ");
}

/** Checks a configuration and prints its row; whether it is as it should be. */
async function report(configuration: Configuration): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "model-" });
  try {
    const begun = performance.now();
    const { states, depth, holds } = await check(configuration, folder);
    const seconds = (performance.now() - begun) / 1000;
    const isExpected = holds === configuration.holds;
    const result = holds === undefined
      ? "did not end"
      : holds
      ? "holds"
      : "broken";
    console.log(row([
      configuration.model,
      configuration.with,
      configuration.property,
      states,
      depth,
      seconds.toFixed(1),
      isExpected ? result : `${result}: NOT EXPECTED`,
    ]));
    return isExpected;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function main(args: string[]): Promise<number> {
  const isQuick = args.includes("--quick");
  const unknown = args.find((arg) => arg !== "--quick");
  if (unknown !== undefined) throw new Error(`Unknown option "${unknown}"`);
  const missing = await missingForModels();
  if (missing !== undefined) throw new Error(missing);

  console.log(
    row([
      "model",
      "configuration",
      "property",
      "states",
      "depth",
      "seconds",
      "result",
    ]),
  );
  const begun = performance.now();
  const chosen = CONFIGURATIONS.filter(({ slow }) => !(isQuick && slow));
  let surprises = 0;
  let at = 0;
  const work = async () => {
    for (let next = chosen[at++]; next !== undefined; next = chosen[at++]) {
      if (!await report(next)) surprises++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(
    `\n${chosen.length} configurations, ${surprises} surprises, ${seconds} s`,
  );
  const passed = chosen.length - surprises;
  console.log(toLine({ passed, failed: surprises, skipped: 0 }));
  return surprises === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
