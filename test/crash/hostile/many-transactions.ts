// Transactional ids without end, as long as they may be, and transactions that are open on as many partitions as they may.
import { apis, ErrorCode } from "@strandlog/protocol";
import { Attacker } from "./attacker.js";

const atOnce = 50;
/** Of the transactions, so many are to be on all partitions. */
const largeOnes = 200;
/** 240 bytes, and three times as many in the key of an entry. */
const longId = "試".repeat(80);
const topic = "attacked-in-transactions";
const partitions: readonly number[] = [...Array(1000).keys()];
/** Refused to be kept at bay, or taken in: nothing else is a fit answer. */
const fit: readonly number[] = [ErrorCode.NONE, ErrorCode.COORDINATOR_NOT_AVAILABLE];

interface Begun {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Answers how many have been tried. Throws if all of the ids were taken in, or all of the transactions. */
export async function openTransactions(port: number, ids: number): Promise<number> {
  const attacker = await Attacker.at(port);
  const configs = { numPartitions: partitions.length, replicationFactor: 1, assignments: [], configs: [] };
  await attacker.ask(apis.createTopics, 7, { topics: [{ name: topic, ...configs }] });
  const begun = await begin(attacker, ids);
  if (begun.length === ids) throw new Error(`${ids} transactional ids were taken in`);
  const large = begun.slice(0, largeOnes);
  const opened = await open(attacker, large, partitions);
  if (opened === large.length) throw new Error(`${opened} transactions of 1,000 partitions were opened`);
  await open(attacker, begun, partitions.slice(0, 7));
  attacker.end();
  return ids + large.length + begun.length;
}

async function begin(attacker: Attacker, ids: number): Promise<Begun[]> {
  const begun: Begun[] = [];
  for (let from = 0; from < ids; from += atOnce) {
    const asked = Array.from({ length: atOnce }, (_, n) => `${longId}${from + n}`);
    const answers = await attacker.askAll(
      apis.initProducerId,
      4,
      asked.map((transactionalId) => ({ transactionalId, transactionTimeoutMs: 60_000 })),
    );
    for (const [n, { errorCode, producerId, producerEpoch }] of answers.entries()) {
      if (!fit.includes(errorCode)) throw new Error(`a transactional id: error ${errorCode}`);
      const transactionalId = asked[n] as string;
      if (errorCode === ErrorCode.NONE) begun.push({ transactionalId, producerId, producerEpoch });
    }
  }
  return begun;
}

/** Answers how many have been. */
async function open(attacker: Attacker, begun: readonly Begun[], some: readonly number[]): Promise<number> {
  const topics = [{ name: topic, partitions: some }];
  let opened = 0;
  for (let from = 0; from < begun.length; from += atOnce) {
    const asked = begun.slice(from, from + atOnce).map((each) => ({ ...each, topics }));
    for (const { resultsByTopic } of await attacker.askAll(apis.addPartitionsToTxn, 3, asked)) {
      const code = resultsByTopic[0]?.resultsByPartition[0]?.partitionErrorCode ?? ErrorCode.NONE;
      if (!fit.includes(code)) throw new Error(`a transaction: error ${code}`);
      if (code === ErrorCode.NONE) opened++;
    }
  }
  return opened;
}
