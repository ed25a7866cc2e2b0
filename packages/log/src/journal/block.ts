// The unit that the journal writes: a header and a payload, on a page boundary. Layout: docs/format/journal.md.
import { LogError } from "../errors.js";
import { crc32c, readInt64, writeInt64 } from "../record/index.js";

/** Blocks start on multiples of this, so that no write touches a page that holds acknowledged data. */
export const pageBytes = 4096;
export const blockHeaderBytes = 64;
const magic = 0x534c_4a42; // "SLJB"
const formatVersion = 1;
const writerIdBytes = 8;

export interface BlockHeader {
  /** One higher each time the log is opened for writing. */
  epoch: number;
  /** Random, new each time the log is opened: tells apart two attempts that reached the same epoch. */
  writerId: string;
  /** One higher in each block. */
  sequence: number;
  /** Every block up to this one was known to be on the disk when this one was written. */
  syncedSequence: number;
  payloadBytes: number;
  payloadCrc: number;
}

/** Where a block is written, so that it is recognised nowhere else. */
export interface BlockPlace {
  readonly position: number;
  /** The size of its file, which never changes: a shorter file has lost what came last. */
  readonly fileBytes: number;
}

/** Without a place the block counts wherever it is found. */
export function encodeBlockHeader(buffer: Buffer, header: BlockHeader, place?: BlockPlace): void {
  buffer.fill(0, 0, blockHeaderBytes);
  buffer.writeUInt32BE(magic, 0);
  buffer.writeUInt16BE(formatVersion, 4);
  writeInt64(buffer, 8, header.epoch);
  writeInt64(buffer, 16, header.sequence);
  writeInt64(buffer, 24, header.syncedSequence);
  buffer.write(header.writerId, 32, writerIdBytes, "hex");
  buffer.writeUInt32BE(header.payloadBytes, 40);
  buffer.writeUInt32BE(header.payloadCrc, 44);
  writeInt64(buffer, 48, place?.fileBytes ?? 0);
  buffer.writeUInt32BE(place === undefined ? 0 : place.position / pageBytes + 1, 56);
  buffer.writeUInt32BE(crc32c(buffer.subarray(0, 60)), 60);
}

/** What a block says of the size of its file; 0 if nothing. */
export function fileBytesOf(header: Buffer): number {
  return readInt64(header, 48);
}

/** Undefined when there is no intact header: zeros, a torn write, other data, a block that belongs to another place. */
export function decodeBlockHeader(buffer: Buffer, position?: number): BlockHeader | undefined {
  if (buffer.length < blockHeaderBytes || buffer.readUInt32BE(0) !== magic) return undefined;
  if (buffer.readUInt32BE(60) !== crc32c(buffer.subarray(0, 60))) return undefined;
  const version = buffer.readUInt16BE(4);
  if (version > formatVersion) {
    throw new LogError(
      "UNSUPPORTED_VERSION",
      `the journal has format version ${version}, this program knows ${formatVersion}`,
    );
  }
  const page = buffer.readUInt32BE(56);
  if (page !== 0 && position !== undefined && (page - 1) * pageBytes !== position) return undefined;
  return {
    epoch: readInt64(buffer, 8),
    sequence: readInt64(buffer, 16),
    syncedSequence: readInt64(buffer, 24),
    writerId: buffer.toString("hex", 32, 32 + writerIdBytes),
    payloadBytes: buffer.readUInt32BE(40),
    payloadCrc: buffer.readUInt32BE(44),
  };
}

/** Who wrote a block, as its header says: for what need not be a block, where reading the header could throw. */
export function writerIdAt(buffer: Buffer, position: number): string | undefined {
  if (buffer.readUInt32BE(position) !== magic) return undefined;
  return buffer.toString("hex", position + 32, position + 32 + writerIdBytes);
}

/** What a block of this payload takes in its file. */
export function blockSpan(payloadBytes: number): number {
  return Math.ceil((blockHeaderBytes + payloadBytes) / pageBytes) * pageBytes;
}
