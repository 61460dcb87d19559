// docs/troubleshooting.md: every message that it quotes is one that the module
// prints, and every code of the module has a place in it.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ManagedMemoryError, MemoryAlloc, MemoryPool } from "../mod.ts";
import {
  allocError,
  attachError,
  callError,
  createError,
  E_BUSY,
  E_DESCRIPTOR,
  E_FS_FULL,
  E_NO_DEFAULT,
  E_NO_PROC,
  E_NO_SLOT,
} from "../lib/status.ts";
import { createPool, MIB, thrownBy } from "./helpers.ts";
import { PeerProcess, permittedTest } from "./processes.ts";
import { RemoteError } from "./fixtures/remote_call.ts";

const PAPER = new URL("../docs/troubleshooting.md", import.meta.url);
const ERRORS = new URL("../lib/errors.ts", import.meta.url);
const OTHER_HOST = new URL(
  "../fuzz/seeds/descriptor/other-host",
  import.meta.url,
);

/** An error as the paper shows it. */
function shown(error: { name: string; message: string; code: string }): string {
  return `${error.name}: ${error.message}\ncode: "${error.code}"`;
}

/** The same with the names that the paper uses, and the first id. */
function normalized(text: string): string {
  return text
    .replace(/(does not belong to pool) "test-[^"]*"/, '$1 "films"')
    .replaceAll(/test-[0-9a-f-]{36}/g, "frames")
    .replaceAll('"pool"', '"frames"')
    .replace(/allocation \d+ of/, "allocation 1 of");
}

/** Errors that one process can bring about. */
function* caused(): Generator<ManagedMemoryError> {
  using pool = createPool(MIB, { maxAllocations: 2 });
  const { name } = pool;
  yield thrownBy(() => MemoryPool.create(1, name, 1));
  yield thrownBy(() => MemoryPool.remove(name));
  yield thrownBy(() => MemoryPool.create(1, "a/b", 1));
  yield thrownBy(() => createPool(1, { directory: "/proc" }));
  yield thrownBy(() => createPool(2 ** 50));
  yield thrownBy(() => pool.alloc(2 * MIB));

  const whole = pool.alloc(pool.size);
  yield thrownBy(() => pool.alloc(100));
  yield thrownBy(() => pool.allocBlockingSync(100, { timeout: 5 }));
  whole.free();
  yield thrownBy(() => whole.getMemview());

  const one = pool.alloc(1);
  yield thrownBy(() => one.resize(5000));
  yield thrownBy(() => one.clone(0, 1).resize(2));
  const serialized = one.serialize();
  yield thrownBy(() => MemoryPool.attach(serialized));
  yield thrownBy(() => MemoryPool.attach(serialized.subarray(1)));
  yield thrownBy(() => MemoryAlloc.attach(pool.serialize()));
  pool.alloc(1);
  yield thrownBy(() => pool.alloc(100));
  one.free();
  yield thrownBy(() => MemoryAlloc.attach(serialized));

  using detached = MemoryPool.attach(pool.serialize());
  detached.detach();
  yield thrownBy(() => detached.alloc(100));
  const left = pool.alloc(1);
  left.detach();
  yield thrownBy(() => left.getMemview());
  using films = createPool();
  const film = films.alloc(1);
  yield thrownBy(() => pool.free(film));

  const gone = createPool();
  const bytes = gone.serialize();
  const attached = MemoryPool.attach(bytes);
  gone.destroy();
  yield thrownBy(() => attached.alloc(100));
  yield thrownBy(() => MemoryPool.attach(bytes));
  attached.detach();
  yield thrownBy(() => MemoryPool.attach(bytes));
  using _successor = MemoryPool.create(1, gone.name, 1);
  yield thrownBy(() => MemoryPool.attach(bytes));

  const orphan = createPool();
  orphan.detach();
  yield thrownBy(() => MemoryPool.create(1, orphan.name, 1));
  MemoryPool.remove(orphan.name);

  using remote = MemoryPool.attach(Deno.readFileSync(OTHER_HOST));
  yield thrownBy(() => remote.alloc(100));
}

// Of the operating system, as the native library answers them: -1000 - errno.
const EPERM = -1001;
const EACCES = -1013;
const EMFILE = -1024;
const EROFS = -1030;

/** Errors that need another user, a full file system, or a stopped process: as they are worded. */
function* worded(): Generator<Error> {
  yield allocError(E_FS_FULL, 'allocate 60000000 bytes in pool "frames"');
  yield allocError(E_FS_FULL, 'allocate 2097152 bytes in pool "frames"');
  yield allocError(E_BUSY, 'allocate 100 bytes in pool "frames"');
  yield attachError(E_NO_DEFAULT, "attach to the default pool");
  yield attachError(E_DESCRIPTOR, "attach to the default pool");
  yield attachError(E_NO_SLOT, 'attach to pool "frames"');
  yield attachError(EACCES, 'attach to pool "frames"');
  yield attachError(EMFILE, 'attach to pool "frames"');
  yield callError(EPERM, 'remove pool "frames"');
  yield callError(EPERM, 'destroy pool "frames"');
  for (const status of [E_FS_FULL, E_NO_PROC, EMFILE, EROFS]) {
    yield createError(status, 'create pool "frames"');
  }
}

/** What a process gets that may use FFI on some path only. */
async function refused(): Promise<Error> {
  await using peer = await PeerProcess.start({
    permissions: ["--allow-ffi=/nonexistent"],
  });
  // An error does not come back as an object: only its class and message do.
  const { remote } = await assertRejects(
    () => peer.run(({ MemoryPool }) => void MemoryPool.list()),
    RemoteError,
  );
  return new ManagedMemoryError(remote.message, {
    code: "library-unavailable",
  });
}

permittedTest(
  "docs/troubleshooting.md quotes errors as they are",
  ["read", "run"],
  async () => {
    const paper = Deno.readTextFileSync(PAPER);
    const quoted = [...paper.matchAll(/^\w+Error: Cannot .*\ncode: .*$/gm)];
    const real = [...caused(), ...worded(), await refused()].map((error) => {
      assert(error instanceof ManagedMemoryError, `${error}`);
      return normalized(shown(error));
    });
    assertEquals(
      [...new Set(quoted.map(([text]) => text))].sort(),
      [...new Set(real)].sort(),
    );
  },
);

permittedTest(
  "docs/troubleshooting.md has a place for every code",
  ["read"],
  () => {
    const union = Deno.readTextFileSync(ERRORS).match(
      /^export type ManagedMemoryErrorCode =\n([^;]*);/m,
    );
    assert(union);
    const codes = [...union[1]!.matchAll(/"[a-z-]+"/g)].map(([code]) => code);
    const paper = Deno.readTextFileSync(PAPER);
    const index = paper.slice(0, paper.indexOf("\n## "));
    const listed = [...index.matchAll(/`("[a-z-]+")`/g)].map((one) => one[1]!);
    assertEquals([...new Set(listed)].sort(), codes.sort());
  },
);

permittedTest(
  "The papers for users link to headings that are there",
  ["read"],
  () => {
    const text = (name: string) =>
      Deno.readTextFileSync(new URL(name, PAPER)).replace(
        /^```[^]*?^```/gm,
        "",
      );
    for (const name of ["troubleshooting.md", "cookbook.md"]) {
      for (
        const [, file, anchor] of text(name).matchAll(
          /\]\((\w+\.md)?(?:#([\w-]+))?\)/g,
        )
      ) {
        const headings = [...text(file ?? name).matchAll(/^#+ (.*)$/gm)].map(
          ([, heading]) =>
            heading!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(
              " ",
              "-",
            ),
        );
        assert(
          anchor === undefined || headings.includes(anchor),
          `${name} links to ${file ?? ""}#${anchor}`,
        );
      }
    }
  },
);
