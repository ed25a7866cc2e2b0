// CRC-32C (Castagnoli), as Kafka and the journal use it. Below some hundred bytes the call into native code costs more
// than the sum itself: tables do those, eight bytes a step. See docs/adr/0003.
import { crc32c as nativeCrc32c } from "@node-rs/crc32";

const tableBytesMax = 160;
const step = 8;
/** For each of eight bytes: what it does to the checksum from so many bytes on. */
const tables: readonly Uint32Array[] = Array.from({ length: step }, () => new Uint32Array(256));
const [table0, table1, table2, table3, table4, table5, table6, table7] = tables as Eight;

type Table = Uint32Array;
type Eight = readonly [Table, Table, Table, Table, Table, Table, Table, Table];

for (let n = 0; n < 256; n++) {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  table0[n] = value;
}
for (let n = 0; n < 256; n++)
  for (let index = 1; index < step; index++) {
    const before = (tables[index - 1] as Table)[n] as number;
    (tables[index] as Table)[n] = (before >>> 8) ^ (table0[before & 0xff] as number);
  }

/**
 * The checksum of `bytes` from `start` on, continuing from `previous` when the data comes in pieces. An unsigned
 * 32-bit number.
 */
export function crc32c(bytes: Uint8Array, previous = 0, start = 0): number {
  const { length } = bytes;
  if (length - start > tableBytesMax)
    return nativeCrc32c(start === 0 ? bytes : bytes.subarray(start), previous);
  let crc = ~previous;
  let at = start;
  for (; at + step <= length; at += step) {
    crc =
      at32(table7, crc ^ byteOf(bytes, at)) ^
      at32(table6, (crc >>> 8) ^ byteOf(bytes, at + 1)) ^
      at32(table5, (crc >>> 16) ^ byteOf(bytes, at + 2)) ^
      at32(table4, (crc >>> 24) ^ byteOf(bytes, at + 3)) ^
      at32(table3, byteOf(bytes, at + 4)) ^
      at32(table2, byteOf(bytes, at + 5)) ^
      at32(table1, byteOf(bytes, at + 6)) ^
      at32(table0, byteOf(bytes, at + 7));
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ at32(table0, crc ^ byteOf(bytes, at));
  return ~crc >>> 0;
}

function byteOf(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function at32(table: Table, value: number): number {
  return table[value & 0xff] as number;
}
