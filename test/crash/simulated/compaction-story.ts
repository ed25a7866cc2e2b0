// The story of a compacted topic that the crash tests and the mutants tell: two compactions, the second after the time
// that records without a value have to stay, and what must be there whenever and however it is interrupted.
import { type Log, LogError, openLog, type Topic } from "@strandlog/log";
import { repairDirectory, verifyDirectory } from "@strandlog/log/format";
import { Crashed, type CrashKind, Simulation, Violation } from "@strandlog/log/testing";

const kibibyte = 1024;
// No timer of the log takes so long.
const deleteRetentionMs = 1_000_000_000;
const keys = ["a", "b", "c", "d"];

interface Told {
  readonly key: string;
  readonly value: string | null;
}

/** What was submitted, by offset; what of it is acknowledged; what was asked to be deleted. */
class CompactionStory {
  readonly machine: Simulation;
  #log: Log | undefined;
  readonly told: Told[] = [];
  acknowledged = 0;
  /** Records before the first may be deleted, those before the second are. */
  deletedMax = 0;
  deletedMin = 0;
  /** Records without a value may be gone before this offset. */
  tombstonesMayGo = 0;

  constructor(machine: Simulation) {
    this.machine = machine;
    machine.disk.looksAtOnce = true;
  }

  open(): Promise<Log> {
    const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 256 * kibibyte, lanes: 1 };
    return openLog("/disk/log", { ...settings, ...this.machine.options() });
  }

  topicOf(log: Log): Promise<Topic> {
    return log.topic("t", { cleanup: "compact", segmentBytes: kibibyte, deleteRetentionMs });
  }

  /** Several keys over and over, each some times without a value; "once" has one value and none after. */
  async append(topic: Topic, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const offset = this.told.length;
      const key = offset % 11 === 3 ? `once-${offset}` : (keys[(offset * 7) % keys.length] as string);
      const value = offset % 5 === 4 || offset === 14 || offset === 25 ? null : `${offset}`.padEnd(200, ".");
      this.told.push({ key, value });
      const receipt = await topic.append({ key, value });
      if (receipt.offset !== offset) throw new Violation(`offset ${receipt.offset} instead of ${offset}`);
      this.acknowledged = offset + 1;
    }
  }

  /** Once the log is there and has been compacted once. */
  async prepare(): Promise<Topic> {
    const log = await this.open();
    this.#log = log;
    const topic = await this.topicOf(log);
    await this.append(topic, 20);
    const [first] = await topic.compact();
    await this.append(topic, 16);
    this.machine.clock.pass(2 * deleteRetentionMs);
    // What was compacted then may go now.
    this.tombstonesMayGo = first?.end ?? 0;
    return topic;
  }

  async deleteRecords(topic: Topic, before: number): Promise<void> {
    this.deletedMax = Math.max(this.deletedMax, before);
    await topic.partition(0).deleteRecords(before);
    this.deletedMin = Math.max(this.deletedMin, before);
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  /** Reads all there is, and compares each record with what was told. */
  async read(topic: Topic): Promise<Map<number, Told>> {
    const found = new Map<number, Told>();
    let last = -1;
    for await (const { offset, key, value } of topic.read()) {
      const told = this.told[offset];
      const isSame = told?.key === `${key}` && told.value === (value === null ? null : `${value}`);
      if (!isSame || offset <= last)
        throw new Violation(`I2: offset ${offset} after ${last} is not what was written`);
      found.set(offset, told);
      last = offset;
    }
    return found;
  }

  /** What must be there of a log that has just been opened, or is open. */
  async check(log: Log): Promise<void> {
    const topic = await log.existingTopic("t");
    const found = await this.read(topic);
    const [description] = (await topic.describe()).partitions;
    const { logStartOffset = 0, highWatermark = 0, compaction } = description ?? {};
    const end = compaction?.end ?? 0;
    if (highWatermark < this.acknowledged)
      throw new Violation(`I1: it ends at ${highWatermark}, ${this.acknowledged} records were acknowledged`);
    if (logStartOffset < this.deletedMin || logStartOffset > this.deletedMax)
      throw new Violation(`I9: it starts at ${logStartOffset}`);
    const latest = new Map<string, number>();
    for (const [offset, { key }] of this.told.slice(0, end).entries()) latest.set(key, offset);
    for (let offset = logStartOffset; offset < highWatermark; offset++) {
      const { key, value } = this.told[offset] as Told;
      const isObsolete = offset < end && latest.get(key) !== offset;
      const mayGo = value === null && offset < this.tombstonesMayGo;
      if (found.has(offset) && isObsolete)
        throw new Violation(`I9: ${key} at ${offset} is there, compacted up to ${end}`);
      if (!found.has(offset) && !isObsolete && !mayGo)
        throw new Violation(`I1: ${key} at ${offset} is gone, compacted up to ${end}`);
    }
  }

  /** Whatever is under way, it is no damage, and a repair loses nothing. */
  async inspect(repairs: boolean): Promise<void> {
    const { machine } = this;
    const { fileSystem } = machine.options();
    const options = fileSystem === undefined ? {} : { fileSystem };
    const { damages } = await machine.run(verifyDirectory("/disk/log", options));
    // Indexes are never synced, and made anew.
    const damage = damages.find(({ code }) => code !== "CORRUPT_INDEX");
    if (damage !== undefined) throw new Violation(`I6: ${damage.file}: ${damage.what}`);
    const dry = await machine.run(repairDirectory("/disk/log", { ...options, dryRun: true }));
    if (dry.lost.length > 0) throw new Violation(`I1: a repair would lose ${JSON.stringify(dry.lost)}`);
    if (repairs) await machine.run(repairDirectory("/disk/log", options));
  }

  /** A crash, and openings that are interrupted too; then what must be there, now and after one more compaction. */
  async afterCrash(kind: CrashKind, openings: readonly number[]): Promise<void> {
    const { machine } = this;
    machine.disk.faults = [];
    machine.disk.onOperation = undefined;
    machine.disarm();
    machine.crash(kind);
    await this.inspect(openings.length === 3);
    for (const steps of openings) {
      machine.crashAfter(steps, kind);
      const log = await machine.run(this.open()).catch(unlessCrashed);
      if (log !== undefined) await machine.run(this.check(log as Log)).catch(unlessCrashed);
      machine.disarm();
      machine.crash(kind);
    }
    const log = await machine.run(this.open());
    if (!(await machine.run(log.hasTopic("t")))) return;
    await machine.run(this.check(log));
    // The compaction before the crash may have come to its end just now.
    const topic = await machine.run(log.existingTopic("t"));
    this.told.length = (await machine.run(topic.partition(0).describe())).highWatermark;
    await machine.run(this.append(topic, 4));
    await machine.run(topic.compact());
    await machine.run(this.check(log));
    await machine.run(log.close());
    await this.inspect(false);
    for (const [path] of machine.disk.root.files(""))
      if (path.startsWith("/disk/log/topics/") && path.endsWith(".swap"))
        throw new Violation(`${path} is left over`);
  }
}

function unlessCrashed(error: unknown): void {
  if (!(error instanceof Crashed)) throw error;
}

/** What the disk refuses is told, and nothing else goes wrong. */
function ifRefused(error: unknown): void {
  if (!(error instanceof LogError) || error.code !== "IO") throw error;
}

/** What happens besides, or to the disk. */
export type Besides = "nothing" | "others" | "deletion" | "another" | "failure";

const actions: Readonly<Record<Besides, (story: CompactionStory, topic: Topic) => Promise<unknown>>> = {
  nothing: (_, topic) => topic.compact(),
  others: (story, topic) =>
    Promise.all([
      topic.compact(),
      story.append(topic, 6),
      story.read(topic).then(() => story.read(topic)),
      story.deleteRecords(topic, 20),
    ]),
  deletion: async (story, topic) => {
    const { disk } = story.machine;
    let deletion: Promise<void> | undefined;
    // Of the first of the files that are made.
    disk.onOperation = (verb, path) => {
      if (verb === "sync" && path.endsWith(".swap")) deletion ??= story.deleteRecords(topic, 8);
    };
    await topic.compact();
    disk.onOperation = undefined;
    await deletion;
    await story.deleteRecords(topic, 30);
  },
  // Of what the one before has left, once more goes.
  another: async (story, topic) => {
    const [outcome] = await topic.compact();
    story.machine.clock.pass(2 * deleteRetentionMs);
    story.tombstonesMayGo = outcome?.end ?? 0;
    await topic.compact();
  },
  // It is ready, but the checkpoint file cannot be written.
  failure: async (story, topic) => {
    const { disk } = story.machine;
    disk.faults = [{ code: "EIO", verbs: ["rename"], path: /checkpoint\.tmp$/, skip: 1, times: 1 }];
    await topic.compact().catch(ifRefused);
    await story.deleteRecords(topic, 20);
    disk.faults = [];
    await topic.compact();
  },
};

/** Interrupts the second compaction at each step, with several lots. Answers how many steps it takes. */
export async function interruptCompaction(kind: CrashKind, besides: Besides, seeds: number): Promise<number> {
  for (let step = 0; ; step++) {
    let isOver = false;
    for (let seed = 1; seed <= seeds; seed++) {
      const machine = new Simulation(seed * 1000 + step);
      const story = new CompactionStory(machine);
      const topic = await machine.run(story.prepare());
      machine.crashAfter(step, kind);
      try {
        await machine.run(actions[besides](story, topic).then(() => story.close()));
        isOver = true;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
      }
      const openings = Array.from({ length: seed % 4 }, () => machine.random.below(12));
      await story.afterCrash(kind, openings).catch((error: unknown) => {
        throw new Violation(`step ${step}, seed ${seed}: ${(error as Error).message}`, { cause: error });
      });
    }
    if (isOver) return step;
  }
}
