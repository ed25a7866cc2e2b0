// hypercore: signed logs, of which a corestore keeps many in one RocksDB. A partition is a core. What the producers
// have waiting for a core is appended together, so that it is signed once.
//
// "os": RocksDB writes its log before an append is acknowledged. "disk" cannot be had: nothing syncs that log, and
// storage.flush(), which sounds like it, flushes a column family that holds nothing.
import Corestore from "corestore";
import { groupCommit, Skipped, versionOf } from "./shared.mjs";

const pageRecords = 64;

export async function open({ directory, durability, partitions }) {
  if (durability === "disk") throw new Skipped("it does not sync, and has no call that does");
  const store = new Corestore(directory);
  await store.ready();
  const cores = new Array(partitions);
  const coreOf = (partition) => {
    cores[partition] ??= openCore(store.get({ name: `${partition}` }));
    return cores[partition];
  };

  return {
    version: versionOf("hypercore"),
    append: (partition, values) => coreOf(partition).append(values),
    trim: (partition, before) => coreOf(partition).trim(before),
    async read(visit) {
      for (let partition = 0; partition < partitions; partition++) {
        if (!(await coreOf(partition).read(visit))) return;
      }
    },
    close: () => store.close(),
  };
}

function openCore(core) {
  let first = 0;
  return {
    append: groupCommit((group) => core.append(group.flat())),
    trim(before) {
      const start = first;
      first = before;
      return core.clear(start, before);
    },
    // Several at once: its own read stream asks for one after the other.
    async read(visit) {
      await core.ready();
      for (let start = first; start < core.length; start += pageRecords) {
        const count = Math.min(pageRecords, core.length - start);
        const page = await Promise.all(Array.from({ length: count }, (_, n) => core.get(start + n)));
        if (!page.every(visit)) return false;
      }
      return true;
    },
  };
}
