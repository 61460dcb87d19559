/**
 * The command line: looks at the pools of this host, draws their heaps, watches
 * them live, and removes what nobody needs any more.
 *
 * ```sh
 * deno run --allow-ffi jsr:@dragon/managed-memory/cli --help
 * ```
 *
 * Not for import: it has no exports.
 *
 * @module
 */

import { main } from "./cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
