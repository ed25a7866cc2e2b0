/** Callers that wait for something to happen, each with what it waits for. */
export class Watchers<T> {
  #waiting: { readonly wish: T; readonly resolve: () => void }[] = [];

  /** Settles when {@link notify} finds the wish due; rejects with the signal's reason. */
  async wait(wish: T, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== entry);
        reject(signal?.reason);
      };
      const entry = {
        wish,
        resolve: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.push(entry);
    });
  }

  notify(isDue: (wish: T) => boolean): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(({ wish }) => isDue(wish));
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((entry) => !due.includes(entry));
    for (const { resolve } of due) resolve();
  }
}
