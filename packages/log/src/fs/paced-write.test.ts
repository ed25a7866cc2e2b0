import assert from "node:assert/strict";
import test from "node:test";
import { Simulation, type Verb } from "../testing/index.js";
import type { File } from "./index.js";
import { pacedBytes, writePaced } from "./index.js";

const pieces = Array.from({ length: 7 }, (_, n) => Buffer.alloc(pacedBytes / 2 + n, 1 + n));
const position = 10;

test("what is written in parts is written whole, and little of it is ever unsynced", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { simulation, file, ended } = await simulatedFile(seed);
    let unsyncedMax = 0;
    simulation.disk.onOperation = (verb) => {
      ended.push(verb);
      const writes = ended.filter((each) => each === "write").length;
      unsyncedMax = Math.max(unsyncedMax, writes - ended.filter((each) => each === "sync").length);
    };
    await simulation.run(writePaced(file, pieces, position));
    assert.deepEqual(
      simulation.disk.file("/disk/file")?.content,
      Buffer.concat([Buffer.alloc(position), ...pieces]),
    );
    assert.equal(ended.filter((verb) => verb === "write").length, 4);
    assert.equal(ended.filter((verb) => verb === "sync").length, 3);
    assert.ok(unsyncedMax <= 2);
  }
});

test("little is written in one go and not synced", async () => {
  const { simulation, file, ended } = await simulatedFile(1);
  simulation.disk.onOperation = (verb) => ended.push(verb);
  await simulation.run(writePaced(file, pieces.slice(0, 2), position));
  assert.deepEqual(ended, ["write"]);
});

for (const verb of ["write", "sync"] as const) {
  test(`a ${verb} that fails ends it, and leaves nothing under way`, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { simulation, file, ended } = await simulatedFile(seed);
      simulation.disk.faults = [{ code: "EIO", verbs: [verb], path: /file/, skip: 1, times: 1 }];
      simulation.disk.onOperation = (each) => ended.push(each);
      let underWay: boolean | undefined;
      const done = writePaced(file, pieces, position).catch((error: unknown) => {
        underWay = simulation.disk.isBusy;
        throw error;
      });
      await assert.rejects(simulation.run(done), /EIO/);
      assert.equal(underWay, false);
      assert.ok(ended.filter((each) => each === "write").length < 4);
    }
  });
}

async function simulatedFile(seed: number): Promise<{ simulation: Simulation; file: File; ended: Verb[] }> {
  const simulation = new Simulation(seed);
  const { fileSystem } = simulation.options();
  assert.ok(fileSystem !== undefined);
  const file = await simulation.run(fileSystem.open("/disk/file", "create"));
  return { simulation, file, ended: [] };
}
