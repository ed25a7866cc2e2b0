// Requests and responses as bytes, written from their schemas without the codec that is to read them: whole ones, and
// ones in which lengths, counts, tags and numbers are wrong here and there.
import type { Api } from "@strandlog/protocol";
import type { Random } from "strandlog/testing";

export type Side = "request" | "response";
type Shape = Api[Side]["shape"];

const apiVersionsKey = 18;
const wrongLengths = [-2, -1, 0, 1, 127, 128, 2 ** 15 - 1, 2 ** 21, 2 ** 31 - 1, -(2 ** 31)];
const likelyNumbers = [-1n, 0n, 1n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 53n - 1n];
const wrongNumbers = [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n)];
const integerBytes: Readonly<Partial<Record<Shape["kind"], number>>> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
};

export class FrameForger {
  readonly #random: Random;
  /** How often something is wrong, from 0 to 1. */
  readonly #fault: number;
  #parts: Buffer[] = [];
  #version = 0;
  #isFlexible = false;

  constructor(random: Random, fault: number) {
    this.#random = random;
    this.#fault = fault;
  }

  /** With its length before it. */
  frame(api: Api, side: Side, version: number): Buffer {
    const random = this.#random;
    this.#parts = [];
    this.#version = version;
    this.#isFlexible = version >= api.flexibleFrom;
    if (side === "request") {
      this.#int(api.key, 2);
      this.#int(this.#isWrong() ? random.between(-2, 20) : version, 2);
      this.#int(random.below(2 ** 31), 4);
      this.#string(random.chance(0.2) ? null : "client", false);
    } else this.#int(random.below(2 ** 31), 4);
    if (this.#isFlexible && (side === "request" || api.key !== apiVersionsKey)) this.#tagged([]);
    this.#value(api[side].shape);
    let body = Buffer.concat(this.#parts);
    if (this.#isWrong()) body = body.subarray(0, random.below(body.length + 1));
    if (this.#isWrong()) body = Buffer.concat([body, random.bytes(random.between(1, 20))]);
    const head = Buffer.alloc(4);
    head.writeInt32BE(this.#isWrong() ? random.pick(wrongLengths) : body.length);
    return Buffer.concat([head, body]);
  }

  #isWrong(): boolean {
    return this.#fault > 0 && this.#random.chance(this.#fault);
  }

  #value(shape: Shape): void {
    const random = this.#random;
    const { kind } = shape;
    const bytes = integerBytes[kind];
    if (bytes !== undefined) this.#number(bytes);
    else if (kind === "boolean") this.#int(this.#isWrong() ? random.below(256) - 128 : random.below(2), 1);
    else if (kind === "uuid") this.#parts.push(random.bytes(16));
    else if (kind === "struct") this.#struct(shape);
    else if (kind === "array") this.#array(shape);
    else if (kind === "string")
      this.#string(this.#isNull(shape) ? null : "x".repeat(this.#size()), this.#isFlexible);
    else this.#bytes(this.#isNull(shape) ? null : random.bytes(this.#size()));
  }

  #isNull({ nullableSince }: Shape): boolean {
    return this.#version >= nullableSince ? this.#random.chance(0.2) : this.#isWrong();
  }

  #size(): number {
    return this.#random.chance(0.05) ? this.#random.between(100, 400) : this.#random.below(12);
  }

  #number(bytes: number): void {
    const random = this.#random;
    const number = this.#isWrong() ? random.pick(wrongNumbers) : random.pick(likelyNumbers);
    const whole = Buffer.alloc(8);
    whole.writeBigInt64BE(random.chance(0.5) ? BigInt(random.below(100)) : number);
    this.#parts.push(whole.subarray(8 - bytes));
  }

  #struct({ fields = [] }: Shape): void {
    const present = fields.filter(
      ({ shape }) => shape.since <= this.#version && this.#version <= shape.until,
    );
    for (const { shape } of present) if (shape.tag === undefined) this.#value(shape);
    if (this.#isFlexible)
      this.#tagged(present.map(({ shape }) => shape).filter(({ tag }) => tag !== undefined));
  }

  #array(shape: Shape): void {
    const count = this.#isNull(shape) ? -1 : this.#random.pick([0, 1, 1, 2, 3]);
    this.#length(count, 4, this.#isFlexible);
    for (let n = 0; n < count; n++) this.#value(shape.element as Shape);
  }

  #string(text: string | null, isFlexible: boolean): void {
    this.#length(text === null ? -1 : text.length, 2, isFlexible);
    if (text !== null)
      this.#parts.push(this.#isWrong() ? this.#random.bytes(text.length) : Buffer.from(text));
  }

  #bytes(bytes: Buffer | null): void {
    this.#length(bytes === null ? -1 : bytes.length, 4, this.#isFlexible);
    if (bytes !== null) this.#parts.push(bytes);
  }

  /** Some of the known ones, and some that nobody knows. */
  #tagged(known: readonly Shape[]): void {
    const random = this.#random;
    const chosen = known.filter(() => random.chance(0.4));
    const unknown = random.chance(0.2) ? 100 + random.below(100) : undefined;
    const tags = chosen.map(({ tag }) => tag as number).sort((one, other) => one - other);
    if (this.#isWrong()) tags.reverse();
    const count = tags.length + (unknown === undefined ? 0 : 1);
    this.#varint(this.#isWrong() ? random.below(2 ** 32) : count);
    for (const tag of tags) {
      const outer = this.#parts;
      this.#parts = [];
      this.#value(chosen.find((shape) => shape.tag === tag) as Shape);
      const content = Buffer.concat(this.#parts);
      this.#parts = outer;
      this.#tag(tag, content);
    }
    if (unknown !== undefined) this.#tag(unknown, random.bytes(random.below(20)));
  }

  #tag(tag: number, content: Buffer): void {
    this.#varint(tag);
    this.#varint(this.#isWrong() ? this.#random.pick([0, 1, 2 ** 31, 2 ** 32 - 1]) : content.length);
    this.#parts.push(content);
  }

  /** -1 for null. */
  #length(right: number, bytes: number, isFlexible: boolean): void {
    const random = this.#random;
    const length = this.#isWrong() ? random.pick([right - 1, right + 1, ...wrongLengths]) : right;
    if (!isFlexible) this.#int(length, bytes);
    else if (this.#isWrong()) this.#parts.push(Buffer.from("ffffffffff7f", "hex").subarray(random.below(6)));
    else this.#varint((length + 1) >>> 0);
  }

  #int(value: number, bytes: number): void {
    const buffer = Buffer.alloc(4);
    buffer.writeInt32BE(value | 0);
    this.#parts.push(buffer.subarray(4 - bytes));
  }

  #varint(value: number): void {
    const bytes: number[] = [];
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
    bytes.push(left);
    this.#parts.push(Buffer.from(bytes));
  }
}
