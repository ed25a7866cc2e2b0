// async-append-only-log: a file of blocks of 64 KiB, each written whole. A partition is a log of its own.
//
// It syncs every block that it writes, so "disk" and "os" are the same. Its observable `since` tells how far the log
// is synced; onDrain would not do, as it also answers for what was appended while the write was under way. It writes
// when nothing was appended for writeTimeout, of which one millisecond is the least.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import AsyncLog from "async-append-only-log";
import { Skipped, versionOf } from "./shared.mjs";

const mostLogs = 100;

export async function open({ directory, partitions, workload }) {
  if (workload === "queue") throw new Skipped("it cannot delete the beginning of a log");
  if (partitions > mostLogs)
    throw new Skipped("each partition would be a file and a block of 64 KiB in memory");
  mkdirSync(directory, { recursive: true });
  const logs = await Promise.all(
    Array.from({ length: partitions }, (_, n) => openLog(join(directory, `${n}.log`))),
  );

  return {
    version: versionOf("async-append-only-log"),
    append: (partition, values) => logs[partition].append(values),
    async read(visit) {
      for (const log of logs) if (!(await log.read(visit))) return;
    },
    async close() {
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}

async function openLog(path) {
  const log = AsyncLog(path, { writeTimeout: 1 });
  await new Promise((resolve) => log.onDrain(resolve));
  let waiting = [];
  log.since((syncedTo) => {
    const durable = waiting.findIndex(({ offset }) => offset > syncedTo);
    const answered = durable === -1 ? waiting : waiting.slice(0, durable);
    waiting = durable === -1 ? [] : waiting.slice(durable);
    for (const { resolve } of answered) resolve();
  });

  return {
    append: (values) =>
      new Promise((resolve, reject) => {
        log.append(values, (error, offset) => {
          if (error) reject(error);
          else waiting.push({ offset, resolve });
        });
      }),
    read: (visit) =>
      new Promise((resolve, reject) => {
        let goesOn = true;
        const stream = log.stream({ offsets: false });
        stream.pipe({
          paused: false,
          write(value) {
            goesOn = visit(value);
            if (!goesOn) stream.abort();
          },
          end: (error) => (error ? reject(error) : resolve(goesOn)),
        });
      }),
    close: () => new Promise((resolve, reject) => log.close((error) => (error ? reject(error) : resolve()))),
  };
}
