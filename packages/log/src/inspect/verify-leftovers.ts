// What lies in the directory and nobody needs: not damage, since opening the log clears away or ignores it.
import {
  type CheckpointState,
  checkpointCopyName,
  checkpointName,
  kafkaOffsetFiles,
} from "../checkpoint/index.js";
import type { FileSystem } from "../fs/index.js";
import type { PartitionState } from "../partition/index.js";
import { segmentName, swapName } from "../segment/index.js";
import type { Findings } from "./findings.js";
import { epochsProblem, metadataProblem, offsetsProblem } from "./text-files.js";

const ownNames = new RegExp(
  `^(journal|topics|${checkpointName}|${checkpointCopyName}|lock-[0-9a-f]{12}|removed-[0-9TZ-]+)$`,
);

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
    if (kafkaOffsetFiles.includes(name)) {
      // As of the last clean close.
      await noteText(fs, `${topics}/${name}`, (text) => offsetsProblem(text ?? ""), findings);
      continue;
    }
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
  if (state.segments.length > 0) {
    await noteText(fs, `${path}/partition.metadata`, (text) => metadataProblem(text, state), findings);
    await noteText(fs, `${path}/leader-epoch-checkpoint`, (text) => epochsProblem(text, state), findings);
  }
  const known = new Set(
    state.segments.flatMap(({ baseOffset, rewrite = 0, swap }) =>
      [".log", ".index", ".timeindex"].flatMap((suffix) => {
        const lasting = segmentName(baseOffset) + suffix;
        return swap === undefined ? [lasting] : [lasting, lasting + swapName(rewrite)];
      }),
    ),
  );
  for (const name of (await fs.list(path).catch(() => undefined)) ?? []) {
    const file = `${path}/${name}`;
    if (name === "partition.metadata" || name === "leader-epoch-checkpoint") continue;
    if (!known.has(name)) {
      const isSegment = /^\d{20}\.(log|index|timeindex)(\.\d+\.swap)?$/.test(name);
      findings.note(file, isSegment ? "of no segment that the checkpoint names" : "not a file of the log");
    }
  }
}

const forKafka = "only Kafka's tools read this file";

async function noteText(
  fs: FileSystem,
  file: string,
  problemOf: (text: string | undefined) => string | undefined,
  findings: Findings,
): Promise<void> {
  const problem = problemOf((await fs.readFile(file).catch(() => undefined))?.toString("latin1"));
  if (problem !== undefined) findings.note(file, `${problem}; ${forKafka}`);
}
