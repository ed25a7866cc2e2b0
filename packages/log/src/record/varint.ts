// Kafka's varints: zigzag, then little-endian groups of seven bits (protocol buffers' sint32 and sint64).
// Lengths and deltas are 32-bit on the hot path; timestamps' deltas may need 64 and take the slow one.
import { LogError } from "../errors.js";

export function varintSize(value: number): number {
  const zigzag = (value << 1) ^ (value >> 31);
  if ((zigzag & 0xffffff80) === 0) return 1;
  if ((zigzag & 0xffffc000) === 0) return 2;
  if ((zigzag & 0xffe00000) === 0) return 3;
  return (zigzag & 0xf0000000) === 0 ? 4 : 5;
}

/** Writes a 32-bit value; returns the position after it. */
export function writeVarint(buffer: Buffer, position: number, value: number): number {
  let zigzag = (value << 1) ^ (value >> 31);
  let at = position;
  while ((zigzag & 0xffffff80) !== 0) {
    buffer[at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  buffer[at++] = zigzag;
  return at;
}

function isInt32(value: number): boolean {
  return (value | 0) === value;
}

export function varlongSize(value: number): number {
  if (isInt32(value)) return varintSize(value);
  let zigzag = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  let size = 1;
  while (zigzag > 0x7fn) {
    zigzag >>= 7n;
    size++;
  }
  return size;
}

export function writeVarlong(buffer: Buffer, position: number, value: number): number {
  if (isInt32(value)) return writeVarint(buffer, position, value);
  let zigzag = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  let at = position;
  while (zigzag > 0x7fn) {
    buffer[at++] = Number(zigzag & 0x7fn) | 0x80;
    zigzag >>= 7n;
  }
  buffer[at++] = Number(zigzag);
  return at;
}

/** Reads varints one after the other. Bounds are checked on each byte; what is too long or too large is damage. */
export class VarintReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  position: number;

  constructor(buffer: Buffer, position: number, end: number) {
    this.#buffer = buffer;
    this.position = position;
    this.#end = end;
  }

  /** A 32-bit value. */
  next(): number {
    const first = this.#byte();
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    let zigzag = first & 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.#byte();
      if (shift === 28 && byte > 0x0f) throw damaged("a varint exceeds 32 bits");
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    throw damaged("a varint exceeds 32 bits");
  }

  /** A 64-bit value; beyond 2^53 it is refused. */
  nextLong(): number {
    const start = this.position;
    let zigzag = 0n;
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      const byte = this.#byte();
      if (byte < 0x80 && shift <= 21n) {
        this.position = start;
        return this.next();
      }
      if (shift === 63n && byte > 1) throw damaged("a varint exceeds 64 bits");
      zigzag |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const value = Number((zigzag >> 1n) ^ -(zigzag & 1n));
        if (!Number.isSafeInteger(value))
          throw new LogError("NUMBER_TOO_LARGE", "a timestamp is beyond 2^53");
        return value;
      }
    }
    throw damaged("a varint exceeds 64 bits");
  }

  #byte(): number {
    if (this.position >= this.#end) throw damaged("a record ends in the middle of a number");
    return this.#buffer[this.position++] as number;
  }
}

function damaged(message: string): LogError {
  return new LogError("CORRUPT_BATCH", message);
}
