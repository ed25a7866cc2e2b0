// "Did you mean": the name that takes the fewest changes to become another.

/** Undefined if none is near enough to be what was meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const changes = distance(name, candidate);
    if (changes >= least) continue;
    least = changes;
    nearest = candidate;
  }
  return nearest;
}

/** Levenshtein's: how many characters to add, to take away or to replace. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [index, character] of [...one].entries()) {
    let diagonal = index;
    const next = [index + 1];
    for (let column = 1; column <= other.length; column++) {
      const above = row[column] as number;
      const replaced = diagonal + (character === other[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, above + 1, (next[column - 1] as number) + 1));
      diagonal = above;
    }
    row = next;
  }
  return row[other.length] as number;
}
