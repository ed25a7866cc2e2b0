// The journal makes data durable. It owns a ring of files, takes payloads whose content it does not know, writes all
// that wait as one block, and syncs once for all of them: while one write or sync is under way the next group forms.
// It promises: at most one block in flight; a payload is durable only when its block, and every one before it, is;
// after a failed write or sync nothing is ever acknowledged again (I5); a file is reused only after trim() (I7).
// Called by storage/file, which decides what goes in and when a block is of no more use.
import { assert } from "../assert.js";
import type { Clock, Timer } from "../clock.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { combineCrc32c, crc32c } from "../record/index.js";
import {
  type BlockHeader,
  type BlockPlace,
  blockHeaderBytes,
  blockSpan,
  encodeBlockHeader,
} from "./block.js";
import type { JournalFile } from "./journal-file.js";
import { JournalRing, type RingOptions } from "./journal-ring.js";
import { type Commit, type KnownChecksums, Submission } from "./submission.js";

export interface JournalOptions extends RingOptions {
  /** Sync at most this often; 0: whenever somebody waits for it. */
  syncEveryMs: number;
}

/** Where a writer begins: after recovery, or in a new directory. */
export interface JournalStart {
  epoch: number;
  writerId: string;
  /** The sequence of the next block. */
  sequence: number;
  /** Files that hold blocks still needed, oldest first, and files that hold none. */
  live: JournalFile[];
  free: JournalFile[];
}

export interface JournalCounters {
  blocks: number;
  payloads: number;
  blockBytes: number;
  syncs: number;
}

export interface JournalObserver {
  /** A sync, or a write that needed none, ended: how long it took and how many payloads shared it. */
  committed(payloads: number, bytes: number, writeMs: number, syncMs: number): void;
  failed(error: LogError): void;
  /** A file could not be made; the journal goes on in those that it has. */
  cannotGrow(error: unknown): void;
}

// A group larger than this is written as several blocks: beyond it a sync is amortised and latency only grows.
const blockPayloadMax = 8 * 1024 * 1024;
// So soon after a commit another is likely.
const expectMs = 5;
// Smaller pieces are copied together, larger ones handed to the system where they lie.
const gatherBytesMax = 16 * 1024;

export class Journal {
  readonly ring: JournalRing;
  readonly counters: JournalCounters = { blocks: 0, payloads: 0, blockBytes: 0, syncs: 0 };
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #options: JournalOptions;
  readonly #observer: JournalObserver;
  readonly #epoch: number;
  readonly #writerId: string;
  #sequence: number;
  #syncedSequence: number;
  #queue: Submission[] = [];
  #writing: Submission[] = [];
  #unacknowledged: Submission[] = [];
  #unsyncedFiles: JournalFile[] = [];
  #lastSyncMs = Number.NEGATIVE_INFINITY;
  #syncTimer: Timer | undefined;
  #isRunning = false;
  #run: Promise<void> = Promise.resolve();
  #busyUntilMs = 0;
  #failure: LogError | undefined;
  #scratch: Buffer = Buffer.alloc(64 * 1024);

  constructor(
    fs: FileSystem,
    clock: Clock,
    directory: string,
    options: JournalOptions,
    start: JournalStart,
    observer: JournalObserver,
  ) {
    this.#clock = clock;
    this.#directory = directory;
    this.#options = options;
    this.#observer = observer;
    this.#epoch = start.epoch;
    this.#writerId = start.writerId;
    this.#sequence = start.sequence;
    this.#syncedSequence = start.sequence - 1;
    this.ring = new JournalRing(fs, clock, directory, options, start, (error) => observer.cannotGrow(error));
  }

  get failure(): LogError | undefined {
    return this.#failure;
  }
  get epoch(): number {
    return this.#epoch;
  }
  /** The newest block that was written. */
  get writtenSequence(): number {
    return this.#sequence - 1;
  }
  get syncedSequence(): number {
    return this.#syncedSequence;
  }
  /** Whether a write or sync is under way, or ended so short a time ago that the next one is to be expected. */
  get isBusy(): boolean {
    return this.#clock.elapsedMs() < this.#busyUntilMs;
  }

  get bytesWritten(): number {
    return this.counters.blockBytes;
  }

  /** Queues a payload. The pieces belong to the journal until the commit settles. */
  append(pieces: readonly Uint8Array[], sync: boolean, force = false, known?: KnownChecksums): Commit {
    return this.#submit(pieces, sync, force, known);
  }

  /** Makes durable all that was queued before the call, whatever syncEveryMs says. */
  sync(): Promise<void> {
    return this.#submit([], true, true).durable;
  }

  #submit(pieces: readonly Uint8Array[], sync: boolean, force: boolean, known?: KnownChecksums): Commit {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    const submission = new Submission(pieces, bytes, sync, force, known);
    if (this.#failure !== undefined) submission.fail(this.#failure);
    else {
      const refusal = this.#tooLarge(bytes);
      if (refusal !== undefined) submission.fail(refusal);
      else {
        this.#queue.push(submission);
        this.#kick();
      }
    }
    return submission;
  }

  /** @throws LogError INVALID_ARGUMENT if a payload of so many bytes cannot be appended. */
  checkFits(bytes: number): void {
    const refusal = this.#tooLarge(bytes);
    if (refusal !== undefined) throw refusal;
  }

  #tooLarge(bytes: number): LogError | undefined {
    if (blockSpan(bytes) <= this.#options.fileBytes || this.ring.isRecovering) return undefined;
    const message = `${bytes} bytes do not fit into one journal file of ${this.#options.fileBytes}: raise journalFileBytes`;
    return new LogError("INVALID_ARGUMENT", message);
  }

  /** Ends what was queued, then closes the files. */
  async close(): Promise<void> {
    while (this.#isRunning) await this.#run;
    this.#failure ??= new LogError("CLOSED", "the log is closed");
    this.#syncTimer?.cancel();
    this.ring.stop(this.#failure);
    await this.ring.close();
  }

  /** Whoever is told that a commit has ended can start the next one in the same turn. */
  #kick(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // What is appended in the same step shares a block.
    this.#run = Promise.resolve().then(() => this.#commitAll());
  }

  async #commitAll(): Promise<void> {
    try {
      for (;;) {
        const started = this.#clock.elapsedMs();
        const group = this.#takeGroup();
        this.#writing = group;
        if (group.length > 0) await this.#writeBlock(group);
        this.#writing = [];
        const writeMs = this.#clock.elapsedMs() - started;
        const syncNow = this.#unacknowledged.length > 0 && this.#syncIsDue();
        if (syncNow) await this.#syncAll();
        if (group.length === 0 && !syncNow) return;
        const endedMs = this.#clock.elapsedMs();
        this.#busyUntilMs = endedMs + expectMs;
        if (group.length > 0) {
          const bytes = group.reduce((sum, submission) => sum + submission.bytes, 0);
          this.#observer.committed(group.length, bytes, writeMs, endedMs - started - writeMs);
        }
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  #takeGroup(): Submission[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length) {
      bytes += (this.#queue[count] as Submission).bytes;
      if (count > 0 && bytes > Math.min(blockPayloadMax, this.#options.fileBytes - blockHeaderBytes)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** One call that writes and syncs, where all of the group waits for that and nothing before it needs a sync. */
  #mayWriteSynced(group: readonly Submission[]): boolean {
    const isAllSynced = this.#unsyncedFiles.length === 0 && this.#unacknowledged.length === 0;
    return isAllSynced && this.#options.syncEveryMs === 0 && group.every(({ sync }) => sync);
  }

  async #writeBlock(group: Submission[]): Promise<void> {
    const bytes = group.reduce((sum, submission) => sum + submission.bytes, 0);
    const isSynced = this.#mayWriteSynced(group);
    if (bytes > 0) {
      const span = blockSpan(bytes);
      // Without a wait where there is room: before those are told who will make the processor busy with their next.
      const file = this.ring.fileNow(span) ?? (await this.ring.fileFor(span));
      const output = this.#encodeBlock(group, bytes, { position: file.position, fileBytes: file.bytes });
      this.#busyUntilMs = Number.POSITIVE_INFINITY;
      if (isSynced) await file.file.writeSynced(output, file.position);
      else await file.file.write(output, file.position);
      file.position += blockSpan(bytes);
      if (file.firstSequence < 0) file.firstSequence = this.#sequence;
      file.lastSequence = this.#sequence;
      if (!isSynced && this.#unsyncedFiles.at(-1) !== file) this.#unsyncedFiles.push(file);
      if (isSynced) this.#synced(this.#sequence);
      this.#sequence++;
      this.counters.blocks++;
      this.counters.blockBytes += blockSpan(bytes);
      this.ring.prepare(file);
    }
    this.counters.payloads += group.length;
    for (const submission of group) {
      submission.sequence = this.#sequence - 1;
      if (submission.sync && !isSynced) this.#unacknowledged.push(submission);
      submission.resolveWritten();
      if (isSynced) submission.resolveDurable();
    }
  }

  /** Header, payload, and zeros up to the next page: a page is never written in part, so never read to be written. */
  #encodeBlock(group: readonly Submission[], bytes: number, place: BlockPlace): Uint8Array[] {
    const padding = blockSpan(bytes) - blockHeaderBytes - bytes;
    let small = blockHeaderBytes + padding;
    for (const { pieces } of group)
      for (const { length } of pieces) if (length <= gatherBytesMax) small += length;
    if (this.#scratch.length < small) this.#scratch = Buffer.alloc(small * 2);
    const scratch = this.#scratch;

    const output: Uint8Array[] = [];
    let crc = 0;
    let start = 0;
    let at = blockHeaderBytes;
    for (const { pieces, known } of group) {
      for (const piece of pieces) {
        if (piece.length <= gatherBytesMax) {
          scratch.set(piece, at);
          at += piece.length;
        } else {
          crc = crc32c(scratch.subarray(Math.max(start, blockHeaderBytes), at), crc);
          const own = known?.get(piece);
          crc = own === undefined ? crc32c(piece, crc) : combineCrc32c(crc, own, piece.length);
          if (at > start) output.push(scratch.subarray(start, at));
          output.push(piece);
          start = at;
        }
      }
    }
    crc = crc32c(scratch.subarray(Math.max(start, blockHeaderBytes), at), crc);
    scratch.fill(0, at, at + padding);
    if (at + padding > start) output.push(scratch.subarray(start, at + padding));
    const header: BlockHeader = {
      epoch: this.#epoch,
      writerId: this.#writerId,
      sequence: this.#sequence,
      syncedSequence: this.#syncedSequence,
      payloadBytes: bytes,
      payloadCrc: crc,
    };
    encodeBlockHeader(scratch, header, place);
    return output;
  }

  #syncIsDue(): boolean {
    const waitMs = this.#lastSyncMs + this.#options.syncEveryMs - this.#clock.elapsedMs();
    if (this.#options.syncEveryMs === 0 || waitMs <= 0 || this.#unacknowledged.some(({ force }) => force))
      return true;
    this.#syncTimer ??= this.#clock.startTimer(
      waitMs,
      () => {
        this.#syncTimer = undefined;
        this.#kick();
      },
      true,
    );
    return false;
  }

  async #syncAll(): Promise<void> {
    const waiting = this.#unacknowledged;
    const sequence = this.#sequence - 1;
    // The file just left comes first: replay would stop at a hole in it and lose what follows.
    this.#busyUntilMs = Number.POSITIVE_INFINITY;
    for (const file of this.#unsyncedFiles) await file.file.sync();
    this.#unsyncedFiles = [];
    this.#unacknowledged = [];
    if (sequence > this.#syncedSequence) this.#synced(sequence);
    for (const submission of waiting) submission.resolveDurable();
  }

  #synced(sequence: number): void {
    this.#lastSyncMs = this.#clock.elapsedMs();
    this.#syncedSequence = sequence;
    this.counters.syncs++;
  }

  #fail(error: unknown): void {
    assert(this.#failure === undefined, "a journal fails once");
    this.#busyUntilMs = 0;
    const message = `the journal in ${this.#directory} could not be written: ${(error as Error).message}. Nothing more is acknowledged; reading goes on; close the log and open it again`;
    this.#failure = new LogError("JOURNAL_FAILED", message, {
      cause: error,
      details: { path: this.#directory },
    });
    for (const submission of [...this.#unacknowledged, ...this.#writing, ...this.#queue])
      submission.fail(this.#failure);
    this.#writing = [];
    this.#unacknowledged = [];
    this.#queue = [];
    this.ring.stop(this.#failure);
    this.#observer.failed(this.#failure);
  }
}
