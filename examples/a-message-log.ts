// A. A durable message log. Publishing answers a message's number at once and completes when it is on the disk;
// consumers discover which numbers there are, and commit; what all of them have dealt with, the log cleans up.
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { openLog } from "strandlog";
import { claim, collect, comesTrue, filesIn, say, workingDirectory } from "./stage.js";

const directory = workingDirectory("A. A message log: publish, discover, commit, and see the files go");
const stores = (): string[] => filesIn(directory, ".log");

const options = { journalRotateMs: 50 }; // Soon and small, so that there is something to see.
let log = await openLog(directory, options);
let mail = await log.topic("mail", { cleanup: "consumed", segmentBytes: 1024 });

const published = mail.append({ value: "message 0" });
claim(`published: number ${published.offset}, known at once`, published.offset === 0);
const { durability } = await published;
claim(`completed: it is on the ${durability}`, durability === "disk");
for (let n = 1; n < 200; n++) await mail.append({ value: `message ${n}` });
const leadsOn = isDeepStrictEqual(await mail.partition(0).get(1_000_000), { next: 200 });
claim("discovered: asked for message 1,000,000, the log answers that 200 is next", leadsOn);

const isStored = await comesTrue(async () => (await mail.partition(0).describe()).tailRecords === 0);
claim(`the messages lie in ${stores().length} store files, the oldest is ${stores()[0]}`, isStored);

await consume("mailer", 120);
await consume("indexer", 180);
const [plan] = await mail.retain({ dryRun: true });
say(`dry run: all before ${plan?.before} goes, ${plan?.kept}`);
claim('the group "mailer" holds the rest', plan?.before === 120 && plan.heldBy?.group === "mailer");
await mail.retain();
const isTidy = await comesTrue(() => startOf(stores()[1]) > 120);
claim(`cleaned up: ${stores().length} store files are left, the oldest is ${stores()[0]}`, isTidy);
const leadsBack = isDeepStrictEqual(await mail.partition(0).get(0), { next: 120 });
claim("discovered: asked for message 0, the log answers that 120 is next", leadsBack);

await log.close();
const indexes = filesIn(directory, "index");
for (const index of indexes) rmSync(join(directory, index));
log = await openLog(directory, options);
mail = await log.topic("mail");
const numbers = (await collect(mail.read())).map(({ offset }) => offset);
const kept = Array.from({ length: 80 }, (_, n) => 120 + n);
claim(`the ${indexes.length} index files are lost, and no message is`, isDeepStrictEqual(numbers, kept));

await consume("indexer", 200);
await consume("mailer", 200);
const isClean = await comesTrue(async () => (await mail.partition(0).describe()).logStartOffset === 200);
claim("committed by both: the log cleans up by itself, in the background", isClean);
await log.close();

/** A store file is named after its first message. */
function startOf(store = ""): number {
  return Number.parseInt(basename(store), 10);
}

/** Deals with all messages before a number, commits that, and leaves. */
async function consume(group: string, before: number): Promise<void> {
  const consumer = mail.consumer(group, { commit: "explicit" });
  for await (const message of consumer) {
    if (message.offset < before - 1) continue;
    await consumer.commit(message);
    return;
  }
}
