// Finds the command that was called, runs it, and says in one line why it failed.

import { Call, type Command, Exit, PROGRAM, UsageError } from "./command.ts";
import { destroy } from "./destroy.ts";
import { gc } from "./gc.ts";
import { list } from "./list.ts";
import { commandPage, programPage } from "./manual.ts";
import { map } from "./map.ts";
import { show } from "./show.ts";
import { print } from "./terminal.ts";
import { top } from "./top.ts";

const COMMANDS: readonly Command[] = [list, show, map, top, gc, destroy];

function find(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  throw new UsageError(
    name.startsWith("-")
      ? `The command comes first, then "${name}"`
      : `There is no command "${name}"`,
  );
}

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError("No command was given");
  if (name === "--help" || name === "-h" || name === "help") {
    const about = name === "help" ? rest[0] : undefined;
    print(
      ...about === undefined ? programPage(COMMANDS) : commandPage(find(about)),
    );
    return Exit.OK;
  }
  const command = find(name);
  const call = Call.parse(command, rest);
  if (call.flag("help")) {
    print(...commandPage(command));
    return Exit.OK;
  }
  return await command.run(call);
}

/** An error's text, in one line. */
export function lineOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, " ");
}

/**
 * Does what the arguments say.
 *
 * @returns The exit code: 0, 1 after a failure, 2 if it was called wrongly.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    // Whoever read the output has seen enough.
    if (error instanceof Deno.errors.BrokenPipe) return Exit.OK;
    const isUsage = error instanceof UsageError;
    const hint = isUsage ? `; see ${PROGRAM} --help` : "";
    console.error(`${PROGRAM}: ${lineOf(error)}${hint}`);
    return isUsage ? Exit.USAGE : Exit.FAILURE;
  }
}
