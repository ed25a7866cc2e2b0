// What lies in the directory and nobody needs: not damage, since opening the log clears away or ignores it.
import { type CheckpointState, checkpointName, kafkaOffsetFiles } from "../checkpoint/index.js";
import type { FileSystem } from "../fs/index.js";
import type { PartitionState } from "../partition/index.js";
import { segmentName } from "../segment/index.js";
import type { Findings } from "./findings.js";

const ownNames = new RegExp(`^(journal|topics|${checkpointName}|lock-[0-9a-f]{12})$`);

export async function noteLeftovers(
  fs: FileSystem,
  directory: string,
  checkpoint: CheckpointState,
  findings: Findings,
): Promise<void> {
  for (const name of (await fs.list(directory)) ?? []) {
    if (!ownNames.test(name)) findings.note(`${directory}/${name}`, "not a file of the log");
  }
  const partitions = new Map(
    checkpoint.partitions.map((state) => [`${state.name.topic}-${state.name.partition}`, state]),
  );
  const topics = `${directory}/topics`;
  for (const name of (await fs.list(topics)) ?? []) {
    if (kafkaOffsetFiles.includes(name)) continue; // As of the last clean close.
    const state = partitions.get(name);
    if (state === undefined) {
      findings.note(`${topics}/${name}`, "not of a partition that the checkpoint names: new, or left over");
    } else await notePartition(fs, `${topics}/${name}`, state, findings);
  }
}

async function notePartition(
  fs: FileSystem,
  path: string,
  state: PartitionState,
  findings: Findings,
): Promise<void> {
  const known = new Set(
    state.segments.flatMap(({ baseOffset }) =>
      [".log", ".index", ".timeindex"].map((suffix) => segmentName(baseOffset) + suffix),
    ),
  );
  for (const name of (await fs.list(path).catch(() => undefined)) ?? []) {
    const file = `${path}/${name}`;
    if (name === "partition.metadata") await noteMetadata(fs, file, state, findings);
    else if (name === "leader-epoch-checkpoint") await noteEpochs(fs, file, state, findings);
    else if (!known.has(name)) {
      const isSegment = /^\d{20}\.(log|index|timeindex)$/.test(name);
      findings.note(file, isSegment ? "of no segment that the checkpoint names" : "not a file of the log");
    }
  }
}

const forKafka = "only Kafka's tools read this file";

async function noteMetadata(
  fs: FileSystem,
  file: string,
  { name }: PartitionState,
  findings: Findings,
): Promise<void> {
  const text = (await fs.readFile(file).catch(() => undefined))?.toString("utf8");
  if (text?.trimEnd() !== `version: 0\ntopic_id: ${name.topicId}`)
    findings.note(file, `it does not name the topic id ${name.topicId}; ${forKafka}`);
}

/** The file has the epochs that begin before the recovery point; it may have later ones already. */
async function noteEpochs(
  fs: FileSystem,
  file: string,
  { leaderEpochs, recoveryPoint }: PartitionState,
  findings: Findings,
): Promise<void> {
  const text = (await fs.readFile(file).catch(() => undefined))?.toString("latin1") ?? "";
  const lines = text.split("\n").slice(2, -1);
  const due = leaderEpochs.filter(([, start]) => start < recoveryPoint);
  const isPrefix = due.every(([epoch, start], index) => lines[index] === `${epoch} ${start}`);
  if (!isPrefix || Number(text.split("\n")[1]) !== lines.length)
    findings.note(file, `it does not hold the partition's epochs; ${forKafka}`);
}
