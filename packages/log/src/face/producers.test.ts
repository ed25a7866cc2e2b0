// What a partition knows of producers that number their batches, and of their transactions.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endMarkerBatch, placeBatch, RecordBatch } from "../record/index.js";
import { Producers } from "./producers.js";
import { producedBatch } from "./test-support.js";

const now = Date.UTC(2026, 0, 1);

interface Written {
  readonly producerId: number;
  readonly epoch?: number;
  readonly sequence?: number;
  readonly count?: number;
  readonly isTransactional?: boolean;
}

function dataBatch({ count = 1, isTransactional = true, ...written }: Written): RecordBatch {
  return new RecordBatch(producedBatch({ ...written, isTransactional, values: Array(count).fill("v") }));
}

/** A partition's batches, each given its place, and what follows from them. */
class History {
  readonly producers = new Producers();
  readonly batches: RecordBatch[] = [];
  end = 0;

  add(written: Written): RecordBatch {
    const batch = this.#place(dataBatch(written));
    this.producers.add(batch, batch.baseOffset, now);
    return batch;
  }

  endTransaction(producerId: number, isCommit: boolean, epoch = 0): RecordBatch {
    const batch = this.#place(endMarkerBatch({ producerId, producerEpoch: epoch, isCommit }, now));
    this.producers.end({ producerId, producerEpoch: epoch, isCommit }, batch.baseOffset, now);
    return batch;
  }

  #place(batch: RecordBatch): RecordBatch {
    placeBatch(batch.bytes, this.end, 0);
    this.batches.push(batch);
    this.end = batch.nextOffset;
    return batch;
  }
}

test("nothing is certain from the first open transaction on until readers see its marker", () => {
  const history = new History();
  history.add({ producerId: 1, isTransactional: false, count: 3 });
  assert.equal(history.producers.firstUnstableOffset, Number.POSITIVE_INFINITY);
  history.add({ producerId: 2, count: 2 });
  history.add({ producerId: 3 });
  const first = history.endTransaction(2, true);
  assert.equal(history.producers.firstUnstableOffset, 3);
  history.producers.ended(first.baseOffset);
  assert.equal(history.producers.firstUnstableOffset, 5);
  const second = history.endTransaction(3, false);
  history.producers.ended(second.baseOffset);
  assert.equal(history.producers.firstUnstableOffset, Number.POSITIVE_INFINITY);
});

test("aborted transactions are told where they reach into what is asked for", () => {
  const history = new History();
  history.add({ producerId: 1, count: 2 }); // 0, 1
  history.add({ producerId: 2 }); // 2
  history.endTransaction(1, false); // 3
  history.endTransaction(2, true); // 4
  history.add({ producerId: 1, sequence: 2 }); // 5
  history.endTransaction(1, false); // 6
  const first = { producerId: 1, firstOffset: 0, lastOffset: 3 };
  const second = { producerId: 1, firstOffset: 5, lastOffset: 6 };
  assert.deepEqual(history.producers.aborted(0, 7), [first, second]);
  assert.deepEqual(history.producers.aborted(0, 5), [first]);
  assert.deepEqual(history.producers.aborted(3, 6), [first, second]);
  assert.deepEqual(history.producers.aborted(4, 7), [second]);
  assert.deepEqual(history.producers.aborted(7, 9), []);
  history.producers.forgetBefore(4);
  assert.deepEqual(history.producers.aborted(0, 9), [second]);
});

test("a marker that was refused leaves the transaction open, and aborts nothing", () => {
  const history = new History();
  history.add({ producerId: 1 });
  const marker = history.endTransaction(1, false);
  history.producers.refused(marker);
  assert.equal(history.producers.firstUnstableOffset, 0);
  assert.deepEqual(history.producers.aborted(0, 10), []);
  assert.deepEqual(history.producers.state(10, now).open, [[1, 0]]);
});

test("a marker that was refused changes nothing of what was known of its producer", () => {
  const history = new History();
  history.add({ producerId: 1, count: 2 });
  const before = history.producers.state(2, now);
  const marker = history.endTransaction(1, false, 1);
  assert.deepEqual(history.producers.state(2, now), before, "before it can be seen");
  history.producers.refused(marker);
  assert.deepEqual(history.producers.state(3, now), { ...before, offset: 3 });
  assert.equal(history.producers.find(dataBatch({ producerId: 1, sequence: 2 })), undefined);
});

test("a producer that was fenced by a marker is told so, and one with the marker's epoch begins at 0", () => {
  const history = new History();
  history.add({ producerId: 1, count: 4 });
  history.endTransaction(1, false, 1);
  const found = (written: Written) => history.producers.find(dataBatch(written));
  assert.match(String(found({ producerId: 1, sequence: 4 })), /epoch 0, but epoch 1 has written since/);
  assert.match(String(found({ producerId: 1, epoch: 1, sequence: 4 })), /sequence 4 where 0 is next/);
  assert.equal(found({ producerId: 1, epoch: 1 }), undefined);
});

test("whoever has been idle for a day is forgotten, unless a transaction of theirs is open", () => {
  const history = new History();
  history.add({ producerId: 1, isTransactional: false });
  history.add({ producerId: 2 });
  const known = (at: number) => history.producers.state(2, at).producers.map(({ producerId }) => producerId);
  assert.deepEqual(known(now + 24 * 60 * 60_000 - 1), [1, 2]);
  assert.deepEqual(known(now + 24 * 60 * 60_000), [2]);
});

test("what is known at any offset beyond what readers see, and the batches after it, make up what is known at the end", () => {
  const step = fc.record({
    producerId: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom("data", "data", "data", "plain", "commit", "abort", "fence"),
    count: fc.integer({ min: 1, max: 3 }),
    isSeen: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const history = new History();
      const epochs = new Map<number, number>();
      const sequences = new Map<number, number>();
      let seen = 0;
      for (const { producerId, kind, count, isSeen } of steps) {
        const epoch = epochs.get(producerId) ?? 0;
        const sequence = sequences.get(producerId) ?? 0;
        if (kind === "data" || kind === "plain") {
          history.add({ producerId, epoch, sequence, count, isTransactional: kind === "data" });
          sequences.set(producerId, sequence + count);
          continue;
        }
        const next = kind === "fence" ? epoch + 1 : epoch;
        const marker = history.endTransaction(producerId, kind === "commit", next);
        if (next !== epoch) sequences.set(producerId, 0);
        epochs.set(producerId, next);
        if (!isSeen) continue;
        for (const each of history.batches) if (each.isControl) history.producers.ended(each.baseOffset);
        seen = marker.nextOffset;
      }
      for (const { baseOffset: offset } of [...history.batches, { baseOffset: history.end }]) {
        if (offset < seen) continue;
        const again = new Producers(history.producers.state(offset, now));
        for (const batch of history.batches) if (batch.baseOffset >= offset) again.replay(batch, now);
        const { producers, ...rest } = again.state(history.end, now);
        const { producers: expected, ...others } = history.producers.state(history.end, now);
        assert.deepEqual(rest, others);
        // Those of the last few batches that were written before are not needed: their producer has heard of them.
        for (const { producerId, epoch, batches } of producers) {
          const known = expected.find((each) => each.producerId === producerId);
          assert.equal(epoch, known?.epoch);
          assert.deepEqual(batches, known?.batches.slice(known.batches.length - batches.length));
        }
        const written = expected.filter(({ batches }) =>
          batches.some(({ baseOffset }) => baseOffset >= offset),
        );
        for (const { producerId } of written)
          assert.ok(producers.some((each) => each.producerId === producerId));
        const last = history.batches.at(-1);
        if (last !== undefined && !last.isControl)
          assert.equal(again.find(last), history.producers.find(last), "the last batch is found where it is");
      }
    }),
    { numRuns: 300 },
  );
});
