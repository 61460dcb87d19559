// The Worker of the row about handing bytes over.

/// <reference lib="deno.worker" />

import { restamp } from "./pages.ts";

self.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
  restamp(data);
  self.postMessage(data);
};
