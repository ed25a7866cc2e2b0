// Ten thousand partitions with a record each, and a kill: how long does the log take to open again, and does it stay
// within its descriptors?
//
//   node test/dist/crash/many-partitions.js [--variant one-topic|many-topics] [--partitions 10000]
//
// Exit code 1 when a record is missing or more descriptors are open than before and openFilesMax and a few.
import { spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { type Log, openLog } from "@strandlog/log";

const variants = ["one-topic", "many-topics"] as const;
type Variant = (typeof variants)[number];

const openFilesMax = 256;
/** The lock, the journal's files, and directories that are being synced. */
const otherFilesMax = 32;
const partitionsPerTopic = 10;
const readsAtOnce = 64;
const sampleMs = 5;

/** The topics of a variant, each with its number of partitions. */
function topicsOf(variant: Variant, partitions: number): [name: string, partitions: number][] {
  if (variant === "one-topic") return [["all", partitions]];
  const count = Math.ceil(partitions / partitionsPerTopic);
  return Array.from({ length: count }, (_, index) => [`topic-${index}`, partitionsPerTopic]);
}

const valueFor = (topic: string, partition: number): string => `the record of ${topic}-${partition}`;

/** The process that is killed: makes the partitions, gives each a record, says so when all are acknowledged. */
async function create(directory: string, variant: Variant, partitions: number): Promise<void> {
  const log = await openLog(directory, { openFilesMax });
  const startedMs = performance.now();
  const topics = await Promise.all(
    topicsOf(variant, partitions).map(([name, count]) => log.topic(name, { partitions: count })),
  );
  const createdMs = performance.now();
  const receipts = topics.flatMap((topic) =>
    Array.from({ length: topic.partitionCount }, (_, partition) =>
      topic.append({ partition, value: valueFor(topic.name, partition) }),
    ),
  );
  await Promise.all(receipts);
  const appendedMs = performance.now();
  console.log(
    `${Math.round(createdMs - startedMs)} ms to create, ${Math.round(appendedMs - createdMs)} ms to append`,
  );
  setInterval(() => undefined, 1000); // Waits for the kill.
}

class Watch {
  #filesMax = 0;
  readonly #timer = setInterval(() => this.look(), sampleMs);

  /** Descriptors that are open now; undefined where the system does not tell. */
  look(): number | undefined {
    try {
      const open = readdirSync("/proc/self/fd").length;
      this.#filesMax = Math.max(this.#filesMax, open);
      return open;
    } catch {
      return undefined;
    }
  }

  /** Runs something; answers how long it took. */
  async time(action: () => Promise<void>): Promise<number> {
    const startedMs = performance.now();
    await action();
    this.look();
    return Math.round(performance.now() - startedMs);
  }

  end(): number {
    clearInterval(this.#timer);
    return this.#filesMax;
  }
}

/** Reads the record of every partition; answers how many are as they should be. */
async function readAll(log: Log, variant: Variant, partitions: number): Promise<number> {
  let sound = 0;
  const work = topicsOf(variant, partitions).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, partition) => ({ name, partition })),
  );
  const readers = Array.from({ length: readsAtOnce }, async () => {
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      const { name, partition } = next;
      const { record } = await (await log.existingTopic(name)).partition(partition).get(0);
      const value = record?.value;
      if (value && Buffer.from(value).toString() === valueFor(name, partition)) sound++;
    }
  });
  await Promise.all(readers);
  return sound;
}

const megabytes = (): number => Math.round(process.memoryUsage.rss() / 1e6);

async function measure(variant: Variant, partitions: number): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), "strandlog-many-"));
  const child = spawn(
    process.execPath,
    [import.meta.filename, "--create", directory, "--variant", variant, "--partitions", `${partitions}`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const said = text(child.stdout);
  child.stdout.once("data", () => child.kill("SIGKILL"));
  console.log(`${variant}, ${partitions} partitions: ${(await said).trim() || "the writer failed"}; killed`);

  const watch = new Watch();
  const filesBefore = watch.look() ?? 0;
  const memoryBefore = megabytes();
  const problems: string[] = [];
  // Killed, then closed cleanly: the first opening replays the journal, the second reads segments.
  for (const state of ["after the kill", "after a clean close"]) {
    let log: Log | undefined;
    const openMs = await watch.time(async () => {
      log = await openLog(directory, { openFilesMax });
    });
    const filesOpened = watch.look();
    const memory = megabytes() - memoryBefore;
    let found = 0;
    const readMs = await watch.time(async () => {
      found = await readAll(log as Log, variant, partitions);
    });
    const filesRead = watch.look();
    const closeMs = await watch.time(() => (log as Log).close());
    console.log(
      `  ${state}: open ${openMs} ms, ${found} records read in ${readMs} ms, close ${closeMs} ms; ` +
        `descriptors ${filesOpened ?? "?"} open, ${filesRead ?? "?"} after reading; memory +${memory} MB open, ` +
        `+${megabytes() - memoryBefore} MB in the end`,
    );
    if (found !== partitions) problems.push(`${partitions - found} records LOST ${state}`);
  }
  const filesMax = watch.end();
  const filesAllowed = filesBefore + openFilesMax + otherFilesMax;
  if (filesMax > filesAllowed)
    problems.push(`${filesMax} descriptors were open, ${filesAllowed} are allowed`);
  console.log(
    `  at most ${filesMax} descriptors at any time, ${filesBefore} before; ${problems.length} violations`,
  );
  for (const problem of problems) console.log(`  VIOLATION ${problem}`);
  if (problems.length === 0) await rm(directory, { recursive: true });
  else console.log(`  the log is left in ${directory}`);
  return problems.length === 0;
}

const { values } = parseArgs({
  options: {
    variant: { type: "string" },
    partitions: { type: "string", default: "10000" },
    create: { type: "string" },
  },
});
const partitions = Number(values.partitions);
const variant = variants.find((name) => name === values.variant);
if (variant === undefined) {
  // Each in a process of its own, so that its memory and descriptors are its own.
  for (const name of variants) {
    const args = [import.meta.filename, "--variant", name, "--partitions", values.partitions];
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
} else if (values.create !== undefined) await create(values.create, variant, partitions);
else if (!(await measure(variant, partitions))) process.exitCode = 1;
