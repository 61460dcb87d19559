// What the module is measured against, where this machine has it. A peer that is
// not here is left out, with one line that says what to install.

import { compilePeer } from "./compile.ts";
import { dragonLibrary, dragonModule } from "./dragon.ts";
import { iceoryx2Peer } from "./iceoryx2.ts";
import type { Program } from "./programs.ts";

/** How a table calls a peer, and how to get its program, or in words why there is none. */
interface Peer {
  readonly title: string;
  prepare(options: PeerOptions): Promise<Program | string>;
}

export interface PeerOptions {
  /** Whether to do without what takes minutes to build. */
  readonly isQuick: boolean;
}

const PEERS = {
  boost: {
    title: "Boost.Interprocess",
    prepare: () =>
      compilePeer("boost", {
        header: "boost/interprocess/managed_shared_memory.hpp",
        remedy: "Debian package libboost-dev",
        // Where shared memory was before glibc 2.34.
        libraries: ["-lrt"],
      }),
  },
  mimalloc: {
    title: "mimalloc",
    prepare: () =>
      compilePeer("mimalloc", {
        header: "mimalloc.h",
        remedy: "Debian package libmimalloc-dev",
        libraries: ["-lmimalloc"],
      }),
  },
  dragon: { title: "Dragon (C)", prepare: dragonLibrary },
  dragonPython: { title: "Dragon (Python)", prepare: dragonModule },
  iceoryx2: { title: "iceoryx2", prepare: iceoryx2Peer },
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

/** The peers of one run: each is prepared once. */
export class Peers {
  readonly #options: PeerOptions;
  readonly #programs = new Map<PeerName, Promise<Program | undefined>>();

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  /** A peer's program, or undefined if it is not here. */
  get(name: PeerName): Promise<Program | undefined> {
    const known = this.#programs.get(name);
    if (known !== undefined) return known;
    const program = this.#prepare(name);
    this.#programs.set(name, program);
    return program;
  }

  async #prepare(name: PeerName): Promise<Program | undefined> {
    const peer: Peer = PEERS[name];
    const program = await peer.prepare(this.#options);
    if (typeof program !== "string") return program;
    console.error(`${peer.title} is skipped: ${program}`);
    return undefined;
  }
}

/** How tables and charts call a peer. */
export function titleOf(name: PeerName): string {
  return PEERS[name].title;
}
