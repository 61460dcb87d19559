// Numbers and tables as people read them.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A number of bytes in the largest fitting unit: `1.5 MiB`. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  let value = count;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1).replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** A whole number with its thousands apart: `12,345`. */
export function whole(count: number): string {
  return grouped.format(count);
}

/** A share from 0 to 1: `12.5%`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** A moment: `2026-01-31 12:00:00`, in the time zone of the universe. */
export function moment(date: Date): string {
  return date.toISOString().slice(0, 19).replace("T", " ");
}

/** `1 pool`, `2 pools`. */
export function some(
  count: number,
  noun: string,
  nouns: string = `${noun}s`,
): string {
  return `${whole(count)} ${count === 1 ? noun : nouns}`;
}

/** A column of a table: its title; those of numbers are aligned to the right. */
export interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
}

/** The lines of a table, two spaces between its columns. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = columns.map(({ title }, index) =>
    rows.reduce(
      (width, row) => Math.max(width, row[index]!.length),
      title.length,
    )
  );
  return [columns.map(({ title }) => title), ...rows].map((row) =>
    row.map((cell, index) =>
      columns[index]!.isNumber
        ? cell.padStart(widths[index]!)
        : cell.padEnd(widths[index]!)
    ).join("  ").trimEnd()
  );
}

/** A value as JSON: bigints and dates are strings. */
export function json(value: unknown, indent = 2): string {
  return JSON.stringify(
    value,
    (_, one) => typeof one === "bigint" ? String(one) : one,
    indent,
  );
}
