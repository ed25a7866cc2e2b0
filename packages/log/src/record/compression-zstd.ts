// Zstandard, by Node itself from 22.15 on, else by `@toondepauw/node-zstd`.
//
// Neither can be trusted with a frame as it comes. Node 22 answers a frame that is cut off with the part it
// has, and stops after the first of several; the package decompresses all there is, without a bound. So
// frames are walked here first, block by block, which costs a few bytes each.
// Source: RFC 8878, section 3.1.
import * as zlib from "node:zlib";
import type { Codec } from "./compression-codec.js";

/** What we use of the npm package `@toondepauw/node-zstd`, 1. */
export interface ZstdPackage {
  readonly Encoder: new (level: number) => { encodeSync(bytes: Buffer): Buffer };
  readonly Decoder: new () => { decodeSync(bytes: Buffer): Buffer };
}

/** Kafka's own default, and zstd's. */
const level = 3;

/** Undefined where this Node has no zstd. */
export function nodeZstdCodec(): Codec | undefined {
  // Typed here because the types are those of the oldest Node that we support.
  const { zstdCompressSync, zstdDecompressSync } = zlib as {
    zstdCompressSync?: (bytes: Buffer) => Buffer;
    zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer;
  };
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined;
  return {
    compress: (bytes) => zstdCompressSync(bytes),
    decompress: (bytes, bytesMax) =>
      decompressFrames(bytes, bytesMax, (frame, frameBytesMax) =>
        // It refuses a bound of zero; the caller checks the one byte too many.
        zstdDecompressSync(frame.bytes, { maxOutputLength: Math.max(1, frameBytesMax) }),
      ),
  };
}

export function zstdPackageCodec(zstd: ZstdPackage): Codec {
  const encoder = new zstd.Encoder(level);
  const decoder = new zstd.Decoder();
  return {
    compress: (bytes) => encoder.encodeSync(bytes),
    decompress: (bytes, bytesMax) =>
      decompressFrames(bytes, bytesMax, (frame, frameBytesMax) =>
        decompressInRounds(frame, frameBytesMax, (frameBytes) => decoder.decodeSync(frameBytes)),
      ),
  };
}

function decompressFrames(
  bytes: Buffer,
  bytesMax: number,
  decompressFrame: (frame: Frame, bytesMax: number) => Buffer,
): Buffer {
  const contents: Buffer[] = [];
  let contentBytes = 0;
  for (const frame of readFrames(bytes)) {
    const room = bytesMax - contentBytes;
    if (frame.contentBytes !== undefined && frame.contentBytes > room) {
      throw new RangeError(`${frame.contentBytes} bytes where ${room} are allowed`);
    }
    const content = decompressFrame(frame, room);
    contentBytes += content.length;
    if (contentBytes > bytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
    contents.push(content);
  }
  return contents.length === 1 ? contents[0]! : Buffer.concat(contents, contentBytes);
}

/**
 * Decompresses with a function that has no bound. A frame may announce no size, and a false one is noticed at
 * its end only; but no block makes more than its `contentBytesMax`. So take only as many blocks as can do no
 * harm; what they make tells how many more that may be. Mostly that is all of them, in the first round. At
 * most one block (128 KiB) is made too many. Each round begins anew, so there is a limit to what they may read
 * and make together: a frame that exceeds it is close to `bytesMax`, or made to waste our time.
 */
function decompressInRounds(frame: Frame, bytesMax: number, decompress: (frame: Buffer) => Buffer): Buffer {
  let contentBytes = 0;
  let end = frame.headerBytes;
  for (let budget = 1024 * 1024 + 2 * bytesMax; budget > 0; budget -= contentBytes + end) {
    const start = end;
    let lastBlock = start;
    for (let bound = contentBytes; end < frame.blocksEnd; ) {
      const block = readBlock(frame, end);
      bound += block.contentBytesMax;
      if (bound > bytesMax && end > start) break;
      lastBlock = end;
      end = block.end;
    }
    if (end === frame.blocksEnd) return decompress(frame.bytes);
    contentBytes = decompress(cutAfterBlock(frame, lastBlock, end)).length;
    if (contentBytes > bytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
  }
  throw new RangeError(`cannot be shown to stay within ${bytesMax} bytes`);
}

/** A frame of its own, without the content size and the checksum, which would no longer be true. */
function cutAfterBlock(frame: Frame, lastBlock: number, end: number): Buffer {
  const windowLog = Math.max(10, Math.ceil(Math.log2(frame.windowBytes)));
  const header = Buffer.from([0, 0, 0, 0, 0, (windowLog - 10) << 3]);
  header.writeUInt32LE(frameMagic, 0);
  const cut = Buffer.concat([header, frame.bytes.subarray(frame.headerBytes, end)]);
  cut[header.length + lastBlock - frame.headerBytes]! |= lastBlockBit;
  return cut;
}

interface Frame {
  /** From the magic number to the checksum; positions count from here. */
  readonly bytes: Buffer;
  readonly headerBytes: number;
  readonly blocksEnd: number;
  readonly windowBytes: number;
  readonly contentBytes: number | undefined;
}

interface Block {
  readonly end: number;
  readonly isLast: boolean;
  readonly contentBytesMax: number;
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const lastBlockBit = 1;
const blockBytesMax = 128 * 1024;
/** The decoders allow no more. They reserve as much, but touch only what the content fills. */
const windowBytesMax = 2 ** 27;

/** Frames without the skippable ones. Reading a number past the end throws a RangeError: a frame is cut off. */
function* readFrames(bytes: Buffer): Generator<Frame> {
  if (bytes.length === 0) throw new Error("is empty");
  for (let at = 0; at < bytes.length; ) {
    const magic = bytes.readUInt32LE(at);
    if (magic === frameMagic) {
      const frame = readFrame(bytes.subarray(at));
      yield frame;
      at += frame.bytes.length;
    } else if (magic >= skippableMagic && magic <= skippableMagic + 15) {
      at += 8 + bytes.readUInt32LE(at + 4);
      if (at > bytes.length) throw new Error("a frame runs past the end");
    } else {
      throw new Error("does not start with the magic number");
    }
  }
}

function readFrame(bytes: Buffer): Frame {
  const descriptor = bytes.readUInt8(4);
  if ((descriptor & 0x03) !== 0) throw new Error("needs a dictionary");
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSizeAt = isSingleSegment ? 5 : 6;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const contentBytes = readContentSize(bytes, contentSizeAt, contentSizeBytes);
  const windowBytes = isSingleSegment ? contentBytes! : readWindowSize(bytes.readUInt8(5));
  if (windowBytes > windowBytesMax) throw new RangeError(`needs a window of ${windowBytes} bytes`);
  const headerBytes = contentSizeAt + contentSizeBytes;

  let block = readBlock({ bytes, windowBytes }, headerBytes);
  while (!block.isLast) block = readBlock({ bytes, windowBytes }, block.end);
  const hasChecksum = (descriptor & 0x04) !== 0;
  const end = block.end + (hasChecksum ? 4 : 0);
  if (end > bytes.length) throw new Error("a frame runs past the end");
  return { bytes: bytes.subarray(0, end), headerBytes, blocksEnd: block.end, windowBytes, contentBytes };
}

function readBlock({ bytes, windowBytes }: Pick<Frame, "bytes" | "windowBytes">, at: number): Block {
  const header = bytes.readUIntLE(at, 3);
  const size = header >> 3;
  const type = ["raw", "repeated byte", "compressed", "reserved"][(header >> 1) & 3]!;
  if (type === "reserved" || size > blockBytesMax) throw new Error(`a ${type} block of ${size} bytes`);
  return {
    end: at + 3 + (type === "repeated byte" ? 1 : size),
    isLast: (header & lastBlockBit) !== 0,
    contentBytesMax: type === "compressed" ? Math.min(windowBytes, blockBytesMax) : size,
  };
}

function readContentSize(bytes: Buffer, at: number, size: number): number | undefined {
  if (size === 0) return undefined;
  if (size === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, size) + (size === 2 ? 256 : 0);
}

function readWindowSize(descriptor: number): number {
  return 2 ** (10 + (descriptor >> 3)) * (1 + (descriptor & 7) / 8);
}
