// A topic whose compression needs a package that is not there holds up nobody but those who append records to it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { openAt, temporaryDirectory } from "../test-support.js";

test("without the package for a topic's compression all goes on but appending records to that topic", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  await (await log.topic("packed", { compression: "lz4" })).append({ value: "x".repeat(1000) });
  await (await log.topic("plain", { retentionBytes: 0 })).append({ value: "y" });
  await log.close();
  // Run in a process of its own, in which the package cannot be found.
  const script = `
    import Module from "node:module";
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (name === "lz4-napi") throw new Error("not there");
      return resolve(name, ...rest);
    };
    const { openLog } = await import("${new URL("../open.js", import.meta.url)}");
    const log = await openLog("${directory}");
    const topic = await log.existingTopic("packed");
    const codeOf = (promise) => Promise.resolve(promise).then(() => "none", ({ code }) => code);
    const { chunks } = await topic.partition(0).readRaw({ from: 0 });
    const told = {
      topics: (await log.stats()).topics.length,
      retained: (await (await log.topic("plain")).retain())[0].records,
      append: await codeOf(topic.append({ value: "z" })),
      batch: await codeOf(topic.appendBatch(0, Buffer.from(chunks[0]))),
    };
    await topic.alter({ compression: "none" });
    told.altered = await codeOf(topic.append({ value: "z" }));
    await log.deleteTopic("packed");
    await log.close();
    console.log(JSON.stringify(told));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
  });
  const told = { topics: 2, retained: 1, append: "CODEC_MISSING", batch: "none", altered: "none" };
  assert.deepEqual(JSON.parse(output), told);
});
