// The key committers of e-key-store.ts, in a process of their own since it is going to be killed: they take the writes
// of a log to a directory with a file for each key, and end when there are no more.
//   node key-committers.js <write log> <key store>
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { openLog, unapplied } from "strandlog";

/** What a key's file holds: its lines, and which write it has applied last. */
interface Page {
  readonly applied?: number;
  readonly lines: readonly string[];
}

const [, , writeLog = "", store = ""] = process.argv;
const log = await openLog(writeLog);
const writes = await log.topic("writes");
const committers = writes.consumer(basename(store), { follow: false });
await committers.process({ lanes: 4, batch: 50 }, async (key, records) => {
  const file = join(store, `${key}.json`);
  const page: Page = existsSync(file) ? JSON.parse(await readFile(file, "utf8")) : { lines: [] };
  const news = unapplied(records, page.applied);
  const last = news.at(-1);
  if (last !== undefined) {
    const lines = [...page.lines, ...news.map(({ value }) => `${value}`)];
    // In one step and together: whenever the kill comes, the lines and the number of the last one belong together.
    await writeFile(`${file}.new`, JSON.stringify({ applied: last.offset, lines } satisfies Page));
    await rename(`${file}.new`, file);
  }
  console.log(`${records.length} ${records.length - news.length}`);
});
await log.close();
