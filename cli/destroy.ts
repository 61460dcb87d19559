// destroy: ends one pool.

import { ManagedMemoryError, MemoryPool } from "../mod.ts";
import { type Command, directoryOption, Exit } from "./command.ts";
import { json } from "./format.ts";
import { print } from "./terminal.ts";

/** The command `destroy`. */
export const destroy: Command = {
  name: "destroy",
  summary: "destroys a pool",
  operands: "POOL",
  count: { least: 1, most: 1 },
  options: {
    force: { text: "Destroy it also while a living process is attached" },
  },
  description: [
    "Destroys a pool and removes its file. What lies in it is lost.",
    "Refuses while a living process is attached. With --force it does not: from then on every call of those processes fails, and what waits for room fails at once. Memory that they have mapped stays until they let go of it.",
    "Removes as well what bears the name of a pool and is none, or none any more.",
  ],
  json: "An object with the name of the pool that was destroyed.",
  examples: [
    ["destroy frames", "Destroys the pool frames if nobody uses it"],
    ["destroy frames --force", "Destroys it all the same"],
  ],
  run(call) {
    const { name } = call.place;
    const force = call.flag("force");
    try {
      MemoryPool.remove(name, { ...directoryOption(call), force });
    } catch (error) {
      if (!(error instanceof ManagedMemoryError) || error.code !== "in-use") {
        throw error;
      }
      throw new Error(
        `Cannot destroy pool "${name}": a living process is attached to it; --force destroys it all the same`,
        { cause: error },
      );
    }
    print(call.json ? json({ name }) : `Destroyed pool "${name}"`);
    return Exit.OK;
  },
};
