// Kafka's wire protocol without I/O: what the messages look like, and how they become bytes and come out of them.
export { apiOf, apis } from "./apis/index.js";
export { ErrorCode, type ErrorName, errorName, ProtocolError } from "./errors.js";
export { FrameSplitter } from "./frame-splitter.js";
export {
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type Request,
  type RequestHeader,
} from "./message.js";
export {
  type Api,
  type Decoded,
  type Encodable,
  type Fields,
  type RequestOf,
  type ResponseOf,
  zeroUuid,
} from "./schema.js";
