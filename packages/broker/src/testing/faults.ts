// Faults on demand: requests that a test has chosen get an error, are answered late, or lose their connection. They
// come between the connections and the handlers, which know nothing of them.
import { LogError } from "@strandlog/log";
import type { Answer, AnyBody, Intercept } from "../context.js";
import { actionFor } from "./fault-actions.js";
import { type CheckedFault, checkedFault, type RequestFault } from "./request-fault.js";

/** A fault that waits for its requests. */
export interface PlannedFault {
  /** How many requests it has struck. */
  readonly count: number;
  /** Settles when it has struck so many, one by default. CLOSED if it is forgotten before. */
  struck(count?: number): Promise<void>;
  /** Forgets it. */
  remove(): void;
}

/** Of several faults that would strike a request, the one that was added first does. */
export interface Faults {
  /** INVALID_ARGUMENT for what makes no sense. */
  add(fault: RequestFault): PlannedFault;
  /** Forgets all of them. */
  clear(): void;
}

interface Waiting {
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (error: LogError) => void;
}

export class PlannedFaults implements Faults {
  readonly #planned = new Set<Planned>();

  add(fault: RequestFault): PlannedFault {
    const planned = new Planned(checkedFault(fault), () => this.#planned.delete(planned));
    this.#planned.add(planned);
    return planned;
  }

  clear(): void {
    for (const planned of this.#planned) planned.remove();
  }

  readonly intercept: Intercept = async (handler, request, session, broker) => {
    const handle = (): Promise<Answer<AnyBody>> => handler.handle(request, session, broker);
    for (const planned of this.#planned) {
      if (planned.fault.api !== handler.api) continue;
      const act = await actionFor(planned.fault, request, session, broker);
      if (act !== undefined && planned.strikes()) return act(handle);
    }
    return handle();
  };
}

class Planned implements PlannedFault {
  readonly fault: CheckedFault;
  count = 0;
  #seen = 0;
  #isForgotten = false;
  readonly #forget: () => void;
  #waiting: Waiting[] = [];

  constructor(fault: CheckedFault, forget: () => void) {
    this.fault = fault;
    this.#forget = forget;
  }

  /** Whether a request that it is meant for is one of those that it strikes. */
  strikes(): boolean {
    const { skip, times } = this.fault;
    if (this.#isForgotten || ++this.#seen <= skip || this.count >= times) return false;
    this.count++;
    for (const { count, resolve } of this.#waiting) if (count <= this.count) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => count > this.count);
    return true;
  }

  struck(count = 1): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    if (this.#isForgotten) return Promise.reject(this.#forgotten());
    return new Promise((resolve, reject) => this.#waiting.push({ count, resolve, reject }));
  }

  remove(): void {
    this.#isForgotten = true;
    this.#forget();
    for (const { reject } of this.#waiting) reject(this.#forgotten());
    this.#waiting = [];
  }

  #forgotten(): LogError {
    const { api } = this.fault;
    return new LogError("CLOSED", `the fault for ${api.name} was forgotten after ${this.count} requests`);
  }
}
