// Bugs of what callers see: visibility, transactions, ids of appends, consumers, retention.
import type { Mutant } from "./mutant.js";

const tail = "partition/tail.js";
const fileStorage = "storage/file/file-storage.js";

export const faceMutants: readonly Mutant[] = [
  {
    name: "records are visible before they have reached any level",
    promise: "I1",
    file: tail,
    find: 'visibleAt === "memory" ||',
    replace: "true ||",
    scenario: "what a reader has seen survives",
  },
  {
    name: "records of a disk topic are visible once written",
    promise: "I1",
    file: tail,
    find: '(visibleAt === "os" && reached === "os")',
    replace: 'reached === "os"',
    scenario: "what a reader has seen survives",
  },
  {
    name: "what is written counts as synced",
    promise: "I1",
    file: fileStorage,
    find: 'this.#reached(commit, batches, partitions, "os")',
    replace: 'this.#reached(commit, batches, partitions, "disk")',
  },
  {
    name: "the storage is not asked for what a group needs",
    promise: "I1",
    file: "face/taken-group.js",
    find: 'this.#taken.some(({ needs }) => needs === "disk") ? "disk" : "os"',
    replace: '"os"',
  },
  {
    name: "a disk append is acknowledged with those that asked for less",
    promise: "I1",
    file: "face/taken-group.js",
    find: "batch.os?.resolve();",
    replace: "batch.os?.resolve(); batch.disk?.resolve();",
  },
  {
    name: "an explicit sync answers when all is written",
    promise: "I1",
    file: "face/log.js",
    find: 'flush();\n        await this.#storage.append({ batches: [], durability: "disk", force: true }).durable;',
    replace:
      'flush();\n        await this.#storage.append({ batches: [], durability: "disk", force: true }).written;',
    scenario: "a sync makes all durable",
  },
  {
    name: "a transaction asks for less than its topics do",
    promise: "I1",
    file: "face/transaction.js",
    find: 'this.#level = "disk";',
    replace: ";",
    scenario: "a transaction is durable",
  },
  {
    name: "an id is journaled before its record",
    promise: "I1",
    file: "face/deduplication.js",
    find: "return [{ key, value: JSON.stringify(place) }, ...this.#forgetOldest(key)];",
    replace:
      "this.#storage.metadata.put(key, JSON.stringify(place)).catch(() => undefined); return this.#forgetOldest(key);",
    scenario: "an append under an id is there once",
  },
  {
    name: "an id is journaled after its record",
    promise: "I2",
    file: "face/deduplication.js",
    find: "return [{ key, value: JSON.stringify(place) }, ...this.#forgetOldest(key)];",
    replace:
      "setImmediate(() => setImmediate(() => this.#storage.metadata.put(key, JSON.stringify(place)).catch(() => undefined))); return this.#forgetOldest(key);",
    scenario: "an append under an id is there once",
  },
  {
    name: "a group's progress is acknowledged once written",
    promise: "I1",
    file: "face/group.js",
    find: 'durability: "disk", force: true }).durable;',
    replace: 'durability: "disk", force: true }).written;',
    scenario: "a group's progress is durable",
  },
  {
    name: "retention deletes what a group still wants",
    promise: "I1",
    file: "face/retention.js",
    find: "committed < last.committed",
    replace: "committed > last.committed",
    scenario: "retention waits for every group",
  },
];
