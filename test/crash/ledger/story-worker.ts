// A process that lives a story with a log and tells what happens (words.ts). Started by story-child.ts:
// `node story-worker.js DIRECTORY ROUND LIFE,LIFE [killed]`. Each line is told with the length of the file that
// STORY_POSITIONS names, as of that moment.
import { statSync } from "node:fs";
import { Author } from "./author.js";
import { beginLast, type Life, live, storyOptions } from "./story.js";
import { lineOf, type Tell, tellParent } from "./words.js";

const positions = process.env["STORY_POSITIONS"];
const tell: Tell = (word, ...args) => {
  const position = positions === undefined ? 0 : statSync(positions).size;
  tellParent({ position, line: lineOf(word, args) });
};

for (const event of ["uncaughtException", "unhandledRejection"])
  process.on(event, (error: unknown) => {
    tell("fault", `${event}: ${error instanceof Error ? error.stack : error}`);
    process.exit(1);
  });

const [, , directory = "", firstRound, lives, ending] = process.argv;
const round = Number(firstRound);
const author = new Author(directory, storyOptions, round, tell);
for (const life of (lives ?? "").split(",") as Life[]) if (!(await live(author, life, round))) break;
if (ending === "killed") {
  await beginLast(author, round);
  process.kill(process.pid, "SIGKILL");
}
tell("ended");
process.exit(0);
