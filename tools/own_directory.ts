// Directories in shared memory for the pools of one run of a tool.

const SHARED_MEMORY = "/dev/shm";
/** What a process id has at most, so that all paths are of one length. */
const DIGITS = 7;

/**
 * Makes a directory, and removes those that killed runs of the same tool left.
 *
 * @param tool The tool's name; part of the directory's.
 * @returns Its path, to be removed by the caller. It is always equally long.
 */
export async function ownDirectory(tool: string): Promise<string> {
  const prefix = `mm-${tool}-`;
  await removeLeftovers(prefix);
  const owner = String(Deno.pid).padStart(DIGITS, "0");
  const path = `${SHARED_MEMORY}/${prefix}${owner}-${crypto.randomUUID()}`;
  await Deno.mkdir(path, { mode: 0o700 });
  return path;
}

async function removeLeftovers(prefix: string): Promise<void> {
  const pattern = new RegExp(`^${prefix}(\\d+)-`);
  for await (const entry of Deno.readDir(SHARED_MEMORY)) {
    const owner = pattern.exec(entry.name)?.[1];
    if (owner === undefined || await exists(`/proc/${Number(owner)}`)) continue;
    await Deno.remove(`${SHARED_MEMORY}/${entry.name}`, { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
