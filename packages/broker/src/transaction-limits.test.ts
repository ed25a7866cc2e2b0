// How much transactional ids and their transactions may take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apis, ErrorCode } from "@strandlog/protocol";
import { Producer } from "./handlers/test-support.js";
import { Client, ManualClock, type Served, serve } from "./test-support.js";

const idsMax = 2000;
const placesMax = 1000;
const hourMs = 3_600_000;
const prefix = "broker/transaction/";

async function remembered({ log }: Served): Promise<string[]> {
  return (await log.storage.metadata.list(prefix)).map(({ key }) => key.slice(prefix.length));
}

/** Asks for many at once; answers the codes. */
async function initialize(client: Client, ids: readonly string[]): Promise<number[]> {
  for (const transactionalId of ids)
    client.send(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 });
  const codes: number[] = [];
  while (codes.length < ids.length) codes.push((await client.receive(apis.initProducerId, 4)).body.errorCode);
  return codes;
}

const numbered = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, n) => `${name}-${n}`);

test("when all transactional ids are used up, new ones come in as soon as others have been idle for an hour", async (t) => {
  const clock = new ManualClock();
  const served = await serve(t, {}, { clock });
  await served.log.topic("a");
  await Producer.begun(t, served, "idle");
  clock.advance(hourMs - 10_000);
  const busy = await Producer.begun(t, served, "busy");
  await busy.add("a");
  const client = await Client.connect(t, served.broker);
  const codes = await initialize(client, numbered(idsMax, "flood"));
  const refused = codes.filter((code) => code !== ErrorCode.NONE);
  assert.deepEqual(refused, [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_NOT_AVAILABLE]);
  assert.equal((await remembered(served)).length, idsMax);

  // Those that are known go on.
  assert.deepEqual(await busy.send("a", "1"), [ErrorCode.NONE, 0]);
  assert.deepEqual(await initialize(client, ["flood-0", "flood-4"]), [ErrorCode.NONE, ErrorCode.NONE]);

  clock.advance(10_001);
  assert.deepEqual(await initialize(client, ["late", "later"]), [
    ErrorCode.NONE,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ]);
  const ids = await remembered(served);
  assert.deepEqual(
    ["idle", "busy", "late", "later"].map((id) => ids.includes(id)),
    [false, true, true, false],
  );
  assert.equal(ids.length, idsMax);
  assert.equal(await busy.end(true), ErrorCode.NONE);
});

test("a transaction has at most 1,000 partitions", async (t) => {
  const served = await serve(t);
  await served.log.topic("a", { partitions: placesMax + 1 });
  const producer = await Producer.begun(t, served);
  assert.equal(await producer.addMany("a", [...Array(placesMax + 1).keys()]), ErrorCode.INVALID_REQUEST);
  assert.equal(await producer.addMany("a", [...Array(placesMax).keys()]), ErrorCode.NONE);
  assert.equal(await producer.add("a", placesMax), ErrorCode.INVALID_REQUEST);
  assert.equal(await producer.end(true), ErrorCode.NONE);
});

test("what a transaction commits for groups takes at most 256 KiB, notes included", async (t) => {
  const served = await serve(t);
  await served.log.topic("a", { partitions: 100 });
  const producer = await Producer.begun(t, served);
  const code = (partitions: number) => producer.commitNotes("billing", "a", partitions, "n".repeat(4000));
  assert.equal(await code(100), ErrorCode.INVALID_REQUEST);
  assert.equal(await code(50), ErrorCode.NONE);
});

test("when open transactions take all that they may together, small ones go on and large ones have to wait", async (t) => {
  const served = await serve(t);
  await served.log.topic("a", { partitions: placesMax });
  const partitions = [...Array(placesMax).keys()];
  const producers: Producer[] = [];
  for (let code: number | undefined = ErrorCode.NONE; code === ErrorCode.NONE; ) {
    const producer = await Producer.begun(t, served, `tx-${producers.length}`);
    code = await producer.addMany("a", partitions);
    assert.ok(code === ErrorCode.NONE || code === ErrorCode.COORDINATOR_NOT_AVAILABLE, `error ${code}`);
    producers.push(producer);
  }
  const entries = await served.log.storage.metadata.list(prefix);
  const bytes = entries.reduce((sum, { value }) => sum + value.length, 0);
  assert.ok(bytes > 2_000_000 && bytes <= 2 * 1024 * 1024, `${bytes} bytes`);
  const last = producers.at(-1) as Producer;
  assert.equal(await last.addMany("a", [0, 1, 2]), ErrorCode.NONE);
  assert.equal(await producers[0]?.end(true), ErrorCode.NONE);
  assert.equal(await last.addMany("a", partitions), ErrorCode.NONE);
});
