/**
 * The job of the demo: how often each byte occurs, and a checksum. Every way of
 * doing it (one process, children on a pool, children on pipes) runs this code.
 * It knows no pool, no process and no pipe.
 */

/** A part of the file: where it starts and how many bytes it has. */
export interface Share {
  start: number;
  length: number;
}

const BYTE_VALUES = 256;
const CHECKSUM = BYTE_VALUES;
/** Counts are kept in 32 bits within a slice, so a slice must be shorter than 2^32 bytes. */
const SLICE = 2 ** 20;

/**
 * 256 counts and a checksum as 257 doubles over a buffer: in a pool's
 * allocation, or in the process's own memory.
 *
 * The checksum is the sum of (position + 1) * byte modulo 2^32, where position
 * counts from the start of the file. So sums of shares add up to the sum of the
 * file, and bytes that changed places are noticed.
 */
export class Tally {
  static readonly BYTES = (BYTE_VALUES + 1) * Float64Array.BYTES_PER_ELEMENT;

  readonly values: Float64Array;

  /** Takes the buffer as it is: {@linkcode clear} it before counting. */
  constructor(buffer: ArrayBuffer = new ArrayBuffer(Tally.BYTES)) {
    this.values = new Float64Array(buffer, 0, BYTE_VALUES + 1);
  }

  get counts(): Float64Array {
    return this.values.subarray(0, BYTE_VALUES);
  }

  get checksum(): number {
    return this.values[CHECKSUM]!;
  }

  /** How many bytes were counted. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  clear(): void {
    this.values.fill(0);
  }

  /** Counts `bytes`, which stand at `position` in the file. */
  count(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; at += SLICE) {
      this.#countSlice(bytes.subarray(at, at + SLICE), position + at);
    }
  }

  #countSlice(slice: Uint8Array, position: number): void {
    const counts = new Uint32Array(BYTE_VALUES);
    let weight = (position + 1) % 2 ** 32;
    let sum = 0;
    for (let i = 0; i < slice.length; i++) {
      const byte = slice[i]!;
      counts[byte]!++;
      sum = (sum + Math.imul(weight++, byte)) | 0;
    }
    this.#add(counts, sum >>> 0);
  }

  /** Adds the tally of another share. */
  merge(other: Tally): void {
    this.#add(other.counts, other.checksum);
  }

  #add(counts: ArrayLike<number>, checksum: number): void {
    for (let byte = 0; byte < BYTE_VALUES; byte++) {
      this.values[byte]! += counts[byte]!;
    }
    this.values[CHECKSUM] = (this.checksum + checksum) % 2 ** 32;
  }

  equals(other: Tally): boolean {
    return this.values.every((value, index) => value === other.values[index]);
  }
}

/** Adds the tallies of all shares up to the tally of the file. */
export function sumUp(tallies: Tally[]): Tally {
  const sum = new Tally();
  for (const tally of tallies) sum.merge(tally);
  return sum;
}

/** Cuts a file into `count` shares, some empty when it has fewer bytes than that. */
export function cutIntoShares(size: number, count: number): Share[] {
  const shares: Share[] = [];
  for (let index = 0; index < count; index++) {
    const start = Math.floor(size / count * index);
    const end = index + 1 === count
      ? size
      : Math.floor(size / count * (index + 1));
    shares.push({ start, length: end - start });
  }
  return shares;
}
