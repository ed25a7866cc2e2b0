import assert from "node:assert/strict";
import { test } from "node:test";
import { Simulation } from "../testing/index.js";
import { JournalRing } from "./journal-ring.js";

const kibibyte = 1024;

test("a small file that is free gives way to one that a large block needs", async () => {
  const machine = new Simulation(1);
  const { fileSystem, clock } = machine.options();
  assert.ok(fileSystem !== undefined && clock !== undefined);
  const options = {
    firstFileBytes: 64 * kibibyte,
    fileBytes: 256 * kibibyte,
    bytesMax: 320 * kibibyte,
  };
  await machine.run(
    (async () => {
      const files = { live: [], free: [] };
      const ring = new JournalRing(fileSystem, clock, "/disk", options, files, (error) => {
        throw error;
      });
      ring.endRecovery();
      const first = await ring.fileFor(64 * kibibyte);
      first.position = first.bytes;
      first.firstSequence = first.lastSequence = 1;
      const second = await ring.fileFor(64 * kibibyte);
      second.position = second.bytes;
      second.firstSequence = second.lastSequence = 2;
      await ring.trim(2);
      const large = await ring.fileFor(200 * kibibyte);
      assert.equal(large.bytes, 200 * kibibyte);
      assert.deepEqual(await fileSystem.list("/disk"), ["00000001.journal", "00000002.journal"]);
      await ring.close();
    })(),
  );
});
