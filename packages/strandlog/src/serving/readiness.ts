// Whether clients can be served now, and why not.

export class Readiness {
  #phase: "starting" | "recovering" | "ready" | "draining" = "starting";
  #failure: string | undefined;
  #trouble: () => string | undefined = () => undefined;

  /** The journal is being replayed. */
  recovering(): void {
    if (this.#phase === "starting") this.#phase = "recovering";
  }

  /** @param trouble why appends wait, if they do, as the log tells it */
  ready(trouble: () => string | undefined): void {
    this.#phase = "ready";
    this.#trouble = trouble;
  }

  draining(): void {
    this.#phase = "draining";
  }

  /** For good: only a new start helps. */
  failed(reason: string): void {
    this.#failure ??= reason;
  }

  /** Undefined while it is ready. */
  get reasonAgainst(): string | undefined {
    if (this.#phase !== "ready") return this.#phase;
    return this.#failure;
  }

  /** Appends wait, and all else is served: a full disk. That it is told does not mean that it is not ready. */
  get trouble(): string | undefined {
    return this.#phase === "ready" ? this.#trouble() : undefined;
  }
}
