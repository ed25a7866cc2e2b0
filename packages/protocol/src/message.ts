// Whole requests and responses, with their headers: the door of the protocol. A frame is what follows the four bytes
// of its length on the wire.
import { type Codec, codecOf } from "./codec.js";
import { ProtocolError } from "./errors.js";
import { Reader } from "./reader.js";
import type { Api, RequestOf, ResponseOf, Type } from "./schema.js";
import { Writer } from "./writer.js";

/** What every request begins with, whatever it asks for. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  /** Comes back in the response. */
  readonly correlationId: number;
}

export interface Request<A extends Api = Api> extends RequestHeader {
  readonly clientId: string | null;
  readonly body: RequestOf<A>;
}

/** ApiVersions: its response is read before the client knows which versions there are. */
const apiVersionsKey = 18;

/** Reads no more than every version of every API has, so that an unknown one can be answered. */
export function decodeRequestHeader(frame: Buffer): RequestHeader {
  const reader = new Reader(frame);
  return { apiKey: reader.int16(), apiVersion: reader.int16(), correlationId: reader.int32() };
}

/** `api` and its version are those of the header. What the body holds as bytes are views of the frame. */
export function decodeRequest<A extends Api>(api: A, frame: Buffer): Request<A> {
  const reader = new Reader(frame);
  const [apiKey, apiVersion, correlationId] = [reader.int16(), reader.int16(), reader.int32()];
  if (apiKey !== api.key) throw new ProtocolError(`a request of API ${apiKey} was read as ${api.name}`);
  const length = reader.int16();
  if (length < -1) throw reader.error(`the client id's length is ${length}`);
  const clientId = length === -1 ? null : reader.string(length);
  if (apiVersion >= api.flexibleFrom) skipTagged(reader);
  const body = readBody(api, "request", apiVersion, reader) as RequestOf<A>;
  return { apiKey, apiVersion, correlationId, clientId, body };
}

/** The length and the frame, in chunks to be sent one after the other. Large bytes of the body are not copied. */
export function encodeResponse<A extends Api>(
  api: A,
  apiVersion: number,
  correlationId: number,
  body: ResponseOf<A>,
): Buffer[] {
  return framed((writer) => {
    writer.int32(correlationId);
    if (apiVersion >= api.flexibleFrom && api.key !== apiVersionsKey) writer.unsignedVarint(0);
    codec(api, "response", apiVersion).write(writer, body);
  });
}

/** The client's side of {@link decodeRequest}. */
export function encodeRequest<A extends Api>(
  api: A,
  { apiVersion, correlationId, clientId }: Omit<Request<A>, "apiKey" | "body">,
  body: A["request"]["encodable"],
): Buffer[] {
  return framed((writer) => {
    writer.int16(api.key);
    writer.int16(apiVersion);
    writer.int32(correlationId);
    const length = clientId === null ? -1 : Buffer.byteLength(clientId);
    writer.int16(length);
    if (clientId !== null) writer.string(clientId, length);
    if (apiVersion >= api.flexibleFrom) writer.unsignedVarint(0);
    codec(api, "request", apiVersion).write(writer, body);
  });
}

/** The client's side of {@link encodeResponse}; the version is the request's. */
export function decodeResponse<A extends Api>(
  api: A,
  apiVersion: number,
  frame: Buffer,
): { readonly correlationId: number; readonly body: A["response"]["decoded"] } {
  const reader = new Reader(frame);
  const correlationId = reader.int32();
  if (apiVersion >= api.flexibleFrom && api.key !== apiVersionsKey) skipTagged(reader);
  const body = readBody(api, "response", apiVersion, reader) as A["response"]["decoded"];
  return { correlationId, body };
}

/** Bytes behind the body are let be, as Kafka does. */
function readBody(api: Api, side: "request" | "response", version: number, reader: Reader): unknown {
  try {
    return codec(api, side, version).read(reader);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(`${api.name} ${side} version ${version}: ${error.message}`, { cause: error });
  }
}

function skipTagged(reader: Reader): void {
  for (let count = reader.unsignedVarint(); count > 0; count--) {
    reader.unsignedVarint();
    reader.bytes(reader.unsignedVarint());
  }
}

function framed(write: (writer: Writer) => void): Buffer[] {
  const writer = new Writer();
  writer.int32(0);
  write(writer);
  const { length } = writer;
  const chunks = writer.finish();
  chunks[0]?.writeInt32BE(length - 4);
  return chunks;
}

/** By type of message and version. */
const codecs = new WeakMap<Type, Map<number, Codec>>();

function codec(api: Api, side: "request" | "response", version: number): Codec {
  if (version < api.versionMin || version > api.versionMax) {
    throw new ProtocolError(
      `${api.name} has versions ${api.versionMin} to ${api.versionMax}, not ${version}`,
    );
  }
  const type = api[side];
  const ofType = codecs.get(type) ?? new Map<number, Codec>();
  codecs.set(type, ofType);
  const known = ofType.get(version);
  if (known !== undefined) return known;
  const made = codecOf(type.shape, version, version >= api.flexibleFrom);
  ofType.set(version, made);
  return made;
}
