// Round after round on one directory: a writer is started, killed at a moment drawn from the seed, and what it left
// is compared with what the oracle has heard.
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openLog } from "@strandlog/log";
import { checkDirectory, readPartition } from "../../interop/format-reader.js";
import { makeRandom } from "../content.js";
import type { CrashRun, Totals } from "./crash-run.js";
import { Oracle } from "./oracle.js";
import { logOptions } from "./workload.js";
import { WriterProcess } from "./writer-process.js";

const loadMsMax = 160;
const closeMsMax = 40;
const openMsMin = 10;
const openMsMax = 1000;
const recordsUntilKillMax = 3000;
/** Everything is read again every so many rounds, and a clean close looked at by the independent reader. */
const fullEvery = 12;
const sayEvery = 100;

const moments = ["opening", "load", "load", "load", "record", "record", "closing"] as const;
type Moment = (typeof moments)[number];

export async function killUnderLoad({ directory, kills, seed, say }: CrashRun): Promise<Totals> {
  await mkdir(directory, { recursive: true });
  const startedMs = performance.now();
  const random = makeRandom(seed);
  const oracle = new Oracle();
  const killed: Record<Moment, number> = { opening: 0, load: 0, record: 0, closing: 0 };
  const totals = (count: number): Totals => ({
    kills: count,
    acknowledged: oracle.acknowledgedCount,
    seconds: (performance.now() - startedMs) / 1000,
    problems: oracle.problems,
  });
  const rounds = new Rounds(directory, seed, oracle, random);
  let count = 0;
  let cleanEnds = 0;
  for (; count < kills && oracle.problems.length === 0; ) {
    const moment = moments[Math.floor(random() * moments.length)] as Moment;
    const wasKilled = await rounds.run(moment);
    if (wasKilled) {
      count++;
      killed[moment]++;
    } else cleanEnds++;
    if (oracle.problems.length > 0) break;
    if (count % sayEvery === 0 && wasKilled) {
      const { seconds, acknowledged } = totals(count);
      say(`  ${count} kills, ${acknowledged.toLocaleString("en")} acknowledged, ${seconds.toFixed(1)} s`);
    }
  }
  await rounds.end();
  const { files, records } = rounds.independent;
  say(
    `  killed while opening ${killed.opening}, under load ${killed.load + killed.record}, closing ${killed.closing}; ` +
      `closed before the kill ${cleanEnds}; ${oracle.deletedCount} deletions`,
  );
  say(`  the independent reader found ${records.toLocaleString("en")} records in ${files} files`);
  return totals(count);
}

function hasSegments(partition: string): boolean {
  return existsSync(partition) && readdirSync(partition).some((file) => file.endsWith(".log"));
}

class Rounds {
  readonly #directory: string;
  readonly #seed: number;
  readonly #oracle: Oracle;
  readonly #random: () => number;
  #round = 0;
  #openMs = 50;
  #next: WriterProcess;
  independent = { files: 0, records: 0 };

  constructor(directory: string, seed: number, oracle: Oracle, random: () => number) {
    this.#directory = directory;
    this.#seed = seed;
    this.#oracle = oracle;
    this.#random = random;
    this.#next = this.#start();
  }

  /** One writer's life, and the check; false if it ended before it could be killed. */
  async run(moment: Moment): Promise<boolean> {
    const writer = this.#next;
    const round = ++this.#round;
    writer.order({ directory: this.#directory, round, seed: this.#seed });
    this.#next = this.#start(); // Its start-up costs no time then.
    await this.#until(writer, moment);
    const wasAlive = !writer.isGone;
    await writer.kill();
    if (writer.errors !== "") this.#oracle.problems.push(`round ${round}: ${writer.errors}`);
    await this.#check(round, round % fullEvery === 0);
    return wasAlive;
  }

  /** The last look: everything, by the engine and by the reader that shares nothing with it. */
  async end(): Promise<void> {
    await this.#next.kill();
    if (this.#oracle.problems.length === 0) await this.#check(this.#round, true);
  }

  #start(): WriterProcess {
    return new WriterProcess((word, args) => this.#oracle.take(word, args));
  }

  async #until(writer: WriterProcess, moment: Moment): Promise<void> {
    const random = this.#random;
    await writer.heard("opening");
    const openingMs = performance.now();
    if (moment === "opening") {
      await sleep(random() * this.#openMs * 1.5);
      return;
    }
    await writer.heard("loading");
    this.#openMs = Math.min(openMsMax, Math.max(openMsMin, performance.now() - openingMs));
    if (moment === "record") await writer.heard("ack", 1 + Math.floor(random() ** 2 * recordsUntilKillMax));
    else await sleep(random() * loadMsMax);
    if (moment !== "closing") return;
    writer.askToClose();
    await writer.heard("closing");
    await sleep(random() * closeMsMax);
  }

  /**
   * Reads beside nobody, without a lock and without changing anything: the next writer meets what the kill left. Only
   * now and then this process recovers the log itself, and closes it.
   */
  async #check(round: number, isFull: boolean): Promise<void> {
    const { problems } = this.#oracle;
    try {
      if (existsSync(join(this.#directory, "checkpoint"))) {
        await using log = await openLog(this.#directory, { readOnly: true });
        await this.#oracle.check(log, round, isFull);
      }
      if (!isFull || problems.length > 0) return;
      const log = await openLog(this.#directory, logOptions(this.#seed, round));
      await this.#oracle.check(log, round, true);
      await log.close();
      this.#checkFiles();
    } catch (error) {
      problems.push(`${error instanceof Error ? error.stack : error}`);
    } finally {
      for (let index = 0; index < problems.length; index++) {
        if (!problems[index]?.startsWith("round")) problems[index] = `round ${round}: ${problems[index]}`;
      }
    }
  }

  #checkFiles(): void {
    const { files, records, problems } = checkDirectory(this.#directory);
    this.independent = { files: this.independent.files + files, records: this.independent.records + records };
    // A partition whose records were all deleted keeps no segment, other than in Kafka.
    const isExpected = (problem: string): boolean =>
      problem.endsWith("the partition has no segment") &&
      this.#oracle.isEmpty(problem.slice(0, problem.indexOf("/")));
    this.#oracle.problems.push(...problems.filter((problem) => !isExpected(problem)));
    this.#oracle.compareFiles((name) => {
      const partition = join(this.#directory, "topics", name);
      return hasSegments(partition) ? readPartition(partition) : undefined;
    });
  }
}
