// Strandlog as a subject: see ../peers/README.md. Besides what every subject does, what only the goals ask for.
import { serve } from "../subject.js";
import { append, burst, queue, sustained } from "./appending.js";
import { fill, idle, makeTopics, open } from "./opening.js";
import { follow, read, readBatches, readers } from "./reading.js";

await serve({
  append,
  queue,
  burst,
  sustained,
  read,
  readBatches,
  readers,
  follow,
  fill,
  open,
  makeTopics,
  idle,
  // Its clients are not to be a burden on what is measured within this process.
  wire: async (request) => (await import("../wire/measuring.js")).wire(request),
});
