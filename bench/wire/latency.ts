// From a producer's call to the record in a consumer's hands, at a fixed rate, both of them in this process.
import { Consumer, ProduceAcks, Producer } from "@platformatic/kafka";
import { type Answer, latencyOf, type Request } from "../subject.js";

const ratePerSecond = 1000;
const tickMs = 1;
/** None of the requests is to wait for the answers to others: it is the broker that is measured. */
const maxInflights = 64;
/** Before it is measured. Kafka's code is compiled as it runs, and so is this. */
const warmSeconds = 10;
/** A hundredth of them has to be enough to be told. */
const measuredSecondsMin = 5;
const patienceMs = 30_000;

export async function latency(bootstrap: string, topic: string, request: Request): Promise<Answer> {
  const seconds = Math.max(request.seconds * 5, measuredSecondsMin);
  const warm = warmSeconds * ratePerSecond;
  const total = warm + seconds * ratePerSecond;
  const sentMs = new Float64Array(total);
  const times: number[] = [];
  const options = { clientId: "bench", bootstrapBrokers: [bootstrap] };
  const consumer = new Consumer({ ...options, groupId: "bench", maxWaitTime: 500 });
  const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false });
  const producer = new Producer({ ...options, acks: ProduceAcks.ALL, maxInflights });
  const received = (async () => {
    for await (const { value } of stream) {
      const n = (value as Buffer).readUInt32BE(0);
      if (n >= warm) times.push(performance.now() - (sentMs[n] as number));
      if (n === total - 1) return;
    }
  })();
  await produce(producer, topic, request.recordBytes, sentMs);
  const isLate = new Promise<true>((resolve) => setTimeout(resolve, patienceMs, true).unref());
  if ((await Promise.race([received, isLate])) === true) throw new Error("not all records have come");
  await consumer.close(true);
  await producer.close();
  return { records: times.length, seconds, latencyMicros: latencyOf(times) };
}

/** As many in each tick as are due by then, each in a request of its own; none waits for the one before it. */
async function produce(
  producer: Producer<Buffer, Buffer, Buffer, Buffer>,
  topic: string,
  recordBytes: number,
  sentMs: Float64Array,
): Promise<void> {
  const sends: Promise<unknown>[] = [];
  const began = performance.now();
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = ((performance.now() - began) * ratePerSecond) / 1000;
      for (let n = sends.length; n < Math.min(due, sentMs.length); n++) {
        const value = Buffer.alloc(recordBytes, "x");
        value.writeUInt32BE(n);
        sentMs[n] = performance.now();
        sends.push(producer.send({ messages: [{ topic, partition: 0, value }] }));
      }
      if (sends.length < sentMs.length) setTimeout(tick, tickMs);
      else resolve();
    };
    tick();
  });
  await Promise.all(sends);
}
