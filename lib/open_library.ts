// Opens a file as the native library, and makes sure that it is one that this
// release of the module can use.

import { type Native, SYMBOLS } from "./symbols.ts";

const ABI_VERSION = 2;

/**
 * Loads a library.
 *
 * @param path Its path, or the name of one that is loaded already.
 * @param buildId Which build it must be; any if omitted.
 * @returns Its functions. It is never unloaded.
 * @throws {Error} If it cannot be loaded, or is another.
 */
export function openLibrary(path: string | URL, buildId?: string): Native {
  const library = Deno.dlopen(path, SYMBOLS);
  try {
    const version = library.symbols.mm_abi_version();
    if (version !== ABI_VERSION) {
      throw new Error(
        `its ABI version is ${version}, needed is ${ABI_VERSION}`,
      );
    }
    const found = buildIdOf(library.symbols);
    if (buildId !== undefined && found !== buildId) {
      throw new Error(`it is build "${found}", needed is "${buildId}"`);
    }
  } catch (error) {
    library.close();
    throw error;
  }
  return library.symbols;
}

function buildIdOf(native: Native): string {
  const text = native.mm_build_id();
  return text === null ? "" : Deno.UnsafePointerView.getCString(text);
}
