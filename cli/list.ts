// list: the pools of this host.

import { MemoryPool } from "../mod.ts";
import { type Command, directoryOption, Exit } from "./command.ts";
import { bytes, json, moment, percent, table, whole } from "./format.ts";
import { paint, print, Style } from "./terminal.ts";

const COLUMNS = [
  { title: "POOL" },
  { title: "UID", isNumber: true },
  { title: "SIZE", isNumber: true },
  { title: "USED", isNumber: true },
  { title: "", isNumber: true },
  { title: "PROCESSES", isNumber: true },
  { title: "CREATOR", isNumber: true },
  { title: "SINCE" },
];

/** The command `list`. */
export const list: Command = {
  name: "list",
  summary: "lists the pools of this host",
  operands: "",
  count: { least: 0, most: 0 },
  options: {},
  description: [
    "One line for each pool that may be read: its name, the number that its creator gave it, its size, how much of it is in live blocks, how many living processes are attached, and the process that created it with the time (UTC) when that began.",
    "An orphan is a pool to which no living process is attached; gc removes those.",
  ],
  json:
    "An array of objects with name, uid (a string), size and used in bytes, processes, isOrphan, and creator: its pid and start (ISO 8601, or null).",
  examples: [
    ["list", "All pools in /dev/shm"],
    ["list --json", "The same for programs"],
  ],
  run(call) {
    const pools = MemoryPool.list(directoryOption(call));
    if (call.json) {
      print(json(pools.map(({ serialized: _, ...pool }) => pool)));
      return Exit.OK;
    }
    if (pools.length === 0) {
      print("No pools");
      return Exit.OK;
    }
    const [head, ...lines] = table(
      COLUMNS,
      pools.map((pool) => [
        pool.name,
        String(pool.uid),
        bytes(pool.size),
        bytes(pool.used),
        percent(pool.used / pool.size),
        pool.isOrphan ? "orphan" : whole(pool.processes),
        String(pool.creator.pid),
        pool.creator.start === null ? "unknown" : moment(pool.creator.start),
      ]),
    );
    print(paint(head!, Style.BOLD));
    lines.forEach((line, index) =>
      print(pools[index]!.isOrphan ? paint(line, Style.YELLOW) : line)
    );
    return Exit.OK;
  },
};
