// The files beside the journal: the checkpoint, a segment with its indexes, what a dump shows, metadata values.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { CheckpointState } from "../checkpoint/index.js";
import { decodeCheckpoint, encodeCheckpoint, kafkaOffsetFiles } from "../checkpoint/index.js";
import { systemClock } from "../clock.js";
import { dumpFile } from "../format.js";
import { crc32c } from "../record/index.js";
import { FileCache } from "../segment/index.js";
import { FileState } from "../storage/file/file-state.js";
import { anyJson, mangled } from "./arbitraries.js";
import { compressions, goldenFiles, ownBatch } from "./batch-bytes.js";
import { ImageFileSystem } from "./image-file-system.js";
import { expect, type FuzzTarget } from "./target.js";

const image = new ImageFileSystem();
const cache = new FileCache(image, systemClock, 16);

const topicId = "AAAAAAAAAAAAAAAAAAAAAA";
const segment = {
  baseOffset: 0,
  nextOffset: 40,
  logBytes: 9000,
  firstTimestamp: 1_700_000_000_000,
  index: {
    bytesSinceEntry: 800,
    maxTimestamp: 1_700_000_000_500,
    maxTimestampOffset: 39,
    lastTimeEntry: 1_700_000_000_300,
  },
  offsetIndexBytes: 16,
  offsetIndexCrc: 77,
  timeIndexBytes: 24,
  timeIndexCrc: 4_294_967_295,
};
const state: CheckpointState = {
  logId: "00112233445566778899aabbccddeeff",
  writers: [
    { epoch: 3, writerId: "0123456789abcdef", start: 10 },
    { epoch: 4, writerId: "fedcba9876543210", start: 14 },
  ],
  journalStart: 10,
  nextPartitionNumber: 8,
  metadata: [{ key: "topic/orders", value: '{"topicId":"AAAA"}', version: 1 }],
  partitions: [
    {
      name: { id: `${topicId}/0`, topic: "orders", topicId, partition: 0 },
      number: 7,
      config: { segmentBytes: 1_073_741_824, segmentMs: 604_800_000 },
      logStartOffset: 4,
      recoveryPoint: 40,
      segments: [segment],
      leaderEpochs: [
        [1, 0],
        [3, 20],
      ],
    },
  ],
};

export async function fileTargets(): Promise<FuzzTarget[]> {
  return [await checkpointTarget(), await dumpTarget()];
}

async function checkpointTarget(): Promise<FuzzTarget> {
  const golden = await goldenFiles("checkpoint");
  return {
    name: "checkpoint",
    share: 12,
    codes: ["CORRUPT_CHECKPOINT", "UNSUPPORTED_VERSION"],
    corpus: [...golden, encodeCheckpoint(state)],
    read: readCheckpointFile,
    repair: repairCheckpoint,
    fields: fc
      .oneof(mangled(state), mangled(state).chain(mangled), anyJson)
      .map((other) => encodeCheckpoint(other as CheckpointState)),
    identity: fc.property(
      fc.string(),
      fc.array(
        fc.record({ key: fc.string(), value: fc.string(), version: fc.nat() }, { noNullPrototype: true }),
        { maxLength: 3 },
      ),
      fc.maxSafeNat(),
      (logId, metadata, journalStart) => {
        const other = { ...state, logId, metadata, journalStart };
        expect(
          isDeepStrictEqual(decodeCheckpoint("checkpoint", encodeCheckpoint(other)), other),
          "the checkpoint is read as written",
        );
      },
    ),
  };
}

function readCheckpointFile(input: Buffer): boolean {
  const decoded = decodeCheckpoint("checkpoint", input);
  const held = new FileState({ fs: image, cache, topicsDirectory: "topics" }, decoded);
  const again = held.checkpoint(decoded.journalStart);
  expect(
    isDeepStrictEqual(decodeCheckpoint("checkpoint", encodeCheckpoint(again)), again),
    "what was read is another one when written again",
  );
  for (const { logStartOffset, highWatermark, logEndOffset, segments } of held.partitions.values()) {
    expect(
      logStartOffset >= 0 && highWatermark <= logEndOffset,
      `offsets ${logStartOffset} to ${logEndOffset}`,
    );
    for (const {
      state: { logBytes, offsetIndexBytes, timeIndexBytes },
    } of segments)
      expect(offsetIndexBytes <= logBytes && timeIndexBytes <= logBytes, "an index is larger than its log");
  }
  return true;
}

/** The first line made anew for what follows it. */
function repairCheckpoint(input: Buffer): Buffer {
  const body = input.subarray(input.indexOf(10) + 1);
  const crc = crc32c(body).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(`strandlog-checkpoint 1 ${crc} ${body.length}\n`), body]);
}

/** The first byte chooses the file's name, the rest is its content. */
async function dumpTarget(): Promise<FuzzTarget> {
  const fs = new ImageFileSystem();
  const names = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000.journal",
    "checkpoint",
    "leader-epoch-checkpoint",
    "partition.metadata",
    ...kafkaOffsetFiles,
  ];
  const batches = compressions.slice(0, 3).map((name, index) => ownBatch(name, 2, 5 * index));
  const times = Buffer.from("0000018bcfe568000000000300000018bcfe56bb80000000b".padEnd(48, "0"), "hex");
  const contents = [
    Buffer.concat(batches),
    Buffer.from("0000000300001010000000090000205000000011", "hex"),
    times,
    ...(await goldenFiles(".block")).map((block) => block.subarray(0, 1024)),
    encodeCheckpoint(state),
    Buffer.from("0\n2\n1 0\n3 20\n"),
    Buffer.from(`version: 0\ntopic_id: ${topicId}`),
    Buffer.from("0\n2\norders 0 40\norders 1 0\n"),
  ];
  return {
    name: "dump",
    share: 4,
    codes: [],
    corpus: contents.map((content, index) => Buffer.concat([Buffer.from([index]), content])),
    async read(input) {
      const name = names[(input[0] ?? 0) % names.length] ?? "checkpoint";
      fs.files = new Map([[`data/journal/${name}`, input.subarray(1)]]);
      let isGood = true;
      for await (const { kind, text, position } of dumpFile(`data/journal/${name}`, {
        records: true,
        fileSystem: fs,
      })) {
        expect(text.length > 0 && position >= 0, "a line says something");
        if (kind === "damage") isGood = false;
      }
      return isGood;
    },
    repair: (input) => input,
    fields: fc.oneof(
      mangled(state).map((other) =>
        Buffer.concat([Buffer.from([4]), encodeCheckpoint(other as CheckpointState)]),
      ),
      fc
        .tuple(
          fc.integer({ min: 5, max: 9 }),
          fc.array(fc.oneof(fc.constantFrom("0", "2", "orders 0 40", "1 0", "version: 0", ""), fc.string()), {
            maxLength: 5,
          }),
        )
        .map(([kind, lines]) => Buffer.concat([Buffer.from([kind]), Buffer.from(lines.join("\n"))])),
    ),
  };
}
