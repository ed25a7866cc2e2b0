// Where a group may go on: where it has committed last, or where a commit was under way whose answer nobody heard.
export class GroupAccount {
  readonly #fault: (problem: string) => void;
  /** By partition: what was acknowledged last, and what has been asked for since. */
  readonly #committed = new Map<number, number>();
  readonly #attempted = new Map<number, Set<number>>();
  resumed = 0;
  commits = 0;

  constructor(fault: (problem: string) => void) {
    this.#fault = fault;
  }

  /** A commit is sent. */
  attempt(partition: number, offset: number): void {
    const attempts = this.#attempted.get(partition) ?? new Set();
    attempts.add(offset);
    this.#attempted.set(partition, attempts);
  }

  /** And acknowledged: what was asked for before is over and done with. */
  commit(partition: number, offset: number): void {
    this.commits++;
    this.#committed.set(partition, offset);
    this.#attempted.delete(partition);
  }

  /**
   * A member begins to read here, not having read what is before it. Answers what is wrong with that if the member is
   * one of the group's: one that the group no longer knows may read on where it was, but not commit.
   */
  resume(partition: number, offset: number): string | undefined {
    this.resumed++;
    return this.#problem(partition, offset, "the group goes on at");
  }

  /** A member that began at the wrong place has committed all the same. */
  fault(problem: string): void {
    this.#fault(problem);
  }

  /** What is committed in the end. */
  check(partition: number, offset: number): void {
    const problem = this.#problem(partition, offset, "committed is");
    if (problem !== undefined) this.#fault(problem);
  }

  #problem(partition: number, offset: number, what: string): string | undefined {
    const committed = this.#committed.get(partition) ?? 0;
    const attempts = [...(this.#attempted.get(partition) ?? [])];
    if (offset === committed || attempts.includes(offset)) return undefined;
    const tried = attempts.length === 0 ? "" : `, tried were ${attempts.join(", ")}`;
    return `${partition}: ${what} ${offset}, acknowledged was ${committed}${tried}`;
  }
}
