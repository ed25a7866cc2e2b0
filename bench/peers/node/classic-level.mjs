// classic-level: LevelDB. It groups what its threads write at once, of which Node.js has four; so what the producers
// have waiting is made one batch here, too.
//
// "disk": the option sync, with which LevelDB syncs its log before it acknowledges. "os": without it, it writes it.
import { ClassicLevel } from "classic-level";
import { groupCommit, keyOf, offsetOf, versionOf } from "./shared.mjs";

const pageRecords = 1000;
const pageBytes = 2 ** 20;

export async function open({ directory, durability, partitions, workload }) {
  const database = new ClassicLevel(directory, { keyEncoding: "buffer", valueEncoding: "buffer" });
  await database.open();
  const first = new Array(partitions).fill(0);
  const next = new Array(partitions).fill(0);
  if (workload === "open") {
    const [key] = await database.keys({ lt: bytesOf(keyOf(1, 0)), reverse: true, limit: 1 }).all();
    if (key !== undefined) next[0] = offsetOf(key.readUIntBE(0, 6)) + 1;
  }
  const sync = durability === "disk";
  const commit = groupCommit((group) => {
    // The chained form hands each record to LevelDB at once; an array of operations takes several times as long.
    const batch = database.batch();
    for (const { partition, values } of group) {
      for (const value of values) batch.put(bytesOf(keyOf(partition, next[partition]++)), value);
    }
    return batch.write({ sync });
  });

  return {
    version: versionOf("classic-level"),
    append: (partition, values) => commit({ partition, values }),
    trim(partition, before) {
      // From the first that is there: what was deleted before it would have to be stepped over.
      const range = {
        gte: bytesOf(keyOf(partition, first[partition])),
        lt: bytesOf(keyOf(partition, before)),
      };
      first[partition] = before;
      return database.clear(range);
    },
    async read(visit) {
      const iterator = database.values({ highWaterMarkBytes: pageBytes });
      for (;;) {
        const page = await iterator.nextv(pageRecords);
        if (page.length === 0 || !page.every(visit)) break;
      }
      await iterator.close();
    },
    close: () => database.close(),
  };
}

/** Six bytes that sort as the numbers do. */
function bytesOf(key) {
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUIntBE(key, 0, 6);
  return bytes;
}
