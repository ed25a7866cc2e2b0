// kafkajs as load: idempotent producers, and a group of two members. Both go on by themselves when the broker is gone.
import { setTimeout as sleep } from "node:timers/promises";
import { type Consumer, Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { type Account, valueFor } from "./account.js";
import type { GroupAccount } from "./group-account.js";

export const topicName = "orders";
export const groupId = "billing";
export const partitions = 3;

const producers = 3;
const members = 2;
const recordsMax = 12;
const pauseMsMax = 6;
/** It has to outlive any number of kills. */
const retry = { retries: 1_000_000, initialRetryTime: 20, maxRetryTime: 150 };

export class KafkajsLoad {
  readonly #client: Kafka;
  readonly #account: Account;
  readonly #group: GroupAccount;
  readonly #random: () => number;
  readonly #consumers = new Set<Consumer>();
  #restarting: Promise<void> = Promise.resolve();
  #producing: Promise<void> = Promise.resolve();
  #isOver = false;
  #isLeaving = false;

  constructor(bootstrap: string, account: Account, group: GroupAccount, random: () => number) {
    const connecting = { connectionTimeout: 2000, requestTimeout: 5000, retry };
    this.#client = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, ...connecting });
    this.#account = account;
    this.#group = group;
    this.#random = random;
  }

  async start(): Promise<void> {
    const names = Array.from({ length: producers }, (_, index) => `kafkajs-${index}`);
    this.#producing = Promise.all(names.map((name) => this.#produce(name))).then(
      () => undefined,
      (error: unknown) => this.#account.fault(`a producer of kafkajs gave up: ${error}`),
    );
    await Promise.all(Array.from({ length: members }, () => this.#join()));
  }

  /** Settles when everything that was sent has been acknowledged. */
  async stopProducing(): Promise<void> {
    this.#isOver = true;
    await this.#producing;
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#restarting;
    await Promise.all([...this.#consumers].map((consumer) => consumer.disconnect()));
  }

  async #produce(name: string): Promise<void> {
    const producer = this.#client.producer({
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { ...retry, retries: Number.MAX_SAFE_INTEGER },
    });
    await producer.connect();
    for (let n = 0; !this.#isOver; ) {
      const count = 1 + Math.floor(this.#random() * recordsMax);
      await this.#send(producer, name, n, count);
      n += count;
      await sleep(this.#random() * pauseMsMax);
    }
    await producer.disconnect();
  }

  /**
   * One send at a time: of two, kafkajs would take back the sequence of the first when its connection breaks, and then
   * send the second under that very sequence.
   */
  async #send(producer: Producer, name: string, first: number, count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => ({
      partition: (first + index) % partitions,
      value: valueFor(name, first + index),
    }));
    this.#account.sent(name, first + count);
    for (const { partition, baseOffset } of await producer.send({ topic: topicName, messages, acks: -1 })) {
      let offset = Number(baseOffset);
      for (const [index, message] of messages.entries()) {
        if (message.partition === partition)
          this.#account.acknowledged(partition, offset++, { producer: name, n: first + index });
      }
    }
  }

  async #replace(crashed: Consumer): Promise<void> {
    if (!this.#consumers.delete(crashed)) return;
    await crashed.disconnect();
    while (!this.#isLeaving) {
      try {
        return await this.#join();
      } catch {
        await sleep(retry.maxRetryTime); // the broker has been killed again
      }
    }
  }

  async #join(): Promise<void> {
    const consumer = this.#client.consumer({
      groupId,
      sessionTimeout: 6000,
      rebalanceTimeout: 3000,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 50,
      retry: { ...retry, restartOnFailure: async () => !this.#isLeaving },
    });
    this.#consumers.add(consumer);
    // Where it takes an error for final, an application has to take another one.
    consumer.on("consumer.crash", ({ payload }) => {
      if (!payload.restart) this.#restarting = this.#restarting.then(() => this.#replace(consumer));
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topic: topicName, fromBeginning: true });
      await this.#run(consumer);
    } catch (error) {
      this.#consumers.delete(consumer);
      await consumer.disconnect();
      throw error;
    }
  }

  async #run(consumer: Consumer): Promise<void> {
    const positions = new Map<number, number>();
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitions,
      eachBatch: async ({ batch: { partition, messages }, resolveOffset, heartbeat, ...commits }) => {
        const first = Number(messages[0]?.offset);
        const isGoingOn = first === positions.get(partition);
        const problem = isGoingOn ? undefined : this.#group.resume(partition, first);
        let next = first;
        for (const { offset, value } of messages) {
          if (Number(offset) !== next)
            this.#account.fault(`${partition}: ${offset} was consumed where ${next} was due`);
          this.#account.consumed(partition, next++, String(value));
          resolveOffset(offset);
        }
        positions.set(partition, next);
        this.#group.attempt(partition, next);
        // Once only: consumer.commitOffsets would try again, as a member that nobody knows any more.
        const partitions = [{ partition, offset: String(next) }];
        await commits.commitOffsetsIfNecessary({ topics: [{ topic: topicName, partitions }] });
        if (problem !== undefined) this.#group.fault(problem);
        this.#group.commit(partition, next);
        await heartbeat();
      },
    });
  }
}
