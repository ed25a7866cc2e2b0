import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "./nearest-name.js";

const known = ["num.partitions", "log.dirs", "log.dir", "log.retention.hours"];

test("the name that takes the fewest changes is the nearest", () => {
  assert.equal(nearestName("num.partition", known), "num.partitions");
  assert.equal(nearestName("log.retention.hour", known), "log.retention.hours");
  assert.equal(nearestName("log.dirr", known), "log.dirs");
  assert.equal(nearestName("lgo.dir", known), "log.dir");
});

test("what is like nothing has no nearest name", () => {
  assert.equal(nearestName("zookeeper", known), undefined);
  assert.equal(nearestName("", known), undefined);
});
