// Listeners that ask who their clients are.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { type SaslMechanism, setUser } from "./index.js";
import { authenticationMsMax, idleMsMax, unauthenticatedBytesMax } from "./limits.js";
import { attributesOf, ScramClient } from "./security/test-support.js";
import {
  accepted,
  batchOf,
  Client,
  ManualClock,
  produceTo,
  reported,
  reportedEvents,
  serve,
} from "./test-support.js";

const all: readonly SaslMechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const versions = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
const failed = ErrorCode.SASL_AUTHENTICATION_FAILED;

/** On a clock that stands still, with a user "billing" whose password is "secret". */
async function serveUsers(t: TestContext, sasl: readonly SaslMechanism[] = all) {
  const clock = new ManualClock();
  const errors = reported(t);
  const served = await serve(t, { listeners: [{ kafka: 0, sasl }] }, { clock });
  await setUser(served.log, "billing", "secret");
  return { clock, errors, ...served };
}

function plainToken(user: string, password: string, authorized = ""): Buffer {
  return Buffer.from(`${authorized}\0${user}\0${password}`);
}

async function choose(client: Client, mechanism: string): Promise<number> {
  return (await client.request(apis.saslHandshake, 1, { mechanism })).errorCode;
}

async function say(client: Client, authBytes: Buffer) {
  return client.request(apis.saslAuthenticate, 2, { authBytes });
}

/** An error code; of SCRAM the first that is one. */
async function authenticate(
  client: Client,
  mechanism: SaslMechanism,
  user: string,
  password: string,
): Promise<number> {
  const chosen = await choose(client, mechanism);
  if (chosen !== ErrorCode.NONE) return chosen;
  if (mechanism === "PLAIN") return (await say(client, plainToken(user, password))).errorCode;
  const scram = new ScramClient(mechanism, user, password);
  const challenge = await say(client, scram.first);
  if (challenge.errorCode !== ErrorCode.NONE) return challenge.errorCode;
  const last = await say(client, scram.final(challenge.authBytes));
  if (last.errorCode === ErrorCode.NONE) assert.ok(scram.isProof(last.authBytes));
  return last.errorCode;
}

/** Whether it is answered like anybody on a listener that does not ask. */
async function isLetIn(client: Client): Promise<boolean> {
  client.send(apis.listGroups, 4, { statesFilter: [], typesFilter: [] });
  return client.frame().then(
    () => true,
    () => false,
  );
}

for (const mechanism of all) {
  test(`${mechanism}: who knows the password is let in, and nobody else`, async (t) => {
    const { broker, errors } = await serveUsers(t);
    const events = reportedEvents(t);
    const client = await Client.connect(t, broker);
    const { apiKeys } = await client.request(apis.apiVersions, 4, versions);
    const offered = apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, minVersion, maxVersion]);
    for (const api of [
      [17, 0, 1],
      [36, 0, 2],
    ])
      assert.ok(offered.some((each) => String(each) === String(api)));
    assert.equal(await authenticate(client, mechanism, "billing", "secret"), ErrorCode.NONE);
    assert.ok(await isLetIn(client));
    assert.deepEqual(errors, []);

    for (const [user, password] of [
      ["billing", "Secret"],
      ["billing", "secret "],
      ["Billing", "secret"],
      ["nobody", "secret"],
    ] as const) {
      const stranger = await Client.connect(t, broker);
      assert.equal(await authenticate(stranger, mechanism, user, password), failed);
      assert.equal(await isLetIn(stranger), false);
      await stranger.closed();
      const expected = new RegExp(`authentication of "${user}" by ${mechanism} was refused`);
      assert.match(String(errors.pop()), expected);
      assert.equal(events.pop(), "authentication-failed 127.0.0.1");
    }
    assert.ok(await isLetIn(client));
  });
}

test("a wrong password and an unknown user get the same answers", async (t) => {
  const { broker } = await serveUsers(t);
  for (const mechanism of all) {
    const answers = [];
    for (const user of ["billing", "nobody"]) {
      const client = await Client.connect(t, broker);
      await choose(client, mechanism);
      if (mechanism === "PLAIN") {
        answers.push([await say(client, plainToken(user, "wrong"))]);
        continue;
      }
      const scram = new ScramClient(mechanism, user, "wrong");
      const challenge = await say(client, scram.first);
      const { s = "", i } = attributesOf(challenge.authBytes);
      answers.push([s.length, i, await say(client, scram.final(challenge.authBytes))]);
    }
    assert.deepEqual(answers[0], answers[1]);
  }
});

test("the salt of somebody who is no user stays the same, as a user's does", async (t) => {
  const { broker } = await serveUsers(t);
  for (const user of ["billing", "nobody"]) {
    const salts = new Set<string | undefined>();
    const nonces = new Set<string | undefined>();
    for (let n = 0; n < 3; n++) {
      const client = await Client.connect(t, broker);
      await choose(client, "SCRAM-SHA-256");
      const { authBytes } = await say(client, Buffer.from(`n,,n=${user},r=abc`));
      const { r, s } = attributesOf(authBytes);
      salts.add(s);
      nonces.add(r);
    }
    assert.deepEqual([salts.size, nonces.size], [1, 3]);
  }
});

test("a mechanism that is not offered is refused, and the client learns which are", async (t) => {
  const { broker } = await serveUsers(t, ["SCRAM-SHA-512"]);
  for (const mechanism of ["PLAIN", "GSSAPI", "scram-sha-512", "", "x".repeat(30_000)]) {
    const client = await Client.connect(t, broker);
    const { errorCode, mechanisms } = await client.request(apis.saslHandshake, 1, { mechanism });
    assert.deepEqual([errorCode, mechanisms], [ErrorCode.UNSUPPORTED_SASL_MECHANISM, ["SCRAM-SHA-512"]]);
    await client.closed();
  }
  const old = await Client.connect(t, broker);
  const { errorCode } = await old.request(apis.saslHandshake, 0, { mechanism: "SCRAM-SHA-512" });
  assert.equal(errorCode, ErrorCode.UNSUPPORTED_VERSION);
  assert.equal(await authenticate(old, "SCRAM-SHA-512", "billing", "secret"), ErrorCode.NONE);
});

test("before it is known who a client is nothing else is answered, nor after it has begun anew", async (t) => {
  const { broker, log, errors } = await serveUsers(t);
  const topic = await log.topic("orders");
  const steps: readonly ((client: Client) => Promise<unknown>)[] = [
    async () => undefined,
    (client) => client.ping(),
    (client) => choose(client, "SCRAM-SHA-256"),
    async (client) => {
      await choose(client, "SCRAM-SHA-256");
      await say(client, new ScramClient("SCRAM-SHA-256", "billing", "secret").first);
    },
    async (client) => {
      await authenticate(client, "PLAIN", "billing", "secret");
      await choose(client, "PLAIN");
    },
  ];
  for (const prepare of steps) {
    const client = await Client.connect(t, broker);
    await prepare(client);
    client.send(apis.produce, 9, produceTo("orders", 0, batchOf("a")));
    await client.closed();
    assert.match(String(errors.pop()), /API 0 before it is known who the client is/);
  }
  assert.equal((await topic.partition(0).describe()).logEndOffset, 0);
});

test("what has been sent along is answered after the password has been found right, and not after a wrong one", async (t) => {
  const { broker, log } = await serveUsers(t);
  const topic = await log.topic("orders");
  for (const [password, isRight] of [
    ["wrong", false],
    ["secret", true],
  ] as const) {
    const client = await Client.connect(t, broker);
    client.socket.cork();
    client.send(apis.saslHandshake, 1, { mechanism: "PLAIN" });
    client.send(apis.saslAuthenticate, 2, { authBytes: plainToken("billing", password) });
    client.send(apis.produce, 9, produceTo("orders", 0, batchOf("a")));
    client.socket.uncork();
    await client.receive(apis.saslHandshake, 1);
    const { body } = await client.receive(apis.saslAuthenticate, 2);
    assert.equal(body.errorCode, isRight ? ErrorCode.NONE : failed);
    if (isRight) await client.receive(apis.produce, 9);
    else await client.closed();
    assert.equal((await topic.partition(0).describe()).logEndOffset, isRight ? 1 : 0);
  }
});

test("tokens that are malformed, out of turn or without end are refused, and end the connection", async (t) => {
  const { broker } = await serveUsers(t);
  const other = await Client.connect(t, broker);
  const tokens: readonly [mechanism: SaslMechanism, ...tokens: (string | Buffer)[]][] = [
    ["PLAIN", ""],
    ["PLAIN", "\0"],
    ["PLAIN", "\0\0"],
    ["PLAIN", "billing\0secret"],
    ["PLAIN", "\0billing\0"],
    ["PLAIN", "\0\0secret"],
    ["PLAIN", "\0billing\0secret\0"],
    ["PLAIN", "other\0billing\0secret"],
    ["PLAIN", Buffer.alloc(60_000, 0)],
    ["PLAIN", Buffer.alloc(60_000, 0xff)],
    ["PLAIN", `\0${"x".repeat(30_000)}\0${"y".repeat(30_000)}`],
    ["SCRAM-SHA-256", ""],
    ["SCRAM-SHA-256", "n,,"],
    ["SCRAM-SHA-256", Buffer.alloc(60_000, 0x2c)],
    ["SCRAM-SHA-512", Buffer.alloc(60_000, 0xff)],
    ["SCRAM-SHA-256", "n,,n=billing,r=abc", ""],
    ["SCRAM-SHA-256", "n,,n=billing,r=abc", "n,,n=billing,r=abc"],
    ["SCRAM-SHA-256", "n,,n=billing,r=abc", `c=biws,r=abc,p=${"A".repeat(43)}=`],
    ["SCRAM-SHA-256", "n,,n=billing,r=abc", Buffer.from(",x=1".repeat(15_000))],
    ["SCRAM-SHA-256", `n,,n=${"x".repeat(60_000)},r=abc`, "c=biws"],
  ];
  for (const [mechanism, ...texts] of tokens) {
    const client = await Client.connect(t, broker);
    await choose(client, mechanism);
    const codes: number[] = [];
    for (const text of texts) codes.push((await say(client, Buffer.from(text as string))).errorCode);
    assert.equal(codes.at(-1), failed, `${mechanism} ${String(texts.at(-1)).slice(0, 50)}`);
    await client.closed();
  }
  const early = await Client.connect(t, broker);
  assert.equal((await say(early, plainToken("billing", "secret"))).errorCode, ErrorCode.ILLEGAL_SASL_STATE);
  await early.closed();
  const again = await Client.connect(t, broker);
  await choose(again, "SCRAM-SHA-256");
  assert.equal(await choose(again, "SCRAM-SHA-256"), ErrorCode.ILLEGAL_SASL_STATE);
  await again.closed();
  await other.ping();
});

test("a request may be long only when it is known whose it is", async (t) => {
  const { broker, log, errors } = await serveUsers(t);
  const length = Buffer.alloc(4);
  length.writeInt32BE(unauthenticatedBytesMax + 1);
  const stranger = await Client.connect(t, broker);
  stranger.socket.write(length);
  await stranger.closed();
  assert.match(String(errors.pop()), /a frame of 65537 bytes: there may be 1 to 65536/);

  await log.topic("orders");
  const client = await Client.connect(t, broker);
  await authenticate(client, "PLAIN", "billing", "secret");
  const batch = batchOf("a".repeat(unauthenticatedBytesMax));
  const { responses } = await client.request(apis.produce, 9, produceTo("orders", 0, batch));
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE);
  await choose(client, "PLAIN");
  client.socket.write(length);
  await client.closed();
});

test("a client has to say in time who it is, also if it keeps asking, and when it begins anew", async (t) => {
  const sockets = accepted(t);
  const { broker, clock } = await serveUsers(t);
  const known = await Client.connect(t, broker);
  await authenticate(known, "SCRAM-SHA-256", "billing", "secret");
  const silent = await Client.connect(t, broker);
  const asking = await Client.connect(t, broker);
  const halfway = await Client.connect(t, broker);
  await asking.ping();
  await choose(halfway, "PLAIN");
  await known.until(() => sockets.length === 4);
  for (let n = 0; n < 10; n++) {
    clock.advance(authenticationMsMax / 10);
    await asking.ping();
  }
  assert.ok(![silent, asking, halfway].some(({ isClosed }) => isClosed));
  clock.advance(1000);
  await Promise.all([silent.closed(), asking.closed(), halfway.closed()]);
  clock.advance(idleMsMax / 2);
  assert.ok(await isLetIn(known));
  await choose(known, "PLAIN");
  clock.advance(authenticationMsMax);
  await known.ping();
  clock.advance(1000);
  await known.closed();
});

test("a client may say anew who it is, as the same user, and its connection goes on without end", async (t) => {
  const { broker, log } = await serveUsers(t);
  await setUser(log, "audit", "secret");
  const client = await Client.connect(t, broker);
  for (const mechanism of all) {
    assert.equal(await authenticate(client, mechanism, "billing", "secret"), ErrorCode.NONE);
    assert.ok(await isLetIn(client));
  }
  await choose(client, "PLAIN");
  const { sessionLifetimeMs } = await say(client, plainToken("billing", "secret", "billing"));
  assert.equal(sessionLifetimeMs, 0);
  assert.equal(await authenticate(client, "PLAIN", "audit", "secret"), failed);
  await client.closed();
});

test("a password counts as it is now; who is in already stays", async (t) => {
  const { broker, log } = await serveUsers(t);
  const inside = await Client.connect(t, broker);
  await authenticate(inside, "PLAIN", "billing", "secret");
  await setUser(log, "billing", "new");
  const codes = [];
  for (const mechanism of all) {
    for (const password of ["secret", "new"]) {
      codes.push(await authenticate(await Client.connect(t, broker), mechanism, "billing", password));
    }
  }
  assert.deepEqual(codes, [failed, 0, failed, 0, failed, 0]);
  assert.ok(await isLetIn(inside));
});

test("a user that cannot be read ends the connection, and is told", async (t) => {
  const { broker, log, errors } = await serveUsers(t);
  await log.storage.metadata.put("broker/user/billing", "{}");
  for (const mechanism of ["PLAIN", "SCRAM-SHA-512"] as const) {
    const client = await Client.connect(t, broker);
    await assert.rejects(authenticate(client, mechanism, "billing", "secret"));
    assert.match(String(errors.pop()), /"broker\/user\/billing" cannot be read/);
  }
});

test("a storm of wrong passwords is refused, one after the other, and keeps nobody out", async (t) => {
  const { broker, log } = await serveUsers(t);
  const topic = await log.topic("orders");
  const inside = await Client.connect(t, broker);
  await authenticate(inside, "PLAIN", "billing", "secret");
  const storm = Array.from({ length: 100 }, async (_, n) => {
    const mechanism = all[n % 3] as SaslMechanism;
    const client = await Client.connect(t, broker);
    return authenticate(client, mechanism, n % 2 === 0 ? "billing" : `nobody ${n}`, `guess ${n}`);
  });
  const other = await Client.connect(t, broker);
  assert.equal(await authenticate(other, "PLAIN", "billing", "secret"), ErrorCode.NONE);
  await inside.request(apis.produce, 9, produceTo("orders", 0, batchOf("a")));
  assert.equal((await topic.partition(0).describe()).logEndOffset, 1);
  assert.deepEqual(new Set(await Promise.all(storm)), new Set([failed]));
});

test("a listener that does not ask says so to whoever wants to tell", async (t) => {
  const { broker } = await serve(t);
  const client = await Client.connect(t, broker);
  const { errorCode, mechanisms } = await client.request(apis.saslHandshake, 1, { mechanism: "PLAIN" });
  assert.deepEqual([errorCode, mechanisms], [ErrorCode.ILLEGAL_SASL_STATE, []]);
  assert.equal((await say(client, plainToken("a", "b"))).errorCode, ErrorCode.ILLEGAL_SASL_STATE);
  assert.ok(await isLetIn(client));
});
