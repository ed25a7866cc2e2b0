// Ids for producers, never given twice, also not after a crash: they are reserved by the thousand.
import { type Log, LogError } from "@strandlog/log";

const key = "broker/producer-ids";
const reservedAtOnce = 1000;

export class ProducerIds {
  readonly #log: Log;
  #next = 0;
  /** The first id that is not reserved. */
  #end = 0;
  #reserving: Promise<void> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  async next(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#reserving ??= this.#reserve().finally(() => {
        this.#reserving = undefined;
      });
      await this.#reserving;
    }
    return this.#next++;
  }

  /** Another broker on the same storage may reserve at the same time: the loser tries again. */
  async #reserve(): Promise<void> {
    const { metadata } = this.#log.storage;
    for (;;) {
      const found = await metadata.get(key);
      const first = Number(found?.value ?? 0);
      if (!Number.isSafeInteger(first) || first < 0) {
        const message = `the metadata entry "${key}" cannot be read: it is no whole number`;
        throw new LogError("CORRUPT_METADATA", message, { details: { key } });
      }
      try {
        await metadata.put(key, String(first + reservedAtOnce), found?.version ?? 0);
        this.#next = first;
        this.#end = first + reservedAtOnce;
        return;
      } catch (error) {
        if ((error as { code?: unknown }).code !== "VERSION_CONFLICT") throw error;
      }
    }
  }
}
