// kcat, which is librdkafka, against our broker. Skipped where it is not installed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Log, openLog } from "@strandlog/log";
import { type Broker, listen } from "strandlog/broker";
import { isInstalled } from "../maven.js";

const skip = isInstalled("kcat") ? false : "kcat is not installed";
const timeoutMs = 120_000;
/** kcat waits for 5 s otherwise. */
const metadataSeconds = 60;

async function serve(t: TestContext): Promise<{ readonly log: Log; readonly broker: Broker }> {
  const directory = mkdtempSync(join(tmpdir(), "strandlog-kcat-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const log = await openLog(directory);
  t.after(() => log.close());
  const broker = await listen(log, { kafka: 0, numPartitions: 2 });
  t.after(() => broker.close());
  return { log, broker };
}

async function kcat({ bootstrap }: Broker, input: string, ...args: string[]): Promise<string> {
  const child = spawn("kcat", ["-b", bootstrap, "-m", `${metadataSeconds}`, ...args], { timeout: timeoutMs });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  assert.equal(code, 0, Buffer.concat(stderr).toString());
  return Buffer.concat(stdout).toString();
}

const lines = Array.from({ length: 20_000 }, (_, n) => `${n}:value ${n}\n`);
const sorted = (text: string): string[] => text.trimEnd().split("\n").sort();
const expected = sorted(lines.join(""));

for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
  test(`what kcat produces with ${codec}, kcat consumes`, { skip }, async (t) => {
    const { log, broker } = await serve(t);
    await kcat(
      broker,
      lines.join(""),
      "-P",
      "-t",
      "orders",
      "-K:",
      "-z",
      codec,
      "-X",
      "enable.idempotence=true",
    );
    assert.deepEqual(sorted(await kcat(broker, "", "-C", "-t", "orders", "-e", "-q", "-K:")), expected);
    let records = 0;
    for await (const _ of (await log.existingTopic("orders")).read()) records++;
    assert.equal(records, lines.length);
    const { chunks } = await (await log.existingTopic("orders"))
      .partition(0)
      .readRaw({ from: 0, bytesMax: 1 });
    assert.equal(((chunks[0]?.readInt16BE(21) ?? 0) & 7) === 0, codec === "none");
  });
}

test("a group of kcat's goes on where it was, and the library sees how far that is", { skip }, async (t) => {
  const { log, broker } = await serve(t);
  const topic = await log.topic("orders", { partitions: 2 });
  const consume = () =>
    kcat(broker, "", "-G", "billing", "-e", "-q", "-X", "auto.offset.reset=earliest", "orders");
  for (const value of ["a", "b", "c"]) await topic.append({ value, key: value });
  assert.deepEqual(sorted(await consume()), ["a", "b", "c"]);
  const committed = [...(await topic.committed("billing")).values()].map(({ offset }) => offset);
  assert.equal(
    committed.reduce((sum, offset) => sum + offset, 0),
    3,
  );
  await topic.append({ value: "d", key: "d" });
  assert.deepEqual(sorted(await consume()), ["d"]);
});

test("kcat lists brokers and topics, and finds offsets by time", { skip }, async (t) => {
  const { log, broker } = await serve(t);
  const topic = await log.topic("orders");
  for (const timestamp of [1000, 2000, 3000]) await topic.append({ value: "x", timestamp });
  const listed = JSON.parse(await kcat(broker, "", "-L", "-J")) as {
    readonly brokers: readonly { readonly name: string }[];
    readonly topics: readonly { readonly topic: string }[];
  };
  assert.deepEqual(
    [listed.brokers.map(({ name }) => name), listed.topics.map((each) => each.topic)],
    [[broker.bootstrap], ["orders"]],
  );
  assert.match(await kcat(broker, "", "-Q", "-t", "orders:0:1500"), /orders \[0\] offset 1/);
});
