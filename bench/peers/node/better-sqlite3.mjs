// better-sqlite3: SQLite, called synchronously. It has no promises: what the producers have waiting in a turn of the
// event loop is one transaction.
//
// "disk": WAL with synchronous=FULL, where each commit syncs the WAL. "os": synchronous=NORMAL, where a commit only
// writes it, and checkpoints sync.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { groupCommit, keyOf, offsetOf, versionOf } from "./shared.mjs";

export async function open({ directory, durability, partitions, workload }) {
  mkdirSync(directory, { recursive: true });
  const database = new Database(join(directory, "records.db"));
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`);
  database.exec("CREATE TABLE IF NOT EXISTS records (key INTEGER PRIMARY KEY, value BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO records VALUES (?, ?)");
  const remove = database.prepare("DELETE FROM records WHERE key >= ? AND key < ?");
  const last = database.prepare("SELECT max(key) FROM records WHERE key < ?").pluck();
  const all = database.prepare("SELECT value FROM records ORDER BY key").pluck();

  const next = new Array(partitions).fill(0);
  if (workload === "open") next[0] = offsetOf(last.get(keyOf(1, 0)) ?? -1) + 1;
  const commit = groupCommit(
    database.transaction((group) => {
      for (const { partition, values, before } of group) {
        if (values === undefined) remove.run(keyOf(partition, 0), keyOf(partition, before));
        else for (const value of values) insert.run(keyOf(partition, next[partition]++), value);
      }
    }),
  );

  return {
    version: versionOf("better-sqlite3"),
    append: (partition, values) => commit({ partition, values }),
    trim: (partition, before) => commit({ partition, before }),
    async read(visit) {
      for (const value of all.iterate()) if (!visit(value)) return;
    },
    async close() {
      database.close();
    },
  };
}
