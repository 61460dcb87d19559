// Stands in for jsr:@std/assert, with the same functions and types, where only
// npm can be reached. To use the original, map "@std/assert" to it in deno.json.

// @ts-types="./std_assert.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
