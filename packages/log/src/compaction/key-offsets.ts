// The last offset of each key, in bounded memory: a flat table of hashes. Two keys with one hash would hide each other,
// so it is a hash for which nobody can find two. When the table is full it takes no further key, and whoever fills it
// goes on from there another time.
import { hash } from "node:crypto";

const hashWords = 4;
const slotBytes = hashWords * 4 + 8;
const fullShare = 0.75;
const slotsMin = 64;

export class KeyOffsets {
  readonly #hashes: Uint32Array;
  /** −1: the slot is free. */
  readonly #offsets: Float64Array;
  readonly #mask: number;
  readonly #countMax: number;
  #count = 0;

  /** Room for that many keys, but in no more than `bytesMax`. */
  constructor(keys: number, bytesMax: number) {
    let slots = slotsMin;
    while (slots * fullShare < keys && slots * 2 * slotBytes <= bytesMax) slots *= 2;
    this.#hashes = new Uint32Array(slots * hashWords);
    this.#offsets = new Float64Array(slots).fill(-1);
    this.#mask = slots - 1;
    this.#countMax = Math.floor(slots * fullShare);
  }

  get count(): number {
    return this.#count;
  }

  /** Notes the offset of a key; offsets ascend. False, and nothing is noted, if there is no room for a key that is new. */
  note(key: Uint8Array, offset: number): boolean {
    const words = hashOf(key);
    const slot = this.#find(words);
    if (this.#offsets[slot] === -1) {
      if (this.#count >= this.#countMax) return false;
      this.#count++;
      this.#hashes.set(words, slot * hashWords);
    }
    this.#offsets[slot] = offset;
    return true;
  }

  /** The last offset noted for the key; −1 if there is none. */
  last(key: Uint8Array): number {
    return this.#count === 0 ? -1 : (this.#offsets[this.#find(hashOf(key))] as number);
  }

  /** The slot of the hash, or the free one where it belongs. There is always one: the table is never full. */
  #find(words: Uint32Array): number {
    let slot = (words[0] as number) & this.#mask;
    while (this.#offsets[slot] !== -1 && !this.#holds(slot, words)) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #holds(slot: number, words: Uint32Array): boolean {
    const at = slot * hashWords;
    for (let word = 0; word < hashWords; word++) if (this.#hashes[at + word] !== words[word]) return false;
    return true;
  }
}

function hashOf(key: Uint8Array): Uint32Array {
  const digest = hash("sha256", key, "buffer");
  const words = new Uint32Array(hashWords);
  for (let word = 0; word < hashWords; word++) words[word] = digest.readUInt32LE(word * 4);
  return words;
}
