// Compression of a batch's records, in the formats that Kafka's clients read and write.
//
// Promises: every Kafka client can read what is written here; whatever `decompress` is given, it makes at most
// `bytesMax` bytes or throws a LogError. It need not notice every changed bit: that is the batch's CRC's part.
// All is synchronous: a batch is small, and order matters more than a thread. snappy, lz4 and (before Node
// 22.15) zstd are optional peer dependencies, loaded at first use: an application without them pays nothing.
// Called by the record batch encoder and decoder only.
import { createRequire } from "node:module";
import * as zlib from "node:zlib";
import { LogError } from "../errors.js";
import type { Codec } from "./compression-codec.js";
import { type Lz4Package, lz4Codec } from "./compression-lz4.js";
import { type SnappyPackage, snappyCodec } from "./compression-snappy.js";
import { nodeZstdCodec, type ZstdPackage, zstdPackageCodec } from "./compression-zstd.js";

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Bits 0 to 2 of a batch's attributes. */
export const compressionIds: Readonly<Record<Compression, number>> = {
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
};

const compressionsById = Object.keys(compressionIds) as Compression[];

export function compressionId(compression: Compression): number {
  return compressionIds[compression];
}

/** Throws CORRUPT_BATCH for 5, 6, 7: no Kafka has written them so far. */
export function compressionFromId(id: number): Compression {
  const compression = compressionsById[id];
  if (compression === undefined) {
    throw new LogError("CORRUPT_BATCH", `unknown compression ${id}`, { details: { compressionId: id } });
  }
  return compression;
}

/** Loads the codec now, so that a missing package shows when a topic is made. Throws CODEC_MISSING. */
export function requireCompression(compression: Compression): void {
  codecFor(compression);
}

/** CODEC_MISSING, if so. */
export function compressionRefusal(compression: Compression): LogError | undefined {
  try {
    codecFor(compression);
    return undefined;
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
}

/** The result of "none" shares the memory of `bytes`, any other is new. Throws CODEC_MISSING. */
export function compress(compression: Compression, bytes: Uint8Array): Uint8Array {
  return codecFor(compression).compress(asBuffer(bytes));
}

/**
 * At most `bytesMax` bytes. The result of "none" shares the memory of `bytes`, any other is new. Throws
 * CORRUPT_BATCH if there would be more or the input is broken, and CODEC_MISSING.
 */
export function decompress(compression: Compression, bytes: Uint8Array, bytesMax: number): Uint8Array {
  const codec = codecFor(compression);
  try {
    const result = codec.decompress(asBuffer(bytes), bytesMax);
    if (result.length > bytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
    return result;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LogError("CORRUPT_BATCH", `records do not decompress as ${compression}: ${reason}`, {
      cause,
      details: { compression, bytes: bytes.length, bytesMax },
    });
  }
}

const none: Codec = { compress: (bytes) => bytes, decompress: (bytes) => bytes };

const gzip: Codec = {
  compress: (bytes) => zlib.gzipSync(bytes),
  // zlib refuses a bound of zero; `decompress` checks the one byte too many.
  decompress: (bytes, bytesMax) => zlib.gunzipSync(bytes, { maxOutputLength: Math.max(1, bytesMax) }),
};

const require = createRequire(import.meta.url);

const loaders: Record<Compression, () => Codec> = {
  none: () => none,
  gzip: () => gzip,
  snappy: () => snappyCodec(loadPackage<SnappyPackage>("snappy", "snappy", 7)),
  lz4: () => lz4Codec(loadPackage<Lz4Package>("lz4", "lz4-napi", 2)),
  zstd: () =>
    nodeZstdCodec() ?? zstdPackageCodec(loadPackage<ZstdPackage>("zstd", "@toondepauw/node-zstd", 1)),
};

const codecs: Partial<Record<Compression, Codec>> = {};

// A failure is not remembered: a long-lived process may try again once the package is there.
function codecFor(compression: Compression): Codec {
  codecs[compression] ??= loaders[compression]();
  return codecs[compression];
}

function loadPackage<T>(compression: Compression, name: string, major: number): T {
  try {
    return require(name);
  } catch (cause) {
    const install = `npm install ${name}@${major}`;
    const message = `${compression} needs the package ${name}, which does not load: ${install}`;
    throw new LogError("CODEC_MISSING", message, { cause, details: { compression, package: name, install } });
  }
}

/** The same memory as a Buffer, which the native packages insist on. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
