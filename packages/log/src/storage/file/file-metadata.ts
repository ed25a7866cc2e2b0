// Metadata of the file driver: a map in memory, journaled like everything else. Changes are made one after the other,
// so a version is compared with what is durable and nothing else.
import { LogError } from "../../errors.js";
import { Watchers } from "../../watchers.js";
import type { MetadataEntry, MetadataPut, MetadataStore } from "../contracts.js";
import type { ControlEntry } from "./entry.js";

/** The control entries for some puts, each checked against the entry that is there. */
export function metadataEntries(
  underway: ReadonlyMap<string, number>,
  current: ReadonlyMap<string, MetadataEntry>,
  puts: readonly MetadataPut[],
): (ControlEntry & { type: "metadata" })[] {
  const versions = new Map<string, number>();
  return puts.map(({ key, value, version }) => {
    const existing = versions.get(key) ?? underway.get(key) ?? current.get(key)?.version ?? 0;
    if (version !== undefined && version !== existing) {
      const message = `the metadata key "${key}" has version ${existing}, not ${version}: read it again`;
      throw new LogError("VERSION_CONFLICT", message, { details: { key, version: existing } });
    }
    versions.set(key, value === undefined ? 0 : existing + 1);
    return { type: "metadata", key, value: value ?? null, version: existing + 1 };
  });
}

/** Looks for changes again and again until the promise settles: for a reader whom nobody tells. */
type LookUntil = (changed: Promise<void>, signal: AbortSignal | undefined) => Promise<void>;

export class FileMetadata implements MetadataStore {
  readonly #entries: () => ReadonlyMap<string, MetadataEntry>;
  readonly #commit: (puts: readonly MetadataPut[]) => Promise<void>;
  readonly #refresh: () => Promise<void>;
  readonly #lookUntil: LookUntil | undefined;
  readonly #watchers = new Watchers<string>();

  constructor(
    entries: () => ReadonlyMap<string, MetadataEntry>,
    commit: (puts: readonly MetadataPut[]) => Promise<void>,
    refresh: () => Promise<void> = () => Promise.resolve(),
    lookUntil?: LookUntil,
  ) {
    this.#entries = entries;
    this.#commit = commit;
    this.#refresh = refresh;
    this.#lookUntil = lookUntil;
  }

  async get(key: string): Promise<MetadataEntry | undefined> {
    await this.#refresh();
    return this.#entries().get(key);
  }

  async put(key: string, value: string, version?: number): Promise<number> {
    await this.#commit([version === undefined ? { key, value } : { key, value, version }]);
    return this.#entries().get(key)?.version ?? 0;
  }

  async delete(key: string, version?: number): Promise<void> {
    await this.#commit([
      version === undefined ? { key, value: undefined } : { key, value: undefined, version },
    ]);
  }

  async list(prefix: string): Promise<readonly MetadataEntry[]> {
    await this.#refresh();
    const found = [...this.#entries().values()].filter((entry) => entry.key.startsWith(prefix));
    return found.sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  async watch(prefix: string, signal?: AbortSignal): Promise<void> {
    const changed = this.#watchers.wait(prefix, signal);
    if (this.#lookUntil === undefined) await changed;
    else await Promise.all([changed, this.#lookUntil(changed, signal)]);
  }

  /** A key changed: wakes those who watch it. */
  changed(key: string): void {
    this.#watchers.notify((prefix) => key.startsWith(prefix));
  }
}
