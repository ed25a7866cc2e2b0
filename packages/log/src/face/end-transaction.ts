// The end of a transaction of one of Kafka's producers, which wrote batch after batch: a marker in each of its
// partitions, what groups commit with it, and whatever else is to be remembered, as one group. Kafka needs two phases for
// that; here a crash leaves all of it or nothing.
import type { Clock } from "../clock.js";
import { type EndMarker, endMarkerBatch, SealedBatch } from "../record/index.js";
import type { LogStorage, MetadataPut } from "../storage/contracts.js";
import type { Appender } from "./appender.js";
import type { FormingPartition } from "./forming.js";
import { PlacedTransaction } from "./placed-transaction.js";
import { putBytes } from "./taken-group.js";
import type { Topic } from "./topic.js";
import type { Progress } from "./transaction.js";

export interface TransactionEnd extends EndMarker {
  /** Where it has written, or may have: each partition once. They exist, or did. */
  readonly partitions: readonly { readonly topic: Topic; readonly partition: number }[];
  /** Of groups; see {@link Topic.progress}. */
  readonly progress: readonly Progress[];
  readonly metadata: readonly MetadataPut[];
}

/**
 * Settles when all of it is on the disk.
 *
 * @throws LogError TOPIC_NOT_FOUND, PARTITION_NOT_FOUND if one of the topics is deleted meanwhile; then nothing is there.
 */
export async function endTransaction(
  storage: LogStorage,
  appender: Appender,
  clock: Clock,
  end: TransactionEnd,
): Promise<void> {
  const puts = [...end.progress.flatMap((progress) => progress.puts), ...end.metadata];
  if (end.partitions.length === 0) {
    await storage.append({ batches: [], metadata: puts, durability: "disk", force: true }).durable;
  } else {
    const now = clock.now();
    const parts = end.partitions.map(({ topic, partition }) => ({
      partition: topic.formingPartitions[partition] as FormingPartition,
      builder: new SealedBatch(endMarkerBatch(end, now)),
    }));
    const bytes = parts.reduce((sum, { builder }) => sum + builder.size, 0);
    const metadataBytes = putBytes(puts);
    const topics = new Set<unknown>(end.partitions.map(({ topic }) => topic));
    const placed = await appender.transact(
      {
        bytes,
        metadataBytes,
        partitions: parts.map(({ partition }) => partition),
        concerns: (target) => topics.has(target),
        place: () => {
          for (const { topic } of end.partitions) topic.check();
          return new PlacedTransaction(parts, "disk", bytes, metadataBytes, () => puts, now);
        },
      },
      {},
    );
    await placed.done;
  }
  for (const progress of end.progress) progress.committed();
}
