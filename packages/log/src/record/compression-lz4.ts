// LZ4 frames around the block functions of `lz4-napi`, whose own frame functions are several times slower and
// cannot be bounded. Written as Kafka's Java clients do: independent blocks of at most 64 KiB, no checksums,
// since the batch has its own. Read is every frame that needs no dictionary; checksums of blocks and of the
// content are stepped over, for the same reason.
// Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
import type { Codec } from "./compression-codec.js";

/**
 * What we use of the npm package `lz4-napi`, 2. Its blocks are preceded by their decompressed size, a
 * little-endian uint32, of which decompressing takes any upper bound.
 */
export interface Lz4Package {
  compressSync(bytes: Buffer): Buffer;
  uncompressSync(sizeAndBlock: Buffer, dictionary?: Buffer | undefined): Buffer;
}

const magic = 0x184d2204;
const windowBytes = 64 * 1024;
const blockBytesMax = 64 * 1024;
/** Set in a block's size when the block is stored as it is. */
const storedBit = 0x80000000;
const endMark = Buffer.alloc(4);

export function lz4Codec(lz4: Lz4Package): Codec {
  function compress(bytes: Buffer): Buffer {
    const parts: Buffer[] = [frameHeader];
    for (let at = 0; at < bytes.length; at += blockBytesMax) {
      const content = bytes.subarray(at, at + blockBytesMax);
      const block = lz4.compressSync(content);
      const blockBytes = block.length - 4;
      // The package's four bytes say how large the content is; in their place a frame has the block's size.
      const stored = blockBytes >= content.length;
      block.writeUInt32LE(stored ? storedBit + content.length : blockBytes, 0);
      if (stored) parts.push(block.subarray(0, 4), content);
      else parts.push(block);
    }
    parts.push(endMark);
    return Buffer.concat(parts);
  }

  function decompress(frame: Buffer, bytesMax: number): Buffer {
    const header = readFrameHeader(frame);
    if (header.contentBytes !== undefined && header.contentBytes > bytesMax) {
      throw new RangeError(`${header.contentBytes} bytes where ${bytesMax} are allowed`);
    }
    const contents: Buffer[] = [];
    let contentBytes = 0;
    let history: Buffer | undefined;
    let at = header.headerBytes;
    // Reading a number past the end throws a RangeError: the frame is cut off.
    for (let size = frame.readUInt32LE(at); size !== 0; size = frame.readUInt32LE(at)) {
      const block = frame.subarray(at + 4, at + 4 + (size & ~storedBit));
      at += 4 + (size & ~storedBit) + header.blockChecksumBytes;
      if (block.length > header.blockBytesMax) throw new Error(`a block of ${block.length} bytes`);
      if (at > frame.length) throw new Error("a block runs past the end");
      const contentBytesMax = Math.min(header.blockBytesMax, bytesMax - contentBytes);
      const content = size >= storedBit ? block : decompressBlock(block, contentBytesMax, history);
      if (content.length > contentBytesMax) throw new RangeError(`more than ${bytesMax} bytes`);
      contents.push(content);
      contentBytes += content.length;
      if (header.linked) history = lastBytes(history, content);
    }
    if (at + endMark.length + header.contentChecksumBytes !== frame.length) {
      throw new Error("does not end where its frame ends");
    }
    if (header.contentBytes !== undefined && header.contentBytes !== contentBytes) {
      throw new Error(`announces ${header.contentBytes} bytes and has ${contentBytes}`);
    }
    // This also copies: a block of the package may sit in memory as large as the bound it was given.
    return Buffer.concat(contents, contentBytes);
  }

  function decompressBlock(block: Buffer, contentBytesMax: number, history: Buffer | undefined): Buffer {
    const sizeAndBlock = Buffer.allocUnsafe(4 + block.length);
    // No byte of a block makes more than 255 of content: a small block need not be given much room.
    sizeAndBlock.writeUInt32LE(Math.min(contentBytesMax, 255 * block.length), 0);
    sizeAndBlock.set(block, 4);
    return lz4.uncompressSync(sizeAndBlock, history);
  }

  return { compress, decompress };
}

/** A linked block may repeat anything in the 64 KiB of content before it: in effect they are its dictionary. */
function lastBytes(history: Buffer | undefined, content: Buffer): Buffer {
  const all = history === undefined ? content : Buffer.concat([history, content]);
  return all.subarray(Math.max(0, all.length - windowBytes));
}

interface FrameHeader {
  readonly headerBytes: number;
  /** Of a block's content; a block that would be larger compressed is stored. */
  readonly blockBytesMax: number;
  readonly linked: boolean;
  readonly blockChecksumBytes: number;
  readonly contentChecksumBytes: number;
  readonly contentBytes: number | undefined;
}

function readFrameHeader(frame: Buffer): FrameHeader {
  if (frame.readUInt32LE(0) !== magic) throw new Error("does not start with the magic number");
  const flags = frame.readUInt8(4);
  const blockSizeId = (frame.readUInt8(5) >> 4) & 7;
  if (flags >> 6 !== 1) throw new Error(`frame version ${flags >> 6}`);
  if ((flags & 0x01) !== 0) throw new Error("needs a dictionary");
  if (blockSizeId < 4) throw new Error(`block size ${blockSizeId}`);
  const hasContentBytes = (flags & 0x08) !== 0;
  const headerBytes = hasContentBytes ? 15 : 7;
  if (frame.readUInt8(headerBytes - 1) !== headerChecksum(frame.subarray(4, headerBytes - 1))) {
    throw new Error("the checksum of the header is wrong");
  }
  return {
    headerBytes,
    blockBytesMax: 2 ** (8 + 2 * blockSizeId),
    linked: (flags & 0x20) === 0,
    blockChecksumBytes: (flags & 0x10) !== 0 ? 4 : 0,
    contentChecksumBytes: (flags & 0x04) !== 0 ? 4 : 0,
    contentBytes: hasContentBytes ? Number(frame.readBigUInt64LE(6)) : undefined,
  };
}

/** Second byte of the descriptor's xxHash32. A descriptor is shorter than 16 bytes: the short form is enough. */
function headerChecksum(descriptor: Buffer): number {
  let hash = prime5 + descriptor.length;
  let at = 0;
  for (; at + 4 <= descriptor.length; at += 4) {
    hash += Math.imul(descriptor.readUInt32LE(at), prime3);
    hash = Math.imul(rotateLeft(hash, 17), prime4);
  }
  for (; at < descriptor.length; at++) {
    hash += Math.imul(descriptor.readUInt8(at), prime5);
    hash = Math.imul(rotateLeft(hash, 11), prime1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return ((hash ^ (hash >>> 16)) >>> 8) & 0xff;
}

const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Version 1, independent blocks, no more; blocks of at most 64 KiB. */
const descriptor = Buffer.from([0x60, 0x40]);
const frameHeader = Buffer.from([0x04, 0x22, 0x4d, 0x18, ...descriptor, headerChecksum(descriptor)]);
