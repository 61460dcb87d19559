// Loads the native library out of the package on Linux: from a file that is only
// in memory, so that nothing is written and `--allow-ffi` is all that is needed.

import type { EmbeddedLibrary } from "./embedded.ts";
import { Libc } from "./libc.ts";
import { openLibrary } from "./open_library.ts";
import type { Native } from "./symbols.ts";

/** The only flag: this is what every setting of `vm.memfd_noexec` allows. */
const MFD_CLOEXEC = 1;

/** How many paths are tried: other libraries may have used up the first ones. */
const ATTEMPTS = 16;

/**
 * Loads the library, or finds the copy that another thread of this process has
 * loaded.
 *
 * @param embedded The library.
 * @returns Its functions.
 * @throws {Error} If the system does not allow it; says why.
 */
export function loadFromMemory(embedded: EmbeddedLibrary): Native {
  const { buildId } = embedded;
  const name = `libmanaged_memory-${buildId}.so`;
  const loaded = findLoaded(name, buildId);
  if (loaded !== null) return loaded;
  const copy = loadCopy(embedded);
  // Where threads did this at the same time, all use the copy that was first.
  // (musl knows libraries by other names: there each thread has its own.)
  return findLoaded(name, buildId) ?? copy;
}

function findLoaded(name: string, buildId: string): Native | null {
  try {
    return openLibrary(name, buildId);
  } catch {
    return null;
  }
}

/**
 * The system's loader knows libraries by their paths: where another library was
 * loaded from a descriptor of the same number, it answers with that one, and the
 * next number must be tried. For the same reason ours stays open for ever.
 */
function loadCopy({ bytes, buildId }: EmbeddedLibrary): Native {
  using libc = new Libc();
  const inVain: number[] = [];
  try {
    for (;;) {
      const file = libc.memfdCreate("managed-memory", MFD_CLOEXEC);
      try {
        libc.write(file, bytes);
        return openLibrary(`/proc/self/fd/${file}`, buildId);
      } catch (error) {
        inVain.push(file);
        if (inVain.length === ATTEMPTS) throw error;
      }
    }
  } finally {
    for (const file of inVain) libc.close(file);
  }
}
