// The journal makes data durable. It owns a ring of files, takes payloads whose content it does not know, writes all
// that wait as one block, and syncs once for all of them: while one write or sync is under way the next group forms.
// It promises: at most one block in flight; a payload is durable only when its block, and every one before it, is;
// after a failed write or sync nothing is ever acknowledged again (I5); a file is reused only after trim() (I7).
// Called by storage/file, which decides what goes in and when a block is of no more use.
import { assert } from "../assert.js";
import type { Clock, Timer } from "../clock.js";
import { LogError } from "../errors.js";
import type { FileSystem } from "../fs/index.js";
import { crc32c } from "../record/index.js";
import { blockHeaderBytes, blockSpan, encodeBlockHeader, pageBytes } from "./block.js";
import { type JournalFile, makeJournalFile } from "./journal-file.js";

export interface JournalOptions {
  fileBytes: number;
  bytesMax: number;
  /** Size of the very first file: a new log opens in milliseconds. */
  firstFileBytes: number;
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

export interface Commit {
  /** Settles when the payload has been handed to the operating system. */
  readonly written: Promise<void>;
  /** Settles when it is on the disk; only asked for with `sync`, otherwise together with `written`. */
  readonly durable: Promise<void>;
  /** The block that holds the payload; −1 until written. */
  readonly sequence: number;
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

class Submission implements Commit {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly sync: boolean;
  /** Sync at once, whatever syncEveryMs says. */
  readonly force: boolean;
  readonly written: Promise<void>;
  readonly durable: Promise<void>;
  sequence = -1;
  resolveWritten!: () => void;
  resolveDurable!: () => void;
  rejectWritten!: (error: unknown) => void;
  rejectDurable!: (error: unknown) => void;

  constructor(pieces: readonly Uint8Array[], bytes: number, sync: boolean, force: boolean) {
    this.pieces = pieces;
    this.bytes = bytes;
    this.sync = sync;
    this.force = force;
    this.written = new Promise((resolve, reject) => {
      this.resolveWritten = resolve;
      this.rejectWritten = reject;
    });
    this.durable = sync
      ? new Promise((resolve, reject) => {
          this.resolveDurable = resolve;
          this.rejectDurable = reject;
        })
      : this.written;
    // Whoever submitted looks at one of the two at least; the other must not count as unhandled.
    this.written.catch(() => undefined);
    this.durable.catch(() => undefined);
  }

  fail(error: unknown): void {
    this.rejectWritten(error);
    if (this.sync) this.rejectDurable(error);
  }
}

const retryMs = 1000;
// Control entries (deletions above all) must get through when data may not.
const reserveBytesMax = 1024 * 1024;
// A group larger than this is written as several blocks: beyond it a sync is amortised and latency only grows.
const blockPayloadMax = 8 * 1024 * 1024;
// Smaller pieces are copied together, larger ones handed to the system where they lie.
const gatherBytesMax = 16 * 1024;

export class Journal {
  readonly counters: JournalCounters = { blocks: 0, payloads: 0, blockBytes: 0, syncs: 0 };
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #options: JournalOptions;
  readonly #observer: JournalObserver;
  readonly #epoch: number;
  readonly #writerId: string;
  readonly #live: JournalFile[];
  readonly #free: JournalFile[];
  #nextNumber: number;
  #sequence: number;
  #syncedSequence: number;
  #queue: Submission[] = [];
  #writing: Submission[] = [];
  #unacknowledged: Submission[] = [];
  #unsyncedFiles: JournalFile[] = [];
  #lastSyncMs = Number.NEGATIVE_INFINITY;
  #syncTimer: Timer | undefined;
  #rotateWanted = false;
  /** Whatever the old files hold beyond their last block stays as it is: a new epoch begins in another file. */
  #hasBegun = false;
  #running: Promise<void> | undefined;
  #making: Promise<void> | undefined;
  #growthError: unknown;
  #growAgainMs = 0;
  #roomWaiters: (() => void)[] = [];
  #failure: LogError | undefined;
  /** Recovery may need more than bytesMax: what it writes anew must not overwrite what it comes from. */
  #isRecovering = true;
  #scratch: Buffer = Buffer.alloc(64 * 1024);

  constructor(
    fs: FileSystem,
    clock: Clock,
    directory: string,
    options: JournalOptions,
    start: JournalStart,
    observer: JournalObserver,
  ) {
    this.#fs = fs;
    this.#clock = clock;
    this.#directory = directory;
    this.#options = options;
    this.#observer = observer;
    this.#epoch = start.epoch;
    this.#writerId = start.writerId;
    this.#sequence = start.sequence;
    this.#syncedSequence = start.sequence - 1;
    this.#live = start.live;
    this.#free = start.free;
    this.#nextNumber = 1 + Math.max(-1, ...[...start.live, ...start.free].map((file) => file.number));
    if (this.#free.length === 0) this.#grow();
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
  /** What its files take on the disk. */
  get fileBytes(): number {
    return sumBytes(this.#live) + sumBytes(this.#free);
  }
  /** The part of it that holds blocks still needed. */
  get liveBytes(): number {
    return sumBytes(this.#live);
  }
  get bytesMax(): number {
    return this.#options.bytesMax;
  }
  get fileCount(): number {
    return this.#live.length + this.#free.length;
  }

  /** Queues a payload. The pieces belong to the journal until the commit settles. */
  append(pieces: readonly Uint8Array[], sync: boolean, force = false): Commit {
    return this.#submit(pieces, sync, force);
  }

  /** Makes durable all that was queued before the call, whatever syncEveryMs says. */
  sync(): Promise<void> {
    return this.#submit([], true, true).durable;
  }

  #submit(pieces: readonly Uint8Array[], sync: boolean, force: boolean): Commit {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    const submission = new Submission(pieces, bytes, sync, force);
    if (this.#failure !== undefined) submission.fail(this.#failure);
    else if (blockSpan(bytes) > this.#options.fileBytes && !this.#isRecovering) {
      const message = `${bytes} bytes do not fit into one journal file of ${this.#options.fileBytes}: raise journalFileBytes`;
      submission.fail(new LogError("INVALID_ARGUMENT", message));
    } else {
      this.#queue.push(submission);
      this.#kick();
    }
    return submission;
  }

  /** From here on the files keep within bytesMax. */
  endRecovery(): void {
    this.#isRecovering = false;
  }

  /** Goes to the next file with the next block. */
  rotate(): void {
    if ((this.#live.at(-1)?.position ?? 0) > 0) this.#rotateWanted = true;
  }

  /** Whether `bytes` of data may be queued without using up what is kept for control entries. */
  hasRoom(bytes: number): boolean {
    const span = blockSpan(bytes) + this.#reserveBytes();
    const current = this.#live.at(-1);
    if (this.#hasBegun && current !== undefined && current.bytes - current.position >= span) return true;
    return (
      this.#free.some((file) => file.bytes >= span) || (this.#growthError === undefined && this.#mayGrow())
    );
  }

  /** Settles when a file was made or freed, or when it is time to try again to make one. Makes one if it may. */
  async roomChange(needed = 0): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#grow(needed);
    const timer = this.#clock.startTimer(retryMs, () => this.#roomChanged(), true);
    await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    timer.cancel();
  }

  /** Frees every file whose blocks all come before `sequence`; what exceeds the limits is given back. */
  async trim(sequence: number): Promise<void> {
    const before = this.#live.length;
    while (this.#live.length > 1 && (this.#live[0] as JournalFile).lastSequence < sequence) {
      const file = this.#live.shift() as JournalFile;
      file.position = 0;
      file.firstSequence = file.lastSequence = -1;
      if (this.fileBytes + file.bytes > this.#options.bytesMax && this.#free.length > 0)
        await this.#remove(file);
      else this.#free.push(file);
    }
    // Whoever waits looks again only if something has changed, or it would ask for the next checkpoint at once.
    if (this.#live.length < before) this.#roomChanged();
  }

  /** Where a scan must start that shall find block `sequence`, written or next: at the first block of its file. */
  scanStart(sequence: number): number {
    const file = this.#live.findLast(({ firstSequence }) => firstSequence >= 0 && firstSequence <= sequence);
    if (file === undefined) return sequence;
    // What follows a file that is not the last one stands first in the next.
    return file !== this.#live.at(-1) && file.lastSequence < sequence ? sequence : file.firstSequence;
  }

  /** Gives free files back to the file system, all but one. */
  async shrink(): Promise<void> {
    while (this.#free.length > 1) {
      await this.#remove(this.#free.pop() as JournalFile);
    }
  }

  /** Ends what was queued, then closes the files. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#failure ??= new LogError("CLOSED", "the log is closed");
    this.#syncTimer?.cancel();
    this.#roomChanged();
    await this.#making;
    for (const file of [...this.#live, ...this.#free]) await file.file.close();
  }

  #kick(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0 && this.#failure === undefined) this.#kick();
    });
  }

  async #run(): Promise<void> {
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
        if (group.length > 0) {
          const bytes = group.reduce((sum, submission) => sum + submission.bytes, 0);
          this.#observer.committed(group.length, bytes, writeMs, this.#clock.elapsedMs() - started - writeMs);
        }
        if (group.length === 0 && !syncNow) return;
      }
    } catch (error) {
      this.#fail(error);
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

  async #writeBlock(group: Submission[]): Promise<void> {
    const bytes = group.reduce((sum, submission) => sum + submission.bytes, 0);
    if (bytes > 0) {
      const file = await this.#fileFor(blockSpan(bytes));
      await file.file.write(this.#encodeBlock(group, bytes), file.position);
      file.position += blockSpan(bytes);
      if (file.firstSequence < 0) file.firstSequence = this.#sequence;
      file.lastSequence = this.#sequence;
      if (this.#unsyncedFiles.at(-1) !== file) this.#unsyncedFiles.push(file);
      this.#sequence++;
      this.counters.blocks++;
      this.counters.blockBytes += blockSpan(bytes);
      if (file.position * 2 > file.bytes && this.#free.length === 0) this.#grow();
    }
    this.counters.payloads += group.length;
    for (const submission of group) {
      submission.sequence = this.#sequence - 1;
      if (submission.sync) this.#unacknowledged.push(submission);
      submission.resolveWritten();
    }
  }

  /** Header, payload, and zeros up to the next page: a page is never written in part, so never read to be written. */
  #encodeBlock(group: readonly Submission[], bytes: number): Uint8Array[] {
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
    for (const { pieces } of group) {
      for (const piece of pieces) {
        if (piece.length <= gatherBytesMax) {
          scratch.set(piece, at);
          at += piece.length;
        } else {
          crc = crc32c(scratch.subarray(Math.max(start, blockHeaderBytes), at), crc);
          crc = crc32c(piece, crc);
          if (at > start) output.push(scratch.subarray(start, at));
          output.push(piece);
          start = at;
        }
      }
    }
    crc = crc32c(scratch.subarray(Math.max(start, blockHeaderBytes), at), crc);
    scratch.fill(0, at, at + padding);
    if (at + padding > start) output.push(scratch.subarray(start, at + padding));
    encodeBlockHeader(scratch, {
      epoch: this.#epoch,
      writerId: this.#writerId,
      sequence: this.#sequence,
      syncedSequence: this.#syncedSequence,
      payloadBytes: bytes,
      payloadCrc: crc,
    });
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
    for (const file of this.#unsyncedFiles) await file.file.sync();
    this.#unsyncedFiles = [];
    this.#unacknowledged = [];
    this.#lastSyncMs = this.#clock.elapsedMs();
    if (sequence > this.#syncedSequence) this.counters.syncs++;
    this.#syncedSequence = sequence;
    for (const submission of waiting) submission.resolveDurable();
  }

  async #fileFor(span: number): Promise<JournalFile> {
    for (;;) {
      const current = this.#live.at(-1);
      const fits = this.#hasBegun && current !== undefined && current.position + span <= current.bytes;
      if (fits && !this.#rotateWanted) return current;
      const index = this.#free.findIndex((file) => file.bytes >= span);
      const [file] = index < 0 ? [] : this.#free.splice(index, 1);
      if (file === undefined && !fits) {
        // Whatever has been let in must be written, or nothing would ever be freed: beyond bytesMax if need be.
        await this.roomChange(span);
        continue;
      }
      this.#rotateWanted = false;
      this.#hasBegun = true;
      if (file === undefined) return current as JournalFile; // Rotation was a wish, and there is no file for it.
      this.#live.push(file);
      return file;
    }
  }

  #reserveBytes(): number {
    return Math.min(reserveBytesMax, Math.floor(this.#options.fileBytes / 4 / pageBytes) * pageBytes);
  }

  /** As large as all there are together: a small log stays small, a busy one soon has files of full size. */
  #wantedBytes(): number {
    const { firstFileBytes, fileBytes, bytesMax } = this.#options;
    const wanted = Math.min(Math.max(firstFileBytes, this.fileBytes), fileBytes);
    return this.fileBytes + wanted > bytesMax ? fileBytes : wanted;
  }

  /** Whether another file fits once the small free ones of the log's beginning have given way to it. */
  #mayGrow(): boolean {
    const { bytesMax, fileBytes } = this.#options;
    // It takes two files to go round, however small the limits have become since they were made.
    if (this.#live.length < 2 && this.#free.every((file) => file.bytes < fileBytes)) return true;
    const small = sumBytes(this.#free.filter((file) => file.bytes < fileBytes));
    return this.fileBytes - small + this.#wantedBytes() <= bytesMax;
  }

  async #removeSmall(wanted: number): Promise<void> {
    while (this.fileBytes + wanted > this.#options.bytesMax) {
      const index = this.#free.findIndex((file) => file.bytes < this.#options.fileBytes);
      if (index < 0) return;
      for (const file of this.#free.splice(index, 1)) await this.#remove(file);
    }
  }

  async #remove(file: JournalFile): Promise<void> {
    await file.file.close();
    await this.#fs.remove(file.path);
  }

  /** Makes another file in the background, if the limits leave room for one. */
  #grow(needed = 0): void {
    if (this.#making !== undefined || this.#failure !== undefined) return;
    if (this.#growthError !== undefined && this.#clock.elapsedMs() < this.#growAgainMs) return;
    if (needed === 0 && !this.#mayGrow()) return;
    const wanted = this.#isRecovering
      ? Math.max(this.#options.firstFileBytes, needed)
      : Math.max(this.#wantedBytes(), needed);
    const number = this.#nextNumber++;
    this.#making = this.#removeSmall(wanted)
      .then(() => makeJournalFile(this.#fs, this.#directory, number, wanted))
      .then(
        (file) => {
          this.#making = undefined;
          this.#growthError = undefined;
          this.#free.push(file);
          this.#roomChanged();
        },
        // Nobody is woken: whoever waits for room looks again in a second, or when a file has been freed.
        (error: unknown) => {
          this.#making = undefined;
          this.#growthError = error;
          this.#growAgainMs = this.#clock.elapsedMs() + retryMs;
          this.#observer.cannotGrow(error);
        },
      );
  }

  #roomChanged(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #fail(error: unknown): void {
    assert(this.#failure === undefined, "a journal fails once");
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
    this.#roomChanged();
    this.#observer.failed(this.#failure);
  }
}

function sumBytes(files: readonly JournalFile[]): number {
  let sum = 0;
  for (const file of files) sum += file.bytes;
  return sum;
}
