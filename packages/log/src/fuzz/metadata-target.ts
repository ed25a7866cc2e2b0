// The values of the metadata store: settings of topics, what groups have committed, ids of appends.
import fc from "fast-check";
import { readCommitted, readPlace, readTopicEntry } from "../face/metadata-values.js";
import { anyJson, mangled } from "./arbitraries.js";
import { expect, type FuzzTarget } from "./target.js";

const topicEntry = {
  topicId: "AAAA",
  config: {
    partitions: 3,
    durability: "disk",
    compression: "gzip",
    cleanup: "delete",
    timestampType: "append",
    retentionMs: -1,
    retentionBytes: -1,
    deleteRetentionMs: 86_400_000,
    segmentBytes: 1_073_741_824,
    segmentMs: 604_800_000,
    maxMessageBytes: 1_048_588,
  },
};
const values: readonly unknown[] = [
  topicEntry,
  { offset: 40, at: 1_700_000_000_000 },
  { partition: 0, offset: 7, turn: 3 },
];
const keys = ["topic/orders", "group/AAAA/bill%20ing/2", "dedupe/AAAA/web/1"];

/** The first byte says what it is; then a line with the key; then the value. */
export function metadataTarget(): FuzzTarget {
  const inputOf = (kind: number, key: string, value: unknown): Buffer =>
    Buffer.concat([Buffer.from([kind]), Buffer.from(`${key}\n${JSON.stringify(value)}`)]);
  return {
    name: "metadata",
    share: 8,
    codes: ["CORRUPT_METADATA"],
    corpus: values.map((value, kind) => inputOf(kind, keys[kind] ?? "", value)),
    read: readMetadata,
    repair: (input) => input,
    fields: fc
      .tuple(fc.nat({ max: 2 }), fc.oneof(fc.constantFrom(...keys), fc.string()))
      .chain(([kind, key]) =>
        fc.oneof(mangled(values[kind]), anyJson).map((value) => inputOf(kind, key, value)),
      ),
  };
}

function readMetadata(input: Buffer): boolean {
  const [key = "", ...rest] = input.toString("utf8", 1).split("\n");
  const value = rest.join("\n");
  switch ((input[0] ?? 0) % 3) {
    case 0: {
      const { topicId, config } = readTopicEntry(key, value);
      expect(topicId.length >= 0 && config.partitions > 0, "a topic has partitions");
      return true;
    }
    case 1: {
      const { group, partition, committed } = readCommitted("group/AAAA/", key, value);
      expect(typeof group === "string" && partition >= 0, "a group and a partition");
      expect(committed.offset >= 0 && Number.isSafeInteger(committed.at), "an offset and a time");
      return true;
    }
    default: {
      const { partition, offset, turn } = readPlace(key, value);
      expect(Math.min(partition, offset, turn) >= 0, "a place is somewhere");
      return true;
    }
  }
}
