import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Log, LogError, openLog } from "@strandlog/log";
import { Authenticator } from "./authenticator.js";
import { scramMechanisms } from "./scram.js";
import { credentialOf, deleteUser, setUser, users } from "./users.js";

async function open(t: TestContext): Promise<Log> {
  const log = await openLog("memory:");
  t.after(() => log.close());
  return log;
}

function withCode(code: string) {
  return (error: unknown) => error instanceof LogError && error.code === code;
}

test("users are set, listed in order and deleted, whatever their names are", async (t) => {
  const log = await open(t);
  const names = ["zoe", "a/b", "Jürgen", "comma,=equals", "100%", "x".repeat(255)];
  for (const name of names) await setUser(log, name, "secret");
  assert.deepEqual(await users(log), [...names].sort());
  for (const name of names) assert.ok(await credentialOf(log, name, "SCRAM-SHA-512"));
  assert.deepEqual([await deleteUser(log, "zoe"), await deleteUser(log, "zoe")], [true, false]);
  assert.equal(await credentialOf(log, "zoe", "SCRAM-SHA-256"), undefined);
  assert.equal((await users(log)).includes("zoe"), false);
});

test("a password is kept as salted hashes, of another salt each time", async (t) => {
  const log = await open(t);
  const kept = async () => {
    await setUser(log, "user", "open sesame", { iterations: 5000 });
    const { value } = (await log.storage.metadata.get("broker/user/user")) ?? { value: "" };
    assert.equal(value.includes("sesame"), false);
    return Promise.all(scramMechanisms.map((mechanism) => credentialOf(log, "user", mechanism)));
  };
  const all = [...(await kept()), ...(await kept())];
  assert.equal(new Set(all.map((each) => each?.salt.toString("hex"))).size, 4);
  assert.deepEqual(
    all.map((each) => each?.iterations),
    [5000, 5000, 5000, 5000],
  );
});

test("names, passwords and options that cannot be are refused", async (t) => {
  const log = await open(t);
  const cases: readonly [name: unknown, password: unknown, options?: object][] = [
    ["", "secret"],
    ["x".repeat(256), "secret"],
    ["ü".repeat(128), "secret"],
    ["a\0b", "secret"],
    ["\ud800", "secret"],
    [7, "secret"],
    ["user", ""],
    ["user", "x".repeat(1025)],
    ["user", "a\0b"],
    ["user", undefined],
    ["user", "secret", { iterations: 4095 }],
    ["user", "secret", { iterations: 16_385 }],
    ["user", "secret", { rounds: 5000 }],
  ];
  for (const [name, password, options] of cases) {
    const setting = setUser(log, name as string, password as string, options);
    await assert.rejects(setting, withCode("INVALID_ARGUMENT"), String(name));
  }
  await assert.rejects(deleteUser(log, ""), withCode("INVALID_ARGUMENT"));
  assert.deepEqual(await users(log), []);
});

test("an entry that is not what we write is told, not used", async (t) => {
  const log = await open(t);
  const { metadata } = log.storage;
  await setUser(log, "user", "secret");
  const { value } = (await metadata.get("broker/user/user")) ?? { value: "" };
  const good = JSON.parse(value)["SCRAM-SHA-256"] as Record<string, unknown>;
  const cases = [
    "no JSON",
    "null",
    "7",
    "[]",
    "{}",
    ...[
      { iterations: 1 },
      { iterations: 2 ** 31 },
      { iterations: "4096" },
      { salt: "" },
      { salt: undefined },
      { storedKey: "AAAA" },
      { storedKey: `${good["storedKey"]}\n` },
      { serverKey: 7 },
    ].map((change) => JSON.stringify({ "SCRAM-SHA-256": { ...good, ...change } })),
  ];
  for (const json of cases) {
    await metadata.put("broker/user/user", json);
    await assert.rejects(credentialOf(log, "user", "SCRAM-SHA-256"), withCode("CORRUPT_METADATA"), json);
  }
  await metadata.put("broker/user/%zz", value);
  await assert.rejects(users(log), withCode("CORRUPT_METADATA"));
});

test("somebody who is no user has a salt, too, the same each time, and no password", async (t) => {
  const log = await open(t);
  await setUser(log, "user", "secret");
  const [first, second] = [await Authenticator.open(log), await Authenticator.open(log)];
  const credential = await first.credentialOf("nobody", "SCRAM-SHA-256");
  assert.deepEqual(await second.credentialOf("nobody", "SCRAM-SHA-256"), credential);
  const others = [
    await first.credentialOf("nobody", "SCRAM-SHA-512"),
    await first.credentialOf("somebody", "SCRAM-SHA-256"),
    await (await Authenticator.open(await open(t))).credentialOf("nobody", "SCRAM-SHA-256"),
  ];
  for (const other of others) assert.notDeepEqual(other.salt, credential.salt);
  const real = await first.credentialOf("user", "SCRAM-SHA-256");
  const sizes = [credential, real].map(({ salt, iterations, storedKey, serverKey }) => {
    return [salt.length, iterations, storedKey.length, serverKey.length];
  });
  assert.deepEqual(sizes[0], sizes[1]);
  const password = Buffer.from("secret");
  const isGone = () => false;
  assert.equal(await first.isPassword("user", password, isGone), true);
  assert.equal(await first.isPassword("nobody", password, isGone), false);
  assert.equal(await first.isPassword("x".repeat(10_000), password, isGone), false);
});

test("passwords are checked one at a time, and not for who has left", async (t) => {
  const log = await open(t);
  await setUser(log, "user", "secret");
  const { metadata } = log.storage;
  const get = metadata.get.bind(metadata);
  const authenticator = await Authenticator.open(log);
  let letGo!: () => void;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let looks = 0;
  metadata.get = async (key) => {
    looks++;
    await held;
    return get(key);
  };
  const check = (isGone: boolean) => authenticator.isPassword("user", Buffer.from("secret"), () => isGone);
  const checks = Promise.all([check(false), check(true), check(false), check(false)]);
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(looks, 1);
  letGo();
  assert.deepEqual(await checks, [true, false, true, true]);
  assert.equal(looks, 3);

  // An entry that cannot be read ends that check and no other.
  await metadata.put("broker/user/user", "{}");
  await assert.rejects(check(false), withCode("CORRUPT_METADATA"));
  await metadata.delete("broker/user/user");
  assert.equal(await check(false), false);
});

test("a log that can only be read has users, and keeps no secret", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "strandlog-test-"));
  t.after(() => rm(directory, { recursive: true }));
  const log = await openLog(directory);
  await setUser(log, "user", "secret");
  await log.close();
  const read = await openLog(directory, { readOnly: true });
  t.after(() => read.close());
  const authenticator = await Authenticator.open(read);
  assert.equal(await authenticator.isPassword("user", Buffer.from("secret"), () => false), true);
  assert.equal(await authenticator.isPassword("nobody", Buffer.from("secret"), () => false), false);
  await assert.rejects(setUser(read, "user", "other"), withCode("READ_ONLY"));
  await assert.rejects(deleteUser(read, "user"), withCode("READ_ONLY"));
});

test("a secret that cannot be read is told", async (t) => {
  const log = await open(t);
  await log.storage.metadata.put("broker/scram-secret", "AAAA");
  await assert.rejects(Authenticator.open(log), withCode("CORRUPT_METADATA"));
});
