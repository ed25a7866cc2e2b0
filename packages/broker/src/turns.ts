// Work that a client may ask for very many times in one request is done in turns, so that others get theirs.
import { setImmediate as othersTurn } from "node:timers/promises";

export const workInTurn = 256;

export { othersTurn };

/** Like Promise.all, in turns. */
export async function mapInTurns<T, R>(all: readonly T[], map: (each: T) => Promise<R>): Promise<R[]> {
  if (all.length <= workInTurn) return Promise.all(all.map(map));
  const results: R[] = [];
  for (let from = 0; from < all.length; from += workInTurn) {
    results.push(...(await Promise.all(all.slice(from, from + workInTurn).map(map))));
    await othersTurn();
  }
  return results;
}
