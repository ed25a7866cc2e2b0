// The row "kill9": the writer is another process, killed at random moments; what it acknowledged is known here.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "../row.js";
import { killUnderLoad } from "./kill-rounds.js";
import { killThePipe } from "./pipe.js";

export const kill9Row: Row = {
  name: "kill9",
  points: "kills",
  goal: 1000,
  about: "kill -9 under load, the oracle in another process",
  async run({ mode, seed, progress }) {
    const root = await mkdtemp(join(tmpdir(), "strandlog-kill9-"));
    const isQuick = mode === "quick";
    const say = progress;
    const load = await killUnderLoad({
      directory: join(root, "load"),
      kills: isQuick ? 40 : 1000,
      seed,
      say,
    });
    const kills = isQuick ? 4 : 20;
    const pipe = await killThePipe({ directory: join(root, "pipe"), kills, seed, say }, isQuick ? 8 : 100);
    const violations = [...load.problems, ...pipe.problems].map((problem) => `${problem} (in ${root})`);
    if (violations.length === 0) await rm(root, { recursive: true });
    const acknowledged = load.acknowledged + pipe.acknowledged;
    const remark = `${acknowledged.toLocaleString("en")} records acknowledged, all there once and in order`;
    return { points: load.kills + pipe.kills, violations, ...(violations.length === 0 ? { remark } : {}) };
  },
};
