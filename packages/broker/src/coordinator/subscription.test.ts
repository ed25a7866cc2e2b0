import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { subscribedTopics } from "./subscription.js";

const require = createRequire(import.meta.url);
const { MemberMetadata } = require("kafkajs/src/consumer/assignerProtocol.js") as {
  MemberMetadata: { encode(metadata: { version: number; topics: string[]; userData: Buffer }): Buffer };
};

test("the topics that kafkajs subscribes to are read", () => {
  for (const topics of [[], ["orders"], ["orders", "jobs", "ä".repeat(50)]]) {
    const metadata = MemberMetadata.encode({ version: 1, topics, userData: Buffer.from("mine") });
    assert.deepEqual(subscribedTopics(metadata), new Set(topics));
  }
});

test("metadata that says something else names no topics", () => {
  const metadata = MemberMetadata.encode({ version: 1, topics: ["orders"], userData: Buffer.alloc(0) });
  for (let length = 0; length < 14; length++)
    assert.equal(subscribedTopics(metadata.subarray(0, length)), undefined);
  for (const hex of ["0001ffffffff", "00017fffffff0001", "000100000001ffff", "0001000000017fff61"])
    assert.equal(subscribedTopics(Buffer.from(hex, "hex")), undefined, hex);
});
