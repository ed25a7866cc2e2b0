// Random histories of a log: a life of random calls, ended by a crash at a random operation, a failed journal or a
// clean close; then a recovery, itself interrupted up to three times; then the oracle's comparison; and again. One
// seed decides everything.
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import type { Durability, Log, LogOptions } from "../index.js";
import { openLog } from "../open.js";
import { type Ending, type Entry, modelOf, Oracle, type TopicModel } from "./oracle.js";
import type { Random } from "./random.js";
import { type CrashKind, lastName } from "./simulated-disk.js";
import { Crashed, quiet, Simulation, Violation } from "./simulation.js";
import { kibibyte, randomFault, randomSettings, randomTopic } from "./workload-choices.js";

export interface HistoryOptions {
  readonly lives?: number;
  /** A disk that lies. */
  readonly disguise?: (fileSystem: FileSystem) => FileSystem;
  /** Whether the disk also reports errors. Default true. */
  readonly faults?: boolean;
}

export interface HistoryResult {
  readonly crashes: number;
  readonly operations: number;
  readonly records: number;
}

// New directories in a row: the name of each has to be made durable.
const directory = "/disk/some/where/log";
const outstandingMax = 24;
const noise: Buffer = Buffer.from(
  Array.from({ length: 64 * kibibyte }, (_, at) => (at * 7919 + (at >> 8) * 31) & 255),
);

/** Runs the history of a seed. Throws a Violation, or whatever the engine should not have thrown. */
export async function runHistory(seed: number, options: HistoryOptions = {}): Promise<HistoryResult> {
  const history = new History(seed, options);
  try {
    return await history.run();
  } catch (error) {
    const { message } = error as Error;
    const waiting = message.includes("hang") ? `; waiting: ${history.waiting}` : "";
    throw new Violation(`seed ${seed}: ${message}${waiting}`, { cause: error });
  }
}

class History {
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #oracle = new Oracle();
  readonly #options: HistoryOptions;
  #settings: Partial<LogOptions>;
  /** Whether the settings change from one opening to the next. */
  readonly #isFickle: boolean;
  #log!: Log;
  /** Calls that have not settled. */
  #underway = new Set<{ what: string }>();
  #entries = 0;
  #names = 0;
  #trouble: unknown;
  #ending: Ending = "closed";

  constructor(seed: number, options: HistoryOptions) {
    this.#simulation = new Simulation(seed);
    this.#simulation.disguise = options.disguise;
    this.#random = this.#simulation.random.fork();
    this.#options = options;
    this.#settings = randomSettings(this.#random);
    this.#isFickle = this.#random.chance(0.3);
  }

  get waiting(): string {
    return [...this.#underway].map(({ what }) => what).join(", ");
  }

  async run(): Promise<HistoryResult> {
    const lives = this.#options.lives ?? 4;
    for (let life = 0; life < lives; life++) {
      await this.#reopen();
      await this.#live();
    }
    await this.#reopen();
    await this.#simulation.run(this.#log.close());
    this.#checkLeftovers();
    const { crashes, changes } = this.#simulation;
    return { crashes, operations: changes, records: this.#oracle.recordsChecked };
  }

  /** Opens the log, through up to three crashes and a fault; then asks the oracle. */
  async #reopen(): Promise<void> {
    const { disk } = this.#simulation;
    if (disk.hits.some(({ verb }) => verb === "sync") && this.#random.chance(0.4)) {
      // After a failed sync the page cache may drop what it holds: "os" then promises no more than "memory".
      for (const [, file] of disk.root.files("")) file.evict();
      if (this.#ending !== "closed") this.#ended("power");
    }
    disk.faults = [];
    disk.freeBytes = Number.POSITIVE_INFINITY;
    if (this.#isFickle) this.#settings = randomSettings(this.#random);
    let crashes = this.#random.pick([0, 0, 1, 1, 2, 3]);
    for (;;) {
      disk.hits = [];
      if (crashes-- > 0) this.#simulation.crashAfter(this.#random.below(14), this.#crashKind());
      else this.#simulation.disarm();
      try {
        this.#log = await this.#simulation.run(
          openLog(directory, { ...this.#settings, ...this.#simulation.options() }),
        );
        this.#simulation.disarm();
        await this.#simulation.run(this.#oracle.reopened(this.#log, this.#ending));
        return;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        this.#ended(error.kind);
      }
    }
  }

  #crashKind(): CrashKind {
    return this.#random.chance(0.5) ? "power" : "process";
  }

  /** Of several endings without a recovery between them the worst counts. */
  #ended(ending: Ending): void {
    const worse: readonly Ending[] = ["closed", "process", "power"];
    if (worse.indexOf(ending) > worse.indexOf(this.#ending)) this.#ending = ending;
  }

  async #live(): Promise<void> {
    const { disk } = this.#simulation;
    this.#ending = "closed";
    this.#underway = new Set();
    const calls = this.#random.pick([10, 40, 40, 120]);
    if (this.#random.chance(0.8))
      this.#simulation.crashAfter(this.#random.below(calls * this.#random.pick([1, 3])), this.#crashKind());
    if (this.#options.faults !== false && this.#random.chance(0.3)) disk.faults = [randomFault(this.#random)];
    try {
      await this.#call(calls);
      if (this.#oracle.isFailed) await this.#simulation.run(this.#checkFailed());
      await this.#close();
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      this.#ended(error.kind);
    }
  }

  async #close(): Promise<void> {
    const { disk } = this.#simulation;
    const wasFailed = this.#oracle.isFailed;
    try {
      await this.#simulation.run(this.#log.close());
      if (wasFailed) this.#ended("process");
      else if (disk.hits.length === 0) this.#checkLeftovers();
    } catch (error) {
      if (error instanceof Crashed || disk.hits.length === 0 || !(error instanceof LogError)) throw error;
      this.#ended("process");
    }
    if (disk.openFiles > 0) throw new Violation(`${disk.openFiles} files are open after close`);
    if (disk.locks.size > 0) throw new Violation("the directory is locked after close");
  }

  /** Makes calls, most of them without waiting, while the disk works in between. */
  async #call(calls: number): Promise<void> {
    let left = calls;
    let mustWait = false;
    for (;;) {
      await quiet();
      if (this.#trouble !== undefined) throw this.#trouble;
      if (this.#underway.size === 0) mustWait = false;
      const mayCall = left > 0 && !mustWait && this.#underway.size < outstandingMax && !this.#oracle.isFailed;
      if (mayCall && (this.#underway.size === 0 || this.#random.chance(0.3))) {
        left--;
        this.#simulation.touch();
        mustWait = this.#random.chance(0.1);
        this.#randomCall();
      } else if (this.#underway.size === 0) return;
      else this.#simulation.step();
    }
  }

  #randomCall(): void {
    const models = this.#oracle.topics.filter(({ state, topic }) => state === "alive" && topic !== undefined);
    const dice = this.#random.below(100);
    if (models.length === 0 || (dice < 4 && this.#oracle.topics.length < 6)) this.#createTopic();
    else {
      const model = this.#random.pick(models);
      if (dice < 6) this.#deleteTopic(model);
      else if (dice < 14) this.#do("deleteRecords", this.#deleteRecords(model), model);
      else if (dice < 19) this.#do("sync", this.#sync());
      else if (dice < 26) this.#do("read", this.#read(model), model);
      else if (dice < 27) this.#fillDisk();
      else if (dice < 28) this.#do("stats", this.#log.stats());
      else for (let count = this.#random.pick([1, 1, 1, 3, 12]); count > 0; count--) this.#append(model);
    }
  }

  #append(model: TopicModel): void {
    const random = this.#random;
    const level = random.pick<Durability | undefined>([undefined, undefined, "disk", "disk", "os", "memory"]);
    const key = `${this.#entries++}`;
    const size = random.pick([0, 20, 100, 1000, 5 * kibibyte, 20 * kibibyte, 30 * kibibyte]);
    const start = random.below(noise.length);
    const value = random.chance(0.02) ? null : noise.subarray(start, start + random.between(0, size));
    const partition = random.below(model.config.partitions);
    const topic = model.topic as NonNullable<TopicModel["topic"]>;
    const record = random.chance(0.7) ? { key, value, partition } : { key, value };
    const receipt = topic.append(record, level === undefined ? {} : { durability: level });
    const entry: Entry = {
      key,
      value,
      level: level ?? model.config.durability,
      receipt,
      acknowledged: false,
      rejected: false,
    };
    this.#oracle.submitted(model, entry);
    const done = receipt.then(
      (result) => this.#oracle.acknowledged(model, entry, result),
      (error: unknown) => {
        entry.rejected = true;
        throw error;
      },
    );
    this.#do(`append ${key} to ${model.name}`, done, model, ["JOURNAL_FAILED", "RECORD_TOO_LARGE"]);
  }

  #createTopic(): void {
    const random = this.#random;
    const config = randomTopic(random);
    // A name that was used before, if there is one: its directory is, too.
    const name = random.chance(0.7) ? `topic-${random.below(3)}` : `topic-${this.#names++ + 3}`;
    if (this.#oracle.topics.some((model) => model.name === name && model.state !== "gone")) return;
    this.#oracle.topics = this.#oracle.topics.filter((model) => model.name !== name);
    const model = this.#oracle.topic(name, config);
    const made = this.#log.createTopic(name, config).then((topic) => {
      model.topic = topic;
      model.state = "alive";
    });
    this.#do(`create ${name}`, made);
  }

  #deleteTopic(model: TopicModel): void {
    model.state = "deleting";
    const deleted = this.#log.deleteTopic(model.name).then(() => {
      model.state = "gone";
    });
    this.#do(`delete ${model.name}`, deleted, model);
  }

  async #deleteRecords(model: TopicModel): Promise<void> {
    const number = this.#random.below(model.config.partitions);
    const partition = (model.topic as NonNullable<TopicModel["topic"]>).partition(number);
    const { logStartOffset, highWatermark } = await partition.describe();
    const known = modelOf(model, number);
    known.visibleEnd = Math.max(known.visibleEnd, highWatermark);
    const before = this.#random.between(logStartOffset, highWatermark);
    known.startMax = Math.max(known.startMax, before);
    await partition.deleteRecords(before);
    known.start = Math.max(known.start, before);
  }

  async #sync(): Promise<void> {
    const promised = this.#oracle.syncing();
    await this.#log.sync();
    promised();
  }

  /** Reads a partition: what was acknowledged must be there, what is there must have been submitted. */
  async #read(model: TopicModel): Promise<void> {
    const number = this.#random.below(model.config.partitions);
    const partition = (model.topic as NonNullable<TopicModel["topic"]>).partition(number);
    const known = modelOf(model, number);
    const { start } = known;
    const must = this.#oracle.acknowledgedEnd(model, number, model.config.durability);
    const records = [];
    for await (const record of partition.read()) records.push(record);
    const end = this.#oracle.compare(model, number, start, records);
    const isSeen = end >= must || known.startMax >= must || this.#oracle.isFailed;
    if (!isSeen)
      throw new Violation(
        `${model.config.durability} ${model.name}/${number}: acknowledged up to ${must}, readable up to ${end}`,
      );
    known.visibleEnd = Math.max(known.visibleEnd, end);
  }

  #fillDisk(): void {
    if (this.#options.faults === false) return;
    const { clock, disk } = this.#simulation;
    disk.freeBytes = this.#random.below(64 * kibibyte);
    clock.startTimer(this.#random.below(3000), () => {
      disk.freeBytes = Number.POSITIVE_INFINITY;
    });
  }

  /** After a failed journal nothing may be acknowledged, and all that was visible is readable. */
  async #checkFailed(): Promise<void> {
    for (const model of this.#oracle.topics) {
      if (model.state !== "alive" || model.topic === undefined) continue;
      await this.#read(model);
      this.#append(model);
    }
    while (this.#underway.size > 0) await quiet();
    if (this.#trouble !== undefined) throw this.#trouble;
  }

  /** Follows a call to its end. What it may be refused with depends on what was done to it. */
  #do(what: string, call: Promise<unknown>, model?: TopicModel, allowed?: readonly string[]): void {
    const { disk } = this.#simulation;
    const underway = { what };
    this.#underway.add(underway);
    const ended = (): void => {
      this.#underway.delete(underway);
    };
    call.then(ended, (error: unknown) => {
      ended();
      const code = error instanceof LogError ? error.code : undefined;
      const isHit = disk.hits.length > 0;
      const wasDeleted = model?.state === "deleting" || model?.state === "gone";
      if (code === "JOURNAL_FAILED" && disk.hits.some(({ path }) => path.includes("/journal/")))
        this.#oracle.isFailed = true;
      else if ((code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND") && wasDeleted) return;
      else if (code === "RECORD_TOO_LARGE" && allowed?.includes(code)) return;
      else if (code === undefined || !isHit || (allowed !== undefined && !allowed.includes(code)))
        this.#trouble ??= error;
    });
  }

  /** After a clean close only the files that count are there. */
  #checkLeftovers(): void {
    const names = new Set(this.#oracle.topics.map(({ name }) => name));
    for (const [path] of this.#simulation.disk.root.files("")) {
      const topic = /\/topics\/(.+)-\d+\//.exec(path)?.[1];
      if (topic !== undefined && !names.has(topic))
        throw new Violation(`I9: ${path} is left of a deleted topic`);
      if (lastName(path).endsWith(".tmp")) throw new Violation(`${path} is left over`);
    }
  }
}
