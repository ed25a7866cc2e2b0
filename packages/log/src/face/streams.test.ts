// Web and Node streams in both directions.
import assert from "node:assert/strict";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ReadableStream } from "node:stream/web";
import { test } from "node:test";
import { collect, driverNames, openTestLog, withCode } from "../test-support.js";
import type { RecordInput } from "./forming.js";

const values = Array.from({ length: 5000 }, (_, n) => `${n}`);

function* records(): Generator<RecordInput> {
  for (const value of values) yield { value };
}

for (const driver of driverNames) {
  test(`${driver}: web streams write a topic and read it`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    const source = new ReadableStream<RecordInput>({
      start(controller) {
        for (const record of records()) controller.enqueue(record);
        controller.close();
      },
    });
    await source.pipeTo(topic.writable());
    const found: string[] = [];
    for await (const { value } of topic.readable()) found.push(`${value}`);
    assert.deepEqual(found, values);
  });

  test(`${driver}: Node's streams write a topic and read it`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a");
    await pipeline(Readable.from(records()), Writable.fromWeb(topic.writable(), { objectMode: true }));
    const found = await collect(Readable.from(topic.read()));
    assert.deepEqual(
      found.map(({ value }: { value: unknown }) => `${value}`),
      values,
    );
  });

  test(`${driver}: a stream that is cancelled reads no further, one whose record is refused fails`, async (t) => {
    const topic = await (await openTestLog(t, driver)).topic("a", { maxMessageBytes: 1000 });
    await topic.append({ value: "x" });
    const reader = topic.readable({ follow: true }).getReader();
    assert.equal(`${(await reader.read()).value?.value}`, "x");
    const writer = topic.writable().getWriter();
    await writer.write({ value: "fine" });
    const closed = assert.rejects(writer.closed, withCode("RECORD_TOO_LARGE"));
    await writer.write({ value: "x".repeat(2000) }).catch(() => undefined);
    await writer.close().catch(() => undefined);
    await closed;
    await reader.cancel();
  });
}
