// Sample messages, made from our own schemas: fields have different values, so that one which another library finds in
// another place, or takes for another field, is noticed. And their translation into that library's words.
import { type Api, type apis, ErrorCode } from "@strandlog/protocol";

export type ApiName = keyof typeof apis;
export type Side = "request" | "response";
export type Shape = Api["request"]["shape"];
export type Struct = Readonly<Record<string, unknown>>;

/** What is null in a sample if it may be: nothing; all but arrays, which would hide what is in them; everything. */
export const nullings: readonly ((shape: Shape) => boolean)[] = [
  () => false,
  ({ kind }) => kind !== "array",
  () => true,
];

/** All but the one at which kafkajs stops reading. */
const errorCodes = Object.values(ErrorCode).filter(
  (code) => code > ErrorCode.NONE && code !== ErrorCode.UNSUPPORTED_VERSION,
);

/** As it comes out of decoding: what the version lacks has its default. */
export function sampleOf(
  shape: Shape,
  version: number,
  isNull: (shape: Shape) => boolean,
  batches: Buffer,
): Struct {
  let count = 0;

  function valueFor(field: Shape, name: string): unknown {
    if (version >= field.nullableSince && isNull(field)) return null;
    count += 1;
    switch (field.kind) {
      case "boolean":
        return count % 2 === 0;
      case "int8":
        return count % 128;
      case "int16":
        return /errorCode/i.test(name) ? errorCodes[count % errorCodes.length] : 1000 + count;
      case "int32":
        return 1_000_000 + count;
      case "int64":
        return 2 ** 41 + count;
      case "string":
        return `sample ${String(count).padStart(3, "0")} ü`; // kafkajs sorts some arrays by name
      case "uuid":
        return Buffer.alloc(16, `uuid ${count} `).toString("base64url");
      case "bytes":
        return Buffer.from([0, 255, count]);
      case "records":
        return batches;
      case "array":
        return [1, 2].map(() => valueFor(field.element as Shape, name));
      case "struct":
        return structOf(field, version, (each) => valueFor(each.shape, each.name));
    }
  }

  return valueFor(shape, "") as Struct;
}

/** What is known to be an array of structs. */
export function each(value: unknown): readonly Struct[] {
  return value as readonly Struct[];
}

interface NamedShape {
  readonly name: string;
  readonly shape: Shape;
}

/** A value for each field that the version has, else the default. Tagged fields are left alone: no library has them. */
function structOf({ fields }: Shape, version: number, valueFor: (field: NamedShape) => unknown): Struct {
  const values = (fields ?? []).map((field) => {
    const value = hasField(field, version) ? valueFor(field) : field.shape.defaultValue;
    return [field.name, value];
  });
  return Object.fromEntries(values);
}

function hasField({ shape: { since, until, tag } }: NamedShape, version: number): boolean {
  return since <= version && version <= until && tag === undefined;
}

/** The message with whatever it has of records replaced. */
export function mapRecords(shape: Shape, value: unknown, replace: (batches: Buffer) => unknown): unknown {
  if (value === null) return null;
  switch (shape.kind) {
    case "records":
      return replace(value as Buffer);
    case "array":
      return (value as unknown[]).map((each) => mapRecords(shape.element as Shape, each, replace));
    case "struct":
      return Object.fromEntries(
        (shape.fields ?? []).map(({ name, shape: field }) => [
          name,
          mapRecords(field, (value as Struct)[name], replace),
        ]),
      );
    default:
      return value;
  }
}

/** A library's words: how it calls our fields if not as Kafka does, and what its values look like. */
export interface Words {
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** For what is neither array nor struct. */
  toTheirs(shape: Shape, value: unknown): unknown;
  recordsToOurs(theirs: unknown): unknown;
}

/** Every field is given under all its names: no two of a struct share one. */
export function toTheirs(words: Words, shape: Shape, version: number, ours: unknown): unknown {
  if (ours === null) return words.toTheirs(shape, null);
  switch (shape.kind) {
    case "array":
      return (ours as unknown[]).map((each) => toTheirs(words, shape.element as Shape, version, each));
    case "struct": {
      const present = (shape.fields ?? []).filter((field) => hasField(field, version));
      const named = present.flatMap(({ name, shape: field }) => {
        const value = toTheirs(words, field, version, (ours as Struct)[name]);
        return [name, ...(words.names[name] ?? [])].map((each) => [each, value]);
      });
      return Object.fromEntries(named);
    }
    default:
      return words.toTheirs(shape, ours);
  }
}

/** A field that is under none of its names is undefined. */
export function toOurs(words: Words, shape: Shape, version: number, theirs: unknown): unknown {
  if (shape.kind === "records") return words.recordsToOurs(theirs);
  if (theirs === null || theirs === undefined) return theirs;
  switch (shape.kind) {
    case "int64":
      return Number(theirs);
    case "uuid":
      return Buffer.from(String(theirs).replaceAll("-", ""), "hex").toString("base64url");
    case "array": {
      const elements = theirs as readonly unknown[];
      // Both libraries read a null array as an empty one, and no sample has an empty one.
      if (elements.length === 0 && version >= shape.nullableSince) return null;
      return elements.map((each) => toOurs(words, shape.element as Shape, version, each));
    }
    case "struct":
      return structOf(shape, version, ({ name, shape: field }) => {
        const found = [...(words.names[name] ?? []), name].map((each) => (theirs as Struct)[each]);
        return toOurs(
          words,
          field,
          version,
          found.find((value) => value !== undefined),
        );
      });
    default:
      return theirs;
  }
}
