// The row "broker": `strandlog serve` is killed under the load of kafkajs and of Kafka's Java producer.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "../row.js";
import { killTheBroker } from "./broker-kills.js";

export const brokerRow: Row = {
  name: "broker",
  points: "kills",
  goal: 300,
  about: "kill -9 of the broker under the load of Kafka's clients",
  async run({ mode, seed, points, progress }) {
    const root = await mkdtemp(join(tmpdir(), "strandlog-broker-"));
    const kills = points ?? (mode === "quick" ? 12 : 300);
    const run = await killTheBroker({ directory: join(root, "data"), kills, seed, say: progress });
    const violations = run.problems.map((problem) => `${problem} (in ${root})`);
    if (violations.length === 0) await rm(root, { recursive: true });
    const remark =
      `${run.acknowledged.toLocaleString("en")} records acknowledged, each there once and in order; ` +
      `the group went on ${run.resumed} times from what it had committed; ${run.stops} ends in good order besides`;
    return {
      points: run.kills,
      violations,
      remark,
      ...(run.skipped === undefined ? {} : { skipped: `the Java producer: ${run.skipped}` }),
    };
  },
};
