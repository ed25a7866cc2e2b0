// SIGINT and SIGTERM end a command in order: what it waits for is aborted, it closes the log, and the exit code tells.

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

export interface Interruption {
  readonly signal: AbortSignal;
  /** SIGINT or SIGTERM, once it has come. */
  readonly name: string | undefined;
  stopListening(): void;
}

/** From now on the first signal aborts, and a second one ends the process at once. */
export function listenForSignals(): Interruption {
  const controller = new AbortController();
  let first: string | undefined;
  const listeners = Object.entries(exitCodes).map(([name, exitCode]) => {
    const listener = (): void => {
      if (controller.signal.aborted) process.exit(exitCode);
      first = name;
      process.exitCode = exitCode;
      controller.abort();
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return {
    signal: controller.signal,
    get name() {
      return first;
    },
    stopListening: () => {
      for (const stop of listeners) stop();
    },
  };
}
