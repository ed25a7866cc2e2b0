// Takes the primitive values of Kafka's protocol out of a frame. Nothing is read beyond its end, nothing is allocated
// for what it only claims to hold: the bytes come from anybody.
import { ProtocolError } from "./errors.js";

/** What the arrays of one message may hold together: elements weigh much more decoded than as bytes. */
const elementsMax = 500_000;

export class Reader {
  readonly #buffer: Buffer;
  #position: number;
  #elements = 0;

  constructor(buffer: Buffer, position = 0) {
    this.#buffer = buffer;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#buffer.length - this.#position;
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.#buffer.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4));
  }

  int64(): number {
    const at = this.#advance(8);
    const value = this.#buffer.readInt32BE(at) * 2 ** 32 + this.#buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw this.error("a number is beyond 2^53", at);
    return value;
  }

  /** Below 2^32. */
  unsignedVarint(): number {
    const start = this.#position;
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 2 ** 7) {
      const byte = this.#buffer[this.#advance(1)] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value >= 2 ** 32) break;
        return value;
      }
    }
    throw this.error("a varint has more than 32 bits", start);
  }

  uuid(): string {
    const at = this.#advance(16);
    return this.#buffer.toString("base64url", at, at + 16);
  }

  /** A view of the frame. */
  bytes(length: number): Buffer {
    const at = this.#advance(length);
    return this.#buffer.subarray(at, at + length);
  }

  string(length: number): string {
    const at = this.#advance(length);
    return this.#buffer.toString("utf8", at, at + length);
  }

  /** Checks that there can be so many elements. */
  checkCount(count: number, elementBytesMin: number): void {
    this.#elements += count;
    if (count * elementBytesMin > this.remaining) {
      throw this.error(`${count} elements cannot be in the ${this.remaining} bytes that are left`);
    }
    if (this.#elements > elementsMax) throw this.error(`there are more than ${elementsMax} elements`);
  }

  error(message: string, at: number = this.#position): ProtocolError {
    return new ProtocolError(`${message} (at byte ${at} of ${this.#buffer.length})`);
  }

  /** Answers where the value begins. */
  #advance(length: number): number {
    const at = this.#position;
    if (length > this.#buffer.length - at) throw this.error(`${length} bytes should follow`);
    this.#position = at + length;
    return at;
  }
}
