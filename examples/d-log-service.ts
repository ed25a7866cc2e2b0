// D. A log service over HTTP. The log is a list of segments, each a store file with its indexes; the last one is active,
// a full one is followed by the next, old ones go in the background. Records are found by offset and by time.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type LogRecord, openLog } from "strandlog";
import { claim, comesTrue, filesIn, workingDirectory } from "./stage.js";

const directory = workingDirectory("D. A log service: records over HTTP, segments that roll and go");
const log = await openLog(directory, { journalRotateMs: 50, retentionCheckMs: 50 });
const topic = await log.topic("events", { segmentBytes: 2048 }); // Small and soon, so that there is something to see.
const records = topic.partition(0);
const stores = (): string[] => filesIn(directory, ".log");

const server = createServer((request, response) => {
  serve(request, response).catch((error: Error) => response.destroy(error));
}).listen(0, "127.0.0.1");
await once(server, "listening");
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

for (let n = 0; n < 500; n++) await post(`event ${n}`);
const [record] = await ask("/250");
claim(`GET /250: ${JSON.stringify(record)}`, record?.value === "event 250");
const latest = await ask("/?from=490");
claim(`GET /?from=490: ${latest.length} records`, latest[9]?.value === "event 499");
const [first] = await ask(`/?since=${record?.time}`);
claim(`GET /?since=${record?.time}: from offset ${first?.offset} on`, first?.time === record?.time);
const live = await fetch(`${address}/?from=500&follow=yes`);
await post("event 500");
const came = (await live.body?.getReader().read())?.value ?? [];
claim("GET /?from=500&follow=yes: waits for event 500", Buffer.from(came).includes("event 500"));

await comesTrue(async () => (await records.describe()).tailRecords === 0);
claim(`segments roll: there are ${stores().length}, the oldest ${stores()[0]}`, stores().length > 3);
await topic.alter({ retentionBytes: 4096 });
const isSmall = await comesTrue(() => stores().length <= 3);
claim(`old ones go: ${stores().length} are left, the oldest ${stores()[0]}`, isSmall);
const [gone] = await ask("/0");
const [next] = await ask(`/${gone?.next}`);
claim(`GET /0: gone, ${gone?.next} is next`, next?.value === `event ${gone?.next}`);
server.close().closeAllConnections();
await log.close();

/** POST / appends. GET /7 answers a record, GET /?from=7 or ?since=2030-01-01 all from there on, and may follow. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "", address);
  const { from, since, follow } = Object.fromEntries(searchParams);
  if (request.method === "POST") {
    response.end(JSON.stringify(await topic.append({ value: await text(request) })));
  } else if (pathname !== "/") {
    const found = await records.get(Number(pathname.slice(1)));
    const body = found.record ? line(found.record) : JSON.stringify(found);
    response.writeHead(found.record ? 200 : 404).end(body);
  } else {
    const left = new AbortController();
    response.on("close", () => left.abort()).flushHeaders();
    const options = { follow: follow === "yes", signal: left.signal };
    const position = since === undefined ? Number(from) : new Date(since);
    await pipeline(records.read({ ...options, from: position }), lines, response);
  }
}

async function* lines(found: AsyncIterable<LogRecord>): AsyncGenerator<string> {
  for await (const each of found) yield line(each);
}

function line({ offset, timestamp, value }: LogRecord): string {
  return `${JSON.stringify({ offset, time: new Date(timestamp), value: `${value}` })}\n`;
}

function post(body: string): Promise<Response> {
  return fetch(address, { method: "POST", body });
}

async function ask(path: string): Promise<{ offset: number; time: string; value: string; next: number }[]> {
  const answer = await (await fetch(address + path)).text();
  return JSON.parse(`[${answer.trim().replaceAll("\n", ",")}]`);
}
