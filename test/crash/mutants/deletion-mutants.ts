// Bugs of deleting, of numbering and of tidying up.
import type { Mutant } from "./mutant.js";

const fileState = "storage/file/file-state.js";
const fileStorage = "storage/file/file-storage.js";
const partition = "partition/partition-log.js";

export const deletionMutants: readonly Mutant[] = [
  {
    name: "a deletion is acknowledged after the write, before the sync",
    promise: "I9",
    file: fileStorage,
    find: "this.#journal.append(all.map(encodeControl), true, true)",
    replace: "this.#journal.append(all.map(encodeControl), false, true)",
  },
  {
    name: "a deletion takes effect before it is durable",
    promise: "I1",
    file: fileStorage,
    find: "await this.#track(commit.durable.then(apply));",
    replace: "apply(); await this.#track(commit.durable);",
    scenario: "a deletion that is refused changes nothing",
  },
  {
    name: "a deletion of records is not journaled",
    promise: "I9",
    file: fileStorage,
    find: 'await this.#control([{ type: "deleteRecords", number: partition.number, before }], []);',
    replace: 'this.#apply({ type: "deleteRecords", number: partition.number, before });',
  },
  {
    name: "a deletion of partitions is not journaled",
    promise: "I9",
    file: fileStorage,
    find: 'await this.#control(numbers.length === 0 ? [] : [{ type: "deletePartitions", numbers }], metadata);',
    replace: 'this.#apply({ type: "deletePartitions", numbers }); await this.#control([], metadata);',
  },
  {
    name: "the checkpoint file keeps only what whole segments say of the log's start",
    promise: "I9",
    file: fileState,
    find: "[...this.partitions.values()].map((partition) => partition.state)",
    replace:
      "[...this.partitions.values()].map((one) => ({ ...one.state, logStartOffset: one.segments[0]?.state.baseOffset ?? one.logStartOffset }))",
  },
  {
    name: "the offset of an emptied partition is forgotten",
    promise: "I9",
    file: partition,
    find: "Math.min(offset, this.tail.first?.baseOffset ?? offset)",
    replace: "0",
  },
  {
    name: "a partition number is given twice after a recovery",
    promise: "I9",
    file: fileState,
    find: "this.nextPartitionNumber = number + 1;",
    replace: "",
  },
  {
    name: "a segment goes as soon as its first record is deleted",
    promise: "I1",
    file: partition,
    find: "segment.state.nextOffset > this.#logStartOffset",
    replace: "segment.state.baseOffset >= this.#logStartOffset",
  },
  {
    name: "a segment that is needed is cleared away",
    promise: "I1",
    file: partition,
    find: "this.#segments.flatMap((segment) => segment.paths)",
    replace: "this.#segments.slice(-1).flatMap((segment) => segment.paths)",
  },
  {
    name: "the files of a checkpoint under way are cleared away",
    promise: "I7",
    file: fileState,
    find: "if (partition.isBusy)",
    replace: "if (false)",
  },
  {
    name: "the removal of a partition's directory is not synced",
    promise: "I9",
    file: fileState,
    find: "if (tidied.some(({ deleted }) => deleted))",
    replace: "if (false)",
  },
  {
    name: "clearing away a deleted partition takes the new one of its name along",
    promise: "I1",
    file: fileState,
    find: "if (this.#succeeded.has(partition))",
    replace: "if (false)",
    scenario: "a topic may be made again though files of the old one are left",
  },
  {
    name: "the checkpoint file forgets a partition before its files are gone",
    promise: "I9",
    file: fileStorage,
    find: "await this.#state.tidy();\n        await writeCheckpoint(",
    replace: "await writeCheckpoint(",
  },
];
