// The process that is killed: opens the log, appends to every topic at once, deletes, and tells what was acknowledged.
// Started by writer-process.ts; speaks the words of workload.ts.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Durability, type Log, openLog, type Topic } from "@strandlog/log";
import { keyFor, makeRandom, type Place, valueFor } from "../content.js";
import {
  briefConfig,
  briefTopic,
  keptTopic,
  logOptions,
  type Orders,
  topics,
  type Word,
} from "./workload.js";

const reportDescriptor = 3;
const workers = 12;
const burstMax = 40;
/** What a partition holds at most before its head is deleted, in records. */
const heldMax = 2000;
/** The topic that is never deleted from grows by this much a round at most. */
const keptPerRound = 400;

let pending = "";
let isClosing = false;

/** All that one turn of the event loop acknowledges goes out with one write, before anything else can happen. */
function tell(word: Word, ...args: readonly (string | number)[]): void {
  if (pending === "") queueMicrotask(flush);
  pending += `${[word, ...args].join(" ")}\n`;
}

function flush(): void {
  const text = Buffer.from(pending);
  pending = "";
  for (let at = 0; at < text.length; ) at += writeSync(reportDescriptor, text, at);
}

/** One partition that is written to: the writer counts offsets by itself. */
interface Target {
  readonly topic: Topic;
  readonly place: Place;
  readonly durability: Durability;
  next: number;
  /** The end of what was acknowledged, at the topic's own level at least: only that may be seen, and so deleted. */
  acknowledgedEnd: number;
  start: number;
}

async function targetsOf(topic: Topic, generation: number): Promise<Target[]> {
  const { partitions, name } = await topic.describe();
  return partitions.map(({ partition, logEndOffset, logStartOffset }) => {
    tell("end", name, partition, logEndOffset);
    return {
      topic,
      place: { topic: name, partition, generation },
      durability: topic.config.durability,
      next: logEndOffset,
      acknowledgedEnd: logEndOffset,
      start: logStartOffset,
    };
  });
}

async function append(target: Target, round: number, asked: Durability | undefined): Promise<void> {
  const { place, topic } = target;
  const { partition } = place;
  const offset = target.next++;
  const record = { key: keyFor(place, round, offset), value: valueFor(place, round, offset), partition };
  const receipt = topic.append(record, asked === undefined ? {} : { durability: asked });
  if (receipt.offset !== undefined && receipt.offset !== offset)
    tell("fault", `${topic.name}-${partition}: ${offset} was given the offset ${receipt.offset}`);
  const result = await receipt;
  if (result.offset !== offset || result.partition !== partition)
    tell("fault", `${topic.name}-${partition}: ${offset} was acknowledged as ${result.offset}`);
  tell(result.durability === "memory" ? "unsafe" : "ack", topic.name, partition, offset);
  if (result.durability === "disk" || result.durability === target.durability)
    target.acknowledgedEnd = Math.max(target.acknowledgedEnd, result.offset + 1);
}

async function appendBursts(targets: readonly Target[], round: number, random: () => number): Promise<void> {
  let keptLeft = keptPerRound;
  while (!isClosing) {
    const target = targets[Math.floor(random() * targets.length)] as Target;
    const count = 1 + Math.floor(random() ** 3 * burstMax);
    if (target.topic.name === keptTopic) {
      keptLeft -= count;
      if (keptLeft < 0) continue;
    }
    // Now and then another level than the topic's; a memory topic keeps its own.
    const other = target.durability === "disk" ? "os" : "disk";
    const asked = target.durability !== "memory" && random() < 0.2 ? other : undefined;
    await Promise.all(Array.from({ length: count }, () => append(target, round, asked)));
  }
}

async function deleteHeads(targets: readonly Target[], random: () => number): Promise<void> {
  const deletable = targets.filter(({ topic }) => topic.name !== keptTopic);
  while (!isClosing) {
    const target = deletable[Math.floor(random() * deletable.length)] as Target;
    const { topic, place, start } = target;
    const partition = topic.partition(place.partition);
    // What was acknowledged at "memory" may be seen a little later.
    const isVolatile = target.durability === "memory";
    const end = isVolatile ? (await partition.describe()).highWatermark : target.acknowledgedEnd;
    const held = end - start;
    if (held > heldMax || (held > 0 && random() < 0.1)) {
      const before = random() < 0.1 ? end : start + Math.floor(random() * held);
      tell("delete", topic.name, place.partition, before);
      await partition.deleteRecords(before);
      tell("deleted", topic.name, place.partition, before);
      target.start = before;
    }
    await sleep(random() * 4);
  }
}

async function makeAndDrop(log: Log, round: number, random: () => number): Promise<void> {
  for (let count = 0; !isClosing; count++) {
    const generation = round * 1000 + count;
    tell("create", generation);
    const topic = await log.createTopic(briefTopic, briefConfig);
    tell("created", generation);
    const targets = await targetsOf(topic, generation);
    const records = Math.floor(random() * 100);
    await Promise.all(targets.map((target) => appendCount(target, round, records)));
    await sleep(random() * 20);
    if (isClosing) return;
    tell("drop", generation);
    await log.deleteTopic(briefTopic);
    tell("dropped", generation);
  }
}

async function appendCount(target: Target, round: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => append(target, round, undefined)));
}

async function run({ directory, round, seed }: Orders): Promise<void> {
  const random = makeRandom(seed + round * 104_729);
  tell("opening");
  const log = await openLog(directory, logOptions(seed, round));
  tell("open");
  const targets: Target[] = [];
  for (const [name, config] of Object.entries(topics))
    targets.push(...(await targetsOf(await log.topic(name, config), 0)));
  if ((await log.topics()).includes(briefTopic)) {
    tell("drop", 0);
    await log.deleteTopic(briefTopic);
    tell("dropped", 0);
  }
  tell("loading");
  const appends = Array.from({ length: workers }, () => appendBursts(targets, round, random));
  await Promise.all([...appends, deleteHeads(targets, random), makeAndDrop(log, round, random)]);
  tell("closing");
  await log.close();
  tell("closed");
}

let isFirst = true;
for await (const line of createInterface({ input: process.stdin })) {
  if (isFirst) {
    isFirst = false;
    run(JSON.parse(line) as Orders).then(
      () => process.exit(0),
      (error: unknown) => {
        tell("fault", `${error instanceof Error ? error.stack : error}`.replaceAll("\n", " | "));
        setImmediate(() => process.exit(1));
      },
    );
  } else if (line === "close") isClosing = true;
}
process.exit(isFirst ? 0 : 1);
