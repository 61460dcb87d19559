// Finds and loads the native library: when the module is imported, or, if the
// permission for it comes later, at first use. It is never unloaded.

import { type EmbeddedLibrary, readEmbedded } from "./embedded.ts";
import { ManagedMemoryError } from "./errors.ts";
import { libraryName } from "./library_name.ts";
import { PosixLibraryFiles } from "./library_files_posix.ts";
import { WindowsLibraryFiles } from "./library_files_windows.ts";
import { loadFromFile } from "./load_from_file.ts";
import { loadFromMemory } from "./load_from_memory.ts";
import { openLibrary } from "./open_library.ts";
import type { Native } from "./symbols.ts";

const OVERRIDE = "MANAGED_MEMORY_LIBRARY";

/** What `deno task build` makes in a checkout. */
const LOCAL_BUILD = `../zig-out/lib/${libraryName()}`;

/** A place where the library may be. */
interface Place {
  readonly name: string;
  /** Loads it from there, or throws why that is not possible. */
  load(): Native;
}

const PLACES: readonly Place[] = [
  { name: `environment variable ${OVERRIDE}`, load: loadOverride },
  { name: "local build", load: loadLocalBuild },
  { name: "copy in the package", load: loadEmbedded },
];

let native: Native | null = null;
/** Why the library is not there: attempts and reasons, or what permission is missing. */
let failure = "";

/** The copy in the package, or why there is none. */
let embedded: EmbeddedLibrary | Error = new Error("not read yet");

/** The path in the environment, if reading it is allowed without asking. */
function loadOverride(): Native {
  const permission = Deno.permissions.querySync({
    name: "env",
    variable: OVERRIDE,
  });
  if (permission.state !== "granted") {
    throw new Error("not read, for lack of --allow-env");
  }
  const path = Deno.env.get(OVERRIDE);
  if (!path) throw new Error("not set");
  return openAt(path);
}

function loadLocalBuild(): Native {
  // A compiled program takes its modules for files of a directory that anybody
  // may make, and put a library into.
  if (Deno.build.standalone) throw new Error("this is a compiled program");
  const url = new URL(LOCAL_BUILD, import.meta.url);
  if (url.protocol !== "file:") {
    throw new Error("the module was not loaded from a file");
  }
  return openAt(url);
}

function openAt(path: string | URL): Native {
  try {
    return openLibrary(path);
  } catch (error) {
    throw new Error(`"${path}": ${textOf(error)}`);
  }
}

function loadEmbedded(): Native {
  if (embedded instanceof Error) throw embedded;
  if (Deno.build.os === "linux") return loadFromMemory(embedded);
  using files = Deno.build.os === "windows"
    ? new WindowsLibraryFiles()
    : new PosixLibraryFiles();
  return loadFromFile(embedded, files);
}

/** Deno's own words for a failure, in one line. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, " ").replace(/\.$/, "");
}

function load(): void {
  const permission = Deno.permissions.querySync({ name: "ffi" });
  if (permission.state !== "granted" || permission.partial) {
    failure = "--allow-ffi was not granted, or only for some paths; " +
      "run Deno with --allow-ffi, without a path: shared memory cannot be limited to files";
    return;
  }
  const attempts: string[] = [];
  for (const { name, load } of PLACES) {
    try {
      native = load();
      return;
    } catch (error) {
      attempts.push(`${name}: ${textOf(error)}`);
    }
  }
  failure = `${attempts.join("; ")}; in a checkout, run "deno task build"; ` +
    `elsewhere, ${OVERRIDE} may hold the path of a library built from the sources`;
}

load();
if (native === null) {
  // Reading it takes a while, which only an import can wait for.
  try {
    embedded = await readEmbedded();
  } catch (error) {
    embedded = new Error(textOf(error));
  }
  load();
}

/**
 * The native library's functions.
 *
 * @throws {ManagedMemoryError} with code `"library-unavailable"`, and every
 * attempt to load it with its reason.
 */
export function nativeLibrary(): Native {
  if (native === null) load();
  if (native !== null) return native;
  throw new ManagedMemoryError(
    `Cannot load the native library: ${failure}`,
    { code: "library-unavailable" },
  );
}
