// How a checkpoint lays out a partition's batches, as far as it takes unusual ones to see it.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { openAt, temporaryDirectory, valuesOf } from "../test-support.js";

test("a batch that a 31-bit offset cannot address begins another segment", async (t) => {
  const directory = temporaryDirectory(t);
  const log = await openAt(t, directory);
  const topic = await log.topic("a");
  const offsets = [0, 2 ** 31 - 1, 2 ** 31, 5_000_000_000];
  for (const offset of offsets) await topic.append({ value: `${offset}` }, { offset });
  await log.close();
  const names = readdirSync(`${directory}/topics/a-0`).filter((name) => name.endsWith(".log"));
  assert.deepEqual(
    names.map((name) => Number.parseInt(name, 10)),
    [0, 2 ** 31, 5_000_000_000],
  );
  const again = await openAt(t, directory);
  assert.deepEqual(await valuesOf((await again.topic("a")).read()), offsets.map(String));
});
