// Metadata of the file driver: a map in memory, journaled like everything else. Changes are made one after the other,
// so a version is compared with what is durable and nothing else.
import { LogError } from "../../errors.js";
import type { MetadataEntry, MetadataPut, MetadataStore } from "../contracts.js";
import type { ControlEntry } from "./entry.js";

/** The control entries for some puts, each checked against the entry that is there. */
export function metadataEntries(
  current: ReadonlyMap<string, MetadataEntry>,
  puts: readonly MetadataPut[],
): (ControlEntry & { type: "metadata" })[] {
  return puts.map(({ key, value, version }) => {
    const existing = current.get(key)?.version ?? 0;
    if (version !== undefined && version !== existing) {
      const message = `the metadata key "${key}" has version ${existing}, not ${version}: read it again`;
      throw new LogError("VERSION_CONFLICT", message, { details: { key, version: existing } });
    }
    return { type: "metadata", key, value: value ?? null, version: existing + 1 };
  });
}

export class FileMetadata implements MetadataStore {
  readonly #entries: () => ReadonlyMap<string, MetadataEntry>;
  readonly #commit: (puts: readonly MetadataPut[]) => Promise<void>;
  readonly #refresh: () => Promise<void>;
  #watchers: { prefix: string; resolve: () => void }[] = [];

  constructor(
    entries: () => ReadonlyMap<string, MetadataEntry>,
    commit: (puts: readonly MetadataPut[]) => Promise<void>,
    refresh: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#entries = entries;
    this.#commit = commit;
    this.#refresh = refresh;
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
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        reject(signal?.reason);
      };
      const watcher = {
        prefix,
        resolve: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#watchers.push(watcher);
    });
  }

  /** A key changed: wakes those who watch it. */
  changed(key: string): void {
    const due = this.#watchers.filter((watcher) => key.startsWith(watcher.prefix));
    this.#watchers = this.#watchers.filter((watcher) => !due.includes(watcher));
    for (const watcher of due) watcher.resolve();
  }
}
