import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBudget, type Holder } from "./byte-budget.js";

class Connection implements Holder {
  calls = 0;
  goOn(): void {
    this.calls++;
  }
}

function some(count: number): Connection[] {
  return Array.from({ length: count }, () => new Connection());
}

test("while there is something left, everybody goes on", () => {
  const budget = new ByteBudget(1000, 10);
  const [one, other] = some(2) as [Connection, Connection];
  budget.hold(one, 900);
  budget.hold(other, 99);
  assert.ok(budget.mayGoOn(one, true) && budget.mayGoOn(other, true));
  assert.deepEqual([budget.bytes, budget.left, budget.isShort], [999, 1, false]);
});

test("when it is used up, small ones go on, and one of the large ones at a time", () => {
  const budget = new ByteBudget(1000, 10);
  const [first, second, third, small] = some(4) as [Connection, Connection, Connection, Connection];
  budget.hold(first, 500);
  budget.hold(second, 400);
  budget.hold(third, 200);
  budget.hold(small, 9);
  assert.ok(budget.mayGoOn(first, true));
  assert.ok(!budget.mayGoOn(second, true) && !budget.mayGoOn(third, true));
  assert.ok(budget.mayGoOn(small, true));
  assert.ok(budget.isShort);

  // It receives the rest of its request and no more, and has to be answered before it is another's turn.
  budget.hold(first, 900);
  assert.ok(budget.mayGoOn(first, true));
  budget.received(first);
  assert.ok(!budget.mayGoOn(first, false));
  budget.hold(first, 600);
  assert.equal(second.calls, 0);
  budget.hold(small, 500);
  budget.hold(first, 9);
  assert.deepEqual([first.calls > 0, second.calls, third.calls], [true, 1, 0]);
  assert.ok(budget.mayGoOn(first, true) && budget.mayGoOn(second, true));
});

test("who is not in the middle of a request is not favoured, and goes on when it has become small", () => {
  const budget = new ByteBudget(1000, 10);
  const [deaf, large] = some(2) as [Connection, Connection];
  budget.hold(deaf, 1000);
  assert.equal(budget.mayGoOn(deaf, false), false);
  budget.hold(large, 500);
  assert.equal(budget.mayGoOn(large, true), true);
  budget.hold(large, 2000);
  budget.hold(deaf, 9);
  assert.equal(deaf.calls, 1);
});

test("when there is something left again, all go on", () => {
  const budget = new ByteBudget(1000, 10);
  const all = some(5);
  for (const each of all) budget.hold(each, 300);
  const may = all.map((each) => budget.mayGoOn(each, true));
  assert.deepEqual(may, [true, false, false, false, false]);
  budget.hold(all[4] as Connection, 100);
  assert.ok(all.slice(1).every(({ calls }) => calls === 0));
  budget.hold(all[3] as Connection, 0);
  const called = () => all.map(({ calls }) => calls > 0);
  assert.deepEqual(called(), [true, false, false, true, false], "1000 bytes are still held");
  budget.hold(all[2] as Connection, 100);
  assert.deepEqual(called(), [true, true, true, true, true]);
  assert.equal(budget.isShort, false);
});

test("one that goes leaves its bytes, its place in the line, and its favour", () => {
  const budget = new ByteBudget(1000, 10);
  const [first, second, third] = some(3) as [Connection, Connection, Connection];
  for (const each of [first, second, third]) {
    budget.hold(each, 2000);
    budget.mayGoOn(each, true);
  }
  budget.drop(first);
  assert.deepEqual([second.calls, third.calls, budget.bytes], [1, 0, 4000]);
  budget.drop(third);
  budget.drop(second);
  assert.deepEqual([budget.bytes, budget.isShort, third.calls], [0, false, 0]);
});
