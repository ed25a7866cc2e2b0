// Small workloads, all of them: up to three operations in every order, each begun when the one before has settled. A
// crash is tried before every change that the last operation makes to the disk, and after it, of every kind; what the
// operations before it did was the last of a shorter workload.
import { type Log, openLog } from "@strandlog/log";
import { type CrashStyle, Random, Simulation, Violation } from "@strandlog/log/testing";
import { AppendCalls } from "./append-calls.js";
import { CrashPoints } from "./crash-points.js";
import { FollowedCalls } from "./followed.js";
import { GroupCalls } from "./group-calls.js";
import type { Config, TopicModel } from "./models.js";
import { Oracle } from "./oracle.js";
import { adopt, look } from "./recovered.js";
import { TopicCalls } from "./topic-calls.js";

const kibibyte = 1024;
const directory = "/disk/log";
const settings = { journalFileBytes: 64 * kibibyte, journalBytesMax: 128 * kibibyte, lanes: 2 };
const topicConfig: Config = {
  partitions: 2,
  durability: "disk",
  compression: "none",
  segmentBytes: kibibyte,
  retentionBytes: -1,
  cleanup: "delete",
  deleteRetentionMs: 86_400_000,
};
const styles: readonly CrashStyle[] = ["nothing", "everything", "prefix", "scattered"];

type Step = (world: World, random: Random) => unknown;

const steps: Readonly<Record<string, Step>> = {
  append: ({ appends, first }, random) => appends.append(first, random, "disk"),
  appendOs: ({ appends, second }, random) => appends.append(second, random, "os"),
  appendMemory: ({ appends, first }, random) => appends.append(first, random, "memory"),
  appendMany: ({ appends, first, second }, random) => {
    for (let count = 0; count < 10; count++) appends.append(count % 3 === 0 ? second : first, random);
  },
  appendOnce: ({ appends, first }, random) => appends.appendOnce(first, random),
  appendBeyond: ({ appends, calls, first }, random) =>
    calls.follow("append beyond", appends.appendBeyond(first, random), { models: [first] }),
  transact: ({ groups, log, first, second }, random) => groups.transact(log, [first, second], random),
  consume: ({ groups, log, first }, random) => groups.consume(log, first, undefined, random),
  consumeInto: ({ groups, log, first, second }, random) => groups.consume(log, first, second, random),
  deleteRecords: ({ topics, first }, random) => topics.deleteRecords(first, random),
  sync: ({ topics, log }) => topics.sync(log),
  alter: ({ topics, second }, random) => topics.alter(second, random),
  retain: ({ topics, first, second }) => {
    topics.retain(first);
    topics.retain(second);
  },
  create: ({ topics, log }) => topics.create(log, "third", { ...topicConfig, retentionBytes: kibibyte }),
  delete: ({ topics, log, second }) => topics.delete(log, second),
  reopen: (world) => world.reopen(),
};

export const stepNames: readonly string[] = Object.keys(steps);

/** All orders of up to `length` steps. */
export function* workloads(length: number): Generator<readonly string[]> {
  let shorter: (readonly string[])[] = [[]];
  for (let size = 1; size <= length; size++) {
    const longer = shorter.flatMap((names) => stepNames.map((name) => [...names, name]));
    yield* longer;
    shorter = longer;
  }
}

/** Answers how many crashes were tried. Throws a Violation. */
export async function runWorkload(names: readonly string[]): Promise<number> {
  const world = new World();
  try {
    await world.begin();
    for (const [index, name] of names.entries()) {
      if (index === names.length - 1) world.tryCrashes();
      await world.take(steps[name] as Step, new Random(index * 100 + stepNames.indexOf(name)));
    }
    await world.crashNow("the end");
    return world.points.tried;
  } catch (error) {
    throw new Violation(`${names.join(" ")}: ${(error as Error).message}`, { cause: error });
  }
}

class World {
  readonly #machine = new Simulation(1);
  readonly #oracle = new Oracle();
  readonly calls: FollowedCalls = new FollowedCalls(this.#machine.disk, this.#oracle);
  readonly appends: AppendCalls = new AppendCalls(this.#oracle, this.calls, this.#machine.clock);
  readonly topics: TopicCalls = new TopicCalls(this.#oracle, this.calls, this.#machine.clock);
  readonly groups: GroupCalls = new GroupCalls(this.appends, this.calls);
  readonly points: CrashPoints = new CrashPoints(this.#machine, this.#oracle, {
    seed: 1,
    density: 0,
    open: (options) => openLog(directory, { ...settings, ...options }),
    ending: (kind) => kind,
  });
  log!: Log;

  get first(): TopicModel {
    return this.#topic("first");
  }
  get second(): TopicModel {
    return this.#topic("second");
  }

  async begin(): Promise<void> {
    this.log = await this.#machine.run(this.#open());
    this.topics.create(this.log, "first", topicConfig);
    this.topics.create(this.log, "second", {
      ...topicConfig,
      partitions: 1,
      durability: "os",
      cleanup: "consumed",
    });
    await this.#settle();
    this.appends.append(this.first, new Random(1));
    this.appends.append(this.second, new Random(2));
    await this.#settle();
  }

  /** From here on, before every change of the disk. */
  tryCrashes(): void {
    this.#machine.onChange = (verb, path) => this.crashNow(`${verb} ${path}`);
  }

  async take(step: Step, random: Random): Promise<void> {
    // A topic that an earlier step has deleted is not there for this one.
    const isThere =
      this.first.topic !== undefined && this.#oracle.topics.some(({ name }) => name === "second");
    if (!isThere || this.second.state !== "alive") return;
    await step(this, random);
    await this.#settle();
  }

  async reopen(): Promise<void> {
    await this.#machine.run(this.log.close());
    this.log = await this.#machine.run(this.#open());
    adopt(this.#oracle, await this.#machine.run(look(this.#oracle, this.log, this.#machine.clock, "closed")));
  }

  /** On copies: of each kind. */
  async crashNow(where: string): Promise<void> {
    for (const style of styles) await this.#crash("power", style, where);
    await this.#crash("process", "prefix", where);
  }

  async #crash(kind: "power" | "process", style: CrashStyle, where: string): Promise<void> {
    try {
      await this.points.crash(kind, style, new Random(this.points.tried));
    } catch (error) {
      throw new Violation(`${(error as Error).message} (${kind}, ${style}, before ${where})`, {
        cause: error,
      });
    }
  }

  #topic(wanted: string): TopicModel {
    return this.#oracle.topics.find(({ name }) => name === wanted) as TopicModel;
  }

  #open(): Promise<Log> {
    return openLog(directory, { ...settings, ...this.#machine.options() });
  }

  async #settle(): Promise<void> {
    await this.#machine.run(this.calls.settled());
    if (this.calls.trouble !== undefined) throw this.calls.trouble;
  }
}
