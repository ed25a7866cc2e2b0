// A damaged journal: all blocks that count and read well are found wherever they are, and written again, one behind the
// other, into a new file under a new writer. What the lost blocks held is told apart by what the later ones say of
// where their partitions had ended; where nothing follows, offsets are given up by the number of bytes that are lost.
import type { CheckpointState } from "../checkpoint/index.js";
import type { Clock } from "../clock.js";
import type { FileSystem } from "../fs/index.js";
import {
  blockHeaderBytes,
  blockSpan,
  encodeBlockHeader,
  journalFileName,
  makeJournalFile,
  pageBytes,
} from "../journal/index.js";
import { crc32c, RecordBatch } from "../record/index.js";
import {
  type BatchEntry,
  type ControlEntry,
  decodeEntries,
  encodeBatchPrefix,
  encodeControl,
} from "../storage/file/entry.js";
import type { RepairPlan } from "./repair-plan.js";
import type { SalvagedBlock, SalvagedJournal } from "./salvage-journal.js";

type PartitionState = CheckpointState["partitions"][number];

interface End {
  readonly topic: string;
  readonly partition: number;
  end: number;
  /** Whether anything was appended behind what was lost. */
  isKnown: boolean;
}

/** `checkpoint` has its segments repaired already. Answers it with the journal that will be there. */
export function planJournal(
  fs: FileSystem,
  clock: Clock,
  directory: string,
  checkpoint: CheckpointState,
  salvaged: SalvagedJournal,
  plan: RepairPlan,
): CheckpointState {
  const rewriting = new Rewriting(checkpoint, plan);
  const payloads = salvaged.blocks.map((block) => rewriting.block(block, salvaged.missing));
  rewriting.giveUp(salvaged);
  tellJournal(directory, salvaged, plan);
  const writer = {
    epoch: salvaged.epochMax + 1,
    writerId: clock.randomBytes(8).toString("hex"),
    start: salvaged.sequenceMax + 1,
  };
  const blocks = payloads.filter((payload) => payload.length > 0);
  const number = salvaged.fileNumberMax + 1;
  if (blocks.length > 0) {
    plan.before(directory, () => writeBlocks(fs, directory, number, blocks, writer));
    const file = `${directory}/${journalFileName(number)}`;
    plan.steps.push({ file, what: `${blocks.length} blocks that are good are written again here` });
  }
  for (const file of salvaged.uselessFiles) plan.after(directory, () => fs.remove(`${directory}/${file}`));
  return { ...rewriting.checkpoint(), writers: [writer], journalStart: writer.start };
}

function tellJournal(directory: string, salvaged: SalvagedJournal, plan: RepairPlan): void {
  for (const name of salvaged.usedFiles) plan.keep(`${directory}/${name}`);
  for (const { file, what } of salvaged.damages) plan.step(`${directory}/${file}`, what);
  if (salvaged.missing.length === 0 && salvaged.lostBytes === 0) return;
  plan.losses.push(
    "of the lost journal blocks: topics that they made or deleted, deletions of records, and what consumers had committed",
  );
}

class Rewriting {
  readonly #checkpoint: CheckpointState;
  readonly #plan: RepairPlan;
  readonly #ends = new Map<number, End>();
  /** Partitions that the journal makes. */
  readonly #made = new Map<number, PartitionState>();
  readonly #mins = new Map<number, number>();
  readonly #unknown = new Set<number>();
  readonly #deleted = new Set<number>();
  #next: number;
  #lastMissing = -1;

  constructor(checkpoint: CheckpointState, plan: RepairPlan) {
    this.#checkpoint = checkpoint;
    this.#plan = plan;
    this.#next = checkpoint.nextPartitionNumber;
    for (const { number, name, recoveryPoint } of checkpoint.partitions)
      this.#ends.set(number, { ...name, end: recoveryPoint, isKnown: false });
  }

  /** The payload of a block as it is to be written again. */
  block({ payload, sequence }: SalvagedBlock, missing: readonly number[]): Buffer {
    const lastMissing = missing.findLast((lost) => lost < sequence) ?? -1;
    if (lastMissing > this.#lastMissing) for (const end of this.#ends.values()) end.isKnown = false;
    this.#lastMissing = lastMissing;
    const pieces: Buffer[] = [];
    for (const entry of decodeEntries(payload)) {
      if (entry.type === "batch") pieces.push(...this.#batch(entry));
      else {
        this.#control(entry);
        pieces.push(encodeControl(entry));
      }
    }
    return Buffer.concat(pieces);
  }

  /** What may have been appended by lost blocks, and nothing has followed that would tell. */
  giveUp({ missing, isShort, lostBytes }: SalvagedJournal): void {
    if (lostBytes === 0) return;
    if (isShort || (missing.at(-1) ?? -1) > this.#lastMissing)
      for (const end of this.#ends.values()) end.isKnown = false;
    for (const [number, { topic, partition, end, isKnown }] of this.#ends) {
      if (isKnown || this.#deleted.has(number)) continue;
      const from = Math.max(end, this.#mins.get(number) ?? 0);
      this.#mins.set(number, from + lostBytes);
      this.#plan.lost.push({ topic, partition, from, to: from + lostBytes - 1, isUncertain: true });
    }
  }

  checkpoint(): CheckpointState {
    const withEnd = (state: PartitionState): PartitionState => {
      const endOffsetMin = Math.max(this.#mins.get(state.number) ?? 0, state.endOffsetMin ?? 0);
      return endOffsetMin > 0 ? { ...state, endOffsetMin } : state;
    };
    const partitions = [...this.#checkpoint.partitions, ...this.#made.values()].map(withEnd);
    return { ...this.#checkpoint, nextPartitionNumber: this.#next, partitions };
  }

  #batch(entry: BatchEntry): Buffer[] {
    const known = this.#ends.get(entry.number);
    if (known === undefined) {
      this.#noteUnknown(entry.number);
      return [];
    }
    const { baseOffset, nextOffset } = new RecordBatch(entry.bytes);
    known.isKnown = true;
    if (nextOffset <= known.end || baseOffset < known.end) return [];
    if (entry.previousEnd > known.end) this.#lost(known, known.end, entry.previousEnd - 1);
    const previousEnd = Math.min(entry.previousEnd, known.end);
    known.end = nextOffset;
    return [encodeBatchPrefix(entry.number, previousEnd, entry.bytes.length), entry.bytes];
  }

  #lost({ topic, partition }: End, from: number, to: number): void {
    this.#plan.lost.push({ topic, partition, from, to, isUncertain: false });
  }

  #noteUnknown(number: number): void {
    if (number < this.#checkpoint.nextPartitionNumber || this.#deleted.has(number)) return;
    this.#next = Math.max(this.#next, number + 1);
    if (this.#unknown.has(number)) return;
    this.#unknown.add(number);
    this.#plan.losses.push(
      `all records of partition number ${number}, which a lost journal block had made: nothing says of which topic it was`,
    );
  }

  #control(entry: ControlEntry): void {
    if (entry.type === "createPartitions") {
      for (const { number, ...name } of entry.partitions) {
        if (number < this.#next) continue;
        this.#next = number + 1;
        this.#ends.set(number, { ...name, end: 0, isKnown: true });
        const { config } = entry;
        const empty = { logStartOffset: 0, recoveryPoint: 0, segments: [], leaderEpochs: [] };
        this.#made.set(number, { name, number, config, ...empty });
      }
    } else if (entry.type === "deletePartitions") {
      for (const number of entry.numbers) {
        this.#ends.delete(number);
        this.#made.delete(number);
        this.#deleted.add(number);
      }
    } else if (entry.type === "deleteRecords") {
      const known = this.#ends.get(entry.number);
      // It deleted what a lost block had held: the partition must reach that far for the deletion to apply.
      if (known !== undefined && entry.before > known.end)
        this.#mins.set(entry.number, Math.max(entry.before, this.#mins.get(entry.number) ?? 0));
    }
  }
}

async function writeBlocks(
  fs: FileSystem,
  directory: string,
  number: number,
  payloads: readonly Buffer[],
  writer: { readonly epoch: number; readonly writerId: string; readonly start: number },
): Promise<void> {
  const spans = payloads.reduce((sum, { length }) => sum + blockSpan(length), 0);
  const fileBytes = Math.max(spans, fileBytesMin);
  const { file } = await makeJournalFile(fs, directory, number, fileBytes);
  try {
    let position = 0;
    for (const [index, payload] of payloads.entries()) {
      const block = Buffer.alloc(blockSpan(payload.length));
      const header = {
        epoch: writer.epoch,
        writerId: writer.writerId,
        sequence: writer.start + index,
        syncedSequence: writer.start - 1,
        payloadBytes: payload.length,
        payloadCrc: crc32c(payload),
      };
      encodeBlockHeader(block, header, { position, fileBytes });
      payload.copy(block, blockHeaderBytes);
      await file.write([block], position);
      position += block.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

const fileBytesMin = 16 * pageBytes;
