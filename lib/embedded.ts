// The copies of the native library that the package carries: one module for
// each system, made by `deno task release`. Only that of this system is read.

/** The copy for this system. */
export interface EmbeddedLibrary {
  /** What its `mm_build_id()` says. */
  readonly buildId: string;
  /** SHA-256 of its bytes, in hexadecimal. */
  readonly sha256: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What each of the generated modules exports. */
export interface NativeModule {
  /** SHA-256 of the library. */
  readonly SHA256: string;
  /** The library, compressed (raw deflate), in base64. */
  readonly DATA: string;
}

/**
 * Unpacks the library for this system.
 *
 * @returns The library.
 * @throws {Error} If the package has none, or was not built.
 */
export async function readEmbedded(): Promise<EmbeddedLibrary> {
  const { BUILD_ID, NATIVES } = await import("./natives/index.ts");
  const system = `${Deno.build.os}_${Deno.build.arch}`;
  const read = NATIVES[system];
  if (read === undefined) {
    const there = Object.keys(NATIVES).join(", ");
    throw new Error(`there is none for ${system}, only for ${there}`);
  }
  const { SHA256, DATA } = await read();
  const bytes = await inflate(Uint8Array.fromBase64(DATA));
  return { buildId: BUILD_ID, sha256: SHA256, bytes };
}

/** The inverse of raw deflate. */
export function inflate(
  data: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).bytes();
}
