// What every record must hold, derived from where it is and who wrote it, so that writer and oracle need not exchange
// any bytes. The key names the place and the round; the value is a slice of one fixed random pool.

/** A partition of a topic; a topic that is deleted and made again has another generation. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
}

/** A record, whoever has read it. */
export interface Found {
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

const poolBytes = 64 * 1024;
const largeValueBytes = 24 * 1024;
const pool: Buffer = makePool();

/** Numbers from 0 up to, but without, 1; the same ones for the same seed. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mix(state) / 2 ** 32;
  };
}

export function keyFor(place: Place, round: number, offset: number): string {
  return `${round} ${place.topic}.${place.generation}/${place.partition} ${offset}`;
}

/** Mostly small, at times several pages, at times null. */
export function valueFor(place: Place, round: number, offset: number): Buffer | null {
  const hash = mix(mix(mix(offset) + round) + place.partition * 31 + place.topic.length * 1009);
  const kind = hash % 100;
  if (kind === 0) return null;
  let sizeMax = 200;
  if (kind > 70) sizeMax = 1500;
  if (kind > 97) sizeMax = largeValueBytes;
  const size = mix(hash) % sizeMax;
  const start = mix(hash + 1) % (poolBytes - largeValueBytes);
  return pool.subarray(start, start + size);
}

/** What is wrong with a record that `round` is to have written, or undefined. */
export function differenceOf(record: Found, place: Place, round: number): string | undefined {
  const { key, value, offset } = record;
  const keyText = key === null ? "null" : Buffer.from(key).toString();
  const expectedKey = keyFor(place, round, offset);
  if (keyText !== expectedKey) return `has the key "${keyText}", not "${expectedKey}"`;
  const expected = valueFor(place, round, offset);
  if (value === null || expected === null) return value === expected ? undefined : "has the wrong value";
  return Buffer.compare(value, expected) === 0 ? undefined : "differs in its value";
}

function makePool(): Buffer {
  const bytes = Buffer.alloc(poolBytes);
  for (let at = 0; at < poolBytes; at += 4) bytes.writeUInt32LE(mix(at + 1), at);
  return bytes;
}

/** A bijection of 32 bits that leaves no pattern (Stafford's third variant of Murmur's finaliser). */
function mix(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}
