// Fetch: whole batches as they are stored, straight from the log. When there is less than the client waits for, the
// request is parked until there is more, its time is up, its connection is gone or the broker closes.
import { setMaxListeners } from "node:events";
import { type Isolation, LogError, type RawSlice, type Topic } from "@strandlog/log";
import { apis, ErrorCode, type RequestOf, type ResponseOf } from "@strandlog/protocol";
import { type BrokerContext, type Handler, handler, type Session } from "../context.js";
import { refusalOf } from "../error-codes.js";
import { isolationOf } from "../isolation.js";
import { epochRefusal } from "../leader-epoch.js";
import { fetchBytesMax, fetchWaitMsMax } from "../limits.js";
import type { Loan } from "../read-memory.js";
import { mapInTurns, othersTurn, workInTurn } from "../turns.js";

type Body = RequestOf<typeof apis.fetch>;
type Response = ResponseOf<typeof apis.fetch>;
type PartitionResponse = Response["responses"][number]["partitions"][number];

/** A topic of the request, and what it is here. */
interface Asked {
  readonly asked: Body["topics"][number];
  readonly topic: Topic | undefined;
}

/** How it is read. */
interface Reading {
  readonly isolation: Isolation;
  readonly loan: Loan;
}

/** What there was at one look. */
interface Look {
  readonly responses: Response["responses"];
  readonly bytes: number;
  readonly hasError: boolean;
  /** There was no room for more: all connections together hold too much. */
  readonly isCut: boolean;
  /** Where to look for more, and from where on. */
  readonly ends: readonly End[];
}

interface End {
  readonly topic: Topic;
  readonly partition: number;
  readonly offset: number;
}

export const fetchHandler: Handler = handler(
  apis.fetch,
  ({ apiVersion, body }, session, broker) =>
    () =>
      fetch(body, apiVersion >= 13, session, broker),
);

async function fetch(
  body: Body,
  isById: boolean,
  session: Session,
  broker: BrokerContext,
): Promise<Response> {
  const { clock } = broker.log;
  const deadlineMs = clock.elapsedMs() + Math.min(body.maxWaitMs, fetchWaitMsMax);
  const bytesMax = Math.min(body.maxBytes, fetchBytesMax);
  const bytesMin = Math.min(body.minBytes, bytesMax);
  const isolation = isolationOf(body.isolationLevel);
  const asked = await mapInTurns(body.topics, async (each): Promise<Asked> => {
    const topic = isById ? broker.topics.findById(each.topicId) : broker.topics.find(each.topic);
    return { asked: each, topic: await topic };
  });
  const missing = isById ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  for (;;) {
    const reading = { isolation, loan: broker.readMemory.lend() };
    const look = await lookInto(asked, bytesMax, missing, reading, session, broker.log.storage.leaderEpoch);
    const enough = look.isCut ? 1 : bytesMin;
    const leftMs = deadlineMs - clock.elapsedMs();
    const isDone = leftMs <= 0 || look.hasError || look.bytes >= enough || look.ends.length === 0;
    if (isDone || session.signal.aborted) {
      session.whenSent(() => reading.loan.end());
      return { errorCode: ErrorCode.NONE, responses: look.responses };
    }
    reading.loan.end();
    await growth(look.ends, leftMs, isolation, session, broker);
  }
}

async function lookInto(
  all: readonly Asked[],
  bytesMax: number,
  missing: number,
  reading: Reading,
  session: Session,
  epoch: number,
): Promise<Look> {
  const ends = new Map<string, End>();
  let bytes = 0;
  let reads = 0;
  let hasError = false;
  let isCut = false;
  const responses: Response["responses"][number][] = [];
  for (const { asked, topic } of all) {
    const partitions: PartitionResponse[] = [];
    for (const { partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch } of asked.partitions) {
      if (session.isGone) break;
      if (++reads % workInTurn === 0) await othersTurn();
      const wanted = Math.min(bytesMax, bytes + partitionMaxBytes);
      const room = session.reserve(wanted);
      const budget = room - bytes;
      isCut ||= room < wanted;
      const refusal = topic === undefined ? missing : epochRefusal(currentLeaderEpoch, epoch);
      const { length, end, ...response } =
        topic === undefined || refusal !== ErrorCode.NONE
          ? refused(partition, refusal)
          : await read(topic, partition, fetchOffset, budget, bytes === 0, reading);
      bytes += length;
      partitions.push(response);
      if (response.errorCode !== ErrorCode.NONE) hasError = true;
      else if (topic !== undefined)
        ends.set(`${topic.topicId}/${partition}`, { topic, partition, offset: end });
    }
    responses.push({ topic: asked.topic, topicId: asked.topicId, partitions });
  }
  session.reserve(bytes);
  return { responses, bytes, hasError, isCut, ends: [...ends.values()] };
}

/** `isFirst`: nothing has been found yet, so one batch has to be given, however large it is. */
async function read(
  topic: Topic,
  partition: number,
  from: number,
  budget: number,
  isFirst: boolean,
  { isolation, loan }: Reading,
): Promise<PartitionResponse & { readonly length: number; readonly end: number }> {
  try {
    if (from < 0) return refused(partition, ErrorCode.OFFSET_OUT_OF_RANGE);
    const bytesMax = Math.max(budget, 1);
    const slice = await loan.read((memory) =>
      topic.partition(partition).readRaw({ from, bytesMax, isolation, ...(memory && { memory }) }),
    );
    if (
      from < slice.logStartOffset ||
      (from > slice.highWatermark && (await isBeyond(topic, partition, from)))
    ) {
      return { ...refused(partition, ErrorCode.OFFSET_OUT_OF_RANGE), ...placesOf(slice) };
    }
    const isTooMuch = !isFirst && slice.length > budget;
    return {
      partitionIndex: partition,
      errorCode: ErrorCode.NONE,
      ...placesOf(slice),
      abortedTransactions: isolation === "read_committed" ? slice.aborted : null,
      records: isTooMuch ? [] : slice.chunks,
      length: isTooMuch ? 0 : slice.length,
      end: isolation === "read_committed" ? slice.lastStableOffset : slice.highWatermark,
    };
  } catch (error) {
    return refused(partition, refusalOf(error).errorCode);
  }
}

function placesOf({ highWatermark, logStartOffset, lastStableOffset }: RawSlice) {
  return { highWatermark, logStartOffset, lastStableOffset };
}

/** What was appended and is not yet visible is no place to be driven away from. */
async function isBeyond(topic: Topic, partition: number, offset: number): Promise<boolean> {
  return offset > (await topic.partition(partition).describe()).logEndOffset;
}

function refused(partitionIndex: number, errorCode: number) {
  const nothing = { highWatermark: -1, abortedTransactions: null, records: [], length: 0, end: -1 };
  return { partitionIndex, errorCode, ...nothing };
}

/** Settles when one of the partitions has more, the time is up, or nobody waits any longer. */
async function growth(
  ends: Look["ends"],
  leftMs: number,
  isolation: Isolation,
  { signal }: Session,
  { log }: BrokerContext,
): Promise<void> {
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const end = (): void => over.abort();
  const timer = log.clock.startTimer(leftMs, end);
  signal.addEventListener("abort", end, { once: true });
  try {
    const watches = ends.map(({ topic, partition, offset }) =>
      topic.partition(partition).watch(offset, over.signal, isolation),
    );
    await Promise.race(watches).catch((error: unknown) => {
      // A topic that is gone is found to be so at the next look.
      if (!over.signal.aborted && !(error instanceof LogError)) throw error;
    });
  } finally {
    end();
    timer.cancel();
    signal.removeEventListener("abort", end);
  }
}
