// Byte mutation: a valid input, damaged in one to a few places. One buffer is used again and again; what a case gets
// is a view of it, good until the next case.
import type { Random } from "../testing/index.js";

/** No input grows beyond this. */
export const inputBytesMax: number = 64 * 1024;
const runBytesMax = 32;
const likelyBytes = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff, 0x0a, 0x20, 0x22, 0x2d, 0x39] as const;
const likelyNumbers = [
  0n,
  1n,
  -1n,
  61n,
  2n ** 15n - 1n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
] as const;

export class Mutator {
  readonly #buffer: Buffer = Buffer.alloc(inputBytesMax);
  #length = 0;

  /** An input made of one of the corpus. All that is decided is drawn from `random`. */
  mutate(corpus: readonly Buffer[], random: Random): Buffer {
    const origin = random.pick(corpus);
    this.#length = origin.copy(this.#buffer);
    let changes = 1 + random.below(2);
    if (random.chance(0.1)) changes += random.below(8);
    for (; changes > 0; changes--) this.#change(corpus, random);
    return this.#buffer.subarray(0, this.#length);
  }

  #change(corpus: readonly Buffer[], random: Random): void {
    const buffer = this.#buffer;
    if (this.#length === 0) this.#insert(random.bytes(runBytesMax), 0);
    // The beginning is where lengths and types stand: it gets half of the changes.
    const at = random.below(random.chance(0.5) ? Math.min(64, this.#length) : this.#length);
    const run = Math.min(random.between(1, runBytesMax), this.#length - at);
    const byte = buffer[at] as number;
    const kind = random.below(10);
    if (kind < 3) buffer[at] = byte ^ (1 << random.below(8));
    else if (kind === 3) buffer[at] = random.pick(likelyBytes);
    else if (kind === 4) buffer[at] = byte + random.pick([1, -1]);
    else if (kind === 5) this.#writeNumber(at, random);
    else if (kind === 6) this.#insert(random.bytes(run), at);
    else if (kind === 7) this.#remove(at, random.chance(0.2) ? this.#length - at : run);
    else if (kind === 8) this.#insert(Buffer.from(buffer.subarray(at, at + run)), random.below(this.#length));
    else this.#splice(random.pick(corpus), at, random);
  }

  #writeNumber(at: number, random: Random): void {
    const number = random.pick(likelyNumbers);
    const bytes = random.pick([2, 4, 4, 8]);
    if (at + bytes > this.#length) return;
    for (let n = 0; n < bytes; n++)
      this.#buffer[at + n] = Number((number >> BigInt(8 * (bytes - 1 - n))) & 0xffn);
  }

  #insert(bytes: Buffer, at: number): void {
    if (this.#length + bytes.length > inputBytesMax) return;
    this.#buffer.copyWithin(at + bytes.length, at, this.#length);
    this.#buffer.set(bytes, at);
    this.#length += bytes.length;
  }

  #remove(at: number, count: number): void {
    this.#buffer.copyWithin(at, at + count, this.#length);
    this.#length -= count;
  }

  /** From here on another one of the corpus, from anywhere in it. */
  #splice(other: Buffer, at: number, random: Random): void {
    const tail = other.subarray(random.chance(0.5) ? Math.min(at, other.length) : random.below(other.length));
    this.#length = at + tail.copy(this.#buffer, at);
  }
}
