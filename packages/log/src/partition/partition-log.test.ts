import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../clock.js";
import { nodeFileSystem } from "../fs/index.js";
import { FileCache } from "../segment/index.js";
import { PartitionLog } from "./partition-log.js";

test("an epoch whose records never got to the disk gives its place to the next one", () => {
  const cache = new FileCache(nodeFileSystem, systemClock, 8);
  const partition = new PartitionLog(
    { fs: nodeFileSystem, cache, topicsDirectory: "topics" },
    {
      name: { id: "id/0", topic: "orders", topicId: "id", partition: 0 },
      number: 0,
      config: { segmentBytes: 1024, segmentMs: 1000 },
      logStartOffset: 0,
      recoveryPoint: 10,
      segments: [],
      // As of a checkpoint that was written while the second epoch's first records were on their way.
      leaderEpochs: [
        [1, 0],
        [2, 10],
      ],
    },
  );
  partition.push(
    {
      baseOffset: 10,
      nextOffset: 11,
      maxTimestamp: 0,
      bytes: Buffer.alloc(1),
      sequence: -1,
      visibleAt: "disk",
      reached: "memory",
    },
    3,
  );
  assert.deepEqual(partition.leaderEpochs, [
    [1, 0],
    [3, 10],
  ]);
});
