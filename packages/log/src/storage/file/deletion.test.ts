// Deletions that a disk does not carry out at once: what is made in their place must not suffer from it later.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogError } from "../../errors.js";
import { hookedFileSystem, openAt, temporaryDirectory, valuesOf } from "../../test-support.js";

test("a topic that is made again after its deletion got stuck keeps its records", async (t) => {
  const directory = temporaryDirectory(t);
  let isStuck = false;
  const fileSystem = hookedFileSystem((operation, path) => {
    if (isStuck && operation === "remove") throw new LogError("IO", `cannot remove ${path} (EIO)`);
  });
  const first = await openAt(t, directory, { fileSystem });
  for (const value of ["0", "1"]) await (await first.topic("a")).append({ value });
  await first.close();
  const log = await openAt(t, directory, { fileSystem });
  isStuck = true;
  await assert.rejects(log.deleteTopic("a"));
  assert.deepEqual(await log.topics(), []);
  isStuck = false;
  for (const value of ["new 0", "new 1"]) await (await log.topic("a")).append({ value });
  await log.close();
  const again = await openAt(t, directory);
  assert.deepEqual(await valuesOf((await again.topic("a")).read()), ["new 0", "new 1"]);
});
