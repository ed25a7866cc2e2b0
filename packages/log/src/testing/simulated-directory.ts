// Names in a directory, as the system shows them and as the disk has them. A change of names becomes durable with a
// sync of the directory, or by luck; a rename is one change.
import type { Random } from "./random.js";
import { type CrashStyle, SimulatedFile } from "./simulated-file.js";

type Entry = SimulatedFile | SimulatedDirectory;
type NameChange = readonly (readonly [name: string, entry: Entry | undefined])[];

export class SimulatedDirectory {
  readonly #current = new Map<string, Entry>();
  readonly #durable = new Map<string, Entry>();
  #pending: NameChange[] = [];

  get names(): string[] {
    return [...this.#current.keys()].sort();
  }

  get(name: string): Entry | undefined {
    return this.#current.get(name);
  }

  /** Gives a name to an entry, or takes it away; all of them or none. */
  change(...names: NameChange): void {
    apply(this.#current, names);
    this.#pending.push(names);
  }

  /** The directory of that name, made if need be. */
  subdirectory(name: string): SimulatedDirectory | undefined {
    if (!this.#current.has(name)) this.change([name, new SimulatedDirectory()]);
    const found = this.#current.get(name);
    return found instanceof SimulatedDirectory ? found : undefined;
  }

  sync(): void {
    for (const names of this.#pending) apply(this.#durable, names);
    this.#pending = [];
  }

  /** A copy that goes its own way from here on; `twins` gets the copy of each file and directory. */
  fork(twins: Map<unknown, unknown>): SimulatedDirectory {
    const copy = new SimulatedDirectory();
    const twinOf = (entry: Entry): Entry => {
      const known = twins.get(entry) as Entry | undefined;
      const twin = known ?? (entry instanceof SimulatedFile ? entry.fork() : entry.fork(twins));
      twins.set(entry, twin);
      return twin;
    };
    for (const [name, entry] of this.#current) copy.#current.set(name, twinOf(entry));
    for (const [name, entry] of this.#durable) copy.#durable.set(name, twinOf(entry));
    copy.#pending = this.#pending.map((names) =>
      names.map(([name, entry]) => [name, entry === undefined ? undefined : twinOf(entry)]),
    );
    return copy;
  }

  /** A power cut, here and in all that is still there afterwards. */
  lose(random: Random, style: CrashStyle): void {
    const kept = style === "nothing" ? 0 : random.below(this.#pending.length + 1);
    for (const [index, names] of this.#pending.entries()) {
      const isKept = style === "scattered" ? random.chance(0.5) : style === "everything" || index < kept;
      if (isKept) apply(this.#durable, names);
    }
    this.#pending = [];
    this.#current.clear();
    for (const [name, entry] of this.#durable) this.#current.set(name, entry);
    for (const entry of this.#current.values()) entry.lose(random, style);
  }

  /** All files below, with their paths. */
  *files(path: string): Generator<[path: string, file: SimulatedFile], void, void> {
    for (const [name, entry] of this.#current) {
      if (entry instanceof SimulatedFile) yield [`${path}/${name}`, entry];
      else yield* entry.files(`${path}/${name}`);
    }
  }
}

function apply(entries: Map<string, Entry>, names: NameChange): void {
  for (const [name, entry] of names) {
    if (entry === undefined) entries.delete(name);
    else entries.set(name, entry);
  }
}
