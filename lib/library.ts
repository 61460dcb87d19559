// Finds and loads the native library: when the module is imported, or, if the
// permission for it comes later, at first use. It is never unloaded.

import { ManagedMemoryError } from "./errors.ts";
import { type Native, SYMBOLS } from "./symbols.ts";

const ABI_VERSION = 1;
const OVERRIDE = "MANAGED_MEMORY_LIBRARY";

/** A place where the library may be: its path, or why there is none. */
interface Place {
  readonly name: string;
  readonly path: string | URL | null;
  readonly reason: string;
}

/** The path in the environment, if reading it is allowed without asking. */
function overridden(): Place {
  const name = `environment variable ${OVERRIDE}`;
  const permission = Deno.permissions.querySync({
    name: "env",
    variable: OVERRIDE,
  });
  if (permission.state !== "granted") {
    return { name, path: null, reason: "not read, for lack of --allow-env" };
  }
  const path = Deno.env.get(OVERRIDE) || null;
  return { name, path, reason: "not set" };
}

/** What `deno task build` makes in a checkout. */
function localBuild(): Place {
  const name = "local build";
  const url = new URL("../zig-out/lib/libmanaged_memory.so", import.meta.url);
  if (url.protocol !== "file:") {
    return {
      name,
      path: null,
      reason: "the module was not loaded from a file",
    };
  }
  return { name, path: url, reason: "" };
}

const PLACES: readonly (() => Place)[] = [overridden, localBuild];

let native: Native | null = null;
/** Why the library is not there: attempts and reasons, or what permission is missing. */
let failure = "";

function open(path: string | URL): Native {
  const library = Deno.dlopen(path, SYMBOLS);
  const version = library.symbols.mm_abi_version();
  if (version === ABI_VERSION) return library.symbols;
  library.close();
  throw new ManagedMemoryError(
    `Cannot use the native library: its ABI version is ${version}, needed is ${ABI_VERSION}`,
    { code: "library-unavailable" },
  );
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
  for (const place of PLACES) {
    const { name, path, reason } = place();
    if (path === null) {
      attempts.push(`${name}: ${reason}`);
      continue;
    }
    try {
      native = open(path);
      return;
    } catch (error) {
      attempts.push(`${name} "${path}": ${textOf(error)}`);
    }
  }
  failure = `${attempts.join("; ")}; in a checkout, run "deno task build"`;
}

load();

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
