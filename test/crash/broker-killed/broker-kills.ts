// A broker under the load of real clients, killed at moments drawn from the seed and started again, over and over. In
// the end everything is read from the log itself and held against what its clients have been told.
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { openLog } from "@strandlog/log";
import { makeRandom } from "../content.js";
import type { CrashRun, Totals } from "../killed/crash-run.js";
import { Account } from "./account.js";
import { BrokerProcess, freePort } from "./broker-process.js";
import { GroupAccount } from "./group-account.js";
import { JavaLoad } from "./java-load.js";
import { groupId, KafkajsLoad, partitions, topicName } from "./kafkajs-load.js";

/** "stop" is an end in good order: what was known has to outlive that, too. */
const moments = ["opening", "load", "load", "record", "record", "record", "stop"] as const;
const loadMsMax = 400;
const openMsMax = 500;
const recordsUntilKillMax = 800;
const patienceMs = 180_000;
const sayEvery = 50;

export interface BrokerTotals extends Totals {
  readonly stops: number;
  readonly resumed: number;
  /** Why there was no Java producer among the clients. */
  readonly skipped?: string;
}

export async function killTheBroker({ directory, kills, seed, say }: CrashRun): Promise<BrokerTotals> {
  await mkdir(directory, { recursive: true });
  const { classpath, skipped } = await JavaLoad.find();
  const startedMs = performance.now();
  const account = new Account();
  const fault = (problem: string): void => account.fault(problem);
  const group = new GroupAccount(fault);
  await makeTopic(directory);
  const broker = new BrokerProcess(directory, await freePort(), fault);
  const load = new KafkajsLoad(broker.bootstrap, account, group, makeRandom(seed + 1));
  await broker.start();
  const starting = load.start();
  const java =
    classpath === undefined
      ? undefined
      : new JavaLoad(classpath, broker.bootstrap, topicName, partitions, account);
  const done = { kills: 0, stops: 0 };
  try {
    await patiently("the consumers have not joined", starting, fault);
    const random = makeRandom(seed);
    while (done.kills < kills && account.problems.length === 0) {
      await round(broker, account, random, done);
      if (done.kills % sayEvery === 0 && done.kills > 0)
        say(`  ${done.kills} kills, ${account.acknowledgedCount.toLocaleString("en")} acknowledged`);
    }
    await patiently("not all was acknowledged", Promise.all([load.stopProducing(), java?.stop()]), fault);
    await patiently("not all was consumed", consumed(account), fault);
    await patiently("the consumers have not left", load.leave(), fault);
  } finally {
    java?.kill();
    await broker.kill();
  }
  await check(directory, account, group);
  return {
    ...done,
    acknowledged: account.acknowledgedCount,
    resumed: group.resumed,
    seconds: (performance.now() - startedMs) / 1000,
    problems: account.problems,
    ...(skipped === undefined ? {} : { skipped }),
  };
}

async function makeTopic(directory: string): Promise<void> {
  await using log = await openLog(directory);
  await log.topic(topicName, { partitions });
}

/** The broker is killed, and listens again when this settles. */
async function round(
  broker: BrokerProcess,
  account: Account,
  random: () => number,
  done: { kills: number; stops: number },
): Promise<void> {
  const moment = moments[Math.floor(random() * moments.length)];
  if (moment === "record") {
    const count = 1 + Math.floor(random() ** 2 * recordsUntilKillMax);
    await patiently("nothing more was acknowledged", account.more(count), (what) => account.fault(what));
  } else await sleep(random() * loadMsMax);
  if (moment === "stop") {
    await broker.stop();
    done.stops++;
  } else {
    await broker.kill();
    done.kills++;
  }
  const started = broker.start();
  if (moment === "opening") {
    await sleep(random() * openMsMax);
    await broker.kill();
    done.kills++;
    await started;
    await broker.start();
  } else await started;
}

async function consumed(account: Account): Promise<void> {
  while (!account.isConsumed && account.problems.length === 0) await sleep(20);
}

/** What takes for ever is a fault as well. */
async function patiently(what: string, waiting: Promise<unknown>, fault: (what: string) => void) {
  const over = new AbortController();
  const late = sleep(patienceMs, undefined, { signal: over.signal }).then(
    () => fault(`${what} within ${patienceMs / 1000} s`),
    () => undefined,
  );
  await Promise.race([waiting, late]);
  over.abort();
}

async function check(directory: string, account: Account, group: GroupAccount): Promise<void> {
  await using log = await openLog(directory, { readOnly: true });
  const topic = await log.existingTopic(topicName);
  await account.check(topic);
  const committed = await topic.committed(groupId);
  for (let partition = 0; partition < partitions; partition++)
    group.check(partition, committed.get(partition)?.offset ?? 0);
}
