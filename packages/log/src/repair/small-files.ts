// The text files that only Kafka's tools read: written anew where they are not what they should be.
import { kafkaOffsetFiles } from "../checkpoint/index.js";
import type { FileSystem } from "../fs/index.js";
import { epochsProblem, metadataProblem, metadataText, offsetsProblem } from "../inspect/text-files.js";
import type { PartitionState } from "../partition/index.js";
import { writeWhole } from "./copy-file.js";
import type { RepairPlan } from "./repair-plan.js";

export async function planSmallFiles(
  fs: FileSystem,
  directory: string,
  state: PartitionState,
  plan: RepairPlan,
): Promise<void> {
  const metadata = `${directory}/partition.metadata`;
  if (metadataProblem(await textOf(fs, metadata), state) !== undefined) {
    plan.step(metadata, "is written anew");
    plan.after(directory, () => writeWhole(fs, metadata, Buffer.from(metadataText(state))));
  }
  const epochs = `${directory}/leader-epoch-checkpoint`;
  if (epochsProblem(await textOf(fs, epochs), state) !== undefined) {
    const lines = state.leaderEpochs.map(([epoch, start]) => `${epoch} ${start}\n`);
    plan.step(epochs, "is written anew");
    plan.after(directory, () => writeWhole(fs, epochs, Buffer.from(`0\n${lines.length}\n${lines.join("")}`)));
  }
}

/** A clean close writes them again. */
export async function planOffsetFiles(fs: FileSystem, topics: string, plan: RepairPlan): Promise<void> {
  for (const name of kafkaOffsetFiles) {
    const file = `${topics}/${name}`;
    const text = await textOf(fs, file);
    if (text === undefined || offsetsProblem(text) === undefined) continue;
    plan.step(file, "cannot be read, and goes: the next clean close leaves another");
    plan.after(topics, () => fs.remove(file));
  }
}

async function textOf(fs: FileSystem, file: string): Promise<string | undefined> {
  return (await fs.readFile(file).catch(() => undefined))?.toString("latin1");
}
