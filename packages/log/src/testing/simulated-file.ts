// The content of a file twice: as the page cache has it and as the disk has it, and the changes that lie between.
// What a power cut makes of the changes is chosen sector by sector.
import type { Random } from "./random.js";
import { type Change, SimulatedContent } from "./simulated-content.js";

const sectorBytes = 512;

/**
 * What a power cut keeps of the changes that were not synced: none, all, all up to some moment and part of the next, or
 * any of their sectors, of which some may hold zeros or noise instead.
 */
export type CrashStyle = "nothing" | "everything" | "prefix" | "scattered";

export class SimulatedFile {
  #durable = new SimulatedContent();
  #current = new SimulatedContent();
  #pending: Change[] = [];

  /** In bytes, as the system shows it. */
  get size(): number {
    return this.#current.length;
  }
  /** In bytes, as a power cut that keeps nothing leaves it. */
  get durableSize(): number {
    return this.#durable.length;
  }
  /** A copy of what the page cache has. */
  get content(): Buffer {
    return this.#current.slice(0, this.size);
  }

  /** A copy that goes its own way from here on. */
  fork(): SimulatedFile {
    const copy = new SimulatedFile();
    copy.#durable = this.#durable.clone();
    copy.#current = this.#current.clone();
    copy.#pending = this.#pending.slice();
    return copy;
  }

  read(buffer: Uint8Array, length: number, position: number): number {
    return this.#current.read(buffer, length, position);
  }

  /** The bytes are kept: they may not change afterwards. */
  write(position: number, bytes: Buffer): void {
    this.#change({ position, bytes });
  }

  truncate(length: number): void {
    if (length !== this.size) this.#change({ length });
  }

  sync(): void {
    for (const change of this.#pending) this.#durable.apply(change);
    this.#pending = [];
  }

  /** Of what is pending only what lies there. */
  syncRange(position: number, length: number): void {
    const isThere = (change: Change): boolean =>
      "bytes" in change &&
      change.position < position + length &&
      position < change.position + change.bytes.length;
    for (const change of this.#pending) if (isThere(change)) this.#durable.apply(change);
    this.#pending = this.#pending.filter((change) => !isThere(change));
  }

  /** The disk takes some of it and reports an error; the pages count as clean, so no later sync writes them. */
  failSync(random: Random): void {
    this.#scatter(random, false);
    this.#pending = [];
  }

  /** Damage of data at rest: changes the bytes without anybody having written them. */
  damage(position: number, bytes: Uint8Array): void {
    const change = { position, bytes: Buffer.from(bytes) };
    this.#durable.apply(change);
    this.#current.apply(change);
  }

  /** The pages that count as clean are dropped and read again from the disk. */
  evict(): void {
    this.#current = this.#durable.clone();
    for (const change of this.#pending) this.#current.apply(change);
  }

  /** A power cut. */
  lose(random: Random, style: CrashStyle): void {
    if (style === "everything") this.sync();
    else if (style === "prefix") {
      const kept = random.below(this.#pending.length + 1);
      for (const change of this.#pending.splice(0, kept)) this.#durable.apply(change);
      this.#pending = this.#pending.slice(0, 1);
      if (random.chance(0.5)) this.#scatter(random, true);
    } else if (style === "scattered") this.#scatter(random, true);
    this.#pending = [];
    this.#current = this.#durable.clone();
  }

  #change(change: Change): void {
    this.#current.apply(change);
    this.#pending.push(change);
  }

  /** Each sector gets on the disk, or not, at any of the moments when it was changed; the file's size likewise. */
  #scatter(random: Random, mayDamage: boolean): void {
    if (this.#pending.length === 0) return;
    const now = this.#durable.clone();
    const lengths = [now.length];
    const keep = random.pick([0.05, 0.5, 0.95]);
    for (const change of this.#pending) {
      const [start, end] = now.apply(change);
      lengths.push(now.length);
      for (let at = start - (start % sectorBytes); at < end; at += sectorBytes) {
        if (!random.chance(keep)) continue;
        const sector = now.slice(at, at + sectorBytes);
        this.#durable.apply({ position: at, bytes: sector });
        // A sector that also holds older bytes is taken to be old or new: disks promise that much.
        if (!mayDamage || at < start || !random.chance(0.03)) continue;
        const bytes = random.chance(0.5) ? Buffer.alloc(sector.length) : random.bytes(sector.length);
        this.#durable.apply({ position: at, bytes });
      }
    }
    const length = random.chance(0.5) ? now.length : random.pick(lengths);
    this.#durable.apply({ length });
  }
}
