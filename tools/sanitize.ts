// Runs the C tests under every sanitizer, or under those named.
//
//   deno run -A tools/sanitize.ts [undefined] [address] [thread]

import { zigBuild } from "./build.ts";

const ALL = ["undefined", "address", "thread"];

const wanted = Deno.args.length > 0 ? Deno.args : ALL;
let failed = false;
for (const sanitizer of wanted) {
  try {
    await zigBuild(
      `Running the C tests under the ${sanitizer} sanitizer`,
      "test",
      `-Dsanitize=${sanitizer}`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    failed = true;
  }
}
Deno.exit(failed ? 1 : 0);
