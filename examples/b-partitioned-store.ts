// B. A partitioned store. A key always goes to the same partition, order holds within a partition, each partition has
// a reader of its own, and slices of it go to another machine as the bytes that they are.
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { decodeBatches, type LogRecord, openLog, type Partition } from "strandlog";
import { claim, collect, figure, say, workingDirectory } from "./stage.js";

const directory = workingDirectory("B. A partitioned store: append by key, send raw slices");
const users = Array.from({ length: 50 }, (_, n) => `user-${n}`);
const values = Array.from({ length: 20 }, (_, n) => `click ${n + 1}`);

let log = await openLog(directory);
let clicks = await log.topic("clicks", { partitions: 4 });
for (const value of values) await Promise.all(users.map((key) => clicks.append({ key, value })));

const stored = await Promise.all([0, 1, 2, 3].map((number) => collect(clicks.partition(number).read())));
const shares = stored.map(({ length }) => length).join(" + ");
say(`${shares} clicks in partitions 0 to 3, read by four readers at once`);
const clicksOf = (user: string, records: readonly LogRecord[]): string[] =>
  records.filter(({ key }) => `${key}` === user).map((record) => `${record.value}`);
const hasAll = (user: string): boolean =>
  stored.some((records) => isDeepStrictEqual(clicksOf(user, records), values));
claim("each user's clicks are all in one partition, in order", users.every(hasAll));

const number = stored.findIndex((records) => records.length > 0);
const sliced = await transfer((socket) => sendSlices(clicks.partition(number), socket));
claim("sent over TCP as raw slices and decoded there: the same records", isSame(sliced));

await log.close(); // After a close everything lies in segment files, which have descriptors to hand out.
log = await openLog(directory);
clicks = await log.topic("clicks");
const filed = await transfer((socket) => sendFile(clicks.partition(number), socket));
claim("sent from the segment file by its descriptor: the same records", isSame(filed));
await log.close();

async function sendSlices(partition: Partition, socket: Socket): Promise<void> {
  let slice = await partition.readRaw({ from: "earliest", bytesMax: 4096 });
  for (; slice.length > 0; slice = await partition.readRaw({ from: slice.next, bytesMax: 4096 })) {
    for (const chunk of slice.chunks) if (!socket.write(chunk)) await once(socket, "drain");
    say(`a slice of ${figure(slice.length)} bytes, offsets ${slice.startOffset} to ${slice.next - 1}`);
  }
  socket.end();
}

/** Whoever has a sendfile gives it the descriptor; Node's way is a stream. */
async function sendFile(partition: Partition, socket: Socket): Promise<void> {
  await using range = await partition.fileRange({ from: "earliest" });
  if (range === undefined) throw new Error("nothing of the partition is in a file");
  const { fd, position, length } = range;
  say(`descriptor ${fd}: ${figure(length)} bytes from position ${position} on`);
  createReadStream("", { fd, start: position, end: position + length - 1, autoClose: false }).pipe(socket);
  await once(socket, "finish");
}

/** The machine at the other end: it gets bytes, and knows nothing of the store. */
async function transfer(send: (socket: Socket) => Promise<void>): Promise<LogRecord[]> {
  const server = createServer((socket) => void send(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const pieces: Buffer[] = [];
  for await (const piece of connect((server.address() as AddressInfo).port)) pieces.push(piece as Buffer);
  server.close();
  return [...decodeBatches(Buffer.concat(pieces), { partition: number })];
}

function isSame(received: readonly LogRecord[]): boolean {
  const text = ({ offset, key, value }: LogRecord): string => `${offset} ${key} ${value}`;
  return isDeepStrictEqual(received.map(text), stored[number]?.map(text));
}
