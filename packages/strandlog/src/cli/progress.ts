// One line on stderr that is overwritten as the work goes on. Only where stderr is a terminal. It is our own because
// @clack/prompts takes over stdin, which is where the records come from, and ends the process on Ctrl-C.

const everyMs = 100;

export interface Progress {
  show(text: () => string): void;
  /** Leaves no trace. */
  clear(): void;
}

export function showProgress(): Progress {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  let shownMs = Number.NEGATIVE_INFINITY;
  return {
    show(text) {
      const now = performance.now();
      if (now - shownMs < everyMs) return;
      shownMs = now;
      stderr.write(`\r\x1b[K${text().slice(0, (stderr.columns || 80) - 1)}`);
    },
    clear() {
      if (shownMs > 0) stderr.write("\r\x1b[K");
      shownMs = Number.NEGATIVE_INFINITY;
    },
  };
}
