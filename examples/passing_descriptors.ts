// Three ways to pass a descriptor to another process: its standard input, an
// environment variable, a Unix socket. A descriptor is a short Uint8Array;
// where only text can go, base64 does.
//
//   deno run --allow-ffi --allow-run --allow-net --allow-read --allow-write passing_descriptors.ts

import { MemoryAlloc, MemoryPool } from "@dragon/managed-memory";

/** In the child: how it gets the descriptor. */
async function receive(way: string, path = ""): Promise<Uint8Array> {
  if (way === "stdin") return await new Response(Deno.stdin.readable).bytes();
  if (way === "variable") {
    return Uint8Array.fromBase64(Deno.env.get("GREETING")!);
  }
  const connection = await Deno.connect({ transport: "unix", path });
  return await new Response(connection.readable).bytes();
}

/** Starts a child that is told its way, with the permissions for that. */
function start(
  args: string[],
  permissions: string[],
  options: Deno.CommandOptions,
): Deno.ChildProcess {
  const run = ["run", "--quiet", "--allow-ffi", ...permissions];
  return new Deno.Command(Deno.execPath(), {
    ...options,
    args: [...run, import.meta.url, ...args],
  }).spawn();
}

async function passThroughStdin(descriptor: Uint8Array): Promise<void> {
  const { stdin, status } = start(["stdin"], [], { stdin: "piped" });
  await ReadableStream.from([descriptor]).pipeTo(stdin);
  await status;
}

async function passInVariable(descriptor: Uint8Array): Promise<void> {
  const env = { GREETING: descriptor.toBase64() };
  await start(["variable"], ["--allow-env=GREETING"], { env }).status;
}

async function passThroughSocket(descriptor: Uint8Array): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const permissions = ["--allow-net", "--allow-read", "--allow-write"];
  const { status } = start(["socket", path], permissions, {});
  const connection = await listener.accept();
  await ReadableStream.from([descriptor]).pipeTo(connection.writable);
  await status;
  Deno.removeSync(folder, { recursive: true });
}

const [way, path] = Deno.args;
if (way !== undefined) {
  using greeting = MemoryAlloc.attach(await receive(way, path));
  console.log(`${way}: ${new TextDecoder().decode(greeting.getMemview())}`);
} else {
  const text = new TextEncoder().encode("hello");
  using pool = MemoryPool.create(1024, `greeting-${crypto.randomUUID()}`, 1);
  using greeting = pool.alloc(text.length);
  new Uint8Array(greeting.getMemview()).set(text);
  await passThroughStdin(greeting.serialize());
  await passInVariable(greeting.serialize());
  await passThroughSocket(greeting.serialize());
}
