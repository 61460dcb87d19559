// Dragon HPC, whose Managed Memory this module brings to Deno: its C library and
// its Python module, both from the Python package "dragonhpc".

import { compilePeer } from "./compile.ts";
import { Program } from "./programs.ts";

const PYTHON = "python3";
const REMEDY =
  'a Python 3 on the path that has the package "dragonhpc": pip install dragonhpc';

/** Prints the folder of the package; fails if it is not there. */
const FIND = `
import importlib.util
print(importlib.util.find_spec("dragon").submodule_search_locations[0])
`;

/** Dragon's C library, without Python. */
export async function dragonLibrary(): Promise<Program | string> {
  const folder = await packageFolder();
  if (folder === undefined) return `there is no ${REMEDY}`;
  return await compilePeer("dragon", {
    header: "dragon/managed_memory.h",
    remedy: REMEDY,
    include: `${folder}/include`,
    libraries: [`-L${folder}/lib`, `-Wl,-rpath,${folder}/lib`, "-ldragon"],
  });
}

/** Dragon's Python module, by the same work. */
export async function dragonModule(): Promise<Program | string> {
  if (await packageFolder() === undefined) return `there is no ${REMEDY}`;
  const script = new URL("peers/dragon_module.py", import.meta.url);
  return new Program(PYTHON, { args: [decodeURIComponent(script.pathname)] });
}

async function packageFolder(): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(PYTHON, {
      args: ["-c", FIND],
      stdin: "null",
      stderr: "null",
    }).output();
    if (!success) return undefined;
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
