// The demo's writer, a process of its own: it does not live to see the end of the file.
import { writeSync } from "node:fs";
import { openLog } from "@strandlog/log";
import { appendLines } from "./append-lines.js";

const [directory = "", file = ""] = process.argv.slice(2);
const log = await openLog(directory);
const topic = await log.topic("lines");
let lines = 0;
let syncs = 0;
await appendLines(topic, file, 0, (count, position) => {
  lines += count;
  // Straight into the pipe: the parent knows of every acknowledgement, whenever the kill comes.
  writeSync(1, `${lines} ${position} ${syncs}\n`);
  void log.stats().then(({ storage }) => {
    syncs = storage.syncs;
  });
});
await log.close();
