// Bugs of what is known of Kafka's producers, and of their transactions.
import type { Mutant } from "./mutant.js";

const ledger = "face/producer-snapshot.js";
const forming = "face/forming.js";
const endTransaction = "face/end-transaction.js";
const scenario = "a producer may be interrupted anywhere";

export const producerMutants: readonly Mutant[] = [
  {
    name: "records go before it is written down what only they told of producers",
    promise: "I1",
    file: ledger,
    find: "await saveUpTo(storage, partition, before, now);",
    replace: ";",
    scenario,
  },
  {
    name: "the first batch of a producer brings no snapshot along",
    promise: "I1",
    file: forming,
    find: "this.#push(content, undefined, now, metadata)",
    replace: "this.#push(content, undefined, now)",
    scenario,
  },
  {
    name: "batches after the snapshot are not looked at when a partition is opened",
    promise: "I1",
    file: ledger,
    find: "await ledger.replay(storage, id, now);",
    replace: ";",
    scenario,
  },
  {
    name: "a transaction ends before its marker can be seen",
    promise: "I1",
    file: "face/producers.js",
    find: "this.#open.delete(producerId);",
    replace: "this.#open.delete(producerId); this.#unstable.delete(firstOffset);",
    scenario: "a transaction is open until its end can be seen",
  },
  {
    name: "what groups commit with a transaction is left out of its end",
    promise: "I2",
    file: endTransaction,
    find: "...end.progress.flatMap((progress) => progress.puts), ...end.metadata",
    replace: "...end.metadata",
    scenario,
  },
];
