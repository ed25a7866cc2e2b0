// How the broker lets go, and whom it does not let in.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { connectionsMax } from "./limits.js";
import {
  accepted,
  batchOf,
  Client,
  creationOf,
  fetchFrom,
  hold,
  ManualClock,
  produceTo,
  serve,
} from "./test-support.js";

const parked = { maxWaitMs: 60_000 };
const drainMs = 5000;

function joining(groupId: string) {
  return {
    groupId,
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  };
}

/** On a clock that stands still: what waits for time to pass waits for ever. */
async function serveAtRest(t: TestContext) {
  const clock = new ManualClock();
  return { clock, ...(await serve(t, { offsetsRetentionMs: -1 }, { clock })) };
}

test("closing answers a Fetch that is parked at once, with what there is", async (t) => {
  const { broker, log, clock } = await serveAtRest(t);
  const topic = await log.topic("orders");
  await topic.append({ value: "a" });
  const timers = clock.timerCount;
  const client = await Client.connect(t, broker);
  client.send(apis.fetch, 12, fetchFrom("orders", 0, { ...parked, minBytes: 1_000_000 }));
  client.send(apis.produce, 9, produceTo("orders", 0, batchOf("b")));
  client.send(apis.fetch, 12, fetchFrom("orders", 2, parked));
  const other = await Client.connect(t, broker);
  await other.until(() => clock.timerCount > timers);
  await broker.close();
  const { body } = await client.receive(apis.fetch, 12);
  assert.ok((body.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
  const produced = await client.receive(apis.produce, 9);
  assert.equal(produced.body.responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE);
  const { responses } = (await client.receive(apis.fetch, 12)).body;
  assert.equal(responses[0]?.partitions[0]?.errorCode, ErrorCode.NONE);
  await client.closed();
  assert.equal(clock.timerCount, timers - 1, "nothing goes on but what the log itself does");
});

test("closing lets those go who wait for their group, also those whose turn to join comes later", async (t) => {
  const { broker, log } = await serveAtRest(t);
  await log.topic("orders");
  const held = hold(log, "createPartitions");
  const members = [await Client.connect(t, broker), await Client.connect(t, broker)];
  await members[0]?.request(apis.joinGroup, 3, joining("present"));
  members[1]?.send(apis.joinGroup, 3, joining("present"));
  const late = [await Client.connect(t, broker), await Client.connect(t, broker)];
  for (const [n, client] of late.entries()) {
    client.send(apis.createTopics, 7, creationOf(`t${n}`));
    client.send(apis.joinGroup, 3, joining("late"));
  }
  await members[0]?.until(() => held.count === 2);
  const closed = broker.close();
  held.letGo();
  await closed;
  const refused = await members[1]?.receive(apis.joinGroup, 3);
  assert.equal(refused?.body.errorCode, ErrorCode.NOT_COORDINATOR);
  for (const client of late) {
    await client.receive(apis.createTopics, 7);
    const { body } = await client.receive(apis.joinGroup, 3);
    assert.equal(body.errorCode, ErrorCode.NOT_COORDINATOR);
  }
});

test("while it closes, the broker takes no more requests and no more connections", async (t) => {
  const { broker, log } = await serveAtRest(t);
  await log.topic("orders");
  const held = hold(log, "read");
  const { address } = broker;
  const client = await Client.connect(t, broker);
  client.send(apis.fetch, 12, fetchFrom("orders", 0));
  const other = await Client.connect(t, broker);
  await other.until(() => held.count === 1);
  const closed = broker.close();
  await other.closed();
  client.send(apis.createTopics, 7, creationOf("late"));
  const [error] = await once(connect(address.port, address.host), "error");
  assert.equal(error.code, "ECONNREFUSED");
  held.letGo();
  await client.receive(apis.fetch, 12);
  await client.closed();
  await closed;
  assert.deepEqual(await log.topics(), ["orders"]);
});

test("a client that has sent more than is read, and goes when told, does not hold up closing", async (t) => {
  const sockets = accepted(t);
  const { broker, log } = await serveAtRest(t);
  await log.topic("orders");
  const held = hold(log, "read");
  const client = await Client.connect(t, broker);
  for (let n = 0; n < 10_000; n++) client.send(apis.fetch, 12, fetchFrom("orders", 0));
  const other = await Client.connect(t, broker);
  const socket = sockets[0] as Socket;
  await other.until(() => socket.isPaused() && socket.readableLength > 0);
  const closed = broker.close();
  held.letGo();
  await closed;
  await client.closed();
});

test("a client that does not take its answers, or does not go, is cut off when its time is up", async (t) => {
  const sockets = accepted(t);
  const { broker, log, clock } = await serveAtRest(t);
  await (await log.topic("orders")).append({ value: "a".repeat(1_000_000) });
  const deaf = await Client.connect(t, broker);
  deaf.socket.pause();
  const limits = { partitionMaxBytes: 2_000_000 };
  for (let n = 0; n < 50; n++) deaf.send(apis.fetch, 12, fetchFrom("orders", 0, limits));
  const stubborn = connect({ ...broker.address, allowHalfOpen: true });
  t.after(() => stubborn.destroy());
  stubborn.on("error", () => undefined);
  await once(stubborn, "connect");
  const other = await Client.connect(t, broker);
  await other.until(() => sockets[0]?.writableNeedDrain === true);
  let isClosed = false;
  const closed = broker.close().then(() => {
    isClosed = true;
  });
  stubborn.resume();
  await Promise.all([once(stubborn, "end"), other.closed()]);
  clock.advance(drainMs - 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, false);
  clock.advance(1);
  await closed;
});

test("there may be so many connections, and one more when one has gone", async (t) => {
  const sockets = accepted(t);
  const { broker } = await serve(t);
  const open = async (): Promise<Socket> => {
    const socket = connect(broker.address.port, broker.address.host);
    t.after(() => socket.destroy());
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  const first = await Client.connect(t, broker);
  const others = await Promise.all(Array.from({ length: connectionsMax - 1 }, open));
  await first.until(() => sockets.length === connectionsMax);
  const excess = await open();
  excess.resume();
  await once(excess, "close");
  others[0]?.destroy();
  await first.until(() => sockets.slice(0, connectionsMax).some(({ destroyed }) => destroyed));
  await (await Client.connect(t, broker)).ping();
  await first.ping();
});
