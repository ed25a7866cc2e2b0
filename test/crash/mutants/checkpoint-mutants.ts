// Bugs on the way from the journal to the segments and the checkpoint file.
import type { Mutant } from "./mutant.js";

const checkpointer = "checkpoint/checkpointer.js";
const partitionCheckpoint = "checkpoint/partition-checkpoint.js";
const fileSystem = "fs/file-system.js";
const fileState = "storage/file/file-state.js";
const fileStorage = "storage/file/file-storage.js";
const segment = "segment/segment.js";

export const checkpointMutants: readonly Mutant[] = [
  {
    name: "journal files are freed before the checkpoint file is written",
    promise: "I7",
    file: checkpointer,
    find: "const start = this.#journal.ring.scanStart(this.#oldestNeeded(sequence));",
    replace:
      "const start = this.#journal.ring.scanStart(this.#oldestNeeded(sequence)); await this.#journal.ring.trim(start);",
  },
  {
    name: "journal files are freed though a batch is only there",
    promise: "I7",
    file: checkpointer,
    find: "oldest = Math.min(oldest, first.sequence);",
    replace: "oldest = sequence + 1;",
  },
  {
    name: "the scan is to begin in the middle of a file",
    promise: "I1",
    file: checkpointer,
    find: "const start = this.#journal.ring.scanStart(this.#oldestNeeded(sequence));",
    replace: "const start = this.#oldestNeeded(sequence);",
  },
  {
    name: "a checkpoint that failed counts",
    promise: "I7",
    file: checkpointer,
    find: "item.abandon();",
    replace: "item.finish();",
  },
  {
    name: "the name of a new partition directory is not synced",
    promise: "I7",
    file: checkpointer,
    find: "await this.#fs.syncDirectory(this.#topicsDirectory);",
    replace: ";",
  },
  {
    name: "a segment is not synced",
    promise: "I7",
    file: partitionCheckpoint,
    find: "await segment.sync();",
    replace: ";",
  },
  {
    name: "only the last of the segments written is synced",
    promise: "I7",
    file: partitionCheckpoint,
    find: "for (const segment of this.#changed.keys())\n            await segment.sync();",
    replace: "await [...this.#changed.keys()].at(-1)?.sync();",
  },
  {
    name: "the name of a new segment is not synced",
    promise: "I7",
    file: partitionCheckpoint,
    find: "await this.#fs.syncDirectory(this.partition.directory);",
    replace: ";",
  },
  {
    name: "what a failed checkpoint wrote is taken for part of the segment",
    promise: "I2",
    file: partitionCheckpoint,
    find: " segment.markUncut();",
    replace: " segment.adopt(this.#changed.get(segment));",
  },
  {
    name: "a segment is not cut back after a checkpoint that failed",
    promise: "I6",
    file: segment,
    find: "markUncut() {\n        this.#uncut = true;",
    replace: "markUncut() {",
    scenario: "what a failed checkpoint wrote is cut off",
  },
  {
    name: "files of an interrupted checkpoint are not cleared away before the next",
    promise: "I6",
    file: partitionCheckpoint,
    find: 'if (partition.leftovers !== "none" || partition.isTidying)',
    replace: "if (false)",
    scenario: "what an interrupted checkpoint left is cleared away",
  },
  {
    name: "blocks that are not synced go into segments",
    promise: "I2",
    file: partitionCheckpoint,
    find: "if (batch.sequence < 0 || batch.sequence > sequence)",
    replace: "if (batch.sequence < 0)",
  },
  {
    name: "the checkpoint file is renamed without a sync",
    promise: "I1",
    file: fileSystem,
    find: "await file.sync();",
    replace: "",
  },
  {
    name: "the checkpoint file's new name is not synced",
    promise: "I7",
    file: fileSystem,
    find: "await fs.syncDirectory(directory);",
    replace: "",
  },
  {
    name: "the checkpoint file is overwritten in place",
    promise: "I4",
    file: fileSystem,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the engine's code.
    find: "await fs.rename(temporary, `${directory}/${name}`);",
    replace:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the engine's code.
      'const real = await fs.open(`${directory}/${name}`, "create"); await real.write([content], 0); await real.sync(); await real.close(); await fs.remove(temporary);',
  },
  {
    name: "a checkpoint loses a metadata entry",
    promise: "I1",
    file: fileState,
    find: "metadata: [...this.metadata.values()],",
    replace: "metadata: [...this.metadata.values()].slice(0, 2),",
  },
  {
    name: "a checkpoint forgets an earlier writer whose blocks are needed",
    promise: "I1",
    file: fileState,
    find: "this.writers = writers.filter((_, index) => isNeeded(index));",
    replace: "this.writers = writers.slice(-1);",
  },
  {
    name: "a clean close leaves everything in the journal",
    promise: "I1",
    file: fileStorage,
    find: "await this.#checkpointer.runNow();",
    replace: "",
    scenario: "a clean close leaves everything in segments",
  },
  {
    name: "an index is believed whatever its checksum is",
    promise: "I8",
    file: segment,
    find: "crc32c(found) === state[file.crc]",
    replace: "true",
    scenario: "a wrong index is made anew",
  },
  {
    name: "a batch in a segment is believed whatever its checksum is",
    promise: "I6",
    file: segment,
    find: "new RecordBatch(chunk.subarray(at, at + length)).verify();",
    replace: "",
    scenario: "damage in a segment is reported",
  },
  {
    name: "a batch in a segment may stand anywhere",
    promise: "I10",
    file: segment,
    find: "if (span.baseOffset !== expected || position + at + length >= state.logBytes)",
    replace: "if (false)",
    scenario: "a batch in the place of another is reported",
  },
];
