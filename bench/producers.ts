// Producers: each appends a batch, waits for its acknowledgement, and appends the next.
import { type Answer, latencyOf, type Request } from "./subject.js";

// With many in flight, telling the time for each append would be a good part of the work.
const timedEach = 16;
const timesMax = 1_000_000;

/** Lets them run, first to warm up; `append` gets the batch's number and settles with its acknowledgement. */
export async function runProducers(
  { inFlight, batchRecords, recordBytes, seconds }: Request,
  append: (number: number) => Promise<unknown>,
): Promise<Answer> {
  const stride = inFlight > 16 ? timedEach : 1;
  let number = 0;
  let acknowledged = 0;
  let isOver = false;
  let times: number[] = [];
  const producer = async (): Promise<void> => {
    while (!isOver) {
      const own = number++;
      if (own % stride === 0 && times.length < timesMax) {
        const began = performance.now();
        await append(own);
        times.push(performance.now() - began);
      } else await append(own);
      acknowledged++;
    }
  };
  const produce = async (ms: number): Promise<void> => {
    isOver = false;
    const end = setTimeout(() => {
      isOver = true;
    }, ms);
    await Promise.all(Array.from({ length: inFlight }, producer));
    clearTimeout(end);
  };
  await produce(seconds * 1000);
  acknowledged = 0;
  times = [];
  const began = performance.now();
  await produce(seconds * 1000);
  const records = acknowledged * batchRecords;
  const elapsed = (performance.now() - began) / 1000;
  return { records, bytes: records * recordBytes, seconds: elapsed, latencyMicros: latencyOf(times) };
}
