// What a shared library of Linux asks of the system's loader. Reads libraries for
// 64 bits and little-endian, whose first segment begins at address 0.

const HEADERS_AT = 32;
const HEADER_SIZE_AT = 54;
const HEADERS_AT_COUNT = 56;
const PT_DYNAMIC = 2;

/** Tags of the entries that tests look for. */
export const DynamicTag = {
  NEEDED: 1,
  RPATH: 15,
  RUNPATH: 29,
  VERNEED: 0x6ffffffe,
  FLAGS_1: 0x6ffffffb,
} as const;

/** In the entry FLAGS_1: never unload it. */
export const NODELETE = 8;

const HASH = 4;
const STRTAB = 5;
const SYMTAB = 6;
const SYMBOL_SIZE = 24;

/** The values of all entries of this kind. */
export function dynamicEntries(bytes: Uint8Array, tag: number): number[] {
  const view = viewOf(bytes);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const headers = number(HEADERS_AT);
  const size = view.getUint16(HEADER_SIZE_AT, true);
  const count = view.getUint16(HEADERS_AT_COUNT, true);
  const values: number[] = [];
  for (let index = 0; index < count; index++) {
    const header = headers + index * size;
    if (view.getUint32(header, true) !== PT_DYNAMIC) continue;
    const begin = number(header + 8);
    const end = begin + number(header + 32);
    for (let at = begin; at < end; at += 16) {
      if (number(at) === tag) values.push(number(at + 8));
    }
  }
  return values;
}

/** Names of the functions that the library takes from others, in order. */
export function functionsNeeded(bytes: Uint8Array): string[] {
  const view = viewOf(bytes);
  const [hash, symbols, names] = [HASH, SYMTAB, STRTAB]
    .map((tag) => dynamicEntries(bytes, tag)[0]!) as [number, number, number];
  const count = view.getUint32(hash + 4, true);
  const needed: string[] = [];
  // The first symbol of every table is none.
  for (let index = 1; index < count; index++) {
    const symbol = symbols + index * SYMBOL_SIZE;
    const section = view.getUint16(symbol + 6, true);
    if (section !== 0) continue;
    const begin = names + view.getUint32(symbol, true);
    const name = bytes.subarray(begin, bytes.indexOf(0, begin));
    needed.push(new TextDecoder().decode(name));
  }
  return needed.sort();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
