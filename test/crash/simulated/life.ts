// A life: random calls on an open log, most of which are not waited for, while the disk works in between. What a call
// does is decided by its own number, so that leaving others out changes nothing in it.
import type { Log } from "@strandlog/log";
import { quiet, Random, type Simulation } from "@strandlog/log/testing";
import { AppendCalls } from "./append-calls.js";
import { FollowedCalls } from "./followed.js";
import { GroupCalls } from "./group-calls.js";
import { isCompacted, type TopicModel } from "./models.js";
import type { Oracle } from "./oracle.js";
import { ProducerCalls } from "./producer-calls.js";
import { TopicCalls } from "./topic-calls.js";

const outstandingMax = 24;
const topicsMax = 6;
const fullBytes = 64 * 1024;
const fullMs = 3000;

export interface LifeOptions {
  readonly seed: number;
  /** Whether the disk may become full. */
  readonly mayFill: boolean;
  /** Of the calls, by number, only these; undefined: all. */
  readonly only: ReadonlySet<number> | undefined;
}

export class Life {
  readonly calls: FollowedCalls;
  readonly #simulation: Simulation;
  readonly #oracle: Oracle;
  readonly #options: LifeOptions;
  readonly #appends: AppendCalls;
  readonly #topics: TopicCalls;
  readonly #groups: GroupCalls;
  readonly #producers: ProducerCalls;

  constructor(simulation: Simulation, oracle: Oracle, options: LifeOptions) {
    this.#simulation = simulation;
    this.#oracle = oracle;
    this.#options = options;
    this.calls = new FollowedCalls(simulation.disk, oracle);
    this.#appends = new AppendCalls(oracle, this.calls, simulation.clock);
    this.#topics = new TopicCalls(oracle, this.calls, simulation.clock);
    this.#groups = new GroupCalls(this.#appends, this.calls);
    this.#producers = new ProducerCalls(oracle, this.calls, this.#appends, simulation.clock);
  }

  /** Makes the calls of these numbers, and waits for all of them. */
  async run(log: Log, first: number, count: number): Promise<void> {
    this.calls.forget();
    const { random } = this.#simulation;
    const { only } = this.#options;
    const numbers = Array.from({ length: count }, (_, index) => first + index);
    const wanted = only === undefined ? numbers : numbers.filter((number) => only.has(number));
    let mustWait = false;
    for (;;) {
      await quiet();
      if (this.calls.trouble !== undefined) throw this.calls.trouble;
      if (this.calls.count === 0) mustWait = false;
      const mayCall = wanted.length > 0 && !mustWait && this.calls.count < outstandingMax;
      if (mayCall && !this.#oracle.isFailed && (this.calls.count === 0 || random.chance(0.3))) {
        this.#simulation.touch();
        mustWait = random.chance(0.1);
        this.#call(log, callRandom(this.#options.seed, wanted.shift() as number));
      } else if (this.calls.count === 0) return;
      else await this.#simulation.step();
    }
  }

  /** After a failed journal nothing may be acknowledged, and all that was visible is readable. */
  async checkFailed(): Promise<void> {
    const { random } = this.#simulation;
    for (const model of this.#alive()) {
      this.#topics.read(model, random);
      this.#appends.append(model, random);
    }
    await this.calls.settled();
    if (this.calls.trouble !== undefined) throw this.calls.trouble;
  }

  #call(log: Log, random: Random): void {
    const models = this.#alive();
    const dice = random.below(118);
    if (models.length === 0 || (dice < 4 && this.#oracle.topics.length < topicsMax)) {
      this.#topics.createAny(log, random);
      return;
    }
    const model = random.pick(models);
    const compacted = models.filter(({ config }) => isCompacted(config));
    if (dice < 6) this.#topics.delete(log, model);
    else if (dice < 12) this.#topics.deleteRecords(model, random);
    else if (dice < 16) this.#topics.sync(log);
    else if (dice < 22) this.#topics.read(model, random);
    else if (dice < 23) this.#fillDisk(random);
    else if (dice < 24) this.calls.follow("stats", log.stats());
    else if (dice < 26) this.#topics.alter(model, random);
    else if (dice < 28) this.#topics.retain(model);
    else if (dice < 33) this.#topics.compact(random.pick(compacted.length > 0 ? compacted : models));
    else if (dice < 36)
      this.calls.follow("append beyond", this.#appends.appendBeyond(model, random), { models: [model] });
    else if (dice < 42) this.#appends.appendOnce(model, random);
    else if (dice < 48) this.#groups.transact(log, models.slice(0, random.between(1, 3)), random);
    else if (dice < 50) this.#groups.appendAll(model, random);
    else if (dice < 56)
      this.#groups.consume(log, model, random.chance(0.5) ? random.pick(models) : undefined, random);
    else if (dice < 66)
      for (let count = random.pick([1, 1, 3]); count > 0; count--) this.#producers.produce(model, random);
    else if (dice < 69) this.#producers.endTransaction(log, random);
    else
      for (let count = random.pick([1, 1, 1, 3, 12]); count > 0; count--) this.#appends.append(model, random);
  }

  #alive(): TopicModel[] {
    return this.#oracle.topics.filter(({ state, topic }) => state === "alive" && topic !== undefined);
  }

  #fillDisk(random: Random): void {
    if (!this.#options.mayFill) return;
    const { clock, disk } = this.#simulation;
    disk.freeBytes = random.below(fullBytes);
    clock.startTimer(random.below(fullMs), () => {
      disk.freeBytes = Number.POSITIVE_INFINITY;
    });
  }
}

/** What a call draws by lot depends on the seed and its number only. */
function callRandom(seed: number, number: number): Random {
  return new Random((seed % 2 ** 31) + (number + 1) * 2 ** 31);
}
