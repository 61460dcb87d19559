// An image in shared memory, and a process for each step: one paints it, one
// makes it its own negative in place, one writes it to a file.
//
//   deno run --allow-ffi --allow-run image.ts image.ppm

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";

const WIDTH = 320;
const HEIGHT = 200;
const ROW = 4 * WIDTH; // bytes: red, green, blue, opacity

function paint(pixels: Uint8Array): void {
  for (let at = 0; at < pixels.length; at += 4) {
    const [x, y] = [at % ROW / 4, Math.floor(at / ROW)];
    pixels.set([x * 255 / WIDTH, y * 255 / HEIGHT, 64, 255], at);
  }
}

function negate(pixels: Uint8Array): void {
  for (let at = 0; at < pixels.length; at++) {
    if (at % 4 !== 3) pixels[at] = 255 - pixels[at]!;
  }
}

/** As a PPM: a line of text, then red, green and blue of each pixel. */
async function write(pixels: Uint8Array, path: string): Promise<void> {
  const head = new TextEncoder().encode(`P6 ${WIDTH} ${HEIGHT} 255\n`);
  const opaque = pixels.filter((_, at) => at % 4 !== 3);
  await Deno.writeFile(path, ReadableStream.from([head, opaque]));
}

const [path = "image.ppm", step, descriptor] = Deno.args;
if (descriptor !== undefined) {
  using image = MemoryAlloc.attach(Uint8Array.fromBase64(descriptor));
  const pixels = new Uint8Array(image.getMemview());
  if (step === "paint") paint(pixels);
  else if (step === "negate") negate(pixels);
  else await write(pixels, path);
} else {
  const size = ROW * HEIGHT;
  using pool = MemoryPool.create(size, `image-${crypto.randomUUID()}`, 1);
  using image = pool.alloc(size);
  for (const step of ["paint", "negate", "write"]) {
    const run = ["run", "--quiet", "--allow-ffi"];
    if (step === "write") run.push(`--allow-write=${path}`);
    const args = [path, step, image.serialize().toBase64()];
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [...run, import.meta.url, ...args],
    }).spawn().status;
    if (!success) throw new Error(`The step "${step}" failed`);
  }
  console.log(`Wrote ${path}`);
}
