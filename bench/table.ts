// The table that a run prints.

import type { Limit, Row, Unit } from "./row.ts";

const TITLES = ["work", "measured", "beside", "ratio", "target", ""];
/** Columns of numbers. */
const RIGHT = [1];

/** The rows as lines of text; what is repeated from the line above is left out. */
export function toTable(rows: readonly Row[]): string {
  const cells = rows.map((row, index) => {
    const above = rows[index - 1];
    const isSame = above?.work === row.work && above.value === row.value;
    const [work, value, ...others] = cellsOf(row);
    return isSame ? ["", "", ...others] : [work!, value!, ...others];
  });
  const lines = [TITLES, ...cells];
  const widths = TITLES.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  return lines.map((line) =>
    line.map((cell, column) =>
      RIGHT.includes(column)
        ? cell.padStart(widths[column]!)
        : cell.padEnd(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A value for people: three digits that count, and a larger unit for long times. */
export function toText(value: number | null, unit: Unit): string {
  if (value === null) return "not here";
  const steps: Unit[] = ["ns", "µs", "ms"];
  let step = steps.indexOf(unit);
  while (step >= 0 && step < steps.length - 1 && Math.abs(value) >= 10_000) {
    value /= 1000;
    unit = steps[++step]!;
  }
  return `${toDigits(value)} ${unit}`;
}

function cellsOf(row: Row): string[] {
  return [
    row.work,
    toText(row.value, row.unit),
    row.other ? `${row.other.name}, ${toText(row.other.value, row.unit)}` : "",
    ratioText(row),
    row.target ? targetText(row, row.target) : "",
    verdictOn(row),
  ];
}

function ratioText({ ratio, ratioOf }: Row): string {
  if (ratio === undefined || ratio === null) return "";
  return `${toDigits(ratio)} x the ${ratioOf}`;
}

function targetText({ ratio, unit }: Row, { is, value }: Limit): string {
  return `${is} ${value} ${ratio === undefined ? unit : "x"}`;
}

function verdictOn({ target, isMet }: Row): string {
  if (target === undefined) return "";
  if (isMet === null) return "skipped";
  return isMet ? "met" : "MISSED";
}

function toDigits(value: number): string {
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}
