// The index files of a segment: the searches in them, and a segment that is read by them. Here they are trusted as if
// the checkpoint file vouched for whatever they hold; then they may lead anywhere but to a wrong record.
import fc from "fast-check";
import { systemClock } from "../clock.js";
import { crc32c, RecordBatch } from "../record/index.js";
import { FileCache, Segment, type SegmentState, segmentName } from "../segment/index.js";
import {
  emptyIndexState,
  findOffset,
  findPosition,
  findTime,
  IndexWriter,
  offsetEntryBytes,
  timeEntryBytes,
} from "../segment/segment-index.js";
import { int32, int64 } from "./arbitraries.js";
import { ownBatch } from "./batch-bytes.js";
import { ImageFileSystem } from "./image-file-system.js";
import { expect, type FuzzTarget } from "./target.js";

const firstTimestamp = 1_700_000_000_000;
const batches = Array.from({ length: 24 }, (_, n) => ownBatch("none", 12, 12 * n));
const log = Buffer.concat(batches);
const path = segmentName(0);

export function indexTargets(): FuzzTarget[] {
  const { offsets, times } = indexesOf(batches);
  return [
    {
      name: "offset-index",
      share: 8,
      codes: [],
      corpus: [offsets, Buffer.concat([offsets, offsets]), Buffer.alloc(0)],
      read: readOffsetIndex,
      repair: (input) => sortEntries(input, offsetEntryBytes),
      fields: fc.array(fc.tuple(int32, int32), { maxLength: 12 }).map(offsetEntries),
      identity: fc.property(batchSizes, (sizes) => checkIndexes(sizes)),
    },
    {
      name: "time-index",
      share: 8,
      codes: ["NUMBER_TOO_LARGE"],
      corpus: [times, Buffer.concat([times, times]), Buffer.alloc(0)],
      read: readTimeIndex,
      repair: (input) => sortEntries(input, timeEntryBytes),
      fields: fc.array(fc.tuple(int64, int32), { maxLength: 12 }).map(timeEntries),
    },
    {
      name: "segment",
      share: 1,
      codes: ["CORRUPT_SEGMENT", "CORRUPT_BATCH", "NUMBER_TOO_LARGE"],
      corpus: [segmentInput(offsets, times)],
      read: readSegment,
      repair: (input) => input,
      fields: fc
        .tuple(
          fc.array(fc.tuple(int32, int32), { maxLength: 4 }),
          fc.array(fc.tuple(int64, int32), { maxLength: 4 }),
        )
        .map(([offsetFields, timeFields]) =>
          segmentInput(offsetEntries(offsetFields), timeEntries(timeFields)),
        ),
    },
  ];
}

function indexesOf(contents: readonly Buffer[]): { offsets: Buffer; times: Buffer } {
  const writer = new IndexWriter(0, 0, emptyIndexState);
  let position = 0;
  for (const bytes of contents) {
    const { baseOffset, lastOffset, maxTimestamp } = new RecordBatch(bytes);
    writer.add({ position, bytes: bytes.length, baseOffset, lastOffset, maxTimestamp });
    position += bytes.length;
  }
  return { offsets: writer.offsetBytes, times: writer.timeBytes };
}

function offsetEntries(entries: readonly (readonly [number, number])[]): Buffer {
  const index = Buffer.alloc(entries.length * offsetEntryBytes);
  for (const [n, [offset, position]] of entries.entries()) {
    index.writeInt32BE(offset, n * offsetEntryBytes);
    index.writeInt32BE(position, n * offsetEntryBytes + 4);
  }
  return index;
}

function timeEntries(entries: readonly (readonly [bigint, number])[]): Buffer {
  const index = Buffer.alloc(entries.length * timeEntryBytes);
  for (const [n, [timestamp, offset]] of entries.entries()) {
    index.writeBigInt64BE(BigInt.asIntN(64, timestamp), n * timeEntryBytes);
    index.writeInt32BE(offset, n * timeEntryBytes + 8);
  }
  return index;
}

/** Entries in the order in which they should be, as bytes; whole ones only. */
function sortEntries(input: Buffer, entryBytes: number): Buffer {
  const entries: Buffer[] = [];
  for (let at = 0; at + entryBytes <= input.length; at += entryBytes) {
    // Numbers that are not negative are in order where their bytes are.
    const entry = Buffer.from(input.subarray(at, at + entryBytes));
    entry[0] = (entry[0] as number) & 0x7f;
    entries.push(entry);
  }
  return Buffer.concat(entries.sort(Buffer.compare));
}

/** The lengths of index files are multiples of their entries: the checkpoint file says how long they are. */
function whole(input: Buffer, entryBytes: number): Buffer {
  return input.subarray(0, input.length - (input.length % entryBytes));
}

function readOffsetIndex(input: Buffer): boolean {
  const index = whole(input, offsetEntryBytes);
  const keys: number[] = [];
  for (let at = 0; at < index.length; at += offsetEntryBytes) keys.push(index.readInt32BE(at));
  const isSorted = isAscending(keys);
  for (const sought of [0, 5, 100, 2 ** 31 - 1, keys[keys.length >> 1] ?? 0]) {
    const found = findOffset(index, sought);
    findPosition(index, sought);
    if (!isSorted) continue;
    const before = keys.filter((key) => key < sought).length - 1;
    const due = before < 0 ? 0 : index.readInt32BE(before * offsetEntryBytes + 4);
    expect(found === due, `offset ${sought} is looked for at ${found}, not at ${due}`);
  }
  return isSorted;
}

function readTimeIndex(input: Buffer): boolean {
  const index = whole(input, timeEntryBytes);
  const keys: bigint[] = [];
  for (let at = 0; at < index.length; at += timeEntryBytes) keys.push(index.readBigInt64BE(at));
  const isSorted = isAscending(keys);
  for (const sought of [0, firstTimestamp, Number.MAX_SAFE_INTEGER]) {
    const found = findTime(index, sought);
    if (!isSorted) continue;
    const before = keys.filter((key) => key < BigInt(sought)).length - 1;
    const due = before < 0 ? -1 : index.readInt32BE(before * timeEntryBytes + 8);
    expect(found === due, `time ${sought} leads to ${found}, not to ${due}`);
  }
  return isSorted;
}

function isAscending(keys: readonly (number | bigint)[]): boolean {
  return keys.every((key, n) => n === 0 || key > (keys[n - 1] as number | bigint));
}

const batchSizes = fc.array(fc.integer({ min: 61, max: 6000 }), { minLength: 1, maxLength: 20 });

/** Whatever the batches, an index built from them leads to each of them, or before it. */
function checkIndexes(sizes: readonly number[]): void {
  const writer = new IndexWriter(0, 0, emptyIndexState);
  const positions: number[] = [];
  let position = 0;
  for (const [n, bytes] of sizes.entries()) {
    writer.add({ position, bytes, baseOffset: n, lastOffset: n, maxTimestamp: firstTimestamp + n });
    positions.push(position);
    position += bytes;
  }
  const { offsetBytes, timeBytes } = writer;
  for (const [n, due] of positions.entries()) {
    expect(findOffset(offsetBytes, n) <= due, `batch ${n} is looked for behind it`);
    expect(findTime(timeBytes, firstTimestamp + n) < n, `time ${n} is looked for behind it`);
  }
}

/** Two bytes: how long the first of the two indexes is. */
function segmentInput(offsets: Buffer, times: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(offsets.length);
  return Buffer.concat([length, offsets, times]);
}

async function readSegment(input: Buffer): Promise<boolean> {
  if (input.length < 2) return false;
  const offsets = whole(input.subarray(2, 2 + input.readUInt16BE(0)), offsetEntryBytes);
  const times = whole(input.subarray(2 + offsets.length), timeEntryBytes);
  const fs = new ImageFileSystem();
  fs.files = new Map([
    [`topics/a-0/${path}.log`, log],
    [`topics/a-0/${path}.index`, offsets],
    [`topics/a-0/${path}.timeindex`, times],
  ]);
  const segment = new Segment(
    new FileCache(fs, systemClock, 8),
    { directory: "topics/a-0" },
    stateOf(offsets, times),
  );
  let isGood = true;
  for (const offset of [0, 100, 287]) isGood = (await readAt(segment, offset)) && isGood;
  const found = await segment.offsetForTimestamp(firstTimestamp + 2000);
  expect(found === undefined || found.timestamp >= firstTimestamp + 2000, "what is found is not too old");
  return isGood;
}

function stateOf(offsets: Buffer, times: Buffer): SegmentState {
  return {
    baseOffset: 0,
    nextOffset: 12 * batches.length,
    logBytes: log.length,
    firstTimestamp,
    index: { ...emptyIndexState, maxTimestamp: firstTimestamp + 11_000, maxTimestampOffset: 11 },
    offsetIndexBytes: offsets.length,
    offsetIndexCrc: crc32c(offsets),
    timeIndexBytes: times.length,
    timeIndexCrc: crc32c(times),
  };
}

/** Reads from an offset; whatever comes is what was written at those offsets. */
async function readAt(segment: Segment, offset: number): Promise<boolean> {
  const chunk = await segment.read(offset, 2000);
  const { baseOffset, lastOffset } = new RecordBatch(chunk);
  const due = batches[baseOffset / 12];
  expect(
    due !== undefined && chunk.subarray(0, due.length).equals(due),
    "a batch is not the one that was written",
  );
  return baseOffset <= offset && lastOffset >= offset;
}
