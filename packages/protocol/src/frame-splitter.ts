// Finds frames in a stream of bytes: four bytes of length, then as many of a request or a response. It keeps no more
// than the one frame that is not yet whole, and takes memory for it as it arrives, not as it is announced.
import { ProtocolError } from "./errors.js";

const lengthBytes = 4;
/** With what a TLS handshake begins: its record type, and the first byte of a version. */
const tlsHandshake = 0x1603;
/** So much is taken at once for a frame that has only been announced. */
const trustedBytes = 1024 * 1024;
/** What has been taken is enough for so many times as much. What is not used of it the system need not have. */
const growth = 8;

export class FrameSplitter {
  /** A frame that says it is longer is refused. */
  frameBytesMax: number;
  readonly #head: Buffer = Buffer.alloc(lengthBytes);
  #headBytes = 0;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #length = 0;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  /** What has arrived of a frame that is not whole. */
  get pendingBytes(): number {
    return this.#headBytes + (this.#frame === undefined ? 0 : lengthBytes + this.#frameBytes);
  }

  /** Answers the frames that end in this chunk: views of it where they also begin in it. ProtocolError for a bad length. */
  *push(chunk: Buffer): Generator<Buffer, void, void> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        const size = Math.min(lengthBytes - this.#headBytes, chunk.length - at);
        this.#headBytes += chunk.copy(this.#head, this.#headBytes, at, at + size);
        at += size;
        if (this.#headBytes < lengthBytes) return;
        this.#begin(this.#head.readInt32BE(0));
        if (chunk.length - at >= this.#length) {
          const end = at + this.#length;
          yield chunk.subarray(at, end);
          at = end;
          continue;
        }
      }
      this.#frame = this.#roomFor(Math.min(this.#length, this.#frameBytes + chunk.length - at));
      const copied = chunk.copy(this.#frame, this.#frameBytes, at, at + this.#length - this.#frameBytes);
      this.#frameBytes += copied;
      at += copied;
      if (this.#frameBytes < this.#length) return;
      const frame = this.#frame.subarray(0, this.#length);
      this.#frame = undefined;
      yield frame;
    }
  }

  #begin(length: number): void {
    if (length <= 0 || length > this.frameBytesMax) {
      if (length >>> 16 === tlsHandshake)
        throw new ProtocolError("TLS where there should be a frame: one side speaks TLS, the other does not");
      throw new ProtocolError(`a frame of ${length} bytes: there may be 1 to ${this.frameBytesMax}`);
    }
    this.#headBytes = 0;
    this.#frameBytes = 0;
    this.#length = length;
  }

  #roomFor(bytes: number): Buffer {
    const old = this.#frame;
    if (old !== undefined && bytes <= old.length) return old;
    const wanted = Math.max(bytes, old === undefined ? trustedBytes : old.length * growth);
    // Nearly all of a frame is not to be there twice while it is copied.
    const isNearlyAll = wanted * 2 > this.#length;
    const larger = Buffer.allocUnsafe(isNearlyAll ? this.#length : wanted);
    old?.copy(larger, 0, 0, this.#frameBytes);
    return larger;
  }
}
