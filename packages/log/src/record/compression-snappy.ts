// Snappy as Kafka's Java clients write it: not snappy's own framing but that of the xerial library. A header
// of 16 bytes (magic, version 1, compatible version 1), then blocks of at most 32 KiB, each an int32 length
// and a raw snappy block. Read is that, and the one raw block without a header that other clients write.
// Source: https://github.com/xerial/snappy-java, SnappyOutputStream and SnappyInputStream.
import type { Codec } from "./compression-codec.js";

/** What we use of the npm package `snappy`, 7. */
export interface SnappyPackage {
  compressSync(bytes: Buffer): Buffer;
  uncompressSync(bytes: Buffer): Buffer;
}

const blockBytesMax = 32 * 1024;
/** The densest element takes three bytes and stands for 64: no block holds more than so many times its bytes. */
const densityMax = 22;
const xerialMagic = Buffer.from("\x82SNAPPY\0", "latin1");
const xerialHeader = Buffer.concat([xerialMagic, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** Where a block's length would be, this says that another stream starts: streams may be concatenated. */
const xerialMagicStart = xerialMagic.readInt32BE(0);

export function snappyCodec(snappy: SnappyPackage): Codec {
  function compress(bytes: Buffer): Buffer {
    const parts: Buffer[] = [xerialHeader];
    for (let at = 0; at < bytes.length; at += blockBytesMax) {
      const block = snappy.compressSync(bytes.subarray(at, at + blockBytesMax));
      const length = Buffer.allocUnsafe(4);
      length.writeInt32BE(block.length);
      parts.push(length, block);
    }
    return Buffer.concat(parts);
  }

  function decompress(bytes: Buffer, bytesMax: number): Buffer {
    if (!xerialMagic.equals(bytes.subarray(0, xerialMagic.length))) return decompressBlock(bytes, bytesMax);
    const blocks: Buffer[] = [];
    let decompressedBytes = 0;
    let at = 0;
    while (at < bytes.length) {
      const length = bytes.readInt32BE(at);
      if (length === xerialMagicStart) {
        at += xerialHeader.length;
        continue;
      }
      at += 4;
      if (length < 0 || length > bytes.length - at) throw new Error("a block runs past the end");
      const block = decompressBlock(bytes.subarray(at, at + length), bytesMax - decompressedBytes);
      blocks.push(block);
      decompressedBytes += block.length;
      at += length;
    }
    if (at > bytes.length) throw new Error("the header is cut off");
    return Buffer.concat(blocks, decompressedBytes);
  }

  // The package allocates what the block announces, so that is checked first.
  function decompressBlock(block: Buffer, bytesMax: number): Buffer {
    const announced = uncompressedLength(block);
    if (announced > bytesMax) throw new RangeError(`${announced} bytes where ${bytesMax} are allowed`);
    if (announced > densityMax * block.length)
      throw new RangeError(`${announced} bytes are announced in vain`);
    return snappy.uncompressSync(block);
  }

  return { compress, decompress };
}

/** A raw snappy block starts with this, as an unsigned varint of at most 32 bits. */
function uncompressedLength(block: Buffer): number {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = block.readUInt8(at);
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return length;
  }
  throw new Error("the length of a block is longer than five bytes");
}
