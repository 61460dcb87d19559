// The few calls of the C library that the resume row needs: the clock that all
// processes share, and futexes.

const SYS_FUTEX = { x86_64: 202, aarch64: 98 }[Deno.build.arch];
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const CLOCK_MONOTONIC = 1;

const SYSCALL = [
  "isize", // long number
  "pointer", // uint32_t *uaddr
  "isize", // int futex_op
  "isize", // uint32_t val
  "usize", // const struct timespec *timeout
] as const;

const { symbols } = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  syscall: { parameters: SYSCALL, result: "isize" },
  parked_syscall: {
    name: "syscall",
    parameters: SYSCALL,
    result: "isize",
    nonblocking: true,
  },
});

const time = new BigInt64Array(2);

/** Nanoseconds by a clock that all processes share. */
export function now(): number {
  symbols.clock_gettime(CLOCK_MONOTONIC, time);
  return Number(time[0]) * 1e9 + Number(time[1]);
}

/** Sleeps on another thread, in a bare native call, until it is woken; not at all if the word has another value. */
export async function park(word: Int32Array<ArrayBuffer>): Promise<void> {
  const expected = BigInt(Atomics.load(word, 0));
  await symbols.parked_syscall(
    BigInt(SYS_FUTEX),
    Deno.UnsafePointer.of(word),
    BigInt(FUTEX_WAIT),
    expected,
    0n,
  );
}

/** Wakes who is parked at this word of shared memory, in whatever process. */
export function wake(word: Int32Array<ArrayBuffer>): void {
  Atomics.add(word, 0, 1);
  symbols.syscall(
    BigInt(SYS_FUTEX),
    Deno.UnsafePointer.of(word),
    BigInt(FUTEX_WAKE),
    1n,
    0n,
  );
}
