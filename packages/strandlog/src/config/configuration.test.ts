import assert from "node:assert/strict";
import { test } from "node:test";
import { type Configuration, configurationOf } from "./configuration.js";
import type { Given } from "./sources.js";

/** As if it stood in a file, a line each. */
function file(text: string): Given[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.flatMap((line, index) => {
    const [key = "", ...value] = line.split("=");
    return key === "" ? [] : [{ key, text: value.join("="), origin: `file, line ${index + 1}` }];
  });
}

function configured(text: string): Configuration {
  return configurationOf([file(text)]);
}

function effective({ effective: all }: Configuration, key: string): string | undefined {
  const found = all.find((each) => each.key === key);
  return found === undefined ? undefined : `${found.value} (${found.origin})`;
}

test("without anything said it is a broker for this machine", () => {
  const { data, log, broker, health, logLevel, warnings } = configurationOf([]);
  assert.deepEqual(
    { data, log, broker, health, logLevel, warnings },
    {
      data: "./strandlog-data",
      log: {},
      broker: { listeners: [{ name: "PLAINTEXT", kafka: "127.0.0.1:9092" }], topicDefaults: {} },
      health: undefined,
      logLevel: "info",
      warnings: [],
    },
  );
});

test("keys set options of the log, of the broker, and what topics get", () => {
  const { data, log, broker, health, logLevel } = configured(`log.dirs=/data
    node.id=7
    num.partitions=8
    auto.create.topics.enable=False
    log.retention.hours=168
    log.retention.bytes=-1
    log.segment.bytes=1048576
    log.roll.hours=2
    log.cleanup.policy=compact,delete
    log.cleaner.delete.retention.ms=1000
    message.max.bytes=5000
    compression.type=gzip
    strandlog.durability=os
    log.message.timestamp.type=LogAppendTime
    offsets.retention.minutes=10
    log.retention.check.interval.ms=300000
    strandlog.journal.bytes.max=1000000
    strandlog.health=0.0.0.0:8080
    strandlog.log.level=DEBUG`);
  assert.equal(data, "/data");
  assert.deepEqual(log, { retentionCheckMs: 300_000, journalBytesMax: 1_000_000 });
  const { nodeId, numPartitions, autoCreateTopics, offsetsRetentionMs, topicDefaults } = broker;
  assert.deepEqual([nodeId, numPartitions, autoCreateTopics, offsetsRetentionMs], [7, 8, false, 600_000]);
  assert.deepEqual(topicDefaults, {
    retentionMs: 604_800_000,
    retentionBytes: -1,
    segmentBytes: 1_048_576,
    segmentMs: 7_200_000,
    cleanup: "compact,delete",
    deleteRetentionMs: 1000,
    maxMessageBytes: 5000,
    compression: "gzip",
    durability: "os",
    timestampType: "append",
  });
  assert.deepEqual([health, logLevel], ["0.0.0.0:8080", "debug"]);
});

test("what is below zero has no unit", () => {
  assert.equal(configured("log.retention.hours=-1").broker.topicDefaults?.retentionMs, -1);
});

test("what comes later counts more, whatever its name, and is told with its origin", () => {
  const environment = [{ key: "log.retention.hours", text: "1", origin: "STRANDLOG_LOG_RETENTION_HOURS" }];
  const options = [{ key: "log.dir", text: "/here", origin: "--data" }];
  const configuration = configurationOf([
    file("log.retention.ms=5\nlog.dirs=/there\nnum.partitions=2"),
    environment,
    options,
  ]);
  assert.equal(configuration.broker.topicDefaults?.retentionMs, 3_600_000);
  assert.equal(configuration.data, "/here");
  assert.equal(effective(configuration, "log.retention.hours"), "1 (STRANDLOG_LOG_RETENTION_HOURS)");
  assert.equal(effective(configuration, "log.dir"), "/here (--data)");
  assert.equal(effective(configuration, "num.partitions"), "2 (file, line 3)");
  assert.equal(effective(configuration, "node.id"), "1 (default)");
  assert.equal(effective(configuration, "log.segment.bytes"), "1073741824 (default)");
  assert.equal(effective(configuration, "strandlog.lanes"), "2 (default)");
});

test("in one place the finer unit counts as with Kafka, and the last of two; both is told", () => {
  const { broker, warnings } = configured(`log.retention.hours=1
    log.retention.ms=5
    log.retention.minutes=1
    num.partitions=2
    num.partitions=3`);
  assert.deepEqual([broker.topicDefaults?.retentionMs, broker.numPartitions], [5, 3]);
  assert.deepEqual(
    warnings.map(({ key, why }) => [key, why]),
    [
      ["num.partitions", "it is said again (file, line 5)"],
      ["log.retention.hours", "log.retention.ms counts"],
      ["log.retention.minutes", "log.retention.ms counts"],
    ],
  );
});

test("an empty value is none where there is none by default, also in place of another; elsewhere it is refused", () => {
  const advertised = "advertised.listeners=PLAINTEXT://broker.example:9092";
  const of = (...texts: string[]) => configurationOf(texts.map(file)).broker.listeners[0]?.advertise;
  assert.equal(of(advertised), "broker.example:9092");
  assert.equal(of("advertised.listeners="), undefined);
  assert.equal(of(advertised, "advertised.listeners="), undefined);
  for (const key of ["num.partitions", "listeners", "log.dirs", "listener.name.a.ssl.keystore.location"])
    assert.throws(() => configured(`${key}=`), new RegExp(`${key} has no value \\(file, line 1\\)`));
  assert.throws(() => configured("num.partitoins="), /num\.partitoins is not known/);
});

test("the file that Kafka comes with is understood, and what sets nothing is told", () => {
  const { data, broker, warnings } = configured(`process.roles=broker,controller
    node.id=1
    controller.quorum.bootstrap.servers=localhost:9093
    listeners=PLAINTEXT://:9092,CONTROLLER://:9093
    inter.broker.listener.name=PLAINTEXT
    advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
    controller.listener.names=CONTROLLER
    listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
    num.network.threads=3
    num.io.threads=8
    socket.send.buffer.bytes=102400
    socket.receive.buffer.bytes=102400
    socket.request.max.bytes=104857600
    log.dirs=/tmp/kraft-combined-logs
    num.partitions=1
    num.recovery.threads.per.data.dir=1
    offsets.topic.replication.factor=1
    share.coordinator.state.topic.replication.factor=1
    share.coordinator.state.topic.min.isr=1
    transaction.state.log.replication.factor=1
    transaction.state.log.min.isr=1
    log.retention.hours=168
    log.segment.bytes=1073741824
    log.retention.check.interval.ms=300000`);
  assert.equal(data, "/tmp/kraft-combined-logs");
  assert.deepEqual(broker.listeners, [
    { name: "PLAINTEXT", kafka: "0.0.0.0:9092", advertise: "localhost:9092" },
  ]);
  assert.equal(warnings.length, 14);
  assert.deepEqual(warnings[0], {
    key: "process.roles",
    origin: "file, line 1",
    why: "there is no controller",
  });
});

test("what cannot be is refused with key, origin and what is allowed", () => {
  for (const [text, message] of [
    ["num.partition=3", "num.partition is not known: did you mean num.partitions? (file, line 1)"],
    ["what.is.this=3", "what.is.this is not known (file, line 1)"],
    ["num.partitions=0", "num.partitions must be a whole number from 1 to 100000, not 0 (file, line 1)"],
    ["num.partitions=many", 'num.partitions must be a whole number, not "many" (file, line 1)'],
    [
      "\nlog.segment.bytes=5",
      /^log\.segment\.bytes must be a whole number from 1024 .* not 5 \(file, line 2\)$/,
    ],
    ["log.retention.hours=1h", 'log.retention.hours must be a whole number, not "1h" (file, line 1)'],
    ["log.retention.ms=-2", /^log\.retention\.ms must be a whole number from -1 .* \(file, line 1\)$/],
    ["log.cleanup.policy=shred", /^log\.cleanup\.policy must be one of delete, .*"shred" \(file, line 1\)$/],
    ["compression.type=zip", /^compression\.type must be one of producer, gzip/],
    [
      "auto.create.topics.enable=1",
      'auto.create.topics.enable must be true or false, not "1" (file, line 1)',
    ],
    ["strandlog.lanes=0", "strandlog.lanes must be a whole number from 1 to 64, not 0 (file, line 1)"],
    ["log.dirs=/a,/b", /^log\.dirs must be one directory, not "\/a,\/b"/],
    ["strandlog.health=8080", 'strandlog.health must be HOST:PORT, not "8080" (file, line 1)'],
    [
      "strandlog.log.level=loud",
      /^strandlog\.log\.level must be one of debug, info, warn, error, not "loud"/,
    ],
    ["authorizer.class.name=x", /^authorizer\.class\.name cannot be "x": there are no ACLs/],
    ["delete.topic.enable=false", /^delete\.topic\.enable cannot be "false": it is always true here/],
    ["listener.name.a.plain.sasl.jaas.config=x", /users are kept in the log/],
    ["listener.name.a.num.partitions=x", /is not known/],
  ] as const) {
    assert.throws(
      () => configured(text),
      (error) => {
        const told = (error as Error).message;
        if (typeof message === "string") assert.equal(told, message);
        else assert.match(told, message);
        return true;
      },
    );
  }
});

test("a mistake in a variable or in an option names these", () => {
  const variable = { key: "num.partition", text: "3", origin: "STRANDLOG_NUM_PARTITION" };
  assert.throws(
    () => configurationOf([[variable]]),
    /^LogError: num\.partition is not known: did you mean STRANDLOG_NUM_PARTITIONS\? \(STRANDLOG_NUM_PARTITION\)$/,
  );
  const option = { key: "num.partitions", text: "0", origin: "--num-partitions" };
  assert.throws(
    () => configurationOf([[option]]),
    /^LogError: --num-partitions must be a whole number from 1/,
  );
});

test("an option does not open to everybody what the file keeps closed", () => {
  const option = { key: "listeners", text: "0.0.0.0:9092", origin: "--kafka" };
  const closed = { key: "listeners", text: "SASL_PLAINTEXT://:9092", origin: "file, line 1" };
  assert.throws(
    () => configurationOf([[closed], [option]]),
    /^LogError: --kafka would replace listeners=SASL_PLAINTEXT:\/\/:9092 \(file, line 1\): leave one of them out$/,
  );
  const open = { ...closed, text: "PLAINTEXT://:9092" };
  assert.equal(configurationOf([[open], [option]]).broker.listeners[0]?.kafka, "0.0.0.0:9092");
});

test("secrets are not shown", () => {
  const configuration = configured("ssl.keystore.key=abc\nlistener.name.ssl.ssl.key.password=abc");
  assert.equal(effective(configuration, "ssl.keystore.key"), "[hidden] (file, line 1)");
  assert.equal(effective(configuration, "listener.name.ssl.ssl.key.password"), "[hidden] (file, line 2)");
});
