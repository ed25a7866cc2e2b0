// CRC-32C (Castagnoli), as Kafka and the journal use it. Below a hundred bytes or so the call into native code
// costs more than the sum itself; a table does those. See docs/adr/0003.
import { crc32c as nativeCrc32c } from "@node-rs/crc32";

const tableBytesMax = 64;
const table = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  table[n] = value;
}

/** The checksum of `bytes`, continuing from `previous` when the data comes in pieces. An unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  if (bytes.length > tableBytesMax) return nativeCrc32c(bytes, previous);
  let crc = ~previous;
  for (let at = 0; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
