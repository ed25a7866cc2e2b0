// What producers have sent and heard acknowledged, outside the broker's process, held against what is there in the end.
import type { Topic } from "@strandlog/log";

const problemsMax = 20;
const fillerBytesMax = 300;
/** Every value ends with a part of it. */
export const filler: string = "a record is there once or it was never promised; ".repeat(10);

/** The nth record of a producer; its number decides its bytes. */
export function valueFor(producer: string, n: number): string {
  return `${producer} ${n} ${filler.slice(0, (n * 7919) % fillerBytesMax)}`;
}

interface Sent {
  readonly producer: string;
  readonly n: number;
}

export class Account {
  readonly problems: string[] = [];
  acknowledgedCount = 0;
  /** By partition and offset, which record was acknowledged there, and which one a consumer has got from there. */
  readonly #acknowledged = new Map<number, Map<number, string>>();
  readonly #consumed = new Map<number, Map<number, string>>();
  /** How many records each producer has sent, in all. */
  readonly #sent = new Map<string, number>();
  #waiting: { count: number; resolve: () => void }[] = [];

  fault(problem: string): void {
    if (this.problems.length < problemsMax) this.problems.push(problem);
  }

  /** In all. Of a producer in another process it is known at its end only: until then it may be any number. */
  sent(producer: string, total: number): void {
    this.#sent.set(producer, total);
  }

  acknowledged(partition: number, offset: number, { producer, n }: Sent): void {
    const own = `${producer} ${n}`;
    const other = placesIn(this.#acknowledged, partition).get(offset);
    if (other !== undefined) this.fault(`${partition}: offset ${offset} was given to ${other} and to ${own}`);
    placesIn(this.#acknowledged, partition).set(offset, own);
    this.acknowledgedCount++;
    const isDue = ({ count }: { count: number }): boolean => count <= this.acknowledgedCount;
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((one) => !isDue(one));
    for (const { resolve } of due) resolve();
  }

  /** Settles when so many more have been acknowledged. */
  async more(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push({ count: this.acknowledgedCount + count, resolve });
    });
  }

  consumed(partition: number, offset: number, value: string): void {
    const own = this.#recordIn(partition, offset, value);
    const places = placesIn(this.#consumed, partition);
    const before = places.get(offset);
    if (before !== undefined && before !== own)
      this.fault(`${partition}: ${before} was consumed at offset ${offset}, and then ${own}`);
    places.set(offset, own);
  }

  /** Whether everything that was acknowledged has been consumed. */
  get isConsumed(): boolean {
    return [...this.#acknowledged].every(([partition, places]) => {
      const consumed = placesIn(this.#consumed, partition);
      for (const offset of places.keys()) if (!consumed.has(offset)) return false;
      return true;
    });
  }

  /** All that was sent has been acknowledged by now: it is there, once, in order, and nothing else is. */
  async check(topic: Topic): Promise<void> {
    const firsts = new Map<string, number>();
    for (let partition = 0; partition < topic.partitionCount; partition++)
      await this.#checkPartition(topic, partition, firsts);
    for (const [producer, count] of this.#sent) {
      let found = 0;
      for (const own of firsts.keys()) if (own.startsWith(`${producer} `)) found++;
      if (found < count) this.fault(`LOST ${count - found} of the ${count} records of ${producer}`);
    }
  }

  async #checkPartition(topic: Topic, partition: number, firsts: Map<string, number>): Promise<void> {
    const acknowledged = placesIn(this.#acknowledged, partition);
    const consumed = placesIn(this.#consumed, partition);
    const highest = new Map<string, number>();
    let next = 0;
    let places = 0;
    for await (const { offset, value } of topic.partition(partition).read({ from: 0 })) {
      if (offset !== next) this.fault(`${partition}: offset ${next} is missing, ${offset} follows`);
      next = offset + 1;
      const own = this.#recordIn(partition, offset, value === null ? "" : Buffer.from(value).toString());
      const promised = acknowledged.get(offset);
      if (promised !== undefined) places++;
      if (promised !== undefined && promised !== own)
        this.fault(`LOST ${promised}: acknowledged at ${partition}/${offset}, where ${own} is`);
      const got = consumed.get(offset);
      if (got !== undefined && got !== own)
        this.fault(`${partition}: ${got} was consumed at offset ${offset}, where ${own} is`);
      // What idempotent producers are to prevent, also when the broker is not the one that they began with.
      if (firsts.has(own)) this.fault(`${partition}: ${own} is there twice, again at offset ${offset}`);
      else this.#checkOrder(partition, own, highest);
      firsts.set(own, offset);
    }
    if (places < acknowledged.size) this.fault(`LOST ${acknowledged.size - places} places of ${partition}`);
  }

  #checkOrder(partition: number, own: string, highest: Map<string, number>): void {
    const [producer = "", number] = own.split(" ");
    const n = Number(number);
    const before = highest.get(producer);
    if (before !== undefined && n < before)
      this.fault(`${partition}: record ${n} of ${producer} comes after ${before}`);
    highest.set(producer, n);
  }

  /** Which record it is, if its bytes are those that were sent. */
  #recordIn(partition: number, offset: number, value: string): string {
    const [producer = "", number] = value.split(" ", 2);
    const n = Number(number);
    if (value !== valueFor(producer, n) || !(n < (this.#sent.get(producer) ?? 0)))
      this.fault(`${partition}: nobody has sent what is at offset ${offset}: "${value.slice(0, 60)}"`);
    return `${producer} ${n}`;
  }
}

function placesIn(all: Map<number, Map<number, string>>, partition: number): Map<number, string> {
  const places = all.get(partition) ?? new Map<number, string>();
  all.set(partition, places);
  return places;
}
