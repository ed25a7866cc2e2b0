// Bytes and records, both ways, without I/O. Everything else in the engine carries batches as opaque bytes.
export {
  BatchBuilder,
  type Bytes,
  type HeadersInput,
  recordSizeMax,
  SealedBatch,
  type SealOptions,
} from "./batch-builder.js";
export { filterBatch } from "./batch-filter.js";
export { batchField, batchHeaderBytes, readInt64, writeInt64 } from "./batch-format.js";
export { type Compression, compressionRefusal, requireCompression } from "./compression.js";
export { crc32c } from "./crc32c.js";
export { combineCrc32c } from "./crc32c-combine.js";
export { type EndMarker, endMarkerBatch, readEndMarker } from "./end-marker.js";
export { mostOf } from "./most-of.js";
export { murmur2, partitionForKey } from "./murmur2.js";
export { batchChecksum, batchLengthAt, endOfBatches, placeBatch, RecordBatch } from "./record-batch.js";
export { type Header, LogRecord, type RecordCursor } from "./record-cursor.js";
