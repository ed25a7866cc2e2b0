// A producer with transactions that says what a test wants it to say, and what others see of it.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { apis, ErrorCode, type ResponseOf } from "@strandlog/protocol";
import { batchOf, Client, crc32c, fetchFrom, produceTo, type Served } from "../test-support.js";

const readCommitted = 1;

type Fetched = ResponseOf<typeof apis.fetch>["responses"][number]["partitions"][number];

interface Asked {
  readonly transactionalId?: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A producer that says what a test wants it to say, and numbers its batches. */
export class Producer {
  readonly client: Client;
  readonly transactionalId: string;
  producerId = -1;
  producerEpoch = -1;
  sequence = 0;

  constructor(client: Client, transactionalId = "tx") {
    this.client = client;
    this.transactionalId = transactionalId;
  }

  static async begun(t: TestContext, { broker }: Served, transactionalId = "tx"): Promise<Producer> {
    const producer = new Producer(await Client.connect(t, broker), transactionalId);
    assert.equal(await producer.initialize(), ErrorCode.NONE);
    return producer;
  }

  get #self(): Required<Asked> {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }

  async initialize(more: Partial<Asked> & { readonly transactionTimeoutMs?: number } = {}): Promise<number> {
    const { transactionalId } = this;
    const asked = { transactionalId, transactionTimeoutMs: 60_000, ...more };
    const { errorCode, producerId, producerEpoch } = await this.client.request(apis.initProducerId, 4, asked);
    if (errorCode === ErrorCode.NONE) Object.assign(this, { producerId, producerEpoch, sequence: 0 });
    return errorCode;
  }

  async add(name: string, partition = 0, apiVersion = 3): Promise<number | undefined> {
    const topics = [{ name, partitions: [partition] }];
    const { resultsByTopic } = await this.client.request(apis.addPartitionsToTxn, apiVersion, {
      ...this.#self,
      topics,
    });
    return resultsByTopic[0]?.resultsByPartition[0]?.partitionErrorCode;
  }

  /** The code, and the offset that the record has got. */
  async send(name: string, value: string, index = 0): Promise<[number | undefined, number | undefined]> {
    const batch = batchOf(value);
    batch.writeInt16BE(0x10, 21);
    batch.writeBigInt64BE(BigInt(this.producerId), 43);
    batch.writeInt16BE(this.producerEpoch, 51);
    batch.writeInt32BE(this.sequence, 53);
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    const { responses } = await this.client.request(apis.produce, 9, produceTo(name, index, batch));
    const { errorCode, baseOffset } = responses[0]?.partitionResponses[0] ?? {};
    if (errorCode === ErrorCode.NONE) this.sequence++;
    return [errorCode, baseOffset];
  }

  async commitOffset(groupId: string, name: string, committedOffset: number): Promise<number | undefined> {
    const begun = await this.client.request(apis.addOffsetsToTxn, 3, { ...this.#self, groupId });
    if (begun.errorCode !== ErrorCode.NONE) return begun.errorCode;
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "note" }];
    const asked = { ...this.#self, groupId, topics: [{ name, partitions }] };
    const { topics } = await this.client.request(apis.txnOffsetCommit, 3, asked);
    return topics[0]?.partitions[0]?.errorCode;
  }

  /** Without saying first that there is a group. */
  async commitLate(groupId: string, name: string, committedOffset: number): Promise<number | undefined> {
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
    const asked = { ...this.#self, groupId, topics: [{ name, partitions }] };
    const { topics } = await this.client.request(apis.txnOffsetCommit, 3, asked);
    return topics[0]?.partitions[0]?.errorCode;
  }

  /** For the first partitions, each with the same note. */
  async commitNotes(
    groupId: string,
    name: string,
    count: number,
    committedMetadata: string,
  ): Promise<number | undefined> {
    await this.client.request(apis.addOffsetsToTxn, 3, { ...this.#self, groupId });
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: 0,
      committedMetadata,
    }));
    const asked = { ...this.#self, groupId, topics: [{ name, partitions }] };
    const { topics } = await this.client.request(apis.txnOffsetCommit, 3, asked);
    return topics[0]?.partitions[0]?.errorCode;
  }

  async addMany(name: string, partitions: readonly number[]): Promise<number | undefined> {
    const topics = [{ name, partitions }];
    const { resultsByTopic } = await this.client.request(apis.addPartitionsToTxn, 3, {
      ...this.#self,
      topics,
    });
    return resultsByTopic[0]?.resultsByPartition[0]?.partitionErrorCode;
  }

  async end(committed: boolean, apiVersion = 3): Promise<number> {
    return (await this.client.request(apis.endTxn, apiVersion, { ...this.#self, committed })).errorCode;
  }
}

export interface Committed {
  readonly aborted: Fetched["abortedTransactions"] | undefined;
  readonly lastStableOffset: number | undefined;
  readonly highWatermark: number | undefined;
  readonly bytes: number;
}

/** What somebody who reads only what is committed gets from the first partition. */
export async function committedIn(t: TestContext, { broker }: Served, name: string): Promise<Committed> {
  const client = await Client.connect(t, broker);
  const asked = { ...fetchFrom(name, 0), isolationLevel: readCommitted };
  const { responses } = await client.request(apis.fetch, 11, asked);
  const { abortedTransactions, lastStableOffset, highWatermark, records } = responses[0]?.partitions[0] ?? {};
  const bytes = records?.length ?? 0;
  return { aborted: abortedTransactions, lastStableOffset, highWatermark, bytes };
}

/** Where the group goes on in the first partition, what is noted there, and the code. */
export async function place(
  t: TestContext,
  { broker }: Served,
  groupId: string,
  name: string,
  requireStable = true,
): Promise<unknown[]> {
  const client = await Client.connect(t, broker);
  const topics = [{ name, partitionIndexes: [0] }];
  const asked = { groups: [{ groupId, topics }], requireStable, groupId, topics };
  const { groups } = await client.request(apis.offsetFetch, 8, asked);
  const { committedOffset, errorCode, metadata } = groups[0]?.topics[0]?.partitions[0] ?? {};
  return [committedOffset, metadata, errorCode];
}
