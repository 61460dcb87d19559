// What blocks are drawn as: kinds by state and type, each with a letter and
// colours.

import { AllocType } from "../mod.ts";
import type { Segment } from "./snapshot.ts";
import { Style } from "./terminal.ts";

/** How a part of the heap is drawn. */
export interface Kind {
  readonly key: string;
  readonly label: string;
  /** Where there are no colours. */
  readonly letter: string;
  /** On a terminal. */
  readonly style: number;
  /** In an SVG on a light and on a dark ground. */
  readonly light: string;
  readonly dark: string;
}

const DATA: Kind = {
  key: "data",
  label: "DATA",
  letter: "D",
  style: Style.BLUE,
  light: "#3d7cc9",
  dark: "#5b9bea",
};
const CHANNEL: Kind = {
  key: "channel",
  label: "CHANNEL",
  letter: "C",
  style: Style.GREEN,
  light: "#2f9461",
  dark: "#47b87f",
};
const CHANNEL_BUFFER: Kind = {
  key: "channel-buffer",
  label: "CHANNEL_BUFFER",
  letter: "B",
  style: Style.YELLOW,
  light: "#d99023",
  dark: "#e8aa4a",
};
const BOOTSTRAP: Kind = {
  key: "bootstrap",
  label: "BOOTSTRAP",
  letter: "S",
  style: Style.MAGENTA,
  light: "#a64b96",
  dark: "#cf74bf",
};
const OTHER: Kind = {
  key: "other",
  label: "other types",
  letter: "O",
  style: Style.CYAN,
  light: "#1b98a6",
  dark: "#39bfce",
};

/** Allocations whose owner is gone, whatever their type. */
export const LEFT: Kind = {
  key: "left",
  label: "left by the dead",
  letter: "X",
  style: Style.RED,
  light: "#c8382f",
  dark: "#f0685e",
};
const CACHED: Kind = {
  key: "cached",
  label: "free, in a cache",
  letter: "+",
  style: Style.GREY,
  light: "#a9b3bf",
  dark: "#6c7784",
};
const FREE: Kind = {
  key: "free",
  label: "free",
  letter: ".",
  style: Style.GREY,
  light: "#e6eaef",
  dark: "#2a323c",
};
const TRIMMED: Kind = {
  key: "trimmed",
  label: "free, memory given back",
  letter: "~",
  style: Style.GREY,
  light: "#f3f5f8",
  dark: "#20262e",
};
const UNTOUCHED: Kind = {
  key: "untouched",
  label: "never used yet",
  letter: "-",
  style: Style.GREY,
  light: "#fafbfc",
  dark: "#191e25",
};

/** All kinds, in the order of a legend. */
export const KINDS: readonly Kind[] = [
  DATA,
  CHANNEL,
  CHANNEL_BUFFER,
  BOOTSTRAP,
  OTHER,
  LEFT,
  CACHED,
  FREE,
  TRIMMED,
  UNTOUCHED,
];

/** Those that are allocations. */
export const LIVE_KINDS: ReadonlySet<Kind> = new Set(KINDS.slice(0, 6));

const BY_TYPE: ReadonlyMap<number, Kind> = new Map([
  [AllocType.DATA, DATA],
  [AllocType.CHANNEL, CHANNEL],
  [AllocType.CHANNEL_BUFFER, CHANNEL_BUFFER],
  [AllocType.BOOTSTRAP, BOOTSTRAP],
]);

/** The kind of a type. */
export function kindOfType(type: number): Kind {
  return BY_TYPE.get(type) ?? OTHER;
}

/** What people call a type. */
export function nameOfType(type: number): string {
  return BY_TYPE.get(type)?.label ?? `type ${type}`;
}

/** The kind of a part of the heap. */
export function kindOf({ state, block }: Segment): Kind {
  switch (state) {
    case "live":
      return block!.isOwnerAlive ? kindOfType(block!.type) : LEFT;
    case "cached":
      return CACHED;
    case "free":
      return FREE;
    case "trimmed":
      return TRIMMED;
    case "untouched":
      return UNTOUCHED;
  }
}
