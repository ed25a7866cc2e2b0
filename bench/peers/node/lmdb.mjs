// lmdb: a memory-mapped tree of pages, with its own group commit: what is put in one turn of the event loop is one
// transaction, which another thread writes.
//
// "disk": with overlappingSync, its default here, a put is acknowledged when others can see it; `flushed` comes when
// fdatasync has returned, and the page that says so is written with O_DSYNC. "os": noSync, with which the put is
// acknowledged after the write; without it, every transaction would be synced all the same, only later.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { open as openDatabase } from "lmdb";
import { keyOf, offsetOf, versionOf } from "./shared.mjs";

export async function open({ directory, durability, partitions, workload }) {
  mkdirSync(directory, { recursive: true });
  const database = openDatabase({
    path: join(directory, "records.mdb"),
    encoding: "binary",
    separateFlushed: true,
    noSync: durability === "os",
  });
  const first = new Array(partitions).fill(0);
  const next = new Array(partitions).fill(0);
  if (workload === "open") {
    const range = { start: keyOf(1, 0) - 1, end: -1, reverse: true, limit: 1 };
    for (const key of database.getKeys(range)) next[0] = offsetOf(key) + 1;
  }
  // Keys that only grow fill their pages, if it is told so.
  const options = { append: partitions === 1 };

  return {
    version: versionOf("lmdb"),
    append(partition, values) {
      let put;
      for (const value of values) put = database.put(keyOf(partition, next[partition]++), value, options);
      return durability === "disk" ? put.flushed : put;
    },
    trim(partition, before) {
      let removal;
      while (first[partition] < before) removal = database.remove(keyOf(partition, first[partition]++));
      return removal;
    },
    async read(visit) {
      for (const { value } of database.getRange()) if (!visit(value)) return;
    },
    close: () => database.close(),
  };
}
