// Conformance: compaction, of drivers that can. How much of what is newest is left alone is the driver's choice.
import assert from "node:assert/strict";
import { BatchBuilder } from "../record/index.js";
import { batchesIn, partitionName, type Register } from "./conformance-tools.js";
import type { CompactionLimits, CompactionOutcome, LogStorage } from "./contracts.js";

interface Record {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
}

// Small segments, so that a driver that has such things has several.
const config = { segmentBytes: 1024, segmentMs: 7 * 24 * 60 * 60 * 1000 };
const deleteRetentionMs = 1000;
const keys = ["a", "b", "c", "d"];
const count = 60;

/** A partition with `count` records in batches of three, over and over for the same keys; every seventh has no value. */
async function filled(storage: LogStorage): Promise<{ id: string; told: Record[] }> {
  const name = partitionName("compacted");
  await storage.createPartitions([name], config);
  const told: Record[] = [];
  while (told.length < count) await add(storage, name.id, told, 3);
  return { id: name.id, told };
}

async function add(storage: LogStorage, id: string, told: Record[], records: number): Promise<void> {
  const builder = new BatchBuilder(256);
  const baseOffset = told.length;
  for (let offset = baseOffset; offset < baseOffset + records; offset++) {
    const key = keys[offset % keys.length] as string;
    const value = offset % 7 === 6 ? null : `${offset}`.padEnd(80, ".");
    builder.append(key, value, undefined, 1000 + offset);
    told.push({ offset, key, value });
  }
  const bytes = builder.seal({ baseOffset, partitionLeaderEpoch: 0, compression: "none" });
  const batches = [{ partitionId: id, bytes, baseOffset, visibleAt: "disk" as const }];
  await storage.append({ batches, durability: "disk" }).durable;
}

function compact(
  storage: LogStorage,
  id: string,
  more: Partial<CompactionLimits> = {},
): Promise<CompactionOutcome> {
  const limits = {
    until: Number.MAX_SAFE_INTEGER,
    now: 1_000_000,
    deleteRetentionMs,
    dirtyRatioMin: 0,
    ...more,
  };
  return (storage.compact as NonNullable<LogStorage["compact"]>).call(storage, id, limits);
}

async function recordsOf(storage: LogStorage, id: string, from = 0): Promise<Record[]> {
  const found: Record[] = [];
  for (let next = from; ; ) {
    const { chunks, startOffset } = await storage.read(id, next, 4096);
    const batches = batchesIn(chunks);
    const last = batches.at(-1);
    if (last === undefined) return found;
    for (const batch of batches)
      for (const { offset, key, value } of batch.records(startOffset))
        found.push({ offset, key: `${key}`, value: value === null ? null : `${value}` });
    assert.ok(last.nextOffset > next, "reading goes on");
    next = last.nextOffset;
  }
}

/** Of each key the latest record before `end`, and all from there on. */
function expectedOf(told: readonly Record[], end: number): Record[] {
  const latest = new Map(told.slice(0, end).map(({ key, offset }) => [key, offset]));
  return told.filter(({ key, offset }) => offset >= end || latest.get(key) === offset);
}

export function testCompaction(register: Register): void {
  const test: Register = (name, action) =>
    register(name, async (opened) => {
      if (opened.storage.compact !== undefined) await action(opened);
    });

  test("compaction keeps of each key the latest record, at its offset, and all that is new", async ({
    storage,
  }) => {
    const { id, told } = await filled(storage);
    const { end, records, bytes } = await compact(storage, id);
    assert.ok(end > count / 2, `most of it is compacted: ${end} of ${count}`);
    const found = await recordsOf(storage, id);
    assert.deepEqual(found, expectedOf(told, end));
    assert.equal(records, count - found.length);
    assert.ok(bytes > 0);
    const { highWatermark, logEndOffset, logStartOffset, compaction } = await storage.describe(id);
    assert.deepEqual([logStartOffset, highWatermark, logEndOffset], [0, count, count]);
    assert.deepEqual(compaction, { end, records, bytes, at: 1_000_000 });
  });

  test("an offset that compaction took leads to the next record", async ({ storage }) => {
    const { id, told } = await filled(storage);
    const { end } = await compact(storage, id);
    const expected = expectedOf(told, end);
    for (let offset = 0; offset < count; offset++) {
      const [first] = (await recordsOf(storage, id, offset)).filter((record) => record.offset >= offset);
      assert.deepEqual(
        first,
        expected.find((record) => record.offset >= offset),
      );
    }
  });

  test("what is compacted again is what would have been compacted at once", async ({ storage }) => {
    const { id, told } = await filled(storage);
    for (let n = 0; n < 4; n++) {
      const { end } = await compact(storage, id);
      assert.deepEqual(await recordsOf(storage, id), expectedOf(told, end));
      for (let batch = 0; batch < 5; batch++) await add(storage, id, told, 3);
    }
    const { end } = await compact(storage, id);
    assert.deepEqual(await recordsOf(storage, id), expectedOf(told, end));
    assert.deepEqual(await compact(storage, id), { end, records: 0, bytes: 0 });
  });

  test("nothing at or beyond the limit is compared with anything", async ({ storage }) => {
    const { id, told } = await filled(storage);
    const { end } = await compact(storage, id, { until: 10 });
    assert.ok(end <= 10);
    assert.deepEqual(await recordsOf(storage, id), expectedOf(told, end));
  });

  test("a record without a value goes once it has been compacted for long enough", async ({ storage }) => {
    const { id, told } = await filled(storage);
    const { end } = await compact(storage, id);
    const isOld = ({ value, offset }: Record): boolean => value === null && offset < end;
    const before = await recordsOf(storage, id);
    await compact(storage, id, { now: 1_000_000 + deleteRetentionMs - 1 });
    assert.deepEqual(await recordsOf(storage, id), before);
    const outcome = await compact(storage, id, { now: 1_000_000 + deleteRetentionMs });
    const after = expectedOf(told, end).filter((record) => !isOld(record));
    assert.deepEqual(await recordsOf(storage, id), after);
    assert.equal(outcome.records, before.length - after.length);
  });

  test("where too little has come since the last time nothing is done", async ({ storage }) => {
    const { id, told } = await filled(storage);
    await compact(storage, id);
    const before = await recordsOf(storage, id);
    await add(storage, id, told, 3);
    const { records } = await compact(storage, id, { dirtyRatioMin: 1 });
    assert.equal(records, 0);
    assert.deepEqual((await recordsOf(storage, id)).slice(0, before.length), before);
  });

  test("records deleted, and appended, after compaction are what they would be without it", async ({
    storage,
  }) => {
    const { id, told } = await filled(storage);
    const { end } = await compact(storage, id);
    await storage.deleteRecords(id, end - 1);
    await add(storage, id, told, 3);
    const expected = expectedOf(told, end).filter(({ offset }) => offset >= end - 1);
    assert.deepEqual(await recordsOf(storage, id), expected);
    assert.equal((await storage.describe(id)).logStartOffset, end - 1);
  });

  test("what is known of producers is settled before anything goes", async ({ storage }) => {
    const { id, told } = await filled(storage);
    let seen: Record[] = [];
    const settled = async (): Promise<void> => {
      seen = await recordsOf(storage, id);
    };
    const { records } = await compact(storage, id, { settled });
    assert.ok(records > 0);
    assert.deepEqual(seen, told);
  });

  test("compaction that cannot settle what is known of producers takes nothing", async ({ storage }) => {
    const { id, told } = await filled(storage);
    const settled = (): Promise<void> => Promise.reject(new Error("not now"));
    await assert.rejects(compact(storage, id, { settled }), /not now/);
    assert.deepEqual(await recordsOf(storage, id), told);
    const { end } = await compact(storage, id);
    assert.deepEqual(await recordsOf(storage, id), expectedOf(told, end));
  });

  test("compaction is given up when it is told to", async ({ storage }) => {
    const { id, told } = await filled(storage);
    await assert.rejects(compact(storage, id, { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
    assert.deepEqual(await recordsOf(storage, id), told);
  });

  test("what was compacted stays so when it is opened again", async ({ storage, reopen }) => {
    const { id, told } = await filled(storage);
    const { end } = await compact(storage, id);
    if (reopen === undefined) return;
    await storage.close();
    const again = await reopen();
    try {
      assert.deepEqual(await recordsOf(again, id), expectedOf(told, end));
      assert.equal((await again.describe(id)).compaction?.end, end);
      await compact(again, id, { now: 1_000_000 + deleteRetentionMs });
      const isOld = ({ value, offset }: Record): boolean => value === null && offset < end;
      const now = (await again.describe(id)).compaction?.end ?? 0;
      const expected = expectedOf(told, now).filter((record) => !isOld(record));
      assert.deepEqual(await recordsOf(again, id), expected);
    } finally {
      await again.close();
    }
  });
}
