// Clients that are broken, slow or hostile, as far as it is the connection's matter: none of them harms another.
import assert from "node:assert/strict";
import type { Server, Socket } from "node:net";
import { test } from "node:test";
import { apis, ErrorCode, ProtocolError } from "@strandlog/protocol";
import { idleMsMax, partialMsMax, pipelinedMax, requestBytesMax, sendMsMax } from "./limits.js";
import {
  accepted,
  batchOf,
  Client,
  countWatches,
  creationOf,
  fetchFrom,
  hold,
  ManualClock,
  produceTo,
  reported,
  reportedEvents,
  serve,
} from "./test-support.js";

const parked = { maxWaitMs: 300_000 };

function int32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes.toString("hex");
}

/** A request of an API and version, whatever comes behind its header. */
function framed(key: number, version: number, rest: string): string {
  const hex = `${int32((key << 16) | (version & 0xffff))}00000007${rest}`;
  return int32(hex.length / 2) + hex;
}

test("a length that no request has ends the connection, and no other", async (t) => {
  const errors = reported(t);
  const events = reportedEvents(t);
  const { broker } = await serve(t);
  const other = await Client.connect(t, broker);
  const hostile = [
    ...[0, -1, -(2 ** 31), 2 ** 31 - 1, requestBytesMax + 1].map(int32),
    "16030100c5010000c10303", // the hello of TLS
    Buffer.from("GET / HTTP/1.1\r\n\r\n").toString("hex"),
  ];
  for (const hex of hostile) {
    const client = await Client.connect(t, broker);
    client.socket.write(Buffer.from(hex, "hex"));
    await client.closed();
    const told = hex.startsWith("1603") ? /TLS where there should be a frame/ : /a frame of -?\d+ bytes/;
    assert.match(String(errors.pop()), told);
    assert.equal(events.pop(), "connection-failed 127.0.0.1");
    await other.ping();
  }
  const longest = await Client.connect(t, broker);
  longest.socket.write(Buffer.from(`${int32(requestBytesMax)}00`, "hex"));
  for (let n = 0; n < 5; n++) await other.ping();
  assert.equal(longest.isClosed, false);
});

test("what cannot be read as a request ends the connection, and no other", async (t) => {
  const errors = reported(t);
  const { broker } = await serve(t);
  const other = await Client.connect(t, broker);
  const cases: readonly [name: string, hex: string, error: RegExp][] = [
    ["no header", `${int32(4)}00120000`, /should follow/],
    ["an unknown API", framed(999, 0, "ffff"), /no API 999/],
    ["an API below all", framed(-1, 0, "ffff"), /no API -1/],
    ["a version above all", framed(3, 99, "ffff"), /no API 3 of version 99/],
    ["a version below all", framed(3, -1, "ffff"), /no API 3 of version -1/],
    ["a version that is only advertised", framed(0, 0, "ffff"), /no API 0 of version 0/],
    ["a client id of length -2", framed(3, 1, "fffe"), /length is -2/],
    ["a client id beyond the end", framed(3, 1, "7fff"), /should follow/],
    ["2^31 - 1 topics", framed(3, 1, "ffff7fffffff"), /2147483647 elements/],
    ["-2 topics", framed(3, 1, "fffffffffffe"), /a length is -2/],
    ["2^32 - 2 topics, compact", framed(3, 9, "ffff00ffffffff0f"), /elements cannot be in/],
    ["null where it cannot be, compact", framed(3, 9, "ffff00020000000000"), /null, which this string/],
    ["a varint of more than 32 bits", framed(3, 9, "ffff00ffffffff7f"), /more than 32 bits/],
    ["a varint that does not end", framed(3, 9, `ffff00${"ff".repeat(9)}`), /more than 32 bits/],
    ["more tags than bytes", framed(3, 9, "ffffffffffff0f"), /should follow/],
    ["a tag longer than the frame", framed(3, 9, "ffff0101ffffffff0f"), /should follow/],
    [
      "records longer than the frame",
      framed(0, 3, "ffffffffffff00000001000000010001610000000100000000" + "7fffffff"),
      /should follow/,
    ],
    [
      "an offset beyond 2^53",
      framed(2, 1, "ffffffffffff00000001000161000000010000000000" + "20000000000000"),
      /2\^53/,
    ],
  ];
  for (const [name, hex, error] of cases) {
    const client = await Client.connect(t, broker);
    client.socket.write(Buffer.from(hex, "hex"));
    await client.closed();
    assert.match(String(errors.pop()), error, name);
    await other.ping();
  }
});

test("bytes that come one at a time still make a request", async (t) => {
  const sockets = accepted(t);
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const other = await Client.connect(t, broker);
  const bytes = Buffer.from(framed(18, 0, "000474657374"), "hex");
  for (const [n, byte] of bytes.entries()) {
    client.socket.write(Buffer.of(byte));
    await other.until(() => sockets[0]?.bytesRead === n + 1);
  }
  const { correlationId, body } = await client.receive(apis.apiVersions, 0);
  assert.equal(correlationId, 7);
  assert.equal(body.errorCode, ErrorCode.NONE);
});

test("a request has to be whole in time, also if bytes keep coming", async (t) => {
  const clock = new ManualClock();
  const sockets = accepted(t);
  const { broker } = await serve(t, {}, { clock });
  const silent = await Client.connect(t, broker);
  const dribbling = await Client.connect(t, broker);
  const other = await Client.connect(t, broker);
  silent.socket.write(Buffer.from(framed(18, 0, "ffff").slice(0, 20), "hex"));
  dribbling.socket.write(Buffer.from("00", "hex"));
  await other.until(() => sockets[0]?.bytesRead === 10 && sockets[1]?.bytesRead === 1);
  clock.advance(partialMsMax);
  dribbling.socket.write(Buffer.from("00", "hex"));
  await other.until(() => sockets[1]?.bytesRead === 2);
  assert.ok(!silent.isClosed && !dribbling.isClosed);
  clock.advance(1000);
  await Promise.all([silent.closed(), dribbling.closed()]);
  await other.ping();
});

test("a connection is closed when it has been idle for long, which it is not while it waits for us", async (t) => {
  const clock = new ManualClock();
  const { broker, log } = await serve(t, {}, { clock });
  await log.topic("orders");
  const held = hold(log, "read");
  const [idle, waiting] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  waiting.send(apis.fetch, 12, fetchFrom("orders", 0));
  await idle.until(() => held.count === 1);
  clock.advance(idleMsMax);
  await idle.ping();
  clock.advance(idleMsMax + 1000);
  await idle.closed();
  held.letGo();
  await waiting.receive(apis.fetch, 12);
  clock.advance(idleMsMax);
  const other = await Client.connect(t, broker);
  for (let n = 0; n < 5; n++) await other.ping();
  assert.equal(waiting.isClosed, false);
  clock.advance(1000);
  await waiting.closed();
});

test("an answer has to be taken in time", async (t) => {
  const clock = new ManualClock();
  const sockets = accepted(t);
  const { broker, log } = await serve(t, {}, { clock });
  const topic = await log.topic("orders", { maxMessageBytes: 30_000_000 });
  await topic.append({ value: Buffer.alloc(6_000_000) });
  const client = await Client.connect(t, broker);
  client.socket.pause();
  const limits = { partitionMaxBytes: 50_000_000 };
  for (let n = 0; n < 5; n++) client.send(apis.fetch, 12, fetchFrom("orders", 0, limits));
  const other = await Client.connect(t, broker);
  const socket = sockets[0] as Socket;
  await other.until(() => socket.writableNeedDrain);
  await other.untilAtRest(socket);
  clock.advance(sendMsMax);
  await other.ping();
  assert.equal(socket.destroyed, false);
  clock.advance(1000);
  assert.equal(socket.destroyed, true);
  await other.ping();
});

test("a client that leaves while its Fetch is parked leaves nothing behind", async (t) => {
  const clock = new ManualClock();
  const { broker, log } = await serve(t, {}, { clock });
  await log.topic("orders");
  const watches = countWatches(log);
  const other = await Client.connect(t, broker);
  await other.ping();
  const timers = clock.timerCount;
  for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
    const client = await Client.connect(t, broker);
    client.send(apis.fetch, 12, fetchFrom("orders", 0, parked));
    await other.until(() => watches.count === 1);
    assert.equal(clock.timerCount, timers + 1);
    client.socket[leave]();
    await other.until(() => watches.count === 0);
    assert.equal(clock.timerCount, timers);
  }
});

test("what a client has sent is stored though it leaves at once and wants no answers", async (t) => {
  const { broker, log } = await serve(t);
  const topic = await log.topic("orders");
  await log.topic("other");
  const [client, other] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  const requests = 3 * pipelinedMax;
  client.socket.cork();
  client.send(apis.fetch, 12, fetchFrom("other", 0, parked));
  for (let n = 0; n < requests; n++) {
    client.send(apis.produce, 9, { ...produceTo("orders", 0, batchOf(String(n))), acks: 0 });
  }
  client.socket.uncork();
  const end = async () => (await topic.partition(0).describe()).logEndOffset;
  while ((await end()) < pipelinedMax - 1) await other.ping();
  client.socket.end();
  let next = 0;
  for await (const { value } of topic.read({ follow: true })) {
    assert.equal(String(value), String(next));
    if (++next === requests) break;
  }
});

test("an error that nobody expects ends that connection only, whenever it happens, and is reported", async (t) => {
  class BrokenClock extends ManualClock {
    isBroken = false;
    override randomBytes(count: number): Buffer {
      if (this.isBroken) throw new Error("no randomness");
      return super.randomBytes(count);
    }
  }
  const clock = new BrokenClock();
  const errors = reported(t);
  const { broker, log } = await serve(t, {}, { clock });
  const topic = await log.topic("orders");
  const other = await Client.connect(t, broker);
  const client = await Client.connect(t, broker);
  clock.isBroken = true;
  client.send(apis.createTopics, 7, creationOf("t"));
  await client.closed();
  assert.match(String(errors.pop()), /no randomness/);

  // Here it happens long before its turn to be answered.
  const timers = clock.timerCount;
  const waiting = await Client.connect(t, broker);
  waiting.send(apis.fetch, 12, fetchFrom("orders", 0, parked));
  waiting.send(apis.joinGroup, 9, {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  });
  await other.until(() => clock.timerCount > timers);
  for (let n = 0; n < 5; n++) await other.ping();
  assert.deepEqual(errors, []);
  await topic.append({ value: "a" });
  await waiting.receive(apis.fetch, 12);
  await waiting.closed();
  assert.match(String(errors.pop()), /no randomness/);
  await other.ping();
});

test("a protocol error is reported as one, and not when the client has just left", async (t) => {
  const errors = reported(t);
  const { broker } = await serve(t);
  const [client, leaving] = [await Client.connect(t, broker), await Client.connect(t, broker)];
  client.socket.write(Buffer.from(framed(3, 1, "ffff7fffffff"), "hex"));
  await client.closed();
  assert.ok(errors.pop() instanceof ProtocolError);
  leaving.socket.resetAndDestroy();
  const other = await Client.connect(t, broker);
  for (let n = 0; n < 5; n++) await other.ping();
  assert.deepEqual(errors, []);
});

test("a connection that cannot be accepted is reported, and does not end the broker", async (t) => {
  const sockets = accepted(t);
  const errors = reported(t);
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  await client.ping();
  const { server } = sockets[0] as Socket & { readonly server: Server };
  for (let n = 0; n < 2; n++) server.emit("error", new Error("EMFILE"));
  assert.deepEqual(errors.map(String), ["Error: EMFILE", "Error: EMFILE"]);
  await client.ping();
});
