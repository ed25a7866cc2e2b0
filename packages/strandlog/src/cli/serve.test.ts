import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { connect as connectByTls } from "node:tls";
import { makeCertificate } from "../config/test-support.js";
import { Cli, cliTest, ended } from "./test-support.js";

type Line = Readonly<Record<string, unknown>>;

/** The broker's log, as it comes. */
class LogLines {
  readonly all: Line[] = [];
  readonly #reader: Interface;

  constructor(child: ChildProcess) {
    this.#reader = createInterface({ input: child.stdout as Readable });
    this.#reader.on("line", (line) => this.all.push(JSON.parse(line) as Line));
  }

  /** The first line that tells of it. */
  async find(event: string): Promise<Line> {
    for (;;) {
      const line = this.all.find((each) => each["event"] === event);
      if (line !== undefined) return line;
      await Promise.race([
        once(this.#reader, "line"),
        once(this.#reader, "close").then(() => {
          throw new Error(`it ended after ${JSON.stringify(this.all)}`);
        }),
      ]);
    }
  }
}

/** A broker that listens. */
async function started(cli: Cli, ...args: string[]) {
  const child = cli.start("serve", "--kafka", "127.0.0.1:0", ...args);
  const log = new LogLines(child);
  const { kafka, health } = (await log.find("listening")) as { kafka: string; health?: string };
  return { child, log, kafka, health };
}

/** A request for the versions of the broker's APIs, and a line of nonsense. */
const apiVersions = Buffer.from("0000000a" + "00120000" + "00000007" + "ffff", "hex");
const nonsense = Buffer.from("ffffffff", "hex");

function connected(address: string) {
  const socket = connect(Number(address.split(":")[1]), "127.0.0.1");
  return socket.on("error", () => undefined);
}

cliTest("serve: a broker listens until a signal comes, and leaves the log to others", async (cli) => {
  const { child, log, kafka } = await started(cli);
  assert.match(kafka, /^127\.0\.0\.1:\d+$/);
  const socket = connected(kafka);
  socket.write(apiVersions);
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.readInt32BE(4), 7);
  assert.equal((await cli.run("append", "events")).code, 3);
  const end = ended(child);
  child.kill("SIGTERM");
  const { code, stderr } = await end;
  assert.deepEqual([code, stderr], [143, ""]);
  assert.deepEqual(
    log.all.map(({ level, event, data, signal }) => [level, event, data, signal]),
    [
      ["info", "starting", cli.data, undefined],
      ["info", "listening", cli.data, undefined],
      ["info", "stopping", undefined, "SIGTERM"],
      ["info", "stopped", undefined, undefined],
    ],
  );
  socket.destroy();
  assert.equal((await cli.pipe("one\n", "append", "events")).code, 0);
});

cliTest("serve: what keeps it from starting is told in a line, with what may help", async (cli) => {
  const wrong = await cli.run("serve", "--kafka", "nowhere");
  assert.deepEqual([wrong.code, /--kafka must be HOST:PORT/.test(wrong.stderr)], [2, true]);
  const { kafka } = await started(cli);
  const locked = await cli.run("serve", "--kafka", "127.0.0.1:0");
  assert.equal(locked.code, 3);
  assert.match(locked.stderr, /^strandlog: process \d+ has .* a directory has one broker.* \[LOCKED\]\n$/);
  const other = new Cli();
  try {
    const taken = await other.run("serve", "--kafka", kafka);
    assert.equal(taken.code, 1);
    assert.match(
      taken.stderr,
      new RegExp(`cannot listen on ${kafka}.*another program listens there.*\\[IO\\]`),
    );
    const [first = "", last = ""] = taken.stdout.toString().trim().split("\n");
    assert.deepEqual(
      [(JSON.parse(first) as Line)["event"], (JSON.parse(last) as Line)["level"]],
      ["starting", "fatal"],
    );
    const busy = await other.run(
      "serve",
      "--kafka",
      "127.0.0.1:0",
      "--health",
      kafka,
      "--log-level",
      "error",
    );
    assert.match(busy.stderr, /for health checks/);
    assert.equal(busy.stdout.toString().split("\n").length, 2); // the last line alone
    fs.writeFileSync(join(other.data, "meta.properties"), "");
    fs.rmSync(join(other.data, "checkpoint"), { force: true });
    fs.rmSync(join(other.data, "checkpoint-copy"), { force: true });
    const foreign = await other.run("serve", "--kafka", "127.0.0.1:0");
    assert.match(foreign.stderr, /"meta.properties".*cannot be taken over.*\[FOREIGN_DIRECTORY\]/);
  } finally {
    await other.close();
  }
});

cliTest("serve: file, environment and options configure it, the last of them most", async (cli) => {
  const file = join(cli.directory, "server.properties");
  const text = "num.partitions=2\nlog.retention.hours=1\nnum.io.threads=8\nstrandlog.lanes=3\n";
  fs.writeFileSync(file, text);
  const environment = { STRANDLOG_NUM_PARTITIONS: "3", STRANDLOG_LANES: "4" };
  const print = ["serve", "--config", file, "--override", "strandlog.lanes=5", "--print-config"];
  const printed = await cli.runWith(environment, ...print, "--json");
  assert.equal(printed.code, 0);
  const effective = printed.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<"key" | "value" | "origin", string>);
  const of = (key: string) => effective.find((each) => each.key === key);
  assert.deepEqual(of("num.partitions"), {
    key: "num.partitions",
    value: "3",
    origin: "STRANDLOG_NUM_PARTITIONS",
  });
  assert.deepEqual(of("strandlog.lanes"), { key: "strandlog.lanes", value: "5", origin: "--override" });
  assert.deepEqual(of("log.dir"), { key: "log.dir", value: cli.data, origin: "--data" });
  assert.deepEqual(of("log.retention.hours")?.origin, `${file}, line 2`);
  assert.match(printed.stderr, /num\.io\.threads has no effect \(.*line 3\): there are no pools/);
  const port = await cli.run("serve", "--kafka", "9092", "--print-config");
  assert.match(
    port.stdout.toString(),
    /^listeners=PLAINTEXT:\/\/127\.0\.0\.1:9092$|^listeners=127\.0\.0\.1:9092$/m,
  );
  const again = join(cli.directory, "again.properties");
  fs.writeFileSync(again, (await cli.runWith(environment, ...print)).stdout);
  const same = await cli.run("serve", "--config", again, "--print-config", "--json");
  const values = (lines: readonly { key: string; value: string }[]) =>
    lines.map(({ key, value }) => [key, value]);
  const second = same.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as (typeof effective)[0]);
  assert.deepEqual(values(second), values(effective));
  assert.equal(fs.existsSync(cli.data), false);
});

cliTest("serve: a mistake in the configuration ends it before anything is opened", async (cli) => {
  const file = join(cli.directory, "server.properties");
  fs.writeFileSync(file, "num.partitions=1\nnum.partition=2\n");
  const unknown = await cli.run("serve", "--config", file);
  const message = `strandlog: num.partition is not known: did you mean num.partitions? (${file}, line 2) [INVALID_ARGUMENT]\n`;
  assert.deepEqual([unknown.code, unknown.stderr], [2, message]);
  const missing = await cli.run("serve", "--config", `${file}.not`);
  assert.deepEqual([missing.code, /cannot read the configuration from/.test(missing.stderr)], [4, true]);
  const variable = await cli.runWith({ STRANDLOG_LOG_SEGMENT_BYTES: "5" }, "serve");
  assert.deepEqual([variable.code, /\(STRANDLOG_LOG_SEGMENT_BYTES\)/.test(variable.stderr)], [2, true]);
  assert.equal(fs.existsSync(cli.data), false);
});

cliTest("serve: topics that clients make get what the configuration says", async (cli) => {
  const { child, kafka } = await started(cli, "--override", "log.retention.hours=2", "--num-partitions", "3");
  const socket = connected(kafka);
  // Metadata v4 for the topic "t", which may be made.
  const body = Buffer.from("0003000400000001ffff" + "00000001" + "000174" + "01", "hex");
  socket.write(Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]));
  await once(socket, "data");
  socket.destroy();
  const end = ended(child);
  child.kill("SIGINT");
  assert.equal((await end).code, 130);
  const described = await cli.run("topics", "describe", "t", "--json");
  const { config } = JSON.parse(described.stdout.toString()) as {
    config: { retentionMs: number; partitions: number };
  };
  assert.deepEqual([config.retentionMs, config.partitions], [7_200_000, 3]);
});

void test("serve: a listener speaks TLS, and asks who its client is, with what the configuration says", async (t) => {
  const pem = makeCertificate(t);
  if (pem === undefined) return;
  const cli = new Cli();
  t.after(() => cli.close());
  fs.writeFileSync(join(pem.directory, "keystore.pem"), pem.key + pem.cert);
  const file = join(pem.directory, "server.properties");
  const lines = [
    "listeners=PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0",
    "advertised.listeners=SECURE://broker.example:9094",
    "listener.security.protocol.map=SECURE:SASL_SSL",
    "listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256",
    `ssl.keystore.location=${join(pem.directory, "keystore.pem")}`,
  ];
  fs.writeFileSync(file, lines.join("\n"));
  const log = new LogLines(cli.start("serve", "--config", file));
  const { listeners } = (await log.find("listening")) as { listeners: string[] };
  assert.deepEqual(
    listeners.map((listener) => listener.replace(/\d+$/, "")),
    ["PLAINTEXT://127.0.0.1:", "SECURE://127.0.0.1:"],
  );
  const port = Number(listeners[1]?.split(":").at(-1));
  const socket = connectByTls({ port, host: "127.0.0.1", ca: pem.cert });
  t.after(() => socket.destroy());
  // SaslHandshake for a mechanism that is not enabled: error 33, and the one that is.
  const body = Buffer.from(`0011000100000007ffff0005${Buffer.from("PLAIN").toString("hex")}`, "hex");
  socket.write(Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.readInt16BE(8), 33);
  assert.match(answer.toString("latin1"), /SCRAM-SHA-256$/);
});

cliTest("serve: it is ready when it listens, and says so over HTTP", async (cli) => {
  const { child, health = "" } = await started(cli, "--health", "127.0.0.1:0");
  const [alive, ready] = await Promise.all(
    ["healthz", "readyz"].map((path) => fetch(`http://${health}/${path}`)),
  );
  assert.deepEqual([alive?.status, ready?.status], [200, 200]);
  assert.deepEqual(await ready?.json(), { status: "ready" });
  const end = ended(child);
  child.kill("SIGTERM");
  assert.equal((await end).code, 143);
});

cliTest("serve: while it drains it is not ready, and a second signal ends it at once", async (cli) => {
  const { child, log, kafka, health = "" } = await started(cli, "--health", "127.0.0.1:0");
  // A client that does not notice that its connection has been ended is waited for.
  const socket = connected(kafka);
  socket.write(apiVersions);
  await once(socket, "data");
  socket.pause();
  child.kill("SIGTERM");
  await log.find("stopping");
  const response = await fetch(`http://${health}/readyz`);
  assert.deepEqual(
    [response.status, await response.json()],
    [503, { status: "not ready", reason: "draining" }],
  );
  const end = ended(child);
  child.kill("SIGTERM");
  assert.equal((await end).code, 143);
  socket.destroy();
});

cliTest("serve: what a client sends that cannot be read is a line of the log", async (cli) => {
  const { log, kafka } = await started(cli);
  const socket = connected(kafka);
  socket.write(nonsense);
  const { level, error } = await log.find("connection-failed");
  assert.deepEqual([level, typeof error], ["warn", "string"]);
  socket.destroy();
});

cliTest("serve: who does not read its log, or leaves, does not hold it up", async (cli) => {
  // More than a pipe holds: lines wait, and in the end some are dropped.
  const file = join(cli.directory, "server.properties");
  fs.writeFileSync(file, Array.from({ length: 12_000 }, (_, n) => `replica.some.key.${n}=1\n`).join(""));
  const health = `127.0.0.1:${await freePort()}`;
  for (const leaves of [false, true]) {
    const child = cli.start("serve", "--kafka", "127.0.0.1:0", "--health", health, "--config", file);
    if (leaves) child.stdout?.destroy();
    while ((await fetch(`http://${health}/readyz`).catch(() => undefined))?.status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 20)); // there is nothing to be told by
    }
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [143, null]);
    child.stdout?.destroy();
  }
});

/** Not of those that the system gives to whoever asks for any: another test could get it meanwhile. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
