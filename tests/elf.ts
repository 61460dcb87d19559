// What the header of a shared library of Linux asks of the system's loader.

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

/** The values of all entries of this kind, of a library for 64 bits and little-endian. */
export function dynamicEntries(bytes: Uint8Array, tag: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
