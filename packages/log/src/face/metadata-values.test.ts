// Values of the metadata store that are not ours, or were changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../errors.js";
import { topicConfig } from "../options.js";
import { withCode } from "../test-support.js";
import { readCommitted, readPlace, readTopicEntry, topicEntryText } from "./metadata-values.js";

const prefix = "group/AAAA/";

test("a group's name and partition are read from the key, what it has committed from the value", () => {
  assert.deepEqual(readCommitted(prefix, `${prefix}bill%2Fing/12`, '{"offset":3,"at":5}'), {
    group: "bill/ing",
    partition: 12,
    committed: { offset: 3, at: 5 },
  });
});

test("a value that is no JSON, or of another shape, is damage, and the key is named", () => {
  for (const value of ["", "{", "null", '"x"', "{}", '{"offset":-1,"at":0}', '{"offset":1.5,"at":0}']) {
    assert.throws(
      () => readCommitted(prefix, `${prefix}a/0`, value),
      (error) => error instanceof LogError && error.details["key"] === `${prefix}a/0`,
    );
  }
  assert.throws(() => readPlace("dedupe/AAAA/p/1", '{"partition":0}'), withCode("CORRUPT_METADATA"));
  assert.throws(() => readTopicEntry("topic/a", '{"topicId":"x"}'), withCode("CORRUPT_METADATA"));
});

test("a key whose name is not encoded, or that does not end with a partition, is damage", () => {
  for (const key of ["a", "a/x", "a/", "%/0", "%ff/0"])
    assert.throws(
      () => readCommitted(prefix, prefix + key, '{"offset":1,"at":0}'),
      withCode("CORRUPT_METADATA"),
    );
});

test("a topic's entry says what is not usual, and is read back whole", () => {
  const usual = { topicId: "x", config: topicConfig({}) };
  assert.equal(topicEntryText(usual), '{"topicId":"x","config":{}}');
  assert.deepEqual(readTopicEntry("topic/a", topicEntryText(usual)), usual);
  const other = { topicId: "y", config: topicConfig({ durability: "os", partitions: 8, retentionMs: 1000 }) };
  assert.equal(
    topicEntryText(other),
    '{"topicId":"y","config":{"durability":"os","partitions":8,"retentionMs":1000}}',
  );
  assert.deepEqual(readTopicEntry("topic/a", topicEntryText(other)), other);
});

test("a topic's entry that says everything, as it was written once, is read too", () => {
  const entry = { topicId: "x", config: topicConfig({ compression: "zstd" }) };
  assert.deepEqual(readTopicEntry("topic/a", JSON.stringify(entry)), entry);
});

test("a setting that makes no sense is damage", () => {
  const misfit = '{"topicId":"x","config":{"partitions":0}}';
  assert.throws(() => readTopicEntry("topic/a", misfit), withCode("CORRUPT_METADATA"));
});
