// What the figures depend on, besides the code.

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly kernel: string;
  readonly target: string;
  readonly deno: string;
  readonly v8: string;
  readonly memoryGiB: number;
  /** Processes that wanted a core in the minute before. */
  readonly load: number;
  /** What the system grants to shared memory: one of always, within_size, advise, never, deny, force. */
  readonly hugePages: string;
}

const HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

export function thisMachine(): Machine {
  return {
    cores: navigator.hardwareConcurrency,
    cpu: cpu(),
    kernel: Deno.osRelease(),
    target: Deno.build.target,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    load: Deno.loadavg()[0]!,
    hugePages: hugePages(),
  };
}

/** Whether others leave too little of it for figures that mean something. */
export function isBusy({ load, cores }: Machine): boolean {
  return load > cores / 4;
}

function cpu(): string {
  const text = read("/proc/cpuinfo") ?? "";
  return /^(?:model name|Model|CPU part)\s*:\s*(.+)$/m.exec(text)?.[1] ??
    "unknown";
}

/** The choice in brackets of `always within_size advise [never] deny force`. */
function hugePages(): string {
  const text = read(HUGE_PAGES);
  return /\[(\w+)\]/.exec(text ?? "")?.[1] ?? "unknown";
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
