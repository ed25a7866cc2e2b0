// A broker for tests: in this process, there in milliseconds, gone when it is closed.
import { type Log, type LogOptions, openLog } from "@strandlog/log";
import { listenWith } from "../broker.js";
import type { Address, Broker, BrokerListener, BrokerOptions } from "../index.js";
import { AdvancingClock } from "./advancing-clock.js";
import { type Faults, PlannedFaults } from "./faults.js";

export type { Faults, PlannedFault } from "./faults.js";
export type { ApiName, FaultAction, RequestFault } from "./request-fault.js";

export interface TestBrokerOptions extends BrokerOptions {
  /** Where its records are: "memory" (default), or a directory. */
  readonly storage?: string;
  /** Options of its log. */
  readonly log?: Omit<LogOptions, "clock">;
}

export interface TestBroker extends Broker {
  /** What clients have produced can be read here, and what is appended here is there for clients. */
  readonly log: Log;
  /** What shall go wrong with which requests. */
  readonly faults: Faults;
  /** Puts its clock forward: retention, session timeouts and whatever else waits for time comes at once. */
  advance(ms: number): void;
  /** Deletes all topics, with what groups have committed in them, and forgets all faults: the next test begins with nothing. */
  reset(): Promise<void>;
}

/** Listens on a port that is free, of this machine alone, unless `kafka` says otherwise. */
export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { storage = "memory", log: logOptions, ...given } = options;
  const clock = new AdvancingClock();
  const faults = new PlannedFaults();
  const log = await openLog(storage === "memory" ? "memory:" : storage, { ...logOptions, clock });
  try {
    const { intercept } = faults;
    const broker = await listenWith(log, withAddress(given), { intercept });
    return new StartedBroker(log, broker, clock, faults);
  } catch (error) {
    await log.close();
    throw error;
  }
}

function withAddress(options: BrokerOptions): BrokerOptions {
  return options.listeners === undefined ? { kafka: 0, ...options } : options;
}

class StartedBroker implements TestBroker {
  readonly log: Log;
  readonly faults: Faults;
  readonly #broker: Broker;
  readonly #clock: AdvancingClock;

  constructor(log: Log, broker: Broker, clock: AdvancingClock, faults: Faults) {
    this.log = log;
    this.faults = faults;
    this.#broker = broker;
    this.#clock = clock;
  }

  get address(): Address {
    return this.#broker.address;
  }

  get bootstrap(): string {
    return this.#broker.bootstrap;
  }

  get listeners(): readonly BrokerListener[] {
    return this.#broker.listeners;
  }

  advance(ms: number): void {
    this.#clock.advance(ms);
  }

  async reset(): Promise<void> {
    this.faults.clear();
    for (const name of await this.log.topics()) await this.log.deleteTopic(name);
  }

  async close(): Promise<void> {
    this.faults.clear();
    await this.#broker.close();
    await this.log.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
