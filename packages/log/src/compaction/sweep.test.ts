// Which markers go, against a plain model.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BatchBuilder,
  batchField,
  crc32c,
  endMarkerBatch,
  placeBatch,
  RecordBatch,
} from "../record/index.js";
import { Obsolescence } from "./obsolescence.js";
import { Sweep } from "./sweep.js";

const transactional = 0x10;
const plenty = 1024 * 1024;

/** What a producer does: a record of a key in its transaction, or the end of that. */
interface Step {
  readonly producerId: number;
  readonly key: string;
  readonly end: "no" | "commit" | "abort";
}

function batchOf({ producerId, key, end }: Step, baseOffset: number): RecordBatch {
  if (end !== "no") {
    const marker = endMarkerBatch({ producerId, producerEpoch: 0, isCommit: end === "commit" }, 1000);
    placeBatch(marker.bytes, baseOffset, 0);
    return marker;
  }
  const builder = new BatchBuilder(256);
  builder.append(key, "x", undefined, 1000);
  const bytes = builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression: "none" });
  bytes.writeInt16BE(transactional, batchField.attributes);
  bytes.writeBigInt64BE(BigInt(producerId), batchField.producerId);
  bytes.writeUInt32BE(crc32c(bytes, 0, batchField.attributes), batchField.crc);
  return new RecordBatch(bytes);
}

/** The marker that ends what the record at an offset belongs to; −1: none yet. */
function endOf(steps: readonly Step[], offset: number): number {
  const { producerId } = steps[offset] as Step;
  return steps.findIndex((step, at) => at > offset && step.producerId === producerId && step.end !== "no");
}

const history = fc.array(
  fc.record({
    producerId: fc.constantFrom(1, 2, 3),
    key: fc.constantFrom("a", "b", "c"),
    end: fc.constantFrom("no", "no", "commit", "abort"),
  } as const),
  { minLength: 1, maxLength: 40 },
);

test("a marker goes when it is old enough, forgotten, and nothing of its transaction is left", () => {
  fc.assert(
    fc.property(history, fc.nat(40), fc.nat(40), fc.nat(40), (all, oldEnd, toldFrom, forkAt) => {
      const steps: readonly Step[] = all;
      const firstOpen = steps.findIndex((step, offset) => step.end === "no" && endOf(steps, offset) < 0);
      const until = firstOpen < 0 ? steps.length : firstOpen;
      const batches = steps.map(batchOf);
      // What ends before `toldFrom` was taken out by an earlier compaction, and is forgotten.
      const isAborted = (producerId: number, offset: number): boolean => {
        const end = steps.findIndex(
          (step, at) => at >= offset && step.producerId === producerId && step.end !== "no",
        );
        return end >= toldFrom && steps[end]?.end === "abort";
      };
      const isLeft = (step: Step, offset: number): boolean =>
        step.end !== "no" || steps[endOf(steps, offset)]?.end !== "abort" || endOf(steps, offset) >= toldFrom;
      const there = batches.filter((_, offset) => isLeft(steps[offset] as Step, offset));
      const ripe = Math.min(oldEnd, until);
      const obsolescence = new Obsolescence(0, until, plenty, ripe, isAborted);
      for (const batch of there) if (batch.baseOffset < until) obsolescence.add(batch, until);
      obsolescence.skipTo(until);

      let sweep = new Sweep(obsolescence);
      const left = new Set<number>();
      for (const batch of there) {
        if (batch.baseOffset === forkAt) {
          // Whoever looks ahead and gives up changes nothing.
          const ahead = sweep.fork();
          for (const other of there) if (other.baseOffset >= forkAt) ahead.filter(other);
          sweep = sweep.fork();
        }
        if (sweep.filter(batch) !== undefined) left.add(batch.baseOffset);
      }
      for (const { baseOffset: offset, isControl } of there) {
        if (!isControl) continue;
        const hasRecords = [...left].some((at) => steps[at]?.end === "no" && endOf(steps, at) === offset);
        const isTold = steps[offset]?.end === "abort" && offset >= toldFrom;
        assert.equal(left.has(offset), hasRecords || offset >= ripe || isTold, `the marker at ${offset}`);
      }
    }),
  );
});

test("without word of transactions no marker goes", () => {
  const sweep = new Sweep(new Obsolescence(0, 10, plenty, 10, undefined));
  const marker = batchOf({ producerId: 1, key: "", end: "commit" }, 5);
  assert.equal(sweep.filter(marker), marker.bytes);
});
