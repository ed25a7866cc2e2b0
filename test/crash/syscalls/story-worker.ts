// The process whose system calls fail: lives the story with a log and tells what happens (ledger/words.ts).
// Started by child.ts: `node story-worker.js DIRECTORY ROUND LIFE,LIFE [killed]`.
import { Author } from "../ledger/author.js";
import { beginLast, type Life, live, storyOptions } from "../ledger/story.js";
import { lineOf, type Tell, tellParent } from "../ledger/words.js";

const tell: Tell = (word, ...args) => tellParent(lineOf(word, args));

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
