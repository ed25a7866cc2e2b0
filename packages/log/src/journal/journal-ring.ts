// The ring of files: which hold blocks that are needed, which are free, and when another is made. It starts small,
// grows under load up to bytesMax, and gives back what it does not need. Made and used by the journal; the storage driver
// asks it for room and tells it what is of no more use.
import type { Clock } from "../clock.js";
import type { FileSystem } from "../fs/index.js";
import { blockSpan, pageBytes } from "./block.js";
import { type JournalFile, makeJournalFile } from "./journal-file.js";

export interface RingOptions {
  readonly fileBytes: number;
  readonly bytesMax: number;
  /** Size of the very first file: a new log opens in milliseconds. */
  readonly firstFileBytes: number;
}

const retryMs = 1000;
// Control entries (deletions above all) must get through when data may not.
const reserveBytesMax = 1024 * 1024;

export class JournalRing {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #options: RingOptions;
  readonly #cannotGrow: (error: unknown) => void;
  readonly #live: JournalFile[];
  readonly #free: JournalFile[];
  #nextNumber: number;
  #rotateWanted = false;
  /** Whatever the old files hold beyond their last block stays as it is: a new epoch begins in another file. */
  #hasBegun = false;
  /** Recovery may need more than bytesMax: what it writes anew must not overwrite what it comes from. */
  #isRecovering = true;
  #shrinking: Promise<void> | undefined;
  #making: Promise<void> | undefined;
  #growthError: unknown;
  #growAgainMs = 0;
  #waiters: (() => void)[] = [];
  #stopped: unknown;

  constructor(
    fs: FileSystem,
    clock: Clock,
    directory: string,
    options: RingOptions,
    files: { readonly live: JournalFile[]; readonly free: JournalFile[] },
    cannotGrow: (error: unknown) => void,
  ) {
    this.#fs = fs;
    this.#clock = clock;
    this.#directory = directory;
    this.#options = options;
    this.#cannotGrow = cannotGrow;
    this.#live = files.live;
    this.#free = files.free;
    this.#nextNumber = 1 + Math.max(-1, ...[...files.live, ...files.free].map((file) => file.number));
    if (this.#free.length === 0) this.#grow();
  }

  /** What its files take on the disk. */
  get fileBytes(): number {
    return sumBytes(this.#live) + sumBytes(this.#free);
  }
  /** The part of it that holds blocks still needed. */
  get liveBytes(): number {
    return sumBytes(this.#live);
  }
  get liveCount(): number {
    return this.#live.length;
  }
  get bytesMax(): number {
    return this.#options.bytesMax;
  }
  get fileCount(): number {
    return this.#live.length + this.#free.length;
  }

  /** Whether a block may take more than a file of the configured size: only while old ones are written anew. */
  get isRecovering(): boolean {
    return this.#isRecovering;
  }

  /** From here on the files keep within bytesMax. */
  endRecovery(): void {
    this.#isRecovering = false;
  }

  /** Goes to the next file with the next block, or as soon as there is one. */
  rotate(): void {
    const current = this.#live.at(-1);
    if (current === undefined || current.position === 0) return;
    this.#rotateWanted = true;
    if (this.#free.length === 0 && this.#mayGrow()) this.#grow();
  }

  /**
   * Whether `bytes` of data may be queued without using up what is kept for control entries. Files that could be made
   * do not count: there may be no space for them, and then what was queued would hold up deletions.
   */
  hasRoom(bytes: number): boolean {
    const span = blockSpan(bytes) + this.#reserveBytes();
    const current = this.#live.at(-1);
    if (this.#hasBegun && current !== undefined && current.bytes - current.position >= span) return true;
    return this.#free.some((file) => file.bytes >= span);
  }

  /** Whether there will be more room without a checkpoint, as far as can be told. */
  get canGrow(): boolean {
    return this.#making !== undefined || (this.#growthError === undefined && this.#mayGrow());
  }

  /** Settles when a file was made or freed, or when it is time to try again to make one. Makes one if it may. */
  async roomChange(needed = 0): Promise<void> {
    if (this.#stopped !== undefined) throw this.#stopped;
    // Nobody will free anything before recovery has ended.
    if (this.#isRecovering && this.#growthError !== undefined) throw this.#growthError;
    this.#grow(needed);
    const timer = this.#clock.startTimer(retryMs, () => this.#roomChanged(), true);
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
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

  /** What {@link trim} would free. */
  bytesBefore(sequence: number): number {
    return sumBytes(this.#live.slice(0, -1).filter(({ lastSequence }) => lastSequence < sequence));
  }

  /** Where a scan must start that shall find block `sequence`, written or next: at the first block of its file. */
  scanStart(sequence: number): number {
    const file = this.#live.findLast(({ firstSequence }) => firstSequence >= 0 && firstSequence <= sequence);
    if (file === undefined) return sequence;
    // What follows a file that is not the last one stands first in the next.
    return file !== this.#live.at(-1) && file.lastSequence < sequence ? sequence : file.firstSequence;
  }

  /** Gives free files back to the file system, all but one. */
  shrink(): Promise<void> {
    const turn = this.#shrink();
    this.#shrinking = turn.catch(() => undefined);
    return turn;
  }

  async #shrink(): Promise<void> {
    while (this.#free.length > 1) {
      await this.#remove(this.#free.pop() as JournalFile);
    }
  }

  /** Whoever waits for room is told that there will be none. */
  stop(reason: unknown): void {
    this.#stopped = reason;
    this.#roomChanged();
  }

  async close(): Promise<void> {
    await this.#making;
    await this.#shrinking;
    for (const file of [...this.#live, ...this.#free]) await file.file.close();
  }

  /** The block is in the file: makes another in good time. */
  prepare(file: JournalFile): void {
    if (file.position * 2 > file.bytes && this.#free.length === 0) this.#grow();
  }

  /** The file that the next block of this span goes into; waits until there is one. */
  async fileFor(span: number): Promise<JournalFile> {
    for (;;) {
      const file = this.fileNow(span);
      if (file !== undefined) return file;
      // Whatever has been let in must be written, or nothing would ever be freed: beyond bytesMax if need be.
      await this.roomChange(span);
    }
  }

  /** The same, if there is one without waiting. */
  fileNow(span: number): JournalFile | undefined {
    const current = this.#live.at(-1);
    const fits = this.#hasBegun && current !== undefined && current.position + span <= current.bytes;
    if (fits && !this.#rotateWanted) return current;
    const index = this.#free.findIndex((file) => file.bytes >= span);
    const [file] = index < 0 ? [] : this.#free.splice(index, 1);
    if (file === undefined && !fits) return undefined;
    this.#hasBegun = true;
    // Rotation is a wish: where there is no file for it, and none is being made, the current one will do.
    if (file !== undefined || this.#making === undefined) this.#rotateWanted = false;
    if (file === undefined) return current;
    this.#live.push(file);
    return file;
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
    if (this.#making !== undefined || this.#stopped !== undefined) return;
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
          this.#cannotGrow(error);
          if (this.#isRecovering) this.#roomChanged();
        },
      );
  }

  #roomChanged(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

function sumBytes(files: readonly JournalFile[]): number {
  let sum = 0;
  for (const file of files) sum += file.bytes;
  return sum;
}
