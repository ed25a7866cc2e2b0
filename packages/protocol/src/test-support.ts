// Messages of any kind, made from their schemas.
import fc from "fast-check";
import type { Api, Shape } from "./schema.js";

export type Side = "request" | "response";

/** A message as it comes out of decoding: fields that the version lacks have their defaults. */
export function anyMessage(api: Api, side: Side, version: number): fc.Arbitrary<never> {
  return anyValue(api[side].shape, version) as fc.Arbitrary<never>;
}

/** Records are decoded to one buffer and encoded from many: the one difference between the two. */
export function toEncodable(shape: Shape, value: unknown): never {
  return encodable(shape, value) as never;
}

function encodable(shape: Shape, value: unknown): unknown {
  if (value === null) return null;
  switch (shape.kind) {
    case "records": {
      const whole = value as Buffer;
      return [whole.subarray(0, 3), whole.subarray(3)];
    }
    case "array":
      return (value as unknown[]).map((each) => encodable(shape.element as Shape, each));
    case "struct":
      return Object.fromEntries(
        (shape.fields ?? []).map(({ name, shape: field }) => [
          name,
          encodable(field, (value as Record<string, unknown>)[name]),
        ]),
      );
    default:
      return value;
  }
}

function anyValue(shape: Shape, version: number): fc.Arbitrary<unknown> {
  const value = anyPresent(shape, version);
  if (shape.tag !== undefined) return fc.oneof(fc.constant(shape.defaultValue), value);
  return version >= shape.nullableSince ? fc.option(value) : value;
}

function anyPresent(shape: Shape, version: number): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "boolean":
      return fc.boolean();
    case "int8":
      return fc.integer({ min: -128, max: 127 });
    case "int16":
      return fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 });
    case "int32":
      return fc.integer();
    case "int64":
      return fc.maxSafeInteger();
    case "string":
      return fc.string({ unit: "grapheme", maxLength: 20 });
    case "uuid":
      return fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((id) => Buffer.from(id).toString("base64url"));
    case "bytes":
    case "records":
      return fc.oneof(
        fc.uint8Array({ maxLength: 20 }).map((some) => Buffer.from(some)),
        fc.constant(Buffer.alloc(5000, 7)),
      );
    case "array":
      return fc.array(anyValue(shape.element as Shape, version), { maxLength: 3 });
    case "struct":
      return fc.record(
        Object.fromEntries(
          (shape.fields ?? []).map(({ name, shape: field }) => [
            name,
            field.since <= version && version <= field.until
              ? anyValue(field, version)
              : fc.constant(field.defaultValue),
          ]),
        ),
        { noNullPrototype: true },
      );
  }
}
