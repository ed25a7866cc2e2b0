// How a message is laid out: a table of fields, each with the versions that have it. One table describes all versions
// of a message, and its TypeScript types are inferred from it. What each kind of field looks like as bytes is in
// codec.ts; the notation follows the one in which Kafka defines its own messages.

type Kind =
  | "boolean"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "string"
  | "uuid"
  | "bytes"
  | "records"
  | "array"
  | "struct";

/** What the codec needs to know of a field. */
export interface Shape {
  readonly kind: Kind;
  /** Of an array. */
  readonly element?: Shape;
  /** Of a struct, in the order in which they are written. */
  readonly fields?: readonly NamedShape[];
  /** The versions that have the field, both included. */
  readonly since: number;
  readonly until: number;
  readonly nullableSince: number;
  /** A tagged field is written behind all others, and only if it differs from the default. */
  readonly tag: number | undefined;
  /** What a version without the field reads, and what is written if nothing is given. */
  readonly defaultValue: unknown;
}

export interface NamedShape {
  readonly name: string;
  readonly shape: Shape;
}

/** Immutable: each call answers another type. */
export class Type<Out = unknown, In = Out, IsOptional extends boolean = boolean> {
  declare readonly decoded: Out;
  declare readonly encodable: In;
  declare readonly isOptional: IsOptional;
  readonly shape: Shape;

  constructor(shape: Shape) {
    this.shape = shape;
  }

  /** The first version that has the field. */
  since(version: number): Type<Out, In, IsOptional> {
    return new Type({ ...this.shape, since: version });
  }

  /** The last version that has the field. */
  until(version: number): Type<Out, In, IsOptional> {
    return new Type({ ...this.shape, until: version });
  }

  nullable(since = 0): Type<Out | null, In | null, IsOptional> {
    return new Type({ ...this.shape, nullableSince: since, defaultValue: null });
  }

  /** The default. It need not be given. */
  or<const Default extends Out | null>(defaultValue: Default): Type<Out | Default, In | Default, true> {
    return new Type({ ...this.shape, defaultValue });
  }

  /** Needs a default. */
  tagged(tag: number): Type<Out, In, IsOptional> {
    return new Type({ ...this.shape, tag });
  }
}

export type Fields = Readonly<Record<string, Type>>;

export type Decoded<F extends Fields> = { readonly [Name in keyof F]: F[Name]["decoded"] };

type OptionalNames<F extends Fields> = {
  [Name in keyof F]: F[Name]["isOptional"] extends true ? Name : never;
}[keyof F];

/** What is encoded: fields that have a default may be left out. */
export type Encodable<F extends Fields> = {
  readonly [Name in Exclude<keyof F, OptionalNames<F>>]: F[Name]["encodable"];
} & { readonly [Name in OptionalNames<F>]?: F[Name]["encodable"] | undefined };

const always = { since: 0, until: Number.POSITIVE_INFINITY, nullableSince: Number.POSITIVE_INFINITY };

function primitive<Out, In = Out>(kind: Kind, defaultValue: Out): Type<Out, In, false> {
  return new Type({ kind, ...always, tag: undefined, defaultValue });
}

export const boolean = primitive<boolean>("boolean", false);
export const int8 = primitive<number>("int8", 0);
export const int16 = primitive<number>("int16", 0);
export const int32 = primitive<number>("int32", 0);
/** Refused beyond 2^53. */
export const int64 = primitive<number>("int64", 0);
export const string = primitive<string>("string", "");
/** Stands for none. */
export const zeroUuid = "AAAAAAAAAAAAAAAAAAAAAA";
/** Written as Kafka does: base64url without padding, 22 characters. */
export const uuid = primitive<string>("uuid", zeroUuid);
/** What is read is a view of the frame. */
export const bytes = primitive<Buffer, Uint8Array>("bytes", Buffer.alloc(0));
/** Record batches, opaque here. What is read is a view of the frame; what is written is not copied. */
export const records = primitive<Buffer, readonly Uint8Array[]>("records", Buffer.alloc(0));

export function array<Out, In, IsOptional extends boolean>(
  element: Type<Out, In, IsOptional>,
): Type<readonly Out[], readonly In[], false>;
export function array<F extends Fields>(
  element: F,
): Type<readonly Decoded<F>[], readonly Encodable<F>[], false>;
export function array(element: Type | Fields): Type {
  const { shape } = element instanceof Type ? element : struct(element);
  return new Type({ kind: "array", element: shape, ...always, tag: undefined, defaultValue: [] });
}

export function struct<F extends Fields>(fields: F): Type<Decoded<F>, Encodable<F>, false> {
  const named = Object.entries(fields).map(([name, { shape }]) => ({ name, shape }));
  return new Type({ kind: "struct", fields: named, ...always, tag: undefined, defaultValue: null });
}

/** One of Kafka's APIs: what its requests and responses look like in every version that is known. */
export interface Api<Request extends Fields = Fields, Response extends Fields = Fields> {
  readonly key: number;
  /** Kafka's, without "Request". */
  readonly name: string;
  readonly versionMin: number;
  readonly versionMax: number;
  /** From here on lengths are varints and there are tagged fields. */
  readonly flexibleFrom: number;
  readonly request: Type<Decoded<Request>, Encodable<Request>>;
  readonly response: Type<Decoded<Response>, Encodable<Response>>;
}

export type RequestOf<A extends Api> = A["request"]["decoded"];
export type ResponseOf<A extends Api> = A["response"]["encodable"];

export function api<Request extends Fields, Response extends Fields>(
  key: number,
  name: string,
  {
    versions: [versionMin, versionMax],
    flexibleFrom = Number.POSITIVE_INFINITY,
    request,
    response,
  }: {
    readonly versions: readonly [min: number, max: number];
    readonly flexibleFrom?: number;
    readonly request: Request;
    readonly response: Response;
  },
): Api<Request, Response> {
  return {
    key,
    name,
    versionMin,
    versionMax,
    flexibleFrom,
    request: struct(request),
    response: struct(response),
  };
}
