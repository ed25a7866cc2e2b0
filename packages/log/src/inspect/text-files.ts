// What the text files beside the segments must hold. Only Kafka's tools read them: a wrong one costs no record.
import type { PartitionState } from "../partition/index.js";

export function metadataText({ name }: PartitionState): string {
  return `version: 0\ntopic_id: ${name.topicId}`;
}

/** What is wrong with a partition.metadata; undefined if nothing is. */
export function metadataProblem(text: string | undefined, state: PartitionState): string | undefined {
  return text?.trimEnd() === metadataText(state)
    ? undefined
    : `it does not name the topic id ${state.name.topicId}`;
}

/** The file has the epochs that begin before the recovery point; it may have later ones already. */
export function epochsProblem(
  text = "",
  { leaderEpochs, recoveryPoint }: PartitionState,
): string | undefined {
  const [version, count, ...lines] = text.split("\n");
  const due = leaderEpochs.filter(([, start]) => start < recoveryPoint);
  const isPrefix = due.every(([epoch, start], index) => lines[index] === `${epoch} ${start}`);
  const isLegible = lines.slice(0, -1).every((line) => /^\d+ \d+$/.test(line)) && lines.at(-1) === "";
  const isRight = version === "0" && isPrefix && isLegible && count === String(lines.length - 1);
  return isRight ? undefined : "it does not hold the partition's epochs";
}

/** What is wrong with one of Kafka's offset checkpoints: of what it says, only the form can be told. */
export function offsetsProblem(text: string): string | undefined {
  const [version, count, ...lines] = text.split("\n");
  const isLegible =
    lines.slice(0, -1).every((line) => /^[a-zA-Z0-9._-]+ \d+ \d+$/.test(line)) && lines.at(-1) === "";
  return version === "0" && isLegible && count === String(lines.length - 1)
    ? undefined
    : "it is not a list of offsets";
}
