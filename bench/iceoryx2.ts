// iceoryx2, built by cargo from bench/peers/iceoryx2/.

import { succeeds } from "./compile.ts";
import type { PeerOptions } from "./peers.ts";
import { Program, PROGRAMS } from "./programs.ts";

const MANIFEST = "bench/peers/iceoryx2/Cargo.toml";

/** The peer's program, or in words why there is none. */
export async function iceoryx2Peer(
  { isQuick }: PeerOptions,
): Promise<Program | string> {
  const target = new URL("iceoryx2/", PROGRAMS);
  const program = new URL("release/iceoryx2-peer", target);
  if (isQuick && !(await isThere(program))) {
    return "it takes minutes to build, which a run without --quick does";
  }
  if (!(await succeeds("cargo", ["--version"]))) {
    return "there is no cargo (Debian package cargo, or rustup)";
  }
  const folder = decodeURIComponent(target.pathname);
  const args = ["build", "--release", "--manifest-path", MANIFEST];
  if (!(await isThere(program))) console.error(`Building ${MANIFEST}`);
  // To its end in silence: what it says is for people who work on it.
  const isBuilt = await succeeds("cargo", [...args, "--target-dir", folder]);
  if (!isBuilt) return `"cargo ${args.join(" ")}" fails; run it to see why`;
  return new Program(program);
}

async function isThere(file: URL): Promise<boolean> {
  try {
    await Deno.stat(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
