// Bugs of compaction: on the way from old segments to new ones, and in what it takes out.
import type { Mutant } from "./mutant.js";

const partitionCompaction = "partition/partition-compaction.js";
const rewrittenSegment = "partition/rewritten-segment.js";
const partition = "partition/partition-log.js";
const fileStorage = "storage/file/file-storage.js";
const obsolescence = "compaction/obsolescence.js";
const compactionState = "compaction/compaction-state.js";
const scenario = "a compaction may be interrupted anywhere";

export const compactionMutants: readonly Mutant[] = [
  {
    name: "compacted segments take the place of the old before the checkpoint file says so",
    promise: "I1",
    file: partitionCompaction,
    find: "await this.#host.commit();",
    replace:
      "this.#partition.adopt({ replacements, state }); await this.#partition.tidy(); await this.#host.commit();",
    scenario,
  },
  {
    name: "what a compaction has ready counts before the checkpoint file is written",
    promise: "I1",
    file: fileStorage,
    find: "const offers = this.#state.offers();",
    replace: "const offers = this.#state.offers(); this.#state.adopt(offers);",
    scenario,
  },
  {
    name: "a compacted segment is not synced",
    promise: "I1",
    file: rewrittenSegment,
    find: "await this.#segment.sync();",
    replace: ";",
    scenario,
  },
  {
    name: "the name of a compacted segment is not synced",
    promise: "I1",
    file: partitionCompaction,
    find: "await this.#host.fs.syncDirectory(this.#partition.directory);",
    replace: ";",
    scenario,
  },
  {
    name: "a compacted segment is taken to have its lasting name before that is durable",
    promise: "I1",
    file: partition,
    find: "if (cleared.count + named.count > 0)",
    replace: "if (false)",
    scenario,
  },
  {
    name: "a compaction under way is cleared away",
    promise: "I1",
    file: partition,
    find: "known.has(path) || isMaking(path)",
    replace: "known.has(path)",
    scenario,
  },
  {
    name: "what is ready, but does not count yet, is cleared away",
    promise: "I1",
    file: partition,
    find: "for (const { by } of this.offered?.replacements ?? [])",
    replace: "for (const { by } of [])",
    scenario,
  },
  {
    name: "records without a value go at once",
    promise: "I1",
    file: obsolescence,
    find: "value === null && offset < this.#tombstoneEnd",
    replace: "value === null",
    scenario,
  },
  {
    name: "records without a value go though records before them may be there",
    promise: "I9",
    file: compactionState,
    find: "if (at + deleteRetentionMs <= now)",
    replace: "if (true)",
    scenario,
  },
  {
    name: "the first record of a key is kept instead of the last",
    promise: "I1",
    file: "compaction/key-offsets.js",
    find: "this.#offsets[slot] = offset;",
    replace: "if (this.#offsets[slot] === -1) this.#offsets[slot] = offset;",
    scenario,
  },
  {
    name: "two compactions have one number",
    promise: "I1",
    file: "partition/rewrites.js",
    find: "const count = this.state.count + 1;",
    replace: "const count = 1;",
    scenario,
  },
];
