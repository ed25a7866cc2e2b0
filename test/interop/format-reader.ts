// A second reader of Kafka partition directories, written from Kafka's format. It shares no code with the
// engine, lest both make the same mistake. It is plain and slow, and reads whole files.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Decoder } from "@toondepauw/node-zstd";
import { decompressFrameSync } from "lz4-napi";
import { uncompressSync } from "snappy";

export interface DirectoryReport {
  /** Files that were read, of every kind. */
  files: number;
  batches: number;
  /** Records that were decoded, those of control batches included. */
  records: number;
  /** One sentence each, starting with `<file>@<byte position>: `. Empty when all is well. */
  problems: string[];
}

export interface PartitionRecord {
  readonly offset: number;
  /** Milliseconds; -1 when the producer gave none. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

interface Batch {
  readonly position: number;
  readonly size: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
  readonly leaderEpoch: number;
  readonly control: boolean;
  readonly records: readonly PartitionRecord[];
}

interface Segment {
  readonly file: string;
  readonly baseOffset: number;
  readonly batches: readonly Batch[];
  /** False when the reader had to stop before the file's end; the indexes cannot be recomputed then. */
  readonly complete: boolean;
}

type Report = (position: number, message: string) => void;

const batchHeaderBytes = 61;
const bytesBeforeLength = 12;
const crcEnd = 21;
const indexIntervalBytes = 4096;
const int32Max = 2 ** 31 - 1;
const offsetEntryBytes = 8;
const timeEntryBytes = 12;

/** Checks every partition below `<dataDirectory>/topics`. Damage is reported, never thrown. */
export function checkDirectory(dataDirectory: string): DirectoryReport {
  const report: DirectoryReport = { files: 0, batches: 0, records: 0, problems: [] };
  const topics = join(dataDirectory, "topics");
  if (!existsSync(topics)) {
    report.problems.push("topics@0: there is no such directory");
    return report;
  }
  const topicIds = new Map<string, string>();
  for (const name of readdirSync(topics).sort()) {
    if (/^(recovery-point|replication|log-start)-offset-checkpoint$/.test(name)) {
      if (!isOffsetFile(readFileSync(join(topics, name), "latin1")))
        report.problems.push(`${name}@0: it is not a version 0, a count and as many topics with an offset`);
      continue;
    }
    // Kafka renames a partition that it is about to delete, or that moves between disks.
    if (/-(delete|future|stray)$/.test(name)) {
      continue;
    }
    const topic = /^([a-zA-Z0-9._-]{1,249})-(0|[1-9]\d*)$/.exec(name)?.[1];
    if (topic === undefined) {
      report.problems.push(`${name}@0: the name is not <topic>-<partition>`);
      continue;
    }
    checkPartition(join(topics, name), topic, topicIds, report);
  }
  return report;
}

/**
 * The records of one partition directory in the order of the log, without the markers of control batches.
 * Throws an Error that lists the problems when a log file is damaged.
 */
export function readPartition(directory: string): PartitionRecord[] {
  const report: DirectoryReport = { files: 0, batches: 0, records: 0, problems: [] };
  const segments = readSegments(directory, report);
  checkOrder(directory, segments, report);
  if (report.problems.length > 0) {
    throw new Error(`${directory} is damaged:\n${report.problems.join("\n")}`);
  }
  return segments
    .flatMap((segment) => segment.batches)
    .filter((batch) => !batch.control)
    .flatMap((batch) => batch.records);
}

function checkPartition(
  directory: string,
  topic: string,
  topicIds: Map<string, string>,
  report: DirectoryReport,
): void {
  const segments = readSegments(directory, report);
  checkOrder(directory, segments, report);
  for (const segment of segments) {
    checkIndexes(directory, segment, segment === segments.at(-1), report);
  }
  const logs = new Set(segments.map((segment) => segment.file));
  for (const file of readdirSync(directory)) {
    if (/\.(index|timeindex|txnindex)$/.test(file) && !logs.has(file.replace(/\.\w+$/, ".log"))) {
      reporter(directory, file, report)(0, "the segment has no .log file");
    }
  }
  checkEpochs(directory, segments, report);
  checkMetadata(directory, topic, topicIds, report);
}

function reporter(directory: string, file: string, report: DirectoryReport): Report {
  return (position, message) => {
    report.problems.push(`${basename(directory)}/${file}@${position}: ${message}`);
  };
}

function readFile(directory: string, file: string, report: DirectoryReport): Buffer | undefined {
  if (!existsSync(join(directory, file))) {
    reporter(directory, file, report)(0, "the file is missing");
    return undefined;
  }
  report.files += 1;
  return readFileSync(join(directory, file));
}

// The log.

function readSegments(directory: string, report: DirectoryReport): Segment[] {
  const logs = readdirSync(directory).filter((file) => file.endsWith(".log"));
  if (logs.length === 0) {
    reporter(directory, "", report)(0, "the partition has no segment");
  }
  return logs.sort().flatMap((file) => {
    const problem = reporter(directory, file, report);
    if (!/^\d{20}\.log$/.test(file) || !Number.isSafeInteger(Number.parseInt(file, 10))) {
      problem(0, "the name is not a base offset of 20 digits");
      return [];
    }
    const bytes = readFile(directory, file, report) ?? Buffer.alloc(0);
    const batches = [...readBatches(bytes, problem)];
    const last = batches.at(-1);
    report.batches += batches.length;
    report.records += batches.reduce((sum, batch) => sum + batch.records.length, 0);
    const complete = bytes.length === (last === undefined ? 0 : last.position + last.size);
    return [{ file, baseOffset: Number.parseInt(file, 10), batches, complete }];
  });
}

/** Stops at the first batch whose frame cannot be trusted: nothing says where the next one starts. */
function* readBatches(bytes: Buffer, problem: Report): Generator<Batch> {
  let position = 0;
  while (position < bytes.length) {
    const left = bytes.length - position;
    if (left < batchHeaderBytes) {
      problem(position, `${left} bytes are left, fewer than the ${batchHeaderBytes} of a batch header`);
      return;
    }
    const size = bytesBeforeLength + bytes.readInt32BE(position + 8);
    if (size < batchHeaderBytes || size > left) {
      problem(position + 8, `a batch of ${size} bytes is announced where ${left} bytes are left`);
      return;
    }
    const magic = bytes.readInt8(position + 16);
    if (magic !== 2) {
      problem(position + 16, `the magic is ${magic}, not 2`);
      return;
    }
    yield readBatch(bytes.subarray(position, position + size), position, problem);
    position += size;
  }
}

function readBatch(bytes: Buffer, position: number, problem: Report): Batch {
  const crc = crc32c(bytes.subarray(crcEnd));
  const crcHolds = bytes.readUInt32BE(17) === crc;
  if (!crcHolds) {
    problem(position + 17, `the CRC32C is ${hex(bytes.readUInt32BE(17))}, the bytes give ${hex(crc)}`);
  }
  const attributes = bytes.readUInt16BE(21);
  const lastOffsetDelta = bytes.readInt32BE(23);
  const count = bytes.readInt32BE(57);
  const header = {
    position,
    size: bytes.length,
    baseOffset: Number(bytes.readBigInt64BE(0)),
    lastOffset: Number(bytes.readBigInt64BE(0)) + lastOffsetDelta,
    maxTimestamp: Number(bytes.readBigInt64BE(35)),
    leaderEpoch: bytes.readInt32BE(12),
    control: (attributes & 0x20) !== 0,
  };
  if (!Number.isSafeInteger(header.baseOffset) || header.baseOffset < 0) {
    problem(position, `the base offset is ${header.baseOffset}`);
  }
  if (!crcHolds) {
    return { ...header, records: [] };
  }
  if (attributes >> 7 !== 0 || (attributes & 7) > 4) {
    problem(position + 21, `the attributes ${hex(attributes)} have unknown bits or an unknown codec`);
    return { ...header, records: [] };
  }
  if (lastOffsetDelta < 0 || count !== lastOffsetDelta + 1) {
    problem(position + 23, `the last offset delta is ${lastOffsetDelta}, the record count is ${count}`);
  }
  checkProducer(bytes, attributes, position, problem);
  const records = readRecords(bytes, attributes & 7, count, header.baseOffset, position, problem);
  // LogAppendTime: the broker's clock, kept in the header, stands for every record's own timestamp.
  const appendTime = (attributes & 8) !== 0;
  const dated = appendTime
    ? records.map((record) => ({ ...record, timestamp: header.maxTimestamp }))
    : records;
  const newest = dated.reduce((max, { timestamp }) => Math.max(max, timestamp), -1);
  if (records.length === count && newest !== header.maxTimestamp) {
    problem(
      position + 35,
      `the max timestamp is ${header.maxTimestamp}, the newest record's timestamp is ${newest}`,
    );
  }
  return { ...header, records: dated };
}

function checkProducer(bytes: Buffer, attributes: number, position: number, problem: Report): void {
  const producerId = bytes.readBigInt64BE(43);
  const control = (attributes & 0x20) !== 0;
  const transactional = (attributes & 0x10) !== 0;
  if (producerId < -1n) {
    problem(position + 43, `the producer id is ${producerId}`);
  }
  if (producerId >= 0n && bytes.readInt16BE(51) < 0) {
    problem(position + 51, `producer ${producerId} has the epoch ${bytes.readInt16BE(51)}`);
  }
  if (producerId >= 0n && !control && bytes.readInt32BE(53) < 0) {
    problem(position + 53, `producer ${producerId} has the base sequence ${bytes.readInt32BE(53)}`);
  }
  if (transactional && producerId < 0n) {
    problem(position + 43, "a transactional batch has no producer id");
  }
}

function readRecords(
  bytes: Buffer,
  codec: number,
  count: number,
  baseOffset: number,
  position: number,
  problem: Report,
): PartitionRecord[] {
  const where = (at: number): string =>
    codec === 0 ? "" : `at byte ${at} of the decompressed records of the batch at ${position}: `;
  const records: PartitionRecord[] = [];
  let at = 0;
  try {
    const body = decompress(bytes.subarray(batchHeaderBytes), codec);
    const cursor = { bytes: body, at: 0 };
    const baseTimestamp = bytes.readBigInt64BE(27);
    for (let index = 0; index < count; index += 1) {
      at = cursor.at;
      records.push(readRecord(cursor, index, baseOffset, baseTimestamp));
    }
    at = cursor.at;
    if (at !== body.length) {
      throw new RangeError(`${body.length - at} bytes follow the last of ${count} records`);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    problem(position + batchHeaderBytes + (codec === 0 ? at : 0), where(at) + message);
  }
  return records;
}

function readRecord(
  cursor: Cursor,
  index: number,
  baseOffset: number,
  baseTimestamp: bigint,
): PartitionRecord {
  const length = readInt(cursor);
  const end = cursor.at + length;
  take(cursor, 1); // The record's own attributes: no bit of them is in use.
  const timestamp = Number(baseTimestamp + readVarint(cursor));
  const offsetDelta = readInt(cursor);
  const key = readBytes(cursor);
  const value = readBytes(cursor);
  const headerCount = readInt(cursor);
  if (headerCount < 0) {
    throw new RangeError(`record ${index} has ${headerCount} headers`);
  }
  const headers: { key: string; value: Uint8Array | null }[] = [];
  for (let header = 0; header < headerCount; header += 1) {
    const headerKey = readBytes(cursor);
    if (headerKey === null) {
      throw new RangeError(`a header of record ${index} has no key`);
    }
    headers.push({
      key: new TextDecoder("utf-8", { fatal: true }).decode(headerKey),
      value: readBytes(cursor),
    });
  }
  if (cursor.at !== end) {
    throw new RangeError(
      `record ${index} has the length ${length}, its fields end ${cursor.at - end} bytes off`,
    );
  }
  if (offsetDelta !== index) {
    throw new RangeError(`record ${index} has the offset delta ${offsetDelta}`);
  }
  if (timestamp < -1 || !Number.isSafeInteger(timestamp)) {
    throw new RangeError(`record ${index} has the timestamp ${timestamp}`);
  }
  return { offset: baseOffset + offsetDelta, timestamp, key, value, headers };
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function take(cursor: Cursor, length: number): Buffer {
  if (length < 0 || length > cursor.bytes.length - cursor.at) {
    throw new RangeError(`${length} bytes are asked for, ${cursor.bytes.length - cursor.at} are left`);
  }
  cursor.at += length;
  return cursor.bytes.subarray(cursor.at - length, cursor.at);
}

/** Seven bits a byte, lowest first, zigzag: at most ten bytes for the 64 bits of a varlong. */
function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = take(cursor, 1).readUInt8();
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
  }
  throw new RangeError("a varint is longer than ten bytes");
}

function readInt(cursor: Cursor): number {
  const value = readVarint(cursor);
  if (value !== BigInt.asIntN(32, value)) {
    throw new RangeError(`a varint holds ${value}, more than 32 bits`);
  }
  return Number(value);
}

function readBytes(cursor: Cursor): Uint8Array | null {
  const length = readInt(cursor);
  return length === -1 ? null : Uint8Array.from(take(cursor, length));
}

function decompress(bytes: Buffer, codec: number): Buffer {
  switch (codec) {
    case 1:
      return gunzipSync(bytes);
    case 2:
      return decompressSnappy(bytes);
    case 3:
      return decompressFrameSync(bytes);
    case 4:
      return new Decoder().decodeSync(bytes);
    default:
      return bytes;
  }
}

/** Java's stream of blocks (a header of 16 bytes, then each block behind its length), else one bare block. */
function decompressSnappy(bytes: Buffer): Buffer {
  if (bytes.subarray(0, 8).toString("latin1") !== "\x82SNAPPY\0") {
    return Buffer.from(uncompressSync(bytes));
  }
  const cursor = { bytes, at: 16 };
  const blocks: Buffer[] = [];
  while (cursor.at < bytes.length) {
    blocks.push(Buffer.from(uncompressSync(take(cursor, take(cursor, 4).readInt32BE()))));
  }
  return Buffer.concat(blocks);
}

/** Castagnoli's polynomial, reflected. */
const crcTable: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ 0x82f63b78;
  }
  return rest >>> 0;
});

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

// Across batches and segments.

function checkOrder(directory: string, segments: readonly Segment[], report: DirectoryReport): void {
  let nextOffset = 0;
  for (const { file, baseOffset, batches } of segments) {
    const problem = reporter(directory, file, report);
    if (baseOffset < nextOffset) {
      problem(0, `the segment starts at ${baseOffset}, the one before reaches to ${nextOffset - 1}`);
    }
    nextOffset = Math.max(nextOffset, baseOffset);
    for (const batch of batches) {
      if (batch.baseOffset < nextOffset) {
        problem(
          batch.position,
          `the base offset is ${batch.baseOffset} where at least ${nextOffset} must follow`,
        );
      }
      if (batch.lastOffset - baseOffset > int32Max) {
        problem(batch.position, `the last offset ${batch.lastOffset} is too far from the segment's base`);
      }
      nextOffset = batch.lastOffset + 1;
    }
  }
}

// The indexes.

function checkIndexes(directory: string, segment: Segment, newest: boolean, report: DirectoryReport): void {
  const indexFile = segment.file.replace(".log", ".index");
  const timeFile = segment.file.replace(".log", ".timeindex");
  const index = readFile(directory, indexFile, report);
  const time = readFile(directory, timeFile, report);
  const fits = ({ lastOffset, position, maxTimestamp }: Batch): boolean =>
    lastOffset >= segment.baseOffset &&
    lastOffset - segment.baseOffset <= int32Max &&
    position <= int32Max &&
    Number.isSafeInteger(maxTimestamp);
  if (!segment.complete || !segment.batches.every(fits)) {
    // The log's own problem is reported; nothing can be expected of its indexes.
    return;
  }
  const expected = expectedIndexes(segment);
  if (index !== undefined) {
    compare(index, expected.offset, offsetEntryBytes, reporter(directory, indexFile, report));
  }
  if (time !== undefined && !(newest && time.equals(expected.time))) {
    compare(time, expected.rolledTime, timeEntryBytes, reporter(directory, timeFile, report));
  }
}

function expectedIndexes(segment: Segment): { offset: Buffer; time: Buffer; rolledTime: Buffer } {
  const offsetEntries: Buffer[] = [];
  const timeEntries: Buffer[] = [];
  let bytesSinceEntry = 0;
  let nextOffset = segment.baseOffset;
  let lastTimestamp = -1;
  let newest = { maxTimestamp: -1, lastOffset: segment.baseOffset };
  const addTime = (): void => {
    if (newest.maxTimestamp > lastTimestamp) {
      lastTimestamp = newest.maxTimestamp;
      const entry = Buffer.alloc(timeEntryBytes);
      entry.writeBigInt64BE(BigInt(newest.maxTimestamp), 0);
      entry.writeInt32BE(newest.lastOffset - segment.baseOffset, 8);
      timeEntries.push(entry);
    }
  };
  for (const batch of segment.batches) {
    if (batch.maxTimestamp > newest.maxTimestamp) {
      newest = batch;
    }
    const isAfterGap = batch.baseOffset > nextOffset;
    nextOffset = batch.lastOffset + 1;
    if (isAfterGap || bytesSinceEntry > indexIntervalBytes) {
      const entry = Buffer.alloc(offsetEntryBytes);
      entry.writeInt32BE(batch.lastOffset - segment.baseOffset, 0);
      entry.writeInt32BE(batch.position, 4);
      offsetEntries.push(entry);
      addTime();
      bytesSinceEntry = 0;
    }
    bytesSinceEntry += batch.size;
  }
  const time = Buffer.concat(timeEntries);
  addTime();
  return { offset: Buffer.concat(offsetEntries), time, rolledTime: Buffer.concat(timeEntries) };
}

function compare(actual: Buffer, expected: Buffer, entryBytes: number, problem: Report): void {
  for (let at = 0; at < Math.max(actual.length, expected.length); at += entryBytes) {
    const found = actual.subarray(at, at + entryBytes);
    const wanted = expected.subarray(at, at + entryBytes);
    if (!found.equals(wanted)) {
      problem(at, `the log gives the entry ${describe(wanted)}, the file has ${describe(found)}`);
      return;
    }
  }
}

function describe(entry: Buffer): string {
  switch (entry.length) {
    case 0:
      return "none";
    case offsetEntryBytes:
      return `{offset +${entry.readInt32BE(0)}, position ${entry.readInt32BE(4)}}`;
    case timeEntryBytes:
      return `{timestamp ${entry.readBigInt64BE(0)}, offset +${entry.readInt32BE(8)}}`;
    default:
      return `the piece 0x${entry.toString("hex")}`;
  }
}

// The two small text files.

function checkEpochs(directory: string, segments: readonly Segment[], report: DirectoryReport): void {
  const file = "leader-epoch-checkpoint";
  const problem = reporter(directory, file, report);
  const text = readFile(directory, file, report)?.toString("latin1");
  if (text === undefined) {
    return;
  }
  // Kafka creates the file empty and fills it with the first epoch.
  const [, count, lines] = /^0\n(\d+)\n((?:\d+ \d+\n)*)$/.exec(text || "0\n0\n") ?? [];
  const entries = (lines ?? "").split("\n").slice(0, -1).map(parseEpoch);
  if (lines === undefined || Number(count) !== entries.length) {
    problem(0, "the file is not a version 0, a count and as many lines of `<epoch> <start offset>`");
    return;
  }
  for (const [index, entry] of entries.entries()) {
    const before = entries[index - 1];
    if (before !== undefined && (entry.epoch <= before.epoch || entry.startOffset <= before.startOffset)) {
      problem(0, `epoch ${entry.epoch} from ${entry.startOffset} does not follow epoch ${before.epoch}`);
    }
  }
  for (const segment of segments) {
    for (const batch of segment.batches) {
      const epoch = entries.findLast(({ startOffset }) => startOffset <= batch.baseOffset)?.epoch ?? -1;
      if (batch.leaderEpoch !== epoch) {
        const message = `the leader epoch is ${batch.leaderEpoch}, the checkpoint has ${epoch} here`;
        reporter(directory, segment.file, report)(batch.position + 12, message);
      }
    }
  }
}

function isOffsetFile(text: string): boolean {
  const [, count, lines = ""] = /^0\n(\d+)\n((?:[\w.-]+ \d+ \d+\n)*)$/.exec(text) ?? [];
  return Number(count) === lines.split("\n").length - 1;
}

function parseEpoch(line: string): { epoch: number; startOffset: number } {
  const [epoch, startOffset] = line.split(" ").map(Number);
  return { epoch: epoch ?? -1, startOffset: startOffset ?? -1 };
}

function checkMetadata(
  directory: string,
  topic: string,
  topicIds: Map<string, string>,
  report: DirectoryReport,
): void {
  const file = "partition.metadata";
  const text = readFile(directory, file, report)?.toString("latin1");
  if (text === undefined) {
    return;
  }
  const topicId = /^version: 0\ntopic_id: ([\w-]{22})\n?$/.exec(text)?.[1];
  if (topicId === undefined || topicId === "A".repeat(22)) {
    reporter(directory, file, report)(0, "the file is not a version 0 and a topic id");
  } else if ((topicIds.get(topic) ?? topicId) !== topicId) {
    reporter(directory, file, report)(0, `the topic id ${topicId} differs from another partition's`);
  } else {
    topicIds.set(topic, topicId);
  }
}
