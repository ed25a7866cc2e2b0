// Transactions of Kafka's producers: who writes under which transactional id, and what belongs to its transaction. All of
// it is durable before it is answered, so a restart at any point goes on where the client is. Ending one is a single
// group in the log: markers, the groups' offsets and the state here come all or not at all.
import { type CommitPlace, type Log, LogError, type Topic } from "@strandlog/log";
import { ErrorCode } from "@strandlog/protocol";
import {
  transactionalIdIdleMsMax,
  transactionalIdLengthMax,
  transactionPlacesMax,
  transactionTimeoutMsMax,
} from "../limits.js";
import type { TopicDirectory } from "../topic-directory.js";
import type { ProducerIds } from "./producer-ids.js";
import {
  bytesAtEnd,
  isSame,
  type PendingOffset,
  type Producer,
  pendingKey,
  placeKey,
  placeOf,
  producerOf,
  readState,
  stateKey,
  statePrefix,
  stateText,
  type TransactionState,
} from "./transaction-state.js";

export interface Initialized extends Producer {
  readonly errorCode: number;
}

interface Timer {
  cancel(): void;
}

interface Transaction {
  state: TransactionState;
  /** Keys of its partitions: a batch for another one is refused. */
  places: ReadonlySet<string>;
  timer: Timer | undefined;
}

/** Epochs are 16 bits; the last ones are left to fence whoever is still there. */
const epochMax = 2 ** 15 - 2;
/** A transaction whose time is up and that could not be ended, on a full disk perhaps, is tried again after this. */
const retryMs = 10_000;
/** With each so many new ids those that nobody has used for long are looked for. */
const sweepEvery = 1000;
const nobody: Producer = { producerId: -1, producerEpoch: -1 };

export class TransactionCoordinator {
  readonly #log: Log;
  readonly #topics: TopicDirectory;
  readonly #producerIds: ProducerIds;
  readonly #report: (error: unknown) => void;
  readonly #transactions = new Map<string, Transaction>();
  /** The transactional id that a producer has. */
  readonly #idsByProducer = new Map<number, string>();
  /** Places of groups that transactions may change, each with how many of them. */
  readonly #pending = new Map<string, number>();
  /** One request at a time for each transactional id. */
  readonly #turns = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(log: Log, topics: TopicDirectory, producerIds: ProducerIds, report: (error: unknown) => void) {
    this.#log = log;
    this.#topics = topics;
    this.#producerIds = producerIds;
    this.#report = report;
  }

  /** Takes up what was open when the log was last served. */
  async load(): Promise<void> {
    for (const { key, value } of await this.#log.storage.metadata.list(statePrefix)) {
      const { transactionalId, state } = readState(key, value);
      this.#adopt(transactionalId, state);
    }
    if (!this.#log.storage.manifest.readOnly) await this.#sweep();
  }

  /** Nothing is timed any more. What is open stays so, for whoever serves the log next. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#transactions.values()) timer?.cancel();
  }

  /** Makes a producer the one that writes under the id: fences whoever did, and aborts what that one had open. */
  async initialize(transactionalId: string, timeoutMs: number, known: Producer): Promise<Initialized> {
    if (transactionalId === "" || transactionalId.length > transactionalIdLengthMax)
      return { ...nobody, errorCode: ErrorCode.INVALID_REQUEST };
    // Half a name: it would match what has no epoch before the one that it has.
    if (known.producerId < 0 !== known.producerEpoch < 0)
      return { ...nobody, errorCode: ErrorCode.INVALID_REQUEST };
    if (timeoutMs <= 0 || timeoutMs > transactionTimeoutMsMax)
      return { ...nobody, errorCode: ErrorCode.INVALID_TRANSACTION_TIMEOUT };
    return this.#exclusively(transactionalId, async () => {
      const state = this.#transactions.get(transactionalId)?.state;
      if (state === undefined) {
        // Whatever producer it says it was: nobody knows it any more, so a new one does no harm.
        if (this.#transactions.size % sweepEvery === sweepEvery - 1) this.#sweep().catch(this.#report);
        return this.#begin(transactionalId, timeoutMs, await this.#newProducer());
      }
      if (known.producerId >= 0) {
        // It asks again, since it has not heard of the answer.
        const isAskedAgain = isSame(known, { ...state, producerEpoch: state.lastEpoch });
        if (isAskedAgain && (state.phase === "empty" || state.phase === "aborted"))
          return { ...producerOf(state), errorCode: ErrorCode.NONE };
        if (!isSame(known, state)) return { ...nobody, errorCode: ErrorCode.PRODUCER_FENCED };
      }
      const producerEpoch = state.producerEpoch + 1;
      if (state.phase === "ongoing")
        await this.#finish(transactionalId, false, producerEpoch, known.producerEpoch);
      const next =
        producerEpoch > epochMax
          ? await this.#newProducer()
          : { producerId: state.producerId, producerEpoch, lastEpoch: known.producerEpoch };
      return this.#begin(transactionalId, timeoutMs, next);
    });
  }

  /** The transaction will write to these partitions, which exist. */
  addPartitions(
    transactionalId: string,
    producer: Producer,
    partitions: TransactionState["partitions"],
  ): Promise<number> {
    return this.#change(transactionalId, producer, (state) => {
      const all = new Map([...state.partitions, ...partitions].map((place) => [placeKey(place), place]));
      const isKnown = all.size === state.partitions.length && state.phase === "ongoing";
      return isKnown ? undefined : this.#bounded({ ...state, partitions: [...all.values()].map(placeOf) });
    });
  }

  /** The transaction will commit for a group: until then there is nothing to be remembered but that it has begun. */
  addOffsets(transactionalId: string, producer: Producer): Promise<number> {
    return this.#change(transactionalId, producer, (state) =>
      state.phase === "ongoing" ? undefined : { ...state },
    );
  }

  /** Once the transaction is committed, its groups go on there. */
  commitOffsets(
    transactionalId: string,
    producer: Producer,
    offsets: readonly PendingOffset[],
  ): Promise<number> {
    return this.#change(transactionalId, producer, (state) => {
      // One that comes late, after the end, must not begin another transaction.
      if (state.phase !== "ongoing") return ErrorCode.INVALID_TXN_STATE;
      const all = [...state.offsets, ...offsets].map((each) => [pendingKey(each), each] as const);
      return this.#bounded({ ...state, offsets: [...new Map(all).values()] });
    });
  }

  end(transactionalId: string, producer: Producer, isCommit: boolean): Promise<number> {
    return this.#inTurnOf(transactionalId, producer, async ({ state }) => {
      const ended = isCommit ? "committed" : "aborted";
      if (state.phase === ended) return ErrorCode.NONE; // the answer was lost
      if (state.phase !== "ongoing") return ErrorCode.INVALID_TXN_STATE;
      await this.#finish(transactionalId, isCommit, state.producerEpoch);
      return ErrorCode.NONE;
    });
  }

  /** Why a batch of a transaction may not be written there, if so. */
  writeRefusal({ producerId, producerEpoch }: Producer, topicId: string, partition: number): number {
    const transaction = this.#transactions.get(this.#idsByProducer.get(producerId) ?? "");
    if (transaction === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    const { state, places } = transaction;
    if (state.producerEpoch !== producerEpoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
    return places.has(placeKey({ topicId, partition })) ? ErrorCode.NONE : ErrorCode.INVALID_TXN_STATE;
  }

  /** Whether a transaction that is open may change where the group goes on. */
  isPending(group: string, topicId: string, partition: number): boolean {
    return this.#pending.has(pendingKey({ group, topicId, partition }));
  }

  async #newProducer(): Promise<Producer & { readonly lastEpoch: number }> {
    return { producerId: await this.#producerIds.next(), producerEpoch: 0, lastEpoch: -1 };
  }

  async #begin(
    transactionalId: string,
    timeoutMs: number,
    producer: Producer & { readonly lastEpoch: number },
  ): Promise<Initialized> {
    const since = this.#log.clock.now();
    await this.#save(transactionalId, {
      ...producer,
      timeoutMs,
      phase: "empty",
      since,
      partitions: [],
      offsets: [],
    });
    return { ...producerOf(producer), errorCode: ErrorCode.NONE };
  }

  /** `change` answers what the open transaction is then, undefined if nothing has to be remembered, or an error's code. */
  #change(
    transactionalId: string,
    producer: Producer,
    change: (state: TransactionState) => TransactionState | number | undefined,
  ): Promise<number> {
    return this.#inTurnOf(transactionalId, producer, async ({ state }) => {
      const changed = change(state);
      if (changed === undefined) return ErrorCode.NONE;
      if (typeof changed === "number") return changed;
      const since = state.phase === "ongoing" ? state.since : this.#log.clock.now();
      await this.#save(transactionalId, { ...changed, phase: "ongoing", since, lastEpoch: -1 });
      return ErrorCode.NONE;
    });
  }

  /** Of what is deleted meanwhile there is nothing to end. */
  async #finish(
    transactionalId: string,
    isCommit: boolean,
    producerEpoch: number,
    lastEpoch = -1,
  ): Promise<void> {
    const transaction = this.#transactions.get(transactionalId) as Transaction;
    const { state } = transaction;
    const ended: TransactionState = {
      ...state,
      producerEpoch,
      lastEpoch,
      phase: isCommit ? "committed" : "aborted",
      since: this.#log.clock.now(),
      partitions: [],
      offsets: [],
    };
    const { places } = transaction;
    transaction.places = new Set(); // Whatever comes now would come after the marker.
    for (;;) {
      try {
        const topics = await this.#topicsOf(state);
        await this.#log.endTransaction({
          producerId: state.producerId,
          producerEpoch,
          isCommit,
          partitions: state.partitions.flatMap(({ topicId, partition }) => {
            const topic = topics.get(topicId);
            return topic === undefined ? [] : [{ topic, partition }];
          }),
          progress: isCommit ? progressOf(state.offsets, topics) : [],
          metadata: [{ key: stateKey(transactionalId), value: stateText(ended) }],
        });
        break;
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        if (code === "TOPIC_NOT_FOUND" || code === "PARTITION_NOT_FOUND") continue;
        transaction.places = places;
        throw error;
      }
    }
    this.#adopt(transactionalId, ended);
  }

  async #topicsOf({ partitions, offsets }: TransactionState): Promise<Map<string, Topic>> {
    const topics = new Map<string, Topic>();
    for (const topicId of new Set([...partitions, ...offsets].map((place) => place.topicId))) {
      const topic = await this.#topics.findById(topicId);
      if (topic !== undefined) topics.set(topicId, topic);
    }
    return topics;
  }

  async #save(transactionalId: string, state: TransactionState): Promise<void> {
    await this.#log.storage.metadata.put(stateKey(transactionalId), stateText(state));
    this.#adopt(transactionalId, state);
  }

  #adopt(transactionalId: string, state: TransactionState): void {
    const known = this.#transactions.get(transactionalId);
    if (known !== undefined) this.#forget(known);
    for (const each of state.offsets)
      this.#pending.set(pendingKey(each), (this.#pending.get(pendingKey(each)) ?? 0) + 1);
    const places = new Set(state.partitions.map(placeKey));
    const timer = state.phase === "ongoing" ? this.#timeOut(transactionalId, state) : undefined;
    this.#transactions.set(transactionalId, { state, places, timer });
    this.#idsByProducer.set(state.producerId, transactionalId);
  }

  #forget({ state, timer }: Transaction): void {
    timer?.cancel();
    this.#idsByProducer.delete(state.producerId);
    for (const key of state.offsets.map(pendingKey)) {
      const left = (this.#pending.get(key) ?? 0) - 1;
      if (left > 0) this.#pending.set(key, left);
      else this.#pending.delete(key);
    }
  }

  /** Whoever begins and does not come back holds up all who read what is committed: not for ever. */
  #timeOut(transactionalId: string, { since, timeoutMs }: TransactionState): Timer | undefined {
    const { clock, storage } = this.#log;
    if (this.#isClosed || storage.manifest.readOnly) return undefined;
    const leftMs = Math.min(Math.max(since + timeoutMs - clock.now(), 0), timeoutMs);
    return clock.startTimer(leftMs, () => void this.#abortOverdue(transactionalId, since));
  }

  async #abortOverdue(transactionalId: string, since: number): Promise<void> {
    try {
      await this.#exclusively(transactionalId, async () => {
        const state = this.#transactions.get(transactionalId)?.state;
        if (state?.phase === "ongoing" && state.since === since && !this.#isClosed)
          await this.#finish(transactionalId, false, state.producerEpoch + 1);
      });
    } catch (error) {
      this.#report(error);
      const transaction = this.#transactions.get(transactionalId);
      if (transaction === undefined || this.#isClosed) return;
      const again = (): void => void this.#abortOverdue(transactionalId, since);
      transaction.timer = this.#log.clock.startTimer(retryMs, again);
    }
  }

  /** Forgets the ids that nobody has used for very long. */
  async #sweep(): Promise<void> {
    const { storage, clock } = this.#log;
    const isIdle = ({ phase, since }: TransactionState): boolean =>
      phase !== "ongoing" && since < clock.now() - transactionalIdIdleMsMax;
    const metadata: { key: string; value: undefined }[] = [];
    for (const [transactionalId, transaction] of this.#transactions) {
      if (!isIdle(transaction.state) || this.#turns.has(transactionalId)) continue;
      this.#transactions.delete(transactionalId);
      this.#forget(transaction);
      metadata.push({ key: stateKey(transactionalId), value: undefined });
    }
    for (let from = 0; from < metadata.length; from += sweepEvery) {
      const puts = metadata.slice(from, from + sweepEvery);
      await storage.append({ batches: [], metadata: puts, durability: "disk" }).durable;
    }
  }

  /** All of it has to fit into one write of the log when it ends. */
  #bounded(state: TransactionState): TransactionState {
    const bytesMax = this.#log.storage.manifest.groupBytesMax / 2;
    const { partitions, offsets } = state;
    const isFew = partitions.length <= transactionPlacesMax && offsets.length <= transactionPlacesMax;
    if (isFew && bytesAtEnd(state) <= bytesMax) return state;
    const message = `a transaction may have ${transactionPlacesMax} partitions and as many offsets, and take ${bytesMax} bytes when it ends`;
    throw new LogError("TRANSACTION_TOO_LARGE", message);
  }

  /** For the producer that writes under the id, and no other. */
  #inTurnOf(
    transactionalId: string,
    producer: Producer,
    action: (transaction: Transaction) => Promise<number>,
  ): Promise<number> {
    return this.#exclusively(transactionalId, async () => {
      const transaction = this.#transactions.get(transactionalId);
      if (transaction === undefined || transaction.state.producerId !== producer.producerId)
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
      const isLeftToFence = producer.producerEpoch > epochMax;
      if (isLeftToFence || !isSame(producer, transaction.state)) return ErrorCode.PRODUCER_FENCED;
      return action(transaction);
    });
  }

  async #exclusively<T>(transactionalId: string, action: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(transactionalId) ?? Promise.resolve()).then(action);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(transactionalId, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(transactionalId) === settled) this.#turns.delete(transactionalId);
    }
  }
}

function progressOf(
  offsets: readonly PendingOffset[],
  topics: ReadonlyMap<string, Topic>,
): Parameters<Log["endTransaction"]>[0]["progress"] {
  const places = new Map<string, { topic: Topic; group: string; places: Map<number, CommitPlace> }>();
  for (const { group, topicId, partition, offset, metadata, leaderEpoch } of offsets) {
    const topic = topics.get(topicId);
    if (topic === undefined) continue;
    const key = `${topicId}/${group}`;
    const known = places.get(key) ?? { topic, group, places: new Map<number, CommitPlace>() };
    known.places.set(partition, {
      offset,
      ...(metadata === null || metadata === "" ? {} : { metadata }),
      ...(leaderEpoch < 0 ? {} : { leaderEpoch }),
    });
    places.set(key, known);
  }
  return [...places.values()].map((each) => each.topic.progress(each.group, each.places));
}
