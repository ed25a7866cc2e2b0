// All mutants.
import { checkpointMutants } from "./checkpoint-mutants.js";
import { compactionMutants } from "./compaction-mutants.js";
import { deletionMutants } from "./deletion-mutants.js";
import { faceMutants } from "./face-mutants.js";
import { journalMutants } from "./journal-mutants.js";
import type { Mutant } from "./mutant.js";
import { producerMutants } from "./producer-mutants.js";
import { recoveryMutants } from "./recovery-mutants.js";

export const mutants: readonly Mutant[] = [
  ...journalMutants,
  ...checkpointMutants,
  ...recoveryMutants,
  ...deletionMutants,
  ...faceMutants,
  ...compactionMutants,
  ...producerMutants,
];

export function mutantOf(name: string): Mutant {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant "${name}"`);
  return mutant;
}
