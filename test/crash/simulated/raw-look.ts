// A partition as those see it who read batches: where transactions end, and what is committed, worked out as Kafka's
// consumers do it.
import type { Partition } from "@strandlog/log";
import { batchLengthAt, RecordBatch } from "@strandlog/log/storage";
import type { TopicModel } from "./models.js";
import { markerKey } from "./producers.js";

/** A record or a marker. */
export interface Item {
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

type Slice = Awaited<ReturnType<Partition["readRaw"]>>;

// Less than most partitions hold.
const bytesMax = 16 * 1024;
const commitType = 1;

/** All that there is before an offset, the end of what readers see, or was. */
export async function itemsOf(model: TopicModel, partition: Partition, end: number): Promise<Item[]> {
  const items: Item[] = [];
  for await (const record of partition.read({ until: end })) items.push(record);
  if (!model.hasProducers) return items;
  const markers = await markersIn(partition, end);
  if (markers.length === 0) return items;
  return [...items, ...markers].sort((left, right) => left.offset - right.offset);
}

/** The markers before an offset. */
async function markersIn(partition: Partition, end: number): Promise<Item[]> {
  const markers: Item[] = [];
  for await (const { slice, batch } of batchesOf(partition, "read_uncommitted")) {
    const { baseOffset: offset, producerId, producerEpoch } = batch;
    if (!batch.isControl || offset < slice.startOffset || offset >= end) continue;
    const key = Buffer.from(markerKey(producerId, producerEpoch, isCommit(batch)));
    markers.push({ offset, key, value: null });
  }
  return markers;
}

/** The offsets of all committed records, and the last stable offset. */
export async function committedIn(partition: Partition): Promise<{ offsets: Set<number>; stable: number }> {
  const offsets = new Set<number>();
  let aborting = new Set<number>();
  let known: Slice | undefined;
  let waiting: Slice["aborted"][number][] = [];
  for await (const { slice, batch } of batchesOf(partition, "read_committed")) {
    if (slice !== known) {
      known = slice;
      aborting = new Set();
      waiting = slice.aborted.toSorted((left, right) => left.firstOffset - right.firstOffset);
    }
    for (; (waiting[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= batch.lastOffset; waiting.shift())
      aborting.add(waiting[0]?.producerId as number);
    if (batch.isControl) {
      if (!isCommit(batch)) aborting.delete(batch.producerId);
    } else if (!batch.isTransactional || !aborting.has(batch.producerId))
      for (const { offset } of batch.records(slice.startOffset)) offsets.add(offset);
  }
  return { offsets, stable: await partition.endOffset("read_committed") };
}

async function* batchesOf(
  partition: Partition,
  isolation: "read_committed" | "read_uncommitted",
): AsyncGenerator<{ slice: Slice; batch: RecordBatch }> {
  for (let from: number | "earliest" = "earliest"; ; ) {
    const slice: Slice = await partition.readRaw({ from, bytesMax, isolation });
    for (const chunk of slice.chunks)
      for (let at = 0; at < chunk.length; at += batchLengthAt(chunk, at))
        yield { slice, batch: new RecordBatch(chunk.subarray(at, at + batchLengthAt(chunk, at))) };
    if (slice.length === 0) return;
    from = slice.next;
  }
}

/** Of a marker: what its only record's key says. */
function isCommit(marker: RecordBatch): boolean {
  const { value: record } = marker.records().next();
  return Buffer.from(record?.key ?? []).readInt16BE(2) === commitType;
}
