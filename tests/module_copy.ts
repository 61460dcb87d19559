// A copy of the module in a folder of its own, as a user has it: away from the
// local build, and from what the repository has besides.

const ROOT = new URL("../", import.meta.url);

/** Such a copy. Take it with `using`: its disposal removes the folder. */
export class ModuleCopy implements Disposable {
  /** Its folder, with a slash at the end. */
  readonly url: URL;

  /** Copies these folders and files, given by their paths in the repository. */
  constructor(paths: readonly string[]) {
    const folder = Deno.makeTempDirSync({ prefix: "managed-memory-test-" });
    this.url = new URL(`file://${folder}/`);
    for (const path of paths) copy(path, this.url);
  }

  /** The module, with what tests start processes from. */
  static withFixtures(): ModuleCopy {
    return new ModuleCopy(["mod.ts", "lib", "tests/fixtures"]);
  }

  /** The path of a file in it. */
  path(name: string): string {
    return new URL(name, this.url).pathname;
  }

  /** Names of the files in it, with their folders, in order. */
  get files(): string[] {
    return [...filesBelow(this.url, "")].sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.url, { recursive: true });
  }
}

function copy(path: string, target: URL): void {
  const from = new URL(path, ROOT);
  const names = Deno.statSync(from).isDirectory
    ? [...filesBelow(new URL(`${path}/`, ROOT), `${path}/`)]
    : [path];
  for (const name of names) {
    const to = new URL(name, target);
    Deno.mkdirSync(new URL("./", to), { recursive: true });
    Deno.copyFileSync(new URL(name, ROOT), to);
  }
}

function* filesBelow(folder: URL, prefix: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) {
      yield* filesBelow(new URL(`${name}/`, folder), `${prefix}${name}/`);
    } else yield prefix + name;
  }
}
