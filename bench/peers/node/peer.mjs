// Measures one workload of one subject: ../README.md tells what is asked and answered.
//
// A subject's file exports open(request), which gives a store:
//   version
//   append(partition, values)  settles when they are as durable as the request says
//   trim(partition, before)    deletes the records of the partition that come before this one, counted from its first
//   read(visit)                hands every record to visit, from the first to the last, or until it gives false
//   close()
//   kill()                     only of a server: ends it at once
import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { batchesOf, kept, Latencies, Skipped } from "./shared.mjs";

const subjects = [
  "lmdb",
  "better-sqlite3",
  "classic-level",
  "hypercore",
  "async-append-only-log",
  "redis",
  "nats",
];
const workloads = { append, queue, read, fill, open };
const loadBytes = 2 ** 20;
const defaults = {
  durability: "disk",
  recordBytes: 100,
  batchRecords: 1,
  inFlight: 1,
  partitions: 1,
  seconds: 1,
};

async function append(subject, request, done = () => undefined) {
  const store = await subject.open(request);
  const { recordBytes, batchRecords, seconds } = request;
  const latencies = new Latencies();
  const begin = performance.now() + seconds * 1000;
  const end = begin + seconds * 1000;
  let records = 0;
  await produce(store, request, {
    isOver: () => performance.now() >= end,
    acknowledged: (partition, calledAt) => {
      const now = performance.now();
      if (now >= begin && now < end) {
        latencies.add((now - calledAt) * 1000);
        records += batchRecords;
      }
      return done(store, partition);
    },
  });
  await store.close();
  const { version } = store;
  return { records, bytes: records * recordBytes, seconds, latencyMicros: latencies.percentiles(), version };
}

async function queue(subject, request) {
  const { batchRecords, partitions } = request;
  const appended = new Array(partitions).fill(0);
  const { latencyMicros: _, ...answer } = await append(subject, request, (store, partition) => {
    const before = appended[partition];
    const now = before + batchRecords;
    appended[partition] = now;
    const isTime = Math.floor(now / 1000) > Math.floor(before / 1000);
    return isTime && now > kept ? store.trim(partition, now - kept) : undefined;
  });
  return answer;
}

async function read(subject, request) {
  const { recordBytes, seconds, bytes } = request;
  const batchRecords = Math.max(1, Math.floor(loadBytes / recordBytes));
  const store = await subject.open({ ...request, durability: "os" });
  const written = await load(store, { ...request, batchRecords, inFlight: 1 }, bytes);
  spawnSync("sync");

  const pass = async (until) => {
    let records = 0;
    let read = 0;
    let odd = 0;
    await store.read((value) => {
      records++;
      read += value.length;
      odd += value[0] & 1;
      return (records & 255) !== 0 || performance.now() < until;
    });
    return { records, bytes: read, odd };
  };
  await pass(performance.now() + seconds * 250);
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const total = await pass(Number.POSITIVE_INFINITY);
  if (total.records !== written) throw new Error(`read ${total.records} records of ${written}`);
  while (performance.now() < end) {
    const more = await pass(end);
    total.records += more.records;
    total.bytes += more.bytes;
  }
  const elapsed = (performance.now() - begin) / 1000;
  await store.close();
  return { records: total.records, bytes: total.bytes, seconds: elapsed, version: store.version };
}

async function fill(subject, request) {
  const store = await subject.open(request);
  const begin = performance.now();
  const records = await load(store, request, request.bytes);
  const seconds = (performance.now() - begin) / 1000;
  say({ records, bytes: records * request.recordBytes, seconds, version: store.version });
  await store.kill?.();
  process.kill(process.pid, "SIGKILL");
}

async function open(subject, request) {
  const [values] = batchesOf(request.recordBytes, 1);
  const begin = performance.now();
  const store = await subject.open(request);
  await store.append(0, values);
  const seconds = (performance.now() - begin) / 1000;
  await store.close();
  return { records: 1, bytes: request.recordBytes, seconds, version: store.version };
}

/** Appends this many bytes, and tells in how many records. */
async function load(store, request, bytes) {
  const { recordBytes, batchRecords } = request;
  const batches = Math.ceil(bytes / (recordBytes * batchRecords));
  await produce(store, request, { isOver: (turn) => turn >= batches, acknowledged: () => undefined });
  return batches * batchRecords;
}

/** Each producer appends a batch, waits for its acknowledgement, and appends the next, to the partitions in turn. */
async function produce(store, { recordBytes, batchRecords, inFlight, partitions }, { isOver, acknowledged }) {
  const batches = batchesOf(recordBytes, batchRecords);
  let turn = 0;
  const producer = async () => {
    while (!isOver(turn)) {
      const partition = turn % partitions;
      const batch = batches[turn % batches.length];
      turn++;
      const calledAt = performance.now();
      await store.append(partition, batch);
      const more = acknowledged(partition, calledAt);
      if (more !== undefined) await more;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, producer));
}

function say(answer) {
  writeSync(1, `${JSON.stringify(answer)}\n`);
}

async function answer(request) {
  const { subject, workload } = request;
  if (!subjects.includes(subject)) throw new Error(`there is no subject "${subject}"`);
  if (!Object.hasOwn(workloads, workload)) throw new Skipped(`no workload ${workload}`);
  return workloads[workload](await import(`./${subject}.mjs`), request);
}

try {
  say(await answer({ ...defaults, ...JSON.parse(process.argv.at(-1)) }));
  process.exit(0);
} catch (error) {
  if (error instanceof Skipped) {
    say({ skipped: error.message });
    process.exit(0);
  }
  console.error(error);
  process.exit(1);
}
