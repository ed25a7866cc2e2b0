// What readers of a segment leave for the next one. Made when the segment is read first: of very many segments few are.
import { type IndexFile, offsetIndexFile, timeIndexFile } from "./segment-state.js";

const hintsMax = 64;

export class ReadAids {
  readonly offsetIndex: IndexFile = { ...offsetIndexFile };
  readonly timeIndex: IndexFile = { ...timeIndexFile };
  /** Where sequential readers go on: next offset to position. */
  readonly #hints = new Map<number, number>();

  hint(offset: number): number | undefined {
    return this.#hints.get(offset);
  }

  /** The hint is used up: whoever reads on leaves another. */
  takeHint(offset: number): number | undefined {
    const hint = this.#hints.get(offset);
    if (hint !== undefined) this.#hints.delete(offset);
    return hint;
  }

  leaveHint(offset: number, position: number): void {
    if (this.#hints.size >= hintsMax) this.#hints.delete(this.#hints.keys().next().value as number);
    this.#hints.set(offset, position);
  }
}
