// Clients that come by TLS, and that have to say who they are, by each mechanism that they know.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { Kafka, type KafkaConfig, logLevel, Partitioners, type SASLOptions } from "kafkajs";
import { type BrokerListener, type SaslMechanism, setUser } from "strandlog/broker";
import { isInstalled } from "../maven.js";
import { makeCertificate } from "./certificate.js";
import { Happened, hasAll, round, Served, timeout } from "./support.js";

/** What a client has to know to get in. */
interface Entry {
  readonly bootstrap: string;
  /** PEM, and the file that holds it, of whom to believe; undefined: no TLS. */
  readonly ca: string | undefined;
  readonly caFile: string;
  readonly mechanism: SaslMechanism | undefined;
  readonly password: string;
}

/** Produces these to "orders" and answers what it consumes of it then. */
type RoundTrip = (entry: Entry, values: readonly string[]) => Promise<readonly string[]>;

const user = "billing";
const rightPassword = "secret";
const mechanisms: readonly SaslMechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const ways: readonly { name: string; tls: boolean; mechanism?: SaslMechanism }[] = [
  { name: "SSL", tls: true },
  { name: "SASL_PLAINTEXT", tls: false, mechanism: "PLAIN" },
  ...mechanisms.map((mechanism) => ({ name: `SASL_SSL-${mechanism}`, tls: true, mechanism })),
];

const directory = mkdtempSync(join(tmpdir(), "strandlog-tls-"));
const skip = isInstalled("openssl") ? false : "openssl is not installed";
const certificate = skip === false ? makeCertificate(directory) : undefined;
after(() => rmSync(directory, { recursive: true }));

/** A broker with a listener for each of the ways. */
async function serve(): Promise<Served> {
  assert.ok(certificate);
  const tls = { key: certificate.key, cert: certificate.cert };
  const listeners = ways.map(({ name, tls: isSecure, mechanism }) => ({
    name,
    kafka: 0,
    ...(isSecure ? { tls } : {}),
    ...(mechanism === undefined ? {} : { sasl: [mechanism] }),
  }));
  const served = await Served.at("memory:", { listeners });
  await setUser(served.log, user, rightPassword);
  return served;
}

const kafkajs: RoundTrip = async ({ bootstrap, ca, mechanism, password }, values) => {
  const config: KafkaConfig = {
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { retries: 1 },
    connectionTimeout: timeout,
  };
  const sasl = { mechanism: mechanism?.toLowerCase(), username: user, password } as SASLOptions;
  const kafka = new Kafka({
    ...config,
    ...(ca === undefined ? {} : { ssl: { ca } }),
    ...(mechanism === undefined ? {} : { sasl }),
  });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: "billing" });
  try {
    await producer.connect();
    await producer.send({ topic: "orders", messages: values.map((value) => ({ value })) });
    const read = new Happened<string>();
    await consumer.connect();
    await consumer.subscribe({ topic: "orders", fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => read.add(String(message.value)) });
    await read.until(hasAll(values));
    return read.items;
  } finally {
    await consumer.disconnect();
    await producer.disconnect();
  }
};

const platformatic: RoundTrip = async ({ bootstrap, ca, mechanism, password }, values) => {
  const options = {
    clientId: "test",
    bootstrapBrokers: [bootstrap],
    retries: 1,
    retryDelay: 10,
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(mechanism === undefined ? {} : { sasl: { mechanism, username: user, password } }),
  };
  const producer = new Producer({ ...options, serializers: stringSerializers });
  const consumer = new Consumer({ ...options, groupId: "billing", deserializers: stringDeserializers });
  try {
    await producer.send({ messages: values.map((value) => ({ topic: "orders", value })) });
    const modes = { mode: "committed", fallbackMode: "earliest" } as const;
    const stream = await consumer.consume({ topics: ["orders"], ...modes, maxWaitTime: 20 });
    const read = new Happened<string>();
    stream.on("data", ({ value }) => read.add(String(value)));
    await read.until(hasAll(values));
    await stream.close();
    return read.items;
  } finally {
    await consumer.close(true);
    await producer.close();
  }
};

const kcat: RoundTrip = async ({ bootstrap, ca, caFile: file, mechanism, password }, values) => {
  const protocol = `${mechanism === undefined ? "" : "SASL_"}${ca === undefined ? "PLAINTEXT" : "SSL"}`;
  const settings = [
    `security.protocol=${protocol}`,
    ...(ca === undefined ? [] : [`ssl.ca.location=${file}`]),
    ...(mechanism === undefined
      ? []
      : [`sasl.mechanisms=${mechanism}`, `sasl.username=${user}`, `sasl.password=${password}`]),
  ].flatMap((setting) => ["-X", setting]);
  const run = async (input: string, ...args: string[]): Promise<string> => {
    const child = spawn("kcat", ["-b", bootstrap, ...settings, "-t", "orders", ...args], { timeout });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.stdin.end(input);
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new Error(Buffer.concat(stderr).toString());
    return Buffer.concat(stdout).toString();
  };
  // With a wrong password it tries for so long; with the right one it shall not be in a hurry.
  const patienceMs = password === rightPassword ? timeout : 5000;
  await run(values.map((value) => `${value}\n`).join(""), "-P", "-X", `message.timeout.ms=${patienceMs}`);
  return (await run("", "-C", "-e", "-q")).trimEnd().split("\n");
};

/** Why kcat cannot be tried in that way. */
function kcatLacks(feature: string): string | false {
  if (!isInstalled("kcat")) return "kcat is not installed";
  const features = /builtin\.features=(\S+)\)/.exec(execFileSync("kcat", ["-V"]).toString())?.[1] ?? "";
  return features.split(",").includes(feature) ? false : `this kcat has no ${feature}`;
}

function entryOf(served: Served, way: (typeof ways)[number], password: string): Entry {
  const found = served.broker.listeners.find(({ name }) => name === way.name) as BrokerListener;
  const { cert, certFile = "" } = certificate ?? {};
  const ca = way.tls ? String(cert) : undefined;
  return { bootstrap: found.bootstrap, ca, caFile: certFile, mechanism: way.mechanism, password };
}

function kcatSkip({ tls, mechanism }: (typeof ways)[number]): string | false {
  const forSasl = mechanism === "PLAIN" ? "sasl_plain" : "sasl_scram";
  return (tls && kcatLacks("ssl")) || (mechanism !== undefined && kcatLacks(forSasl));
}

for (const [client, roundTrip] of Object.entries({ kafkajs, platformatic, kcat })) {
  for (const way of ways) {
    const reason = skip || (client === "kcat" && kcatSkip(way));
    test(`${client} produces and consumes by ${way.name}`, { skip: reason, timeout }, async () => {
      await using served = await serve();
      await served.log.topic("orders");
      const values = round(client, 20);
      assert.deepEqual(await roundTrip(entryOf(served, way, rightPassword), values), values);
      if (way.mechanism === undefined) return;
      await assert.rejects(roundTrip(entryOf(served, way, "guess"), ["never"]), (error) =>
        /authentication|SASL/i.test(inspect(error, { depth: 5 })),
      );
      assert.equal(
        (await (await served.log.existingTopic("orders")).describe()).partitions[0]?.logEndOffset,
        20,
      );
    });
  }
}
