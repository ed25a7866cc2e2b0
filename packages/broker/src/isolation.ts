import type { Isolation } from "@strandlog/log";

/** What a request's isolation level means: 1 leaves out what is not committed. */
export function isolationOf(isolationLevel: number): Isolation {
  return isolationLevel === 1 ? "read_committed" : "read_uncommitted";
}
