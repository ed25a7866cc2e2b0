// C. A thousand queues in one log. They share a journal, so they share its files and its fsyncs; each has positions of
// its own, is truncated by itself, and keeps its position when it is empty. A file goes when no queue needs it.
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Log, LogError, openLog } from "strandlog";
import { claim, comesTrue, figure, filesIn, say, workingDirectory } from "./stage.js";

const directory = workingDirectory("C. A thousand queues over one journal, and files that go");
const options = { journalFileBytes: 1024 * 1024, idleMs: 500 }; // Small and soon, so that there is something to see.
const journalFiles = (): string[] => filesIn(join(directory, "journal"), ".journal");
const segmentFiles = (): string[] => filesIn(join(directory, "topics"), ".log");

let log = await openLog(directory, options);
const names = Array.from({ length: 1000 }, (_, n) => `queue-${String(n).padStart(4, "0")}`);
const queues = await Promise.all(names.map((name) => log.topic(name)));
claim("1,000 queues are made, and listed", (await log.topics()).join() === names.join());

const value = "x".repeat(200);
for (let n = 0; n < 20; n++) await Promise.all(queues.map((queue) => queue.append({ value })));
const before = await usage(log);
const filesBefore = journalFiles().length;
const isShared = before.records === 20_000 && before.syncs < 200 && filesBefore < 20;
claim(`20,000 records on the disk took ${before.syncs} fsyncs and ${filesBefore} journal files`, isShared);

const queue = await log.existingTopic("queue-0007");
await queue.append({ value: "twenty" }, { offset: 20 });
const again = await queue.append({ value: "twenty" }, { offset: 20 });
claim("position 20 again: nothing is written, and the receipt says so", again.duplicate === true);
const past = await queue.append({ value: "late" }, { offset: 3 }).then(undefined, codeOf);
claim(`position 3 is past: refused with ${past}`, past === "OFFSET_OUT_OF_RANGE");
await queue.append({ value: "hundred" }, { offset: 100 });
const leadsOn = isDeepStrictEqual(await queue.partition(0).get(50), { next: 100 });
claim("position 100 leaves a gap: asked for 50, the queue answers that 100 is next", leadsOn);
const pair = await queue.appendAll([{ value: "debit" }, { value: "credit" }]);
const positions = pair.map(({ offset }) => offset).join(" and ");
claim(`two records as one, both or neither: positions ${positions}`, positions === "101 and 102");

const [first, ...others] = queues;
await Promise.all(others.map((other) => other.partition(0).deleteRecords("latest")));
await first?.partition(0).deleteRecords(19);
const { records } = await usage(log);
claim(`all queues are truncated, the first keeps its last record: ${records} left`, records === 1);
const isTidy = await comesTrue(() => journalFiles().length <= 2 && segmentFiles().length === 1);
claim(`journal files that no queue needs go: ${journalFiles().length} of ${filesBefore} are left`, isTidy);
say(`the one record left lies in ${segmentFiles().join(", ")}`);

await log.close();
log = await openLog(directory, options);
const { offset } = (await log.topic("queue-0007")).append({ value: "after the restart" });
claim(`empty and restarted, the queue goes on at position ${offset}`, offset === 103);
await log.deleteTopic("queue-0999");
claim("a queue that is deleted is gone", !(await log.topics()).includes("queue-0999"));
await log.close();

/** The usage of all queues together. */
async function usage(of: Log): Promise<{ records: number; syncs: number }> {
  const { topics, storage } = await of.stats();
  const partitions = topics.flatMap((topic) => topic.partitions);
  const records = partitions.reduce(
    (sum, { logStartOffset, logEndOffset }) => sum + logEndOffset - logStartOffset,
    0,
  );
  const { tailBytes, segmentBytes, journalBytes, openFiles, syncs } = storage;
  const [memory, disk] = [figure(tailBytes), figure(journalBytes + segmentBytes)];
  say(
    `usage: ${figure(records)} records, ${memory} bytes in memory, ${disk} on the disk, ${openFiles} open files`,
  );
  return { records, syncs };
}

function codeOf(error: unknown): string {
  return error instanceof LogError ? error.code : String(error);
}
