// The journal against the checkpoint: the chain of blocks up to its end, and what the blocks hold against the offsets
// that their partitions have reached. A live writer may reuse files and write blocks meanwhile, so what does not fit is
// looked at again as long as the journal or the checkpoint moves on; damage stays where it is.
import { type CheckpointState, readCheckpoint } from "../checkpoint/index.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { JournalScan, journalFileName, type ScannedBlock } from "../journal/index.js";
import { RecordBatch } from "../record/index.js";
import { type BatchEntry, decodeEntries } from "../storage/file/entry.js";
import { Findings } from "./findings.js";
import { checkRecords } from "./verify-records.js";

const triesMax = 100;

export interface VerifiedJournal {
  readonly findings: Findings;
  /** The checkpoint that the journal continues: the newest, when a writer is at work. */
  readonly checkpoint: CheckpointState;
  /** Where partitions start, by number, as far as the journal says so: files before that may have gone already. */
  readonly starts: ReadonlyMap<number, number>;
}

export async function verifyJournal(
  fs: FileSystem,
  directory: string,
  given: CheckpointState,
  onBytes: (file: string, bytes: number) => void,
): Promise<VerifiedJournal> {
  let checkpoint = given;
  for (let attempt = 1; ; attempt++) {
    const check = new JournalCheck(fs, `${directory}/journal`, checkpoint, onBytes);
    const findings = await check.run();
    const verified = { findings, checkpoint, starts: check.starts };
    if (findings.damages.length === 0) return verified;
    const now = await readCheckpoint(fs, directory).catch(() => undefined);
    const hasMoved = now !== undefined && JSON.stringify(now) !== JSON.stringify(checkpoint);
    if (!hasMoved || attempt === triesMax) return verified;
    checkpoint = now;
  }
}

class JournalCheck {
  /** A partition that was deleted starts at infinity. */
  readonly starts: Map<number, number> = new Map();
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #scan: JournalScan;
  readonly #findings = new Findings();
  readonly #onBytes: (file: string, bytes: number) => void;
  /** Where each partition ends, by its number. */
  readonly #ends: Map<number, number>;
  /** Where a repair has made partitions end, by number. */
  readonly #endMins: ReadonlyMap<number, number>;
  #nextPartitionNumber: number;

  constructor(
    fs: FileSystem,
    directory: string,
    checkpoint: CheckpointState,
    onBytes: (file: string, bytes: number) => void,
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#onBytes = onBytes;
    this.#scan = new JournalScan(fs, directory, checkpoint.writers, checkpoint.journalStart);
    this.#ends = new Map(checkpoint.partitions.map(({ number, recoveryPoint }) => [number, recoveryPoint]));
    this.#endMins = new Map(
      checkpoint.partitions.map(({ number, endOffsetMin = 0 }) => [number, endOffsetMin]),
    );
    this.#nextPartitionNumber = checkpoint.nextPartitionNumber;
  }

  async run(): Promise<Findings> {
    try {
      let failure: unknown;
      for (let reached = -1, tries = 0; ; tries++) {
        for await (const block of this.#scan.blocks()) this.#block(block);
        try {
          await this.#scan.checkEnd();
          break;
        } catch (error) {
          // A block may have been half written a moment ago: if the chain goes on now, it was.
          failure = error;
          if (this.#scan.next.sequence === reached || tries === triesMax) break;
          reached = this.#scan.next.sequence;
          failure = undefined;
        }
      }
      if (failure !== undefined) throw failure;
    } catch (error) {
      this.#findings.error(this.#directory, "CORRUPT_JOURNAL", error);
    } finally {
      await this.#scan.close();
    }
    await this.#noteStrangers();
    return this.#findings;
  }

  #block(block: ScannedBlock): void {
    const path = `${this.#directory}/${journalFileName(block.fileNumber)}`;
    this.#findings.counts.journalBlocks++;
    this.#onBytes(path, block.payload.length);
    try {
      for (const entry of decodeEntries(block.payload)) {
        if (entry.type === "batch") this.#batch(entry, block, path);
        else if (entry.type === "createPartitions") {
          for (const { number } of entry.partitions) {
            if (number < this.#nextPartitionNumber) continue;
            this.#ends.set(number, 0);
            this.#nextPartitionNumber = number + 1;
          }
        } else if (entry.type === "deletePartitions") {
          for (const number of entry.numbers) {
            this.#ends.delete(number);
            this.starts.set(number, Number.POSITIVE_INFINITY);
          }
        } else if (entry.type === "deleteRecords") {
          this.starts.set(entry.number, Math.max(entry.before, this.starts.get(entry.number) ?? 0));
        }
      }
    } catch (error) {
      const what = `block ${block.sequence}: ${(error as Error).message}`;
      if (error instanceof LogError || error instanceof SyntaxError)
        this.#findings.damage(path, block.position, "CORRUPT_JOURNAL", what);
      else throw error;
    }
  }

  #batch(entry: BatchEntry, block: ScannedBlock, path: string): void {
    const end = this.#ends.get(entry.number);
    if (end === undefined) return; // Deleted later on.
    const batch = new RecordBatch(entry.bytes).verify();
    const { baseOffset, lastOffset, nextOffset } = batch;
    if (nextOffset <= end) return;
    const offsets = { from: baseOffset, to: lastOffset };
    if (entry.previousEnd > Math.max(end, this.#endMins.get(entry.number) ?? 0) || baseOffset < end) {
      const what = `block ${block.sequence} continues partition number ${entry.number} at ${entry.previousEnd} with offsets ${baseOffset} to ${lastOffset}, but it ends at ${end}`;
      this.#findings.damage(path, block.position, "CORRUPT_JOURNAL", what, {
        from: Math.min(end, baseOffset),
        to: lastOffset,
      });
    }
    const { problem } = checkRecords(batch);
    if (problem !== undefined) this.#findings.damage(path, block.position, "CORRUPT_BATCH", problem, offsets);
    this.#findings.counts.batches++;
    this.#findings.counts.records += batch.recordCount;
    this.#ends.set(entry.number, nextOffset);
  }

  async #noteStrangers(): Promise<void> {
    for (const name of (await this.#fs.list(this.#directory)) ?? []) {
      if (!/^\d{8}\.journal$/.test(name))
        this.#findings.note(`${this.#directory}/${name}`, "not a journal file");
    }
  }
}
