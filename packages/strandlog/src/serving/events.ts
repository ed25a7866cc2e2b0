// What log and broker publish on diagnostics channels, as lines of the broker's log. Whatever clients can bring about as
// often as they like is told up to a limit.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { LogError } from "@strandlog/log";
import { errorFields, type Logger } from "./logger.js";
import { RateLimit } from "./rate-limit.js";
import type { Readiness } from "./readiness.js";

type Message = Readonly<Record<string, unknown>>;

export interface EventsOptions {
  readonly logger: Logger;
  readonly readiness: Readiness;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

/** Until what is answered is called. */
export function tellEvents({ logger, readiness, nowMs }: EventsOptions): () => void {
  const limit = new RateLimit(nowMs);
  /** It comes again every few seconds, for as long as the disk is full. */
  const troubleLimit = new RateLimit(nowMs, 1, 60_000);
  /** What is wrong though nothing is lost, until a checkpoint has ended well. */
  let isInTrouble = false;

  const tell = (
    level: "debug" | "info" | "warn" | "error",
    kind: string,
    fields: object,
    text: string,
  ): void => {
    if (!logger.isLevelEnabled(level)) return;
    const admitted = (level === "error" ? troubleLimit : limit).admit(kind);
    if (admitted === undefined) return;
    logger[level](admitted.suppressed === 0 ? fields : { ...fields, ...admitted }, text);
  };

  const channels: Readonly<Record<string, (message: Message) => void>> = {
    "strandlog:broker": ({ error, event = "broker-failed", ...about }) => {
      tell(
        "warn",
        String(event),
        { event, ...about, ...errorFields(error) },
        texts[String(event)] ?? String(event),
      );
    },
    "strandlog:rebalance": (about) => {
      tell("info", "rebalance", { event: "rebalance", ...about }, "a group has been rebalanced");
    },
    "strandlog:stalled": (about) => {
      const text = "a group holds records back and has not committed for long";
      tell("warn", "stalled", { event: "stalled", ...about }, text);
    },
    "strandlog:checkpoint": ({ bytes, partitions, ms }) => {
      const fields = { event: "checkpoint", bytes, partitions, ms: Math.round(Number(ms)) };
      if (isInTrouble) logger.info(fields, "checkpoints succeed again");
      else tell("debug", "checkpoint", fields, "checkpoint");
      isInTrouble = false;
    },
    "strandlog:trouble": ({ where, error }) => {
      const fields = { event: "trouble", where, ...errorFields(error) };
      if (error instanceof LogError && error.code === "JOURNAL_FAILED") {
        readiness.failed(error.message);
        logger.error(
          fields,
          "the journal has failed: nothing can be appended until the broker is started again",
        );
        return;
      }
      isInTrouble = true;
      tell("error", `trouble ${String(where)}`, fields, "trouble: appends may wait, it is tried again");
    },
  };
  const listeners = Object.entries(channels).map(([name, told]) => {
    const listener = (message: unknown): void => told(message as Message);
    subscribe(name, listener);
    return () => unsubscribe(name, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}

const texts: Readonly<Record<string, string>> = {
  "authentication-failed": "a client was refused: user or password are wrong",
  "broker-failed": "the broker could not do what it had to",
  "connection-failed": "a connection was closed for what its client has sent",
  "connection-refused": "a connection was refused",
  "handshake-failed": "a TLS handshake has failed",
};
