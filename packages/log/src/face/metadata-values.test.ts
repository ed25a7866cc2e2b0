// Values of the metadata store that are not ours, or were changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../errors.js";
import { withCode } from "../test-support.js";
import { readCommitted, readPlace, readTopicEntry } from "./metadata-values.js";

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
