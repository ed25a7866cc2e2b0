// Reading all partitions of a topic as one: each in order, one partition's run after the other's.
import { setMaxListeners } from "node:events";
import type { LogRecord } from "../record/index.js";
import type { Watchers } from "../watchers.js";
import { type ReadSource, watch } from "./read-source.js";
import { BatchReader, type ReadOptions } from "./reading.js";

export interface TopicSources {
  /** Partitions may be added while they are read. */
  readonly all: readonly ReadSource[];
  /** Told when there are more than so many. */
  readonly growth: Watchers<number>;
  /** Throws if the topic was deleted. */
  check(): void;
}

export async function* readTopic(
  sources: TopicSources,
  options: ReadOptions,
): AsyncGenerator<LogRecord, void, void> {
  const { all } = sources;
  const { follow = false, from, until } = options;
  const readers: BatchReader[] = [];
  const initialCount = all.length;
  for (;;) {
    let isProgress = false;
    for (let index = 0; index < all.length; index++) {
      // A reader that reached the end is followed by one that goes on from there; partitions may be added meanwhile.
      const isAdded = index >= initialCount && from === "latest";
      const start = readers[index]?.position ?? (isAdded ? "earliest" : (from ?? "earliest"));
      const reader = new BatchReader(all[index] as ReadSource, { ...options, from: start, follow: false });
      readers[index] = reader;
      for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
        isProgress = true;
        if (batch.isControl) continue;
        for (const record of batch.records(reader.start)) if (record.offset < reader.until) yield record;
      }
    }
    const isComplete = until !== undefined && readers.every((reader) => reader.position >= reader.until);
    if (!follow || isComplete) return;
    if (!isProgress) await watchAny(sources, readers, options);
  }
}

async function watchAny(
  { all, growth, check }: TopicSources,
  readers: readonly BatchReader[],
  { isolation, signal }: ReadOptions,
): Promise<void> {
  const known = readers.length;
  if (all.length > known) return;
  const done = new AbortController();
  const either = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
  setMaxListeners(0, either);
  const watches = all.map((source, index) =>
    watch(source, (readers[index] as BatchReader).position, isolation, either),
  );
  watches.push(growth.wait(known, either));
  for (const watch of watches) watch.catch(() => undefined);
  try {
    await Promise.race(watches);
    check();
  } finally {
    done.abort();
  }
}
