// Closing a log writes all that it holds to segments, which a full disk keeps it from for as long as it is full.
import type { Clock } from "@strandlog/log";

const checkMs = 1000;
/** So often in turn trouble is seen before it is believed to stay. */
const seenMax = 10;

/**
 * Settles when the log is closed, or when that is not to be waited for: with what keeps it from being closed. Nothing
 * that was acknowledged is lost then, the journal has it.
 */
export function closedOrStuck(
  closing: Promise<void>,
  trouble: () => string | undefined,
  clock: Clock,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    const check = (): { cancel(): void } =>
      clock.startTimer(
        checkMs,
        () => {
          const reason = trouble();
          seen = reason === undefined ? 0 : seen + 1;
          if (seen === seenMax) resolve(reason);
          else timer = check();
        },
        true,
      );
    let timer = check();
    closing.then(
      () => {
        timer.cancel();
        resolve(undefined);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error as Error);
      },
    );
  });
}
