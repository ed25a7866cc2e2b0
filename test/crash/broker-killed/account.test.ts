// The accounts bite: what a broker must not do is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Log, openLog } from "@strandlog/log";
import { Account, valueFor } from "./account.js";
import { GroupAccount } from "./group-account.js";

/** An account of the producer "p", and a log that holds these records of its. */
async function settled(log: Log, numbers: readonly number[], sent: number): Promise<Account> {
  const topic = await log.topic("orders");
  for (const n of numbers) await topic.append({ value: valueFor("p", n) });
  const account = new Account();
  account.sent("p", sent);
  return account;
}

test("records that are there once and in order are in order", async () => {
  await using log = await openLog("memory:");
  const account = await settled(log, [0, 1, 2], 3);
  for (const n of [0, 1, 2]) account.acknowledged(0, n, { producer: "p", n });
  account.consumed(0, 1, valueFor("p", 1));
  await account.check(await log.existingTopic("orders"));
  assert.deepEqual(account.problems, []);
});

test("a record that is there twice is told", async () => {
  await using log = await openLog("memory:");
  const account = await settled(log, [0, 1, 0, 1, 2], 3);
  await account.check(await log.existingTopic("orders"));
  assert.deepEqual(account.problems, [
    "0: p 0 is there twice, again at offset 2",
    "0: p 1 is there twice, again at offset 3",
  ]);
});

test("a record that is missing, and an acknowledged place that is beyond the end, are told", async () => {
  await using log = await openLog("memory:");
  const account = await settled(log, [0, 1], 3);
  account.acknowledged(0, 2, { producer: "p", n: 2 });
  await account.check(await log.existingTopic("orders"));
  assert.deepEqual(account.problems, ["LOST 1 places of 0", "LOST 1 of the 3 records of p"]);
});

test("another record in an acknowledged place, records out of order and invented ones are told", async () => {
  await using log = await openLog("memory:");
  const account = await settled(log, [1, 0, 7], 2);
  account.acknowledged(0, 0, { producer: "p", n: 0 });
  await account.check(await log.existingTopic("orders"));
  assert.equal(account.problems.length, 3);
  const [lost, invented, order] = account.problems.toSorted();
  assert.match(`${lost}`, /0: nobody has sent what is at offset 2/);
  assert.match(`${invented}`, /0: record 0 of p comes after 1/);
  assert.match(`${order}`, /LOST p 0: acknowledged at 0\/0, where p 1 is/);
});

test("a place that is given twice, and one that is consumed with two contents, are told", () => {
  const account = new Account();
  account.sent("p", 2);
  account.acknowledged(0, 5, { producer: "p", n: 0 });
  account.acknowledged(0, 5, { producer: "p", n: 1 });
  account.consumed(0, 5, valueFor("p", 0));
  account.consumed(0, 5, valueFor("p", 1));
  assert.equal(account.problems.length, 2);
});

test("a group may go on where it has committed or tried to, and nowhere else", () => {
  const problems: string[] = [];
  const group = new GroupAccount((problem) => problems.push(problem));
  assert.equal(group.resume(0, 0), undefined);
  group.attempt(0, 10);
  assert.equal(group.resume(0, 10), undefined);
  assert.equal(group.resume(0, 0), undefined);
  group.commit(0, 10);
  assert.equal(group.resume(0, 10), undefined);
  assert.deepEqual(problems, []);
  assert.equal(group.resume(0, 0), "0: the group goes on at 0, acknowledged was 10");
  group.check(0, 11);
  assert.equal(problems.length, 1);
});
