// What all connections together hold in memory is bounded; who has to wait for others is not harmed.
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { LogOptions } from "@strandlog/log";
import { apis, encodeRequest } from "@strandlog/protocol";
import { answerMsMaxWhenShort, inFlightBytesMax, partialMsMax, requestBytesMax } from "./limits.js";
import {
  accepted,
  Client,
  countWatches,
  fetchFrom,
  ManualClock,
  noId,
  produceTo,
  type Served,
  serve,
} from "./test-support.js";

const mebibyte = 1024 * 1024;
const header = { apiVersion: 9, correlationId: 7, clientId: "test" };

/** A client that has sent a long request but for its last byte. */
class Sender {
  readonly client: Client;
  readonly sent: number;
  readonly #last: Buffer;

  constructor(client: Client, bytes: number) {
    this.client = client;
    const request = Buffer.concat(
      encodeRequest(apis.produce, header, produceTo("orders", 0, Buffer.alloc(bytes))),
    );
    this.sent = request.length - 1;
    this.#last = request.subarray(-1);
    client.socket.write(request.subarray(0, -1));
  }

  /** The request is answered, whatever the answer is. */
  async finish(): Promise<void> {
    this.client.socket.write(this.#last);
    await this.client.receive(apis.produce, 9);
  }
}

/**
 * Two large requests use up the memory, of which one is favoured; a third one has to wait. The clock stands still: so
 * long a request may take, on whatever machine.
 */
async function serveInShortage(
  t: TestContext,
  options: LogOptions = { clock: new ManualClock() },
  before: (served: Served) => Promise<void> = async () => undefined,
) {
  const sockets = accepted(t);
  const served = await serve(t, {}, options);
  await before(served);
  const other = await Client.connect(t, served.broker);
  const send = async (bytes: number) => new Sender(await Client.connect(t, served.broker), bytes);
  const hasRead = ({ client, sent }: Sender) => {
    const socket = sockets.find(({ remotePort }) => remotePort === client.socket.localPort);
    return socket?.bytesRead === sent;
  };
  const large = await send(Math.min(requestBytesMax, inFlightBytesMax) - mebibyte);
  await other.until(() => hasRead(large));
  const favoured = await send(Math.max(inFlightBytesMax - requestBytesMax, 0) + 4 * mebibyte);
  await other.until(() => hasRead(favoured));
  const waiting = await send(3 * mebibyte);
  const socket = (): Socket => sockets.at(-1) as Socket;
  await other.until(() => socket().isPaused());
  return { ...served, other, large, favoured, waiting, hasRead };
}

test("when the memory for requests is used up, small ones go on, and large ones one at a time", async (t) => {
  const { other, large, favoured, waiting, hasRead, log } = await serveInShortage(t);
  await (await log.topic("orders")).append({ value: "a" });
  await other.request(apis.fetch, 12, fetchFrom("orders", 0));
  assert.equal(hasRead(waiting), false);
  await favoured.finish();
  await other.until(() => hasRead(waiting));
  await waiting.finish();
  await large.finish();
  for (const { client } of [large, favoured, waiting]) await client.ping();
});

test("one that leaves makes room for who waits", async (t) => {
  const { other, large, favoured, waiting, hasRead } = await serveInShortage(t);
  large.client.socket.destroy();
  await other.until(() => hasRead(waiting));
  await waiting.finish();
  await favoured.finish();
});

test("the time for which a request has to wait for others is not held against it, an answer's is", async (t) => {
  const clock = new ManualClock();
  const sockets = accepted(t);
  const { broker, log, other, large, favoured, waiting } = await serveInShortage(t, { clock });
  const topic = await log.topic("records", { maxMessageBytes: 30_000_000 });
  await topic.append({ value: Buffer.alloc(6_000_000) });
  const deaf = await Client.connect(t, broker);
  deaf.socket.pause();
  for (let n = 0; n < 5; n++) deaf.send(apis.fetch, 12, fetchFrom("records", 0));
  await other.until(() => sockets.at(-1)?.writableNeedDrain === true);
  const deafSocket = sockets.at(-1) as Socket;
  clock.advance(Math.min(partialMsMax, answerMsMaxWhenShort));
  await other.ping();
  assert.equal(deafSocket.destroyed, false);
  clock.advance(1000);
  assert.equal(deafSocket.destroyed, true);
  await Promise.all([large.client.closed(), favoured.client.closed()]);
  await waiting.finish();
});

test("requests that are parked have to go when others need the memory that they hold", async (t) => {
  const clock = new ManualClock();
  const sockets = accepted(t);
  const park = async ({ log, broker }: Served): Promise<void> => {
    await log.topic("orders");
    const watches = countWatches(log);
    const [small, hoarder] = [await Client.connect(t, broker), await Client.connect(t, broker)];
    small.send(apis.fetch, 12, fetchFrom("orders", 0, { maxWaitMs: 60_000 }));
    const partitions = Array(10_000).fill({ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 });
    const topics = [{ topic: "orders", topicId: noId, partitions }];
    hoarder.send(apis.fetch, 12, { maxWaitMs: 60_000, minBytes: 1, topics, forgottenTopicsData: [] });
    await (await Client.connect(t, broker)).until(() => watches.count === 2);
  };
  const { large, favoured, waiting } = await serveInShortage(t, { clock }, park);
  clock.advance(answerMsMaxWhenShort);
  assert.deepEqual([sockets[0]?.destroyed, sockets[1]?.destroyed], [false, false]);
  clock.advance(1000);
  assert.deepEqual([sockets[0]?.destroyed, sockets[1]?.destroyed], [false, true]);
  await Promise.all([large.client.closed(), favoured.client.closed()]);
  await waiting.finish();
});

test("answers are no longer than what is left, but one batch at least", async (t) => {
  const { other, log, large } = await serveInShortage(t);
  const topic = await log.topic("records");
  for (let n = 0; n < 10; n++) await topic.append({ value: Buffer.alloc(500_000) });
  const fetch = async () => {
    const asked = fetchFrom("records", 0, { partitionMaxBytes: 50_000_000, minBytes: 4_000_000 });
    const { responses } = await other.request(apis.fetch, 12, { ...asked, maxWaitMs: 60_000 });
    return responses[0]?.partitions[0]?.records?.length ?? 0;
  };
  const short = await fetch();
  assert.ok(short >= 500_000 && short <= mebibyte, String(short));
  await large.finish();
  assert.ok((await fetch()) > 5_000_000);
});
