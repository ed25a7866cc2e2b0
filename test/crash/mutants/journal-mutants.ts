// Bugs of the journal while it is written.
import type { Mutant } from "./mutant.js";

const journal = "journal/journal.js";
const ring = "journal/journal-ring.js";
const journalFile = "journal/journal-file.js";

export const journalMutants: readonly Mutant[] = [
  {
    name: "a disk append is acknowledged after the write, before the sync",
    promise: "I1",
    file: journal,
    find: "submission.resolveWritten();",
    replace: "submission.resolveWritten(); submission.resolveDurable?.();",
  },
  {
    name: "an append is acknowledged before it is written",
    promise: "I1",
    file: journal,
    find: "const output = this.#encodeBlock(group, bytes, { position: file.position, fileBytes: file.bytes });",
    replace:
      "const output = this.#encodeBlock(group, bytes, { position: file.position, fileBytes: file.bytes }); for (const one of group) { one.sequence = this.#sequence; one.resolveWritten(); }",
  },
  {
    name: "the sync of the journal is not waited for",
    promise: "I1",
    file: journal,
    find: "await file.file.sync();",
    replace: "file.file.sync().catch(() => undefined);",
  },
  {
    name: "a block written and synced in one call is only written",
    promise: "I1",
    file: journal,
    find: "await file.file.writeSynced(output, file.position);",
    replace: "await file.file.write(output, file.position);",
  },
  {
    name: "a block is synced alone though the one before it is not",
    promise: "I1",
    file: journal,
    find: "const isAllSynced = this.#unsyncedFiles.length === 0 && this.#unacknowledged.length === 0;",
    replace: "const isAllSynced = true;",
  },
  {
    name: "the file just left is not synced",
    promise: "I1",
    file: journal,
    find: "for (const file of this.#unsyncedFiles)",
    replace: "for (const file of this.#unsyncedFiles.slice(-1))",
  },
  {
    name: "with syncEveryMs what waits for the next sync is acknowledged at once",
    promise: "I1",
    file: journal,
    find: "this.#syncTimer ??=",
    replace: "for (const one of this.#unacknowledged) one.resolveDurable(); this.#syncTimer ??=",
  },
  {
    name: "a failed sync of the journal is tried again",
    promise: "I5",
    file: journal,
    find: "await file.file.sync();",
    replace: "await file.file.sync().catch(() => file.file.sync());",
  },
  {
    name: "a failed sync of the journal is swallowed",
    promise: "I5",
    file: journal,
    find: "await file.file.sync();",
    replace: "await file.file.sync().catch(() => undefined);",
  },
  {
    name: "a failed write of the journal is swallowed",
    promise: "I5",
    file: journal,
    find: "await file.file.write(output, file.position);",
    replace: "await file.file.write(output, file.position).catch(() => undefined);",
  },
  {
    name: "a failed write and sync in one call is swallowed",
    promise: "I5",
    file: journal,
    find: "await file.file.writeSynced(output, file.position);",
    replace: "await file.file.writeSynced(output, file.position).catch(() => undefined);",
  },
  {
    name: "a failed journal takes more",
    promise: "I5",
    file: journal,
    find: "if (this.#failure !== undefined)",
    replace: "if (false)",
  },
  {
    name: "what waited for a failed sync is acknowledged",
    promise: "I5",
    file: journal,
    find: "for (const submission of [...this.#unacknowledged, ...this.#writing, ...this.#queue])",
    replace:
      "for (const one of this.#unacknowledged) one.resolveDurable(); for (const submission of [...this.#writing, ...this.#queue])",
  },
  {
    name: "a block says that the one before it is synced when it is not",
    promise: "I6",
    file: journal,
    find: "syncedSequence: this.#syncedSequence,",
    replace: "syncedSequence: this.#sequence - 1,",
  },
  {
    name: "a group is written as two blocks",
    promise: "I2",
    file: journal,
    find: "return this.#queue.splice(0, count);",
    replace: `const group = this.#queue.splice(0, count);
        const last = group.at(-1);
        if (last === undefined || last.isRest || last.pieces.length < 4) return group;
        const bytesOf = (pieces) => pieces.reduce((sum, { length }) => sum + length, 0);
        const first = new Submission(last.pieces.slice(0, 2), bytesOf(last.pieces.slice(0, 2)), false, false);
        const rest = Object.assign(last, { pieces: last.pieces.slice(2), bytes: bytesOf(last.pieces.slice(2)), isRest: true });
        this.#queue.unshift(rest);
        return [...group.slice(0, -1), first];`,
    scenario: "a transaction is there as a whole or not at all",
  },
  {
    name: "the name of a new journal file is not synced",
    promise: "I1",
    file: journalFile,
    find: "await fs.syncDirectory(directory);",
    replace: "",
  },
  {
    name: "one journal file too many is freed",
    promise: "I7",
    file: ring,
    find: "this.#live[0].lastSequence < sequence",
    replace: "this.#live[0].firstSequence <= sequence",
  },
  {
    name: "a new writer goes on in the file of the one before",
    promise: "I4",
    file: ring,
    find: "const fits = this.#hasBegun && current",
    replace: "const fits = current",
  },
];
