// The door for the crash lab, which loads it by its place: npm run crash -- fuzz.
import { batchTargets } from "./batch-targets.js";
import { fileTargets } from "./file-targets.js";
import { indexTargets } from "./index-targets.js";
import { journalTargets } from "./journal-targets.js";
import { metadataTarget } from "./metadata-target.js";
import type { FuzzTarget } from "./target.js";

export { type FuzzOutcome, type FuzzRun, type FuzzWay, fuzzWays, runFuzz, type Watch } from "./run.js";
export type { FuzzTarget } from "./target.js";

/** All targets, each with its corpus. */
export async function fuzzTargets(): Promise<FuzzTarget[]> {
  return [
    ...(await batchTargets()),
    ...(await journalTargets()),
    ...indexTargets(),
    ...(await fileTargets()),
    metadataTarget(),
  ];
}
