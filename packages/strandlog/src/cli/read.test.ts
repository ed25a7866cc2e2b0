// strandlog read beside a broker whose clients write in transactions.
import assert from "node:assert/strict";
import { listen } from "@strandlog/broker";
import { openLog } from "@strandlog/log";
import { Kafka, logLevel, Partitioners, type Transaction } from "kafkajs";
import { type Cli, cliTest, linesOf } from "./test-support.js";

/** Calls back with what begins a transaction and sends one record in it. */
async function withProducer(
  cli: Cli,
  action: (send: (value: string) => Promise<Transaction>) => Promise<void>,
): Promise<void> {
  await using log = await openLog(cli.data);
  await log.topic("t");
  const broker = await listen(log, { kafka: 0 });
  const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
  const createPartitioner = Partitioners.DefaultPartitioner;
  // One of the transactions is open while the command is started again and again.
  const transactionTimeout = 10 * 60_000;
  const options = {
    transactionalId: "tx",
    transactionTimeout,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner,
  };
  const producer = kafka.producer(options);
  try {
    await producer.connect();
    await action(async (value) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: "t", messages: [{ value }] });
      return transaction;
    });
  } finally {
    await producer.disconnect();
    await broker.close();
  }
}

async function readValues(cli: Cli, ...options: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run("read", "t", ...options);
  assert.equal(code, 0, stderr);
  return stdout.toString();
}

cliTest("read --isolation read_committed prints what is committed, up to what is open", async (cli) => {
  await withProducer(cli, async (send) => {
    await (await send("first")).commit();
    await (await send("aborted")).abort();
    await (await send("second")).commit();
    const open = await send("open");
    assert.equal(await readValues(cli, "--isolation", "read_committed"), "first\nsecond\n");
    assert.equal(await readValues(cli), "first\naborted\nsecond\nopen\n");
    assert.equal(await readValues(cli, "--isolation", "read_committed", "--from", "latest"), "");
    const following = cli.start("read", "t", "--isolation", "read_committed", "--follow");
    const lines = linesOf(following, 3);
    await open.commit();
    assert.deepEqual(await lines, ["first", "second", "open"]);
  });
  assert.equal(await readValues(cli, "--isolation", "read_committed"), "first\nsecond\nopen\n");
});

cliTest("read refuses an isolation that is none", async (cli) => {
  await cli.pipe("a\n", "append", "t");
  const { code, stderr } = await cli.run("read", "t", "--isolation", "serializable");
  assert.equal(code, 2);
  assert.match(stderr, /read_uncommitted, read_committed/);
});
