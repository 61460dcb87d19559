// The library as a file, as it is loaded where it cannot be loaded from memory:
// with the C library's own calls, in a directory of the test.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type EmbeddedLibrary, readEmbedded } from "../lib/embedded.ts";
import { loadFromFile } from "../lib/load_from_file.ts";
import { PosixLibraryFiles } from "../lib/library_files_posix.ts";
import { permittedTest } from "./processes.ts";

/** O_RDONLY, O_NOFOLLOW and O_CLOEXEC of Linux. */
const FLAGS = 0x80000 | (Deno.build.arch === "x86_64" ? 0x20000 : 0x8000);

/** Calls `test` with a directory for libraries, which is removed afterwards. */
async function withDirectory(
  test: (
    directory: string,
    embedded: EmbeddedLibrary,
    files: PosixLibraryFiles,
  ) => void,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "managed-memory-test-" });
  try {
    using files = new PosixLibraryFiles({ directory, flags: FLAGS });
    test(directory, await readEmbedded(), files);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function fileTest(
  name: string,
  test: (
    directory: string,
    embedded: EmbeddedLibrary,
    files: PosixLibraryFiles,
  ) => void,
): void {
  const missing = (["read", "write", "ffi"] as const).some((name) =>
    Deno.permissions.querySync({ name }).state !== "granted"
  );
  Deno.test({
    name,
    ignore: missing,
    // The library is never unloaded.
    sanitizeResources: false,
    fn: () => withDirectory(test),
  });
}

/** Names of the files in a directory. */
function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

fileTest(
  "loadFromFile() makes a file under the hash, for this user only, and no other",
  (directory, embedded, files) => {
    const native = loadFromFile(embedded, files);
    assertEquals(native.mm_abi_version(), 2);
    const path = files.pathOf(embedded.sha256);
    assert(path.includes(embedded.sha256));
    assertEquals(namesIn(directory).length, 1);
    assertEquals(Deno.readFileSync(path), embedded.bytes);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  },
);

fileTest(
  "loadFromFile() uses the file that is there",
  (_directory, embedded, files) => {
    loadFromFile(embedded, files);
    const path = files.pathOf(embedded.sha256);
    const { ino } = Deno.statSync(path);
    loadFromFile(embedded, files);
    assertEquals(Deno.statSync(path).ino, ino);
  },
);

fileTest(
  "loadFromFile() replaces a file that was changed, cut off or extended",
  (directory, embedded, files) => {
    const path = files.pathOf(embedded.sha256);
    const { bytes } = embedded;
    const changed = bytes.slice();
    changed[bytes.length - 1]! ^= 1;
    const extended = new Uint8Array(bytes.length + 1);
    extended.set(bytes);
    for (
      const wrong of [changed, extended, bytes.slice(0, -1), new Uint8Array()]
    ) {
      Deno.writeFileSync(path, wrong);
      loadFromFile(embedded, files);
      assertEquals(Deno.readFileSync(path), bytes);
      assertEquals(namesIn(directory).length, 1);
      Deno.removeSync(path);
    }
  },
);

fileTest(
  "loadFromFile() does not follow a symbolic link",
  (directory, embedded, files) => {
    const path = files.pathOf(embedded.sha256);
    const elsewhere = `${directory}/elsewhere`;
    Deno.writeFileSync(elsewhere, embedded.bytes);
    Deno.symlinkSync(elsewhere, path);
    loadFromFile(embedded, files);
    assert(Deno.lstatSync(path).isFile);
  },
);

fileTest(
  "loadFromFile() refuses another build, and says which",
  (_directory, embedded, files) => {
    const other = { ...embedded, buildId: "other" };
    assertThrows(
      () => loadFromFile(other, files),
      Error,
      `it is build "${embedded.buildId}", needed is "other"`,
    );
  },
);

permittedTest(
  "loadFromFile() says which call failed where no file can be made",
  ["read", "write"],
  async () => {
    const embedded = await readEmbedded();
    using files = new PosixLibraryFiles({
      directory: "/nonexistent",
      flags: FLAGS,
    });
    assertThrows(
      () => loadFromFile(embedded, files),
      Error,
      "mkstemp() failed: No such file or directory",
    );
  },
);
