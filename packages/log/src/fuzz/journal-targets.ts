// The journal: one block with what it holds, replayed as recovery replays it, and the scan of whole files.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { systemClock } from "../clock.js";
import {
  type BlockHeader,
  blockHeaderBytes,
  blockSpan,
  decodeBlockHeader,
  encodeBlockHeader,
  pageBytes,
} from "../journal/block.js";
import { JournalScan, type WriterEpoch } from "../journal/index.js";
import { crc32c, placeBatch } from "../record/index.js";
import { FileCache } from "../segment/index.js";
import { type ControlEntry, decodeEntries, encodeBatchPrefix, encodeControl } from "../storage/file/entry.js";
import { FileState } from "../storage/file/file-state.js";
import { int64, mangled, mostly, smallOffset } from "./arbitraries.js";
import { batchFields, goldenFiles, ownBatch } from "./batch-bytes.js";
import { ImageFileSystem } from "./image-file-system.js";
import { expect, type FuzzTarget } from "./target.js";

const writers: readonly WriterEpoch[] = [
  { epoch: 3, writerId: "0123456789abcdef", start: 10 },
  { epoch: 4, writerId: "fedcba9876543210", start: 14 },
];
const config = { segmentBytes: 1_000_000, segmentMs: 600_000 };
const name = { id: "AAAA/0", topic: "orders", topicId: "AAAA", partition: 0 };
const controls: readonly ControlEntry[] = [
  {
    type: "createPartitions",
    config,
    partitions: [
      { ...name, number: 7 },
      { ...name, id: "AAAA/1", partition: 1, number: 8 },
    ],
  },
  { type: "deletePartitions", numbers: [8] },
  { type: "deleteRecords", number: 7, before: 2 },
  { type: "metadata", key: "group/AAAA/billing/0", value: '{"offset":2,"at":1}', version: 1 },
  { type: "metadata", key: "group/AAAA/billing/0", value: null, version: 2 },
];
const image = new ImageFileSystem();
const cache = new FileCache(image, systemClock, 16);

export async function journalTargets(): Promise<FuzzTarget[]> {
  const payloads = [entriesOf(controls, 2), entriesOf(controls.slice(0, 1), 3), entriesOf([], 1)];
  const headers: BlockHeader[] = payloads.map((payload, n) => headerOf(payload, 10 + n, 9 + n));
  const blocks = payloads.map((payload, n) => blockOf(headers[n] as BlockHeader, payload));
  return [
    {
      name: "block",
      share: 24,
      codes: ["CORRUPT_JOURNAL", "CORRUPT_BATCH", "NUMBER_TOO_LARGE", "UNSUPPORTED_VERSION"],
      corpus: [...(await goldenFiles(".block")).map((block) => block.subarray(0, 1024)), ...blocks],
      read: readBlock,
      repair: (input) => repairBlock(input),
      fields: fc
        .tuple(headerFields, payloadFields)
        .map(([header, payload]) =>
          blockOf({ ...header, payloadBytes: payload.length, payloadCrc: crc32c(payload) }, payload),
        ),
      identity: blockIdentity,
    },
    {
      name: "journal",
      share: 3,
      codes: ["CORRUPT_JOURNAL", "NUMBER_TOO_LARGE", "UNSUPPORTED_VERSION"],
      corpus: [imageOf([10, 11, 12, 13]), imageOf([13, 10, 11, 12]), imageOf([10, 11, 14, 15])],
      read: readImage,
      repair: repairImage,
      fields: fc.array(pageFields, { minLength: 2, maxLength: 6 }).map((pages) => Buffer.concat(pages)),
    },
  ];
}

function entriesOf(entries: readonly ControlEntry[], batches: number): Buffer {
  const pieces = entries.slice(0, 1).map(encodeControl);
  for (let n = 0; n < batches; n++) {
    const batch = ownBatch("none", 2, 2 * n);
    pieces.push(encodeBatchPrefix(7, 2 * n, batch.length), batch);
  }
  return Buffer.concat([...pieces, ...entries.slice(1).map(encodeControl)]);
}

function headerOf(payload: Buffer, sequence: number, syncedSequence: number): BlockHeader {
  const { epoch, writerId } = (sequence < 14 ? writers[0] : writers[1]) as WriterEpoch;
  return {
    epoch,
    writerId,
    sequence,
    syncedSequence,
    payloadBytes: payload.length,
    payloadCrc: crc32c(payload),
  };
}

/** Without the padding. */
function blockOf(header: BlockHeader, payload: Buffer): Buffer {
  const block = Buffer.alloc(blockHeaderBytes + payload.length);
  encodeBlockHeader(block, header);
  block.set(payload, blockHeaderBytes);
  return block;
}

function readBlock(input: Buffer): boolean {
  const header = decodeBlockHeader(input);
  if (header === undefined) return false;
  const scratch = Buffer.alloc(blockHeaderBytes);
  encodeBlockHeader(scratch, header);
  expect(isDeepStrictEqual(decodeBlockHeader(scratch), header), "a header is another one when written again");
  const payload = input.subarray(blockHeaderBytes, blockHeaderBytes + header.payloadBytes);
  if (payload.length < header.payloadBytes || crc32c(payload) !== header.payloadCrc) return false;
  const state = new FileState(
    { fs: image, cache, topicsDirectory: "topics" },
    {
      logId: "",
      writers,
      journalStart: 10,
      nextPartitionNumber: 7,
      metadata: [],
      partitions: [],
    },
  );
  // Twice: replay may begin earlier than needed.
  for (let round = 0; round < 2; round++) {
    for (const entry of decodeEntries(payload)) {
      if (entry.type === "batch") state.replay(entry, header.sequence);
      else state.apply(entry);
    }
  }
  for (const { tail, logStartOffset, logEndOffset } of state.partitions.values())
    expect(logStartOffset <= logEndOffset && tail.bytes >= 0, `offsets ${logStartOffset} to ${logEndOffset}`);
  expect(state.tailBytes >= 0, `the tail holds ${state.tailBytes} bytes`);
  return true;
}

/** Both checksums, and the length of the payload where it leads beyond the input or nowhere. */
function repairBlock(input: Buffer, magic = true): Buffer {
  if (input.length < blockHeaderBytes) return input;
  if (magic) input.write("SLJB", 0, "latin1");
  const left = input.length - blockHeaderBytes;
  const claimed = input.readUInt32BE(40);
  const payloadBytes = claimed === 0 || claimed > left ? left : claimed;
  input.writeUInt32BE(payloadBytes, 40);
  input.writeUInt32BE(crc32c(input.subarray(blockHeaderBytes, blockHeaderBytes + payloadBytes)), 44);
  input.writeUInt32BE(crc32c(input.subarray(0, 60)), 60);
  return input;
}

const safe = int64.map((value) => Number(BigInt.asIntN(53, value)));
const headerFields: fc.Arbitrary<BlockHeader> = fc.record({
  epoch: fc.oneof(fc.constantFrom(3, 4), safe),
  writerId: mostly("0123456789abcdef", fc.constantFrom("fedcba9876543210", "0000000000000000")),
  sequence: fc.oneof(fc.integer({ min: 9, max: 16 }), safe),
  syncedSequence: fc.oneof(fc.integer({ min: 8, max: 16 }), safe),
  payloadBytes: fc.constant(0),
  payloadCrc: fc.constant(0),
});

const controlFields = fc
  .constantFrom(...controls)
  .chain((control) => fc.oneof(fc.constant<unknown>(control), mangled(control)))
  .map((control) => encodeControl(control as ControlEntry));
const batchEntry = fc
  .tuple(
    fc.oneof(smallOffset, int64),
    fc.oneof(smallOffset, int64),
    mostly(7, fc.nat({ max: 9 })),
    fc.option(batchFields, { freq: 3 }),
  )
  .map(([previousEnd, baseOffset, number, fields]) => {
    const batch = fields ?? ownBatch("none", 1);
    placeBatch(batch, Number(BigInt.asIntN(53, baseOffset)), 3);
    return Buffer.concat([
      encodeBatchPrefix(number, Number(BigInt.asIntN(53, previousEnd)), batch.length),
      batch,
    ]);
  });
/** Made first, so that what follows finds it. */
const create = encodeControl(controls[0] as ControlEntry);
const payloadFields = fc
  .tuple(
    mostly(create, controlFields),
    fc.array(fc.oneof(controlFields, batchEntry), { maxLength: 4 }),
    mostly(
      Buffer.alloc(0),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    ),
  )
  .map(([first, entries, rest]) => Buffer.concat([first, ...entries, rest]));

const blockIdentity = fc.property(
  safe,
  safe,
  safe,
  fc.uint8Array({ minLength: 8, maxLength: 8 }),
  fc.constantFrom(...controls),
  fc.nat({ max: 2 ** 32 - 1 }),
  fc.maxSafeNat(),
  (epoch, sequence, syncedSequence, id, control, number, previousEnd) => {
    const batch = ownBatch("none", 1);
    const payload = Buffer.concat([
      encodeControl(control),
      encodeBatchPrefix(number, previousEnd, batch.length),
      batch,
    ]);
    const header = {
      epoch,
      sequence,
      syncedSequence,
      writerId: Buffer.from(id).toString("hex"),
      payloadBytes: payload.length,
      payloadCrc: crc32c(payload),
    };
    expect(
      isDeepStrictEqual(decodeBlockHeader(blockOf(header, payload)), header),
      "the header is read as written",
    );
    const entries = [...decodeEntries(payload)];
    expect(
      isDeepStrictEqual(entries, [control, { type: "batch", number, previousEnd, bytes: batch }]),
      "the entries are read as written",
    );
  },
);

/** Two files of equal size, each with whole pages. */
function imageOf(sequences: readonly number[]): Buffer {
  return Buffer.concat(sequences.map((sequence) => pageOf(sequence, sequence - 1, 100)));
}

function pageOf(sequence: number, syncedSequence: number, payloadBytes: number): Buffer {
  const payload = Buffer.alloc(payloadBytes, sequence);
  const page = Buffer.alloc(blockSpan(payloadBytes));
  page.set(blockOf(headerOf(payload, sequence, syncedSequence), payload));
  return page;
}

const pageFields = fc.oneof(
  fc.constant(Buffer.alloc(pageBytes)),
  fc
    .tuple(
      fc.integer({ min: 9, max: 16 }),
      fc.integer({ min: 8, max: 15 }),
      mostly(100, fc.nat({ max: 9000 })),
    )
    .map(([sequence, synced, bytes]) => pageOf(sequence, synced, bytes)),
  fc.tuple(headerFields, fc.nat({ max: 100 })).map(([header, bytes]) => {
    const payload = Buffer.alloc(bytes, 1);
    const page = Buffer.alloc(pageBytes);
    page.set(blockOf({ ...header, payloadBytes: bytes, payloadCrc: crc32c(payload) }, payload));
    return page;
  }),
);

async function readImage(input: Buffer): Promise<boolean> {
  const half = Math.ceil(input.length / 2 / pageBytes) * pageBytes;
  const fs = new ImageFileSystem();
  fs.files = new Map([
    ["journal/00000000.journal", input.subarray(0, half)],
    ["journal/00000001.journal", input.subarray(half)],
  ]);
  const scan = new JournalScan(fs, "journal", writers, 10);
  try {
    let expected = 10;
    for await (const block of scan.blocks()) {
      expect(block.sequence === expected++, `block ${block.sequence} where ${expected - 1} is due`);
      const writer = writers.find(({ writerId }) => writerId === block.writerId);
      expect(writer?.epoch === block.epoch, `block ${block.sequence} is not of a writer that counts`);
      const last = writer === writers[0] ? 13 : Number.POSITIVE_INFINITY;
      expect(block.sequence <= last, `block ${block.sequence} is beyond its writer's end`);
      expect(crc32c(block.payload) === block.payloadCrc, "a payload differs from its checksum");
    }
    await scan.checkEnd();
    expect(scan.syncedSequence < expected, "an end before what had been synced is damage");
  } finally {
    await scan.close();
  }
  return true;
}

function repairImage(input: Buffer): Buffer {
  for (let at = 0; at + blockHeaderBytes <= input.length; at += pageBytes) {
    if (input.readUInt32BE(at) === 0) continue;
    const claimed = input.readUInt32BE(at + 40);
    repairBlock(
      input.subarray(at, at + Math.max(pageBytes, Math.min(blockSpan(claimed), input.length - at))),
      false,
    );
  }
  return input;
}
