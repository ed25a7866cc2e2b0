// Users, as clients see and change them.
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { type TestContext, test } from "node:test";
import { apis, ErrorCode, type RequestOf } from "@strandlog/protocol";
import { type ListenerOptions, setUser, users } from "./index.js";
import { ScramClient } from "./security/test-support.js";
import { Client, type Served, serve } from "./test-support.js";

type Alterations = Partial<RequestOf<typeof apis.alterUserScramCredentials>>;

const [sha256, sha512] = [1, 2];
const salt = Buffer.from("a salt of the client's");

function upsertion(name: string, mechanism: number, password: string, iterations = 4096) {
  const [bytes, algorithm] = mechanism === sha256 ? [32, "sha256"] : [64, "sha512"];
  const saltedPassword = pbkdf2Sync(password, salt, iterations, bytes, algorithm);
  return { name, mechanism, iterations, salt, saltedPassword };
}

async function alter(client: Client, alterations: Alterations): Promise<(readonly [string, number])[]> {
  const body = { deletions: [], upsertions: [], ...alterations };
  const { results } = await client.request(apis.alterUserScramCredentials, 0, body);
  return results.map(({ user, errorCode }) => [user, errorCode] as const);
}

async function describe(client: Client, ...names: string[]) {
  const asked = names.length === 0 ? null : names.map((name) => ({ name }));
  return client.request(apis.describeUserScramCredentials, 0, { users: asked });
}

/** By SCRAM: the code of the last answer. */
async function authenticate(
  client: Client,
  mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512" | "PLAIN",
  user: string,
  password: string,
): Promise<number> {
  await client.request(apis.saslHandshake, 1, { mechanism });
  const say = (authBytes: Buffer) => client.request(apis.saslAuthenticate, 2, { authBytes });
  if (mechanism === "PLAIN") return (await say(Buffer.from(`\0${user}\0${password}`))).errorCode;
  const scram = new ScramClient(mechanism, user, password);
  const challenge = await say(scram.first);
  return (await say(scram.final(challenge.authBytes))).errorCode;
}

const asking: ListenerOptions = {
  name: "asking",
  kafka: 0,
  sasl: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
};

/** The clients are of a listener that does not ask, and of one that does. */
async function open(t: TestContext): Promise<Served & { local: Client; connect: () => Promise<Client> }> {
  const served = await serve(t, { listeners: [{ kafka: 0 }, asking] });
  const [open, other] = served.broker.listeners;
  assert.ok(open && other);
  return { ...served, local: await Client.connect(t, open), connect: () => Client.connect(t, other) };
}

test("users are made, described and deleted while the broker runs, mechanism by mechanism", async (t) => {
  const { local, connect, log } = await open(t);
  const made = [upsertion("zoe", sha256, "secret", 8192), upsertion("alice", sha512, "other")];
  assert.deepEqual(await alter(local, { upsertions: made }), [
    ["zoe", ErrorCode.NONE],
    ["alice", ErrorCode.NONE],
  ]);
  assert.equal(await authenticate(await connect(), "SCRAM-SHA-256", "zoe", "secret"), ErrorCode.NONE);
  assert.equal(await authenticate(await connect(), "SCRAM-SHA-512", "alice", "other"), ErrorCode.NONE);
  for (const user of ["zoe", "alice"]) {
    const [mechanism, password] =
      user === "zoe" ? (["SCRAM-SHA-512", "secret"] as const) : (["SCRAM-SHA-256", "other"] as const);
    assert.equal(
      await authenticate(await connect(), mechanism, user, password),
      ErrorCode.SASL_AUTHENTICATION_FAILED,
      "a mechanism that the user does not have",
    );
    assert.equal(await authenticate(await connect(), "PLAIN", user, password), ErrorCode.NONE);
  }
  const { results } = await describe(local);
  assert.deepEqual(
    results.map(({ user, credentialInfos }) => [user, credentialInfos]),
    [
      ["alice", [{ mechanism: sha512, iterations: 4096 }]],
      ["zoe", [{ mechanism: sha256, iterations: 8192 }]],
    ],
  );
  const changes = {
    deletions: [{ name: "zoe", mechanism: sha256 }],
    upsertions: [upsertion("zoe", sha512, "new")],
  };
  assert.deepEqual(await alter(local, changes), [["zoe", ErrorCode.NONE]]);
  assert.equal(await authenticate(await connect(), "PLAIN", "zoe", "new"), ErrorCode.NONE);
  assert.deepEqual(await alter(local, { deletions: [{ name: "alice", mechanism: sha512 }] }), [
    ["alice", ErrorCode.NONE],
  ]);
  assert.deepEqual(await users(log), ["zoe"]);
});

test("credentials that cannot be are refused, with all that is asked for the same user", async (t) => {
  const { local, log } = await open(t);
  const good = upsertion("alice", sha256, "secret");
  const refused: readonly [Alterations, keyof typeof ErrorCode][] = [
    [{ upsertions: [{ ...good, mechanism: 3 }] }, "UNSUPPORTED_SASL_MECHANISM"],
    [{ upsertions: [{ ...good, iterations: 4095 }] }, "UNACCEPTABLE_CREDENTIAL"],
    [{ upsertions: [{ ...good, iterations: 16_385 }] }, "UNACCEPTABLE_CREDENTIAL"],
    [{ upsertions: [{ ...good, salt: Buffer.alloc(7) }] }, "UNACCEPTABLE_CREDENTIAL"],
    [{ upsertions: [{ ...good, salt: Buffer.alloc(129) }] }, "UNACCEPTABLE_CREDENTIAL"],
    [{ upsertions: [{ ...good, saltedPassword: Buffer.alloc(33) }] }, "UNACCEPTABLE_CREDENTIAL"],
    [{ upsertions: [good, good] }, "DUPLICATE_RESOURCE"],
    [{ upsertions: [good], deletions: [{ name: "alice", mechanism: sha512 }] }, "RESOURCE_NOT_FOUND"],
    [{ deletions: [{ name: "alice", mechanism: sha256 }] }, "RESOURCE_NOT_FOUND"],
  ];
  for (const [alterations, name] of refused)
    assert.deepEqual(await alter(local, alterations), [["alice", ErrorCode[name]]]);
  for (const name of ["", "a\0b", "x".repeat(256)])
    assert.deepEqual(await alter(local, { upsertions: [{ ...good, name }] }), [
      [name, ErrorCode.UNACCEPTABLE_CREDENTIAL],
    ]);
  assert.deepEqual(await users(log), []);
  await setUser(log, "bob", "secret");
  const { results } = await describe(local, "bob", "nobody", "carol", "carol");
  assert.deepEqual(
    results.map(({ user, errorCode, credentialInfos }) => [user, errorCode, credentialInfos.length]),
    [
      ["bob", ErrorCode.NONE, 2],
      ["nobody", ErrorCode.RESOURCE_NOT_FOUND, 0],
      ["carol", ErrorCode.DUPLICATE_RESOURCE, 0],
    ],
  );
});

test("who has authenticated sees and changes its own password, and nobody else's", async (t) => {
  const { connect, log } = await open(t);
  for (const name of ["alice", "bob"]) await setUser(log, name, "secret");
  const alice = await connect();
  await authenticate(alice, "SCRAM-SHA-256", "alice", "secret");
  const changes = ["alice", "bob", "carol"].map((name) => upsertion(name, sha256, "changed"));
  assert.deepEqual(await alter(alice, { upsertions: changes }), [
    ["alice", ErrorCode.NONE],
    ["bob", ErrorCode.CLUSTER_AUTHORIZATION_FAILED],
    ["carol", ErrorCode.CLUSTER_AUTHORIZATION_FAILED],
  ]);
  assert.equal((await describe(alice)).errorCode, ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  const { results } = await describe(alice, "alice", "bob");
  assert.deepEqual(
    results.map(({ errorCode }) => errorCode),
    [ErrorCode.NONE, ErrorCode.CLUSTER_AUTHORIZATION_FAILED],
  );
  assert.equal(await authenticate(await connect(), "SCRAM-SHA-256", "alice", "changed"), ErrorCode.NONE);
  assert.equal(await authenticate(await connect(), "SCRAM-SHA-256", "bob", "secret"), ErrorCode.NONE);
  assert.deepEqual(await users(log), ["alice", "bob"]);
});

test("who was deleted does not come back by a connection that is still open", async (t) => {
  const { local, connect, log } = await open(t);
  await alter(local, { upsertions: [upsertion("alice", sha256, "secret")] });
  const alice = await connect();
  await authenticate(alice, "SCRAM-SHA-256", "alice", "secret");
  await alter(local, { deletions: [{ name: "alice", mechanism: sha256 }] });
  assert.deepEqual(await alter(alice, { upsertions: [upsertion("alice", sha256, "secret")] }), [
    ["alice", ErrorCode.RESOURCE_NOT_FOUND],
  ]);
  assert.deepEqual(await users(log), []);
});

test("who comes by a listener that others on the network reach is not let at users, nor at its own password without TLS", async (t) => {
  const listeners = [{ kafka: "0.0.0.0:0" }, { ...asking, kafka: "0.0.0.0:0" }];
  const { broker, log } = await serve(t, { listeners });
  await setUser(log, "alice", "secret");
  const upsertions = [upsertion("alice", sha256, "changed")];
  const [plain, other] = await Promise.all(
    broker.listeners.map(({ address: { port } }) =>
      Client.connect(t, { address: { host: "127.0.0.1", port } }),
    ),
  );
  assert.ok(plain && other);
  const refused = [["alice", ErrorCode.CLUSTER_AUTHORIZATION_FAILED]];
  assert.deepEqual(await alter(plain, { upsertions }), refused);
  assert.equal((await describe(plain)).errorCode, ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  assert.equal(await authenticate(other, "SCRAM-SHA-256", "alice", "secret"), ErrorCode.NONE);
  assert.deepEqual(await alter(other, { upsertions }), refused);
});
