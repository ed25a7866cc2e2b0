// A journal block whose checksum is right may still hold what nobody of ours has written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../clock.js";
import { nodeFileSystem } from "../../fs/index.js";
import { FileCache } from "../../segment/index.js";
import { withCode } from "../../test-support.js";
import { type ControlEntry, decodeEntries, encodeControl } from "./entry.js";
import { FileState } from "./file-state.js";

const config = { segmentBytes: 1000, segmentMs: 1000 };
const name = { id: "AAAA/0", topic: "a", topicId: "AAAA", partition: 0 };
const create: ControlEntry = { type: "createPartitions", config, partitions: [{ ...name, number: 1 }] };

function decodeJson(json: string): unknown[] {
  const body = Buffer.from(json);
  const prefix = Buffer.from([2, 0, 0, 0, body.length]);
  return [...decodeEntries(Buffer.concat([prefix, body]))];
}

function emptyState(): FileState {
  const cache = new FileCache(nodeFileSystem, systemClock, 1);
  const nothing = { logId: "", writers: [], journalStart: 0, metadata: [], partitions: [] };
  return new FileState(
    { fs: nodeFileSystem, cache, topicsDirectory: "topics" },
    { ...nothing, nextPartitionNumber: 1 },
  );
}

test("every control entry is read as it was written", () => {
  const entries: ControlEntry[] = [
    create,
    { type: "deletePartitions", numbers: [1, 2] },
    { type: "deleteRecords", number: 1, before: 7 },
    { type: "metadata", key: "a", value: null, version: 3 },
  ];
  assert.deepEqual([...decodeEntries(Buffer.concat(entries.map(encodeControl)))], entries);
});

const forgeries: [string, string][] = [
  ["that is no JSON", "{"],
  ["that is null", "null"],
  ["without a type", "{}"],
  ["that says of itself that it is a batch", '{"type":"batch"}'],
  ["without its fields", '{"type":"deletePartitions"}'],
  ["with a field of another type", '{"type":"deleteRecords","number":"1","before":2}'],
  ["with a negative number", '{"type":"deletePartitions","numbers":[-1]}'],
  ["with a partition that has no name", '{"type":"createPartitions","config":{},"partitions":[{}]}'],
];
for (const [what, json] of forgeries) {
  test(`a control entry ${what} is damage`, () => {
    assert.throws(() => decodeJson(json), withCode("CORRUPT_JOURNAL"));
  });
}

test("a control entry of a type that is not known takes a newer version", () => {
  const [entry] = decodeJson('{"type":"rename"}');
  assert.throws(() => emptyState().apply(entry as ControlEntry), withCode("UNSUPPORTED_VERSION"));
});

test("an entry that deletes records beyond a partition's end is damage", () => {
  const state = emptyState();
  state.apply(create);
  const beyond: ControlEntry = { type: "deleteRecords", number: 1, before: 1 };
  assert.throws(() => state.apply(beyond), withCode("CORRUPT_JOURNAL"));
});
