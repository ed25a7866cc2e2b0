// The offset files that Kafka keeps beside its partitions, left by a clean close for Kafka's tools. Strandlog itself
// reads none of them: what counts is in the checkpoint file. Layout: docs/format/segment.md.
import { type FileSystem, replaceFile } from "../fs/index.js";
import type { PartitionLog } from "../partition/index.js";

type OffsetOf = (partition: PartitionLog) => number | undefined;

const offsetFiles: Readonly<Record<string, OffsetOf>> = {
  "recovery-point-offset-checkpoint": ({ recoveryPoint }) => recoveryPoint,
  "replication-offset-checkpoint": ({ highWatermark }) => highWatermark,
  // Only where the first segment holds records that are deleted.
  "log-start-offset-checkpoint": ({ logStartOffset, segments }) =>
    logStartOffset > (segments[0]?.state.baseOffset ?? logStartOffset) ? logStartOffset : undefined,
};

export const kafkaOffsetFiles: readonly string[] = Object.keys(offsetFiles);

export async function writeKafkaOffsets(
  fs: FileSystem,
  topicsDirectory: string,
  partitions: Iterable<PartitionLog>,
): Promise<void> {
  const all = [...partitions];
  for (const [name, offsetOf] of Object.entries(offsetFiles)) {
    const lines = all.flatMap((partition) => {
      const offset = offsetOf(partition);
      return offset === undefined ? [] : [`${partition.name.topic} ${partition.name.partition} ${offset}\n`];
    });
    const content = Buffer.from(`0\n${lines.length}\n${lines.join("")}`);
    await replaceFile(fs, topicsDirectory, name, content);
  }
}
