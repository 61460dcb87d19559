// What a build calls the native library's file. Tools use it as well.

/** The file's name on this system. */
export function libraryName(): string {
  switch (Deno.build.os) {
    case "windows":
      return "managed_memory.dll";
    case "darwin":
      return "libmanaged_memory.dylib";
    default:
      return "libmanaged_memory.so";
  }
}
