import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { type TestContext, test } from "node:test";
import { LogError } from "@strandlog/log";
import { pino } from "pino";
import { tellEvents } from "./events.js";
import { Readiness } from "./readiness.js";

/** What is told while the test runs. */
function listening(t: TestContext, level = "info") {
  const lines: Record<string, unknown>[] = [];
  const formatters = { level: (label: string) => ({ level: label }) };
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>);
  const logger = pino({ level, base: null, timestamp: false, formatters }, { write });
  const readiness = new Readiness();
  readiness.ready(() => undefined);
  t.after(tellEvents({ logger, readiness, nowMs: () => 0 }));
  return { lines, readiness };
}

function publish(name: string, message: object): void {
  channel(`strandlog:${name}`).publish(message);
}

test("connections that are closed for what they sent are warnings, of a flood only some", (t) => {
  const { lines } = listening(t);
  for (let n = 0; n < 100; n++)
    publish("broker", { event: "connection-failed", error: new Error("no frame"), client: "10.0.0.1" });
  assert.equal(lines.length, 10);
  const { level, event, client, error, msg } = lines[0] as Record<string, unknown>;
  assert.deepEqual(
    [level, event, client, error, msg],
    [
      "warn",
      "connection-failed",
      "10.0.0.1",
      "no frame",
      "a connection was closed for what its client has sent",
    ],
  );
  publish("broker", { event: "connection-refused", error: new Error("too many") });
  assert.equal(lines[10]?.["event"], "connection-refused");
  publish("broker", { error: new Error("the disk") });
  assert.equal(lines[11]?.["event"], "broker-failed");
});

test("checkpoints are told to who debugs, and to everybody when they succeed again", (t) => {
  const done = { directory: "/data", bytes: 5, partitions: 1, ms: 1.7 };
  const { lines } = listening(t);
  publish("checkpoint", done);
  assert.deepEqual(lines, []);
  for (let n = 0; n < 3; n++) {
    publish("trouble", { directory: "/data", where: "checkpoint", error: new LogError("DISK_FULL", "full") });
  }
  publish("checkpoint", done);
  publish("checkpoint", done);
  assert.deepEqual(lines, [
    {
      level: "error",
      event: "trouble",
      where: "checkpoint",
      error: "full",
      code: "DISK_FULL",
      msg: "trouble: appends may wait, it is tried again",
    },
    { level: "info", event: "checkpoint", bytes: 5, partitions: 1, ms: 2, msg: "checkpoints succeed again" },
  ]);
});

test("whoever debugs is told of checkpoints", (t) => {
  const { lines } = listening(t, "debug");
  publish("checkpoint", { directory: "/data", bytes: 5, partitions: 1, ms: 1 });
  assert.deepEqual([lines[0]?.["level"], lines[0]?.["event"]], ["debug", "checkpoint"]);
});

test("a journal that has failed ends readiness", (t) => {
  const { lines, readiness } = listening(t);
  publish("trouble", { where: "journal", error: new LogError("IO", "cannot shrink") });
  assert.equal(readiness.reasonAgainst, undefined);
  publish("trouble", { where: "journal", error: new LogError("JOURNAL_FAILED", "the journal failed") });
  assert.equal(readiness.reasonAgainst, "the journal failed");
  assert.deepEqual([lines[1]?.["level"], lines[1]?.["code"]], ["error", "JOURNAL_FAILED"]);
});

test("rebalances and groups that stall are told with their names", (t) => {
  const { lines } = listening(t);
  publish("rebalance", { group: "billing", generation: 3, members: 2 });
  publish("stalled", { topic: "orders", group: "billing", records: 5, bytes: 50, ms: 1000 });
  assert.deepEqual(
    lines.map(({ level, event, group }) => [level, event, group]),
    [
      ["info", "rebalance", "billing"],
      ["warn", "stalled", "billing"],
    ],
  );
});

test("nothing is told any more when it has been stopped", () => {
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => lines.push(line) });
  tellEvents({ logger, readiness: new Readiness(), nowMs: () => 0 })();
  publish("broker", { error: new Error("late") });
  assert.deepEqual(lines, []);
});
