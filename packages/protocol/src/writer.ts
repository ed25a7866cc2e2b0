// Puts the primitive values of Kafka's protocol one behind the other, into chunks that go out with one call. Large
// bytes are not copied but become chunks themselves. What does not fit into a number's range is a bug of the caller.

const chunkBytesMin = 512;
const chunkBytesMax = 64 * 1024;
/** Copying less than this is cheaper than one chunk more. */
const borrowBytesMin = 1024;

export class Writer {
  readonly #chunks: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafe(chunkBytesMin);
  /** What is not yet in a chunk begins at start. */
  #start = 0;
  #position = 0;
  #chunkBytes = 0;

  get length(): number {
    return this.#chunkBytes + this.#position - this.#start;
  }

  /** All that was written. The writer is done with. */
  finish(): Buffer[] {
    this.#endChunk();
    return this.#chunks;
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int8(value: number): void {
    const at = this.#advance(1);
    this.#buffer.writeInt8(value, at);
  }

  int16(value: number): void {
    const at = this.#advance(2);
    this.#buffer.writeInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.#advance(4);
    this.#buffer.writeInt32BE(value, at);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no integer within 2^53`);
    const at = this.#advance(8);
    this.#buffer.writeInt32BE(Math.floor(value / 2 ** 32), at);
    this.#buffer.writeUInt32BE(value >>> 0, at + 4);
  }

  unsignedVarint(value: number): void {
    let rest = value >>> 0;
    if (rest !== value) throw new RangeError(`${value} is no unsigned integer of 32 bits`);
    let at = this.#reserve(5);
    const buffer = this.#buffer;
    for (; rest >= 0x80; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
    buffer[at++] = rest;
    this.#position = at;
  }

  uuid(value: string): void {
    const at = this.#advance(16);
    const written = value.length === 22 ? this.#buffer.write(value, at, 16, "base64url") : 0;
    if (written !== 16) throw new TypeError(`"${value}" is no uuid`);
  }

  /** `length` is the string's in UTF-8. */
  string(value: string, length: number): void {
    const at = this.#advance(length);
    this.#buffer.write(value, at, length);
  }

  /** Borrowed until they have been sent, unless they are few. */
  bytes(value: Uint8Array): void {
    if (value.length < borrowBytesMin) {
      const at = this.#advance(value.length);
      this.#buffer.set(value, at);
      return;
    }
    this.#endChunk();
    this.#chunks.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    this.#chunkBytes += value.length;
  }

  /** Answers where `length` bytes go. Where they did not fit there is another buffer afterwards. */
  #advance(length: number): number {
    const at = this.#reserve(length);
    this.#position = at + length;
    return at;
  }

  #reserve(length: number): number {
    if (this.#position + length > this.#buffer.length) {
      this.#endChunk();
      const usual = Math.min(chunkBytesMax, this.#buffer.length * 2);
      this.#buffer = Buffer.allocUnsafe(Math.max(usual, length));
      this.#start = 0;
      this.#position = 0;
    }
    return this.#position;
  }

  #endChunk(): void {
    if (this.#position === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#position));
    this.#chunkBytes += this.#position - this.#start;
    this.#start = this.#position;
  }
}
