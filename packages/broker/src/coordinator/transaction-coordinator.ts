// Transactions of Kafka's producers: who writes under which transactional id, and what belongs to its transaction. All of
// it is durable before it is answered, so a restart at any point goes on where the client is. Ending one is a single
// group in the log: markers, the groups' offsets and the state here come all or not at all.
import { type Log, LogError, type Topic } from "@strandlog/log";
import { ErrorCode } from "@strandlog/protocol";
import {
  transactionalIdBytesMax,
  transactionalIdIdleMsMax,
  transactionalIdIdleMsMin,
  transactionalIdsMax,
  transactionBytesMax,
  transactionBytesModest,
  transactionPlacesMax,
  transactionsBytesMax,
  transactionTimeoutMsMax,
} from "../limits.js";
import type { TopicDirectory } from "../topic-directory.js";
import type { ProducerIds } from "./producer-ids.js";
import { type Remembered, RememberedTransactions } from "./remembered-transactions.js";
import {
  bytesAtEnd,
  isSame,
  type PendingOffset,
  type Producer,
  pendingKey,
  placeKey,
  placeOf,
  producerOf,
  progressOf,
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

/** Epochs are 16 bits; the last ones are left to fence whoever is still there. */
const epochMax = 2 ** 15 - 2;
/** A transaction whose time is up and that could not be ended, on a full disk perhaps, is tried again after this. */
const retryMs = 10_000;
const nobody: Producer = { producerId: -1, producerEpoch: -1 };

export class TransactionCoordinator {
  readonly #log: Log;
  readonly #topics: TopicDirectory;
  readonly #producerIds: ProducerIds;
  readonly #report: (error: unknown) => void;
  readonly #known = new RememberedTransactions();
  /** Until a transaction's time is up, by transactional id. */
  readonly #timers = new Map<string, Timer>();
  /** What changes that are being written add to what is remembered. */
  #growingBytes = 0;
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
    const entries = await this.#log.storage.metadata.list(statePrefix);
    const all = entries.map(({ key, value }) => readState(key, value));
    for (const { transactionalId, state } of all.sort((left, right) => left.state.since - right.state.since))
      this.#adopt(transactionalId, state);
    if (this.#log.storage.manifest.readOnly) return;
    while ((await this.#forgetIdle()) > 0);
  }

  /** Nothing is timed any more. What is open stays so, for whoever serves the log next. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  /** Makes a producer the one that writes under the id: fences whoever did, and aborts what that one had open. */
  async initialize(transactionalId: string, timeoutMs: number, known: Producer): Promise<Initialized> {
    if (transactionalId === "" || Buffer.byteLength(transactionalId) > transactionalIdBytesMax)
      return { ...nobody, errorCode: ErrorCode.INVALID_REQUEST };
    // Half a name: it would match what has no epoch before the one that it has.
    if (known.producerId < 0 !== known.producerEpoch < 0)
      return { ...nobody, errorCode: ErrorCode.INVALID_REQUEST };
    if (timeoutMs <= 0 || timeoutMs > transactionTimeoutMsMax)
      return { ...nobody, errorCode: ErrorCode.INVALID_TRANSACTION_TIMEOUT };
    return this.#exclusively(transactionalId, async () => {
      const state = this.#known.get(transactionalId)?.state;
      if (state === undefined) {
        // Whatever producer it says it was: nobody knows it any more, so a new one does no harm.
        return this.#arrive(transactionalId, this.#atFirst(timeoutMs, await this.#newProducer()));
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
      return this.#begin(transactionalId, this.#atFirst(timeoutMs, next));
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
      return isKnown ? undefined : { ...state, partitions: [...all.values()].map(placeOf) };
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
      return { ...state, offsets: [...new Map(all).values()] };
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
    const transaction = this.#known.ofProducer(producerId);
    if (transaction === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    const { state, places } = transaction;
    if (state.producerEpoch !== producerEpoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
    return places.has(placeKey({ topicId, partition })) ? ErrorCode.NONE : ErrorCode.INVALID_TXN_STATE;
  }

  /** Whether a transaction that is open may change where the group goes on. */
  isPending(group: string, topicId: string, partition: number): boolean {
    return this.#known.isPending({ group, topicId, partition });
  }

  async #newProducer(): Promise<Producer & { readonly lastEpoch: number }> {
    return { producerId: await this.#producerIds.next(), producerEpoch: 0, lastEpoch: -1 };
  }

  #atFirst(timeoutMs: number, producer: Producer & { readonly lastEpoch: number }): TransactionState {
    const since = this.#log.clock.now();
    return { ...producer, timeoutMs, phase: "empty", since, partitions: [], offsets: [] };
  }

  /** An id that was not known. It is counted before it is written down: many may come at once. */
  async #arrive(transactionalId: string, state: TransactionState): Promise<Initialized> {
    while ((await this.#forgetIdle()) > 0);
    if (this.#known.count >= transactionalIdsMax) {
      const message = `${transactionalIdsMax} transactional ids are in use or were in the last hour: new ones have to wait`;
      const error = new LogError("BACKPRESSURE", message);
      this.#report(error);
      throw error;
    }
    this.#known.put(transactionalId, state);
    try {
      return await this.#begin(transactionalId, state);
    } catch (error) {
      this.#known.delete(transactionalId);
      throw error;
    }
  }

  async #begin(transactionalId: string, state: TransactionState): Promise<Initialized> {
    await this.#save(transactionalId, state);
    return { ...producerOf(state), errorCode: ErrorCode.NONE };
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
      const next: TransactionState = { ...changed, phase: "ongoing", since, lastEpoch: -1 };
      const grownBytes = this.#growthOf(state, next);
      this.#growingBytes += grownBytes;
      try {
        await this.#save(transactionalId, next);
      } finally {
        this.#growingBytes -= grownBytes;
      }
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
    const transaction = this.#known.get(transactionalId) as Remembered;
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

  /** One that is being deleted is looked for until it is gone for good: it could not come back without a marker. */
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
    this.#timers.get(transactionalId)?.cancel();
    this.#timers.delete(transactionalId);
    this.#known.put(transactionalId, state);
    if (state.phase === "ongoing") this.#timeOut(transactionalId, state);
  }

  /** Whoever begins and does not come back holds up all who read what is committed: not for ever. */
  #timeOut(transactionalId: string, { since, timeoutMs }: TransactionState): void {
    const { clock, storage } = this.#log;
    if (this.#isClosed || storage.manifest.readOnly) return;
    const leftMs = Math.min(Math.max(since + timeoutMs - clock.now(), 0), timeoutMs);
    const abort = (): void => void this.#abortOverdue(transactionalId, since);
    this.#timers.set(transactionalId, clock.startTimer(leftMs, abort));
  }

  async #abortOverdue(transactionalId: string, since: number): Promise<void> {
    try {
      await this.#exclusively(transactionalId, async () => {
        const state = this.#known.get(transactionalId)?.state;
        if (state?.phase === "ongoing" && state.since === since && !this.#isClosed)
          await this.#finish(transactionalId, false, state.producerEpoch + 1);
      });
    } catch (error) {
      this.#report(error);
      if (this.#isClosed) return;
      const again = (): void => void this.#abortOverdue(transactionalId, since);
      this.#timers.set(transactionalId, this.#log.clock.startTimer(retryMs, again));
    }
  }

  /**
   * Forgets ids that nobody has used for very long, or, if there is no room for another one, for so long as there has to
   * be. Answers how many: as one write of the log takes, so there may be more.
   */
  async #forgetIdle(): Promise<number> {
    const { storage, clock } = this.#log;
    const forgotten = new Map<string, TransactionState>();
    let bytes = 0;
    for (const [transactionalId, { state }] of this.#known.all) {
      const isFull = this.#known.count >= transactionalIdsMax;
      const idleMsMax = isFull ? transactionalIdIdleMsMin : transactionalIdIdleMsMax;
      if (state.since >= clock.now() - idleMsMax || bytes > storage.manifest.groupBytesMax / 4) break;
      if (state.phase === "ongoing" || this.#turns.has(transactionalId)) continue;
      bytes += stateKey(transactionalId).length;
      this.#known.delete(transactionalId);
      forgotten.set(transactionalId, state);
    }
    if (forgotten.size === 0) return 0;
    const metadata = [...forgotten.keys()].map((id) => ({ key: stateKey(id), value: undefined }));
    try {
      await storage.append({ batches: [], metadata, durability: "disk" }).durable;
    } catch (error) {
      for (const [id, state] of forgotten) if (this.#known.get(id) === undefined) this.#known.put(id, state);
      throw error;
    }
    return forgotten.size;
  }

  /** What a change adds, if it may be: all of it is written again and again, and has to fit into one write when it ends. */
  #growthOf(before: TransactionState, after: TransactionState): number {
    const bytesAtEndMax = this.#log.storage.manifest.groupBytesMax / 2;
    const bytes = stateText(after).length;
    const isFew = Math.max(after.partitions.length, after.offsets.length) <= transactionPlacesMax;
    if (!isFew || bytes > transactionBytesMax || bytesAtEnd(after) > bytesAtEndMax) {
      const message = `a transaction may have ${transactionPlacesMax} partitions and as many offsets, take ${transactionBytesMax} bytes, and ${bytesAtEndMax} when it ends`;
      throw new LogError("TRANSACTION_TOO_LARGE", message);
    }
    const grownBytes = bytes - stateText(before).length;
    const allBytes = this.#known.bytes + this.#growingBytes + grownBytes;
    if (bytes > transactionBytesModest && grownBytes > 0 && allBytes > transactionsBytesMax) {
      const message = `all open transactions together may take ${transactionsBytesMax} bytes: this one may grow when others have ended`;
      throw new LogError("BACKPRESSURE", message);
    }
    return grownBytes;
  }

  /** For the producer that writes under the id, and no other. */
  #inTurnOf(
    transactionalId: string,
    producer: Producer,
    action: (transaction: Remembered) => Promise<number>,
  ): Promise<number> {
    return this.#exclusively(transactionalId, async () => {
      const transaction = this.#known.get(transactionalId);
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
