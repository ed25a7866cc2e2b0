// Several places to listen, some of them with TLS.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectPlainly, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { LogError, openLog } from "@strandlog/log";
import { apis } from "@strandlog/protocol";
import { type BrokerListener, listen } from "./index.js";
import { connectionsMax, handshakeMsMax, listenersMax } from "./limits.js";
import { certificate } from "./security/test-support.js";
import { accepted, Client, ManualClock, noId, reported, reportedEvents, serve } from "./test-support.js";

const server = certificate("server");
const tls = { key: server.key, cert: server.cert };
const both = [{ kafka: 0 }, { kafka: 0, tls }];

async function connectBy(
  t: TestContext,
  { address }: BrokerListener,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ ...address, ca: server.cert, ...options });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

function rawly(t: TestContext, { address }: BrokerListener): Client {
  const socket = connectPlainly(address.port, address.host);
  t.after(() => socket.destroy());
  return new Client(socket);
}

async function brokersSeenBy(client: Client): Promise<string[]> {
  const asked = { topics: [], includeClusterAuthorizedOperations: false };
  const { brokers } = await client.request(apis.metadata, 9, {
    ...asked,
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  });
  return brokers.map(({ host, port }) => `${host}:${port}`);
}

test("every listener has a name and an address, and tells its clients to come back to it", async (t) => {
  const { broker } = await serve(t, {
    listeners: [
      { kafka: 0 },
      { kafka: "127.0.0.1:0", name: "outside", advertise: "kafka.example:9094" },
      { kafka: 0, tls },
    ],
  });
  const [plain, outside, secure] = broker.listeners;
  assert.ok(plain && outside && secure);
  assert.deepEqual(
    broker.listeners.map(({ name }) => name),
    ["PLAINTEXT", "outside", "SSL"],
  );
  assert.deepEqual([broker.address, broker.bootstrap], [plain.address, plain.bootstrap]);
  assert.deepEqual(await brokersSeenBy(await Client.connect(t, plain)), [plain.bootstrap]);
  assert.deepEqual(await brokersSeenBy(await Client.connect(t, outside)), ["kafka.example:9094"]);
  const client = new Client(await connectBy(t, secure));
  assert.deepEqual(await brokersSeenBy(client), [secure.bootstrap]);
  const { nodeId, host, port } = await client.request(apis.findCoordinator, 2, {
    key: "g",
    keyType: 0,
    coordinatorKeys: [],
  });
  assert.deepEqual([nodeId, `${host}:${port}`], [1, secure.bootstrap]);
});

test("what has come by TLS is there for who comes without", async (t) => {
  const { broker, log } = await serve(t, { listeners: both });
  const client = new Client(await connectBy(t, broker.listeners[1] as BrokerListener));
  const topics = [{ name: "orders", topicId: noId }];
  await client.request(apis.metadata, 9, {
    topics,
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
  assert.deepEqual(await log.topics(), ["orders"]);
});

test("of several listeners all listen or none: the first is closed when the second cannot", async (t) => {
  const log = await openLog("memory:");
  t.after(() => log.close());
  const taken = await listen(log, { kafka: 0 });
  t.after(() => taken.close());
  const free = await listen(log, { kafka: 0 });
  const { bootstrap } = free;
  await free.close();
  const listeners = [
    { name: "first", kafka: bootstrap },
    { name: "second", kafka: taken.bootstrap },
  ];
  await assert.rejects(listen(log, { listeners }), (error) => {
    return error instanceof LogError && error.code === "IO" && error.message.includes(taken.bootstrap);
  });
  await (await listen(log, { kafka: bootstrap })).close();
});

test("a closed broker has no address, and its clients with TLS are let go", async (t) => {
  const { broker } = await serve(t, { listeners: both });
  const [plain, secure] = broker.listeners as [BrokerListener, BrokerListener];
  const clients = [await Client.connect(t, plain), new Client(await connectBy(t, secure))];
  for (const client of clients) await client.ping();
  const greeting = rawly(t, secure);
  await once(greeting.socket, "connect");
  await broker.close();
  for (const client of [...clients, greeting]) await client.closed();
  assert.throws(() => plain.address, /closed/);
});

test("a client has to bring a certificate where one is asked for, of whom the broker believes", async (t) => {
  const sockets = accepted(t);
  const errors = reported(t);
  const events = reportedEvents(t);
  const authority = certificate("authority");
  const { broker } = await serve(t, {
    listeners: [{ kafka: 0, tls: { ...tls, ca: Buffer.from(authority.cert), requestClientCert: true } }],
  });
  const [listener] = broker.listeners as [BrokerListener];
  const known = certificate("client", authority);
  const client = new Client(await connectBy(t, listener, { key: known.key, cert: known.cert }));
  await client.ping();
  // With TLS 1.3 a client learns that it is refused only afterwards.
  const stranger = certificate("stranger");
  for (const pem of [{}, { key: stranger.key, cert: stranger.cert }]) {
    await new Client(await connectBy(t, listener, pem)).closed();
  }
  assert.match(String(errors[0]), /peer did not return a certificate/);
  assert.equal(events[0], "handshake-failed 127.0.0.1");
  await client.ping();
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, true, true],
  );
});

test("bytes that are no TLS, or half a handshake, end that connection and no other", async (t) => {
  const clock = new ManualClock();
  const sockets = accepted(t);
  const errors = reported(t);
  const { broker } = await serve(t, { listeners: both }, { clock });
  const [plain, secure] = broker.listeners as [BrokerListener, BrokerListener];
  const other = await Client.connect(t, plain);
  await other.ping();
  for (const [bytes, words] of [
    [Buffer.from("GET / HTTP/1.1\r\n\r\n"), /the client does not speak TLS, as it has to/],
    // ApiVersions
    [Buffer.from("0000000a00120000000000" + "07ffff", "hex"), /the client does not speak TLS, as it has to/],
    [Buffer.alloc(100_000, 0xff), /SSL|tls/i],
  ] as const) {
    const client = rawly(t, secure);
    client.socket.write(bytes);
    await client.closed();
    assert.match(String(errors.pop()), words);
    await other.ping();
  }
  const confused = connect({ ...plain.address, rejectUnauthorized: false });
  await assert.rejects(once(confused, "secureConnect"));
  assert.match(String(errors.pop()), /TLS where there should be a frame/);

  const before = sockets.length;
  const silent = rawly(t, secure);
  const half = rawly(t, secure);
  half.socket.write(Buffer.from("16030100c5010000c10303", "hex"));
  await other.until(() => sockets.length === before + 2 && sockets.at(-1)?.remotePort !== undefined);
  clock.advance(handshakeMsMax);
  await other.ping();
  assert.ok(!silent.isClosed && !half.isClosed);
  clock.advance(1000);
  await Promise.all([silent.closed(), half.closed()]);
  await new Client(await connectBy(t, secure)).ping();
  await other.ping();
  assert.deepEqual(errors, []);
});

test("who leaves in the middle of a handshake leaves nothing behind, and is not reported", async (t) => {
  const sockets = accepted(t);
  const errors = reported(t);
  const { broker } = await serve(t, { listeners: both });
  const [plain, secure] = broker.listeners as [BrokerListener, BrokerListener];
  const other = await Client.connect(t, plain);
  for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
    const { socket } = rawly(t, secure);
    await once(socket, "connect");
    socket.write(Buffer.from("160301", "hex"));
    const count = sockets.length;
    socket[leave]();
    await other.until(() => sockets.length === count && sockets.at(-1)?.destroyed === true);
  }
  assert.deepEqual(errors, []);
});

test("the bound on connections is for all listeners together", async (t) => {
  const sockets = accepted(t);
  const events = reportedEvents(t);
  const { broker } = await serve(t, { listeners: both });
  const [plain, secure] = broker.listeners as [BrokerListener, BrokerListener];
  const first = await Client.connect(t, plain);
  const others = await Promise.all(
    Array.from({ length: connectionsMax - 1 }, async (_, n) => {
      const { socket } = rawly(t, n % 2 === 0 ? plain : secure);
      await once(socket, "connect");
      return socket;
    }),
  );
  await first.until(() => sockets.length === connectionsMax);
  for (const listener of [plain, secure]) await rawly(t, listener).closed();
  assert.deepEqual(events, Array(2).fill("connection-refused 127.0.0.1"));
  const [leaving] = others as [Socket];
  leaving.destroy();
  await first.until(() => sockets.slice(0, connectionsMax).some(({ destroyed }) => destroyed));
  await (await Client.connect(t, plain)).ping();
});

test("listeners that make no sense are refused by name", async (t) => {
  const { log } = await serve(t);
  const other = certificate("other");
  for (const [options, message] of [
    [{ listeners: [] }, /listeners must be a list of 1 to 16/],
    [{ listeners: Array(listenersMax + 1).fill({ kafka: 0 }) }, /listeners must be a list/],
    [{ listeners: {} }, /listeners must be a list/],
    [{ listeners: [7] }, /listeners\[0\] must be an object/],
    [{ listeners: [{ kafka: 0 }], kafka: 0 }, /kafka and advertise are for one listener/],
    [{ listeners: [{ kafka: 0 }], advertise: "a:1" }, /kafka and advertise are for one listener/],
    [{ listeners: [{}] }, /listeners\[0\]\.kafka/],
    [{ listeners: [{ kafka: 0 }, { kafka: 0 }] }, /two listeners are called "PLAINTEXT"/],
    [{ listeners: [{ kafka: 0, port: 1 }] }, /"listeners\[0\]\.port"/],
    [{ listeners: [{ kafka: 0, name: "a b" }] }, /listeners\[0\]\.name/],
    [{ listeners: [{ kafka: 0, advertise: "here" }] }, /listeners\[0\]\.advertise/],
    [{ listeners: [{ kafka: 0, tls: true }] }, /listeners\[0\]\.tls must be an object/],
    [{ listeners: [{ kafka: 0, tls: { ...tls, pfx: "" } }] }, /"listeners\[0\]\.tls\.pfx"/],
    [{ listeners: [{ kafka: 0, tls: { cert: tls.cert } }] }, /listeners\[0\]\.tls\.key must be PEM/],
    [{ listeners: [{ kafka: 0, tls: { ...tls, cert: "cert.pem" } }] }, /tls\.cert must be PEM/],
    [{ listeners: [{ kafka: 0, tls: { ...tls, key: other.key } }] }, /cannot be used: .*mismatch/],
    [{ listeners: [{ kafka: 0, tls: { ...tls, requestClientCert: 1 } }] }, /must be true or false/],
    [{ listeners: [{ kafka: 0, tls: { ...tls, requestClientCert: true } }] }, /needs .*tls\.ca/],
    [{ listeners: [{ kafka: 0, sasl: [] }] }, /listeners\[0\]\.sasl must be a list/],
    [{ listeners: [{ kafka: 0, sasl: ["GSSAPI"] }] }, /listeners\[0\]\.sasl must be a list/],
  ] as const) {
    await assert.rejects(listen(log, options as object), (error) => {
      return error instanceof LogError && error.code === "INVALID_ARGUMENT" && message.test(error.message);
    });
  }
});
