// Compiles the fuzzers (fuzz/) together with the library, by clang: Zig ships
// neither libFuzzer nor AddressSanitizer.

import { isFresh, type Part, refresh } from "./parts.ts";

const ROOT = new URL("../", import.meta.url);

/** Each program, and the files of fuzz/ that it is made of. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  descriptor_fuzz: ["descriptor_fuzz.c", "world.c"],
  image_fuzz: [
    "image_fuzz.c",
    "systematic.c",
    "calls.c",
    "scenes.c",
    "world.c",
  ],
};

const SANITIZERS = [
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
];

const COMPILING = [
  "-std=gnu11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-g",
  "-O1",
  "-fno-omit-frame-pointer",
  "-Icsrc",
  "-DMM_ASSERT=1",
  ...SANITIZERS,
];

/** For the library only, so that what is covered is covered in the library. */
const WATCHING =
  "-fsanitize-coverage=inline-8bit-counters,indirect-calls,pc-table,trace-loads,trace-stores";

/** What fuzz/world.c puts in the place of functions of csrc/os.h. */
const WRAPPED = [
  "commit",
  "fork_mark",
  "fork_mark_free",
  "host_identity",
  "map",
  "now",
  "open_directory",
  "process_id",
  "process_namespace",
  "process_start",
  "random",
  "release",
  "fence_all",
  "sleep",
  "unmap",
  "wait",
];

const LINKING = [
  "-fsanitize=fuzzer",
  ...SANITIZERS,
  ...WRAPPED.map((name) => `-Wl,--wrap=mm__os_${name}`),
];

/** The fuzzers. The flags above are among their sources. */
const FUZZERS: Part = {
  title: "the fuzzers",
  step: "",
  sources: ["csrc/", "fuzz/", "tools/"],
  folder: "zig-out/fuzz/",
  outputs: () => Promise.resolve(Object.keys(PROGRAMS)),
};

/**
 * Why the fuzzers cannot be compiled here.
 *
 * @returns What is missing, and how to install it; undefined if nothing is.
 */
export async function missingForFuzzing(): Promise<string | undefined> {
  const advice = "Fuzzing needs clang and its run-time libraries; " +
    "on Debian 12: apt-get install clang libclang-rt-14-dev";
  if (Deno.build.os !== "linux") return "Fuzzing needs Linux";
  const folder = await Deno.makeTempDir();
  try {
    const source = `${folder}/empty.c`;
    await Deno.writeTextFile(
      source,
      "int LLVMFuzzerTestOneInput(const void *, unsigned long);\n" +
        "int LLVMFuzzerTestOneInput(const void *data, unsigned long size) " +
        "{ return data == 0 && size != 0; }\n",
    );
    await clang([...LINKING, source, "-o", `${folder}/empty`], "null");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${advice} (${reason})`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return undefined;
}

/**
 * Compiles the fuzzers if their sources changed since the last time.
 *
 * @throws {Error} If a source does not compile.
 */
export async function buildFuzzers(): Promise<void> {
  if (await isFresh(FUZZERS)) return;
  console.error(`Building ${FUZZERS.title}`);
  await refresh(FUZZERS, compileAll);
}

async function compileAll(): Promise<void> {
  const objects = new URL(`${FUZZERS.folder}objects/`, ROOT);
  await Deno.mkdir(objects, { recursive: true });
  const library = (await filesIn("csrc/")).filter((name) =>
    name.endsWith(".c") &&
    (!name.startsWith("os_") || /^os_(linux|posix)/.test(name))
  );
  const own = [...new Set(Object.values(PROGRAMS).flat())];
  const objectOf = (folder: string, name: string) =>
    `${FUZZERS.folder}objects/${folder}_${name}.o`;
  const jobs = [
    ...library.map((name) => [WATCHING, "csrc", name] as const),
    ...own.map((name) => ["", "fuzz", name] as const),
  ];
  const worker = async () => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
      const [flag, folder, name] = job;
      await clang([
        ...COMPILING,
        ...(flag === "" ? [] : [flag]),
        ...["-c", `${folder}/${name}`, "-o", objectOf(folder, name)],
      ]);
    }
  };
  await Promise.all([worker(), worker()]);
  for (const [program, files] of Object.entries(PROGRAMS)) {
    await clang([
      ...LINKING,
      ...library.map((name) => objectOf("csrc", name)),
      ...files.map((name) => objectOf("fuzz", name)),
      ...["-o", FUZZERS.folder + program],
    ]);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    if (entry.isFile) names.push(entry.name);
  }
  return names.sort();
}

async function clang(
  args: string[],
  errors: "inherit" | "null" = "inherit",
): Promise<void> {
  let status: Deno.CommandStatus;
  try {
    status = await new Deno.Command("clang", {
      args,
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: errors,
    }).spawn().status;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Error("there is no clang on the PATH");
    }
    throw error;
  }
  if (!status.success) throw new Error(`clang ended with ${status.code}`);
}
