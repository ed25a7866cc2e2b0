// Turns a schema and a version into two functions, one that reads a message and one that writes it. They are made at
// first use and kept. Kafka's own rules, in short: numbers are big-endian; a length is an int16 for strings and an
// int32 for all else, -1 for null, in flexible versions a varint of length + 1 and 0 for null; a struct of a flexible
// version ends with its tagged fields, and a reader skips those it does not know.

import type { Reader } from "./reader.js";
import type { NamedShape, Shape } from "./schema.js";
import { Writer } from "./writer.js";

type Read = (reader: Reader) => unknown;
type Write = (writer: Writer, value: unknown) => void;

export interface Codec {
  readonly read: Read;
  readonly write: Write;
  /** No value takes fewer bytes. */
  readonly bytesMin: number;
}

export function codecOf(shape: Shape, version: number, isFlexible: boolean): Codec {
  const { kind } = shape;
  const length = lengthCodec(shape, version, isFlexible);
  switch (kind) {
    case "string":
      return sized(length, (reader, size) => reader.string(size), writeString);
    case "bytes":
      return sized(length, (reader, size) => reader.bytes(size), writeBytes);
    case "records":
      return sized(length, (reader, size) => reader.bytes(size), writeRecords);
    case "array":
      return arrayCodec(codecOf(shape.element as Shape, version, isFlexible), length);
    case "struct":
      return structCodec(shape.fields as readonly NamedShape[], version, isFlexible);
    default:
      return { bytesMin: plainBytes[kind], read: readPlain[kind], write: writePlain[kind] };
  }
}

type PlainKind = "boolean" | "int8" | "int16" | "int32" | "int64" | "uuid";

const plainBytes: Record<PlainKind, number> = { boolean: 1, int8: 1, int16: 2, int32: 4, int64: 8, uuid: 16 };

const readPlain: Record<PlainKind, Read> = {
  boolean: (reader) => reader.boolean(),
  int8: (reader) => reader.int8(),
  int16: (reader) => reader.int16(),
  int32: (reader) => reader.int32(),
  int64: (reader) => reader.int64(),
  uuid: (reader) => reader.uuid(),
};

const writePlain: Record<PlainKind, Write> = {
  boolean: (writer, value) => writer.boolean(value as boolean),
  int8: (writer, value) => writer.int8(value as number),
  int16: (writer, value) => writer.int16(value as number),
  int32: (writer, value) => writer.int32(value as number),
  int64: (writer, value) => writer.int64(value as number),
  uuid: (writer, value) => writer.uuid(value as string),
};

interface LengthCodec {
  readonly bytesMin: number;
  /** -1 for null. */
  read(reader: Reader): number;
  write(writer: Writer, length: number): void;
}

function lengthCodec({ kind, nullableSince }: Shape, version: number, isFlexible: boolean): LengthCodec {
  const isNullable = version >= nullableSince;
  const isShort = kind === "string";
  const take = isFlexible
    ? (reader: Reader) => reader.unsignedVarint() - 1
    : (reader: Reader) => (isShort ? reader.int16() : reader.int32());
  return {
    bytesMin: isFlexible ? 1 : isShort ? 2 : 4,
    read(reader) {
      const at = reader.position;
      const length = take(reader);
      if (length < -1) throw reader.error(`a length is ${length}`, at);
      if (length === -1 && !isNullable) throw reader.error(`null, which this ${kind} cannot be`, at);
      return length;
    },
    write(writer, length) {
      if (length === -1 && !isNullable) throw new TypeError(`null, which this ${kind} cannot be`);
      if (isFlexible) writer.unsignedVarint(length + 1);
      else if (isShort) writer.int16(length);
      else writer.int32(length);
    },
  };
}

function sized(
  length: LengthCodec,
  read: (reader: Reader, size: number) => unknown,
  write: (writer: Writer, length: LengthCodec, value: never) => void,
): Codec {
  return {
    bytesMin: length.bytesMin,
    read(reader) {
      const size = length.read(reader);
      return size === -1 ? null : read(reader, size);
    },
    write(writer, value) {
      if (value === null) length.write(writer, -1);
      else write(writer, length, value as never);
    },
  };
}

function writeString(writer: Writer, length: LengthCodec, value: string): void {
  const size = Buffer.byteLength(value);
  length.write(writer, size);
  writer.string(value, size);
}

function writeBytes(writer: Writer, length: LengthCodec, value: Uint8Array): void {
  length.write(writer, value.length);
  writer.bytes(value);
}

function writeRecords(writer: Writer, length: LengthCodec, value: readonly Uint8Array[]): void {
  length.write(
    writer,
    value.reduce((sum, chunk) => sum + chunk.length, 0),
  );
  for (const chunk of value) writer.bytes(chunk);
}

function arrayCodec(element: Codec, length: LengthCodec): Codec {
  return {
    bytesMin: length.bytesMin,
    read(reader) {
      const count = length.read(reader);
      if (count === -1) return null;
      reader.checkCount(count, element.bytesMin);
      const values: unknown[] = [];
      for (let n = 0; n < count; n++) values.push(element.read(reader));
      return values;
    },
    write(writer, value) {
      if (value === null) return length.write(writer, -1);
      const values = value as readonly unknown[];
      length.write(writer, values.length);
      for (const each of values) element.write(writer, each);
    },
  };
}

interface FieldCodec extends Codec {
  readonly name: string;
  readonly tag: number | undefined;
  readonly defaultValue: unknown;
}

function structCodec(fields: readonly NamedShape[], version: number, isFlexible: boolean): Codec {
  const present = fields
    .filter(({ shape }) => shape.since <= version && version <= shape.until)
    .map(({ name, shape }): FieldCodec => ({ name, ...shape, ...codecOf(shape, version, isFlexible) }));
  const plain = present.filter(({ tag }) => tag === undefined);
  const tagged = present
    .filter(({ tag }) => tag !== undefined)
    .sort((one, other) => (one.tag as number) - (other.tag as number));
  // Whoever reads starts from a copy of this: all values of a struct have one shape, whatever the version.
  const defaults = Object.fromEntries(fields.map(({ name, shape }) => [name, shape.defaultValue]));
  return {
    bytesMin: plain.reduce((sum, { bytesMin }) => sum + bytesMin, isFlexible ? 1 : 0),
    read(reader) {
      const value: Record<string, unknown> = { ...defaults };
      for (const { name, read } of plain) value[name] = read(reader);
      if (isFlexible) readTagged(reader, tagged, value);
      return value;
    },
    write(writer, value) {
      const given = value as Record<string, unknown>;
      for (const { name, write, defaultValue } of plain) {
        const field = given[name];
        write(writer, field === undefined ? defaultValue : field);
      }
      if (isFlexible) writeTagged(writer, tagged, given);
    },
  };
}

function readTagged(reader: Reader, known: readonly FieldCodec[], value: Record<string, unknown>): void {
  const count = reader.unsignedVarint();
  let last = -1;
  for (let n = 0; n < count; n++) {
    const at = reader.position;
    const tag = reader.unsignedVarint();
    if (tag <= last) throw reader.error(`tag ${tag} follows tag ${last}`, at);
    last = tag;
    const size = reader.unsignedVarint();
    const field = known.find((each) => each.tag === tag);
    if (field === undefined) {
      reader.bytes(size);
      continue;
    }
    const end = reader.position + size;
    value[field.name] = field.read(reader);
    if (reader.position !== end) throw reader.error(`${field.name} should end at byte ${end}`);
  }
}

function writeTagged(
  writer: Writer,
  known: readonly FieldCodec[],
  given: Readonly<Record<string, unknown>>,
): void {
  const fields = known.filter(({ name, defaultValue }) => !isDefault(given[name], defaultValue));
  writer.unsignedVarint(fields.length);
  for (const { name, tag, write } of fields) {
    const content = new Writer();
    write(content, given[name]);
    writer.unsignedVarint(tag as number);
    writer.unsignedVarint(content.length);
    for (const chunk of content.finish()) writer.bytes(chunk);
  }
}

function isDefault(value: unknown, defaultValue: unknown): boolean {
  const isEmpty = Array.isArray(value) && value.length === 0 && Array.isArray(defaultValue);
  return value === undefined || value === defaultValue || isEmpty;
}
