// The engine's fuzz room, as far as the lab uses it. It is not published and has no door, so it is loaded by its place.
import { framesTarget } from "./frames-target.js";
import type { FuzzTarget } from "./fuzz-target.js";

export type FuzzWay = "bytes" | "fields" | "identity";

export interface FuzzOutcome {
  readonly cases: number;
  readonly accepted: number;
  readonly violation: string | undefined;
}

interface FuzzRun {
  readonly way: FuzzWay;
  readonly seed: number;
  readonly cases: number;
  readonly only?: string | undefined;
}

interface FuzzRoom {
  readonly fuzzWays: readonly FuzzWay[];
  fuzzTargets(): Promise<FuzzTarget[]>;
  runFuzz(target: FuzzTarget, run: FuzzRun, watch?: (caseNumber: number) => void): Promise<FuzzOutcome>;
}

const place = new URL("../../../../packages/log/dist/fuzz/index.js", import.meta.url);

export async function fuzzRoom(): Promise<FuzzRoom> {
  const room = (await import(place.href)) as FuzzRoom;
  return { ...room, fuzzTargets: async () => [...(await room.fuzzTargets()), framesTarget()] };
}
