/** A broken invariant: a fault in Strandlog itself. Asserts run in production; what fails one stops writing. */
class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** A message that takes work to put together is given as a function. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (condition) return;
  const what = typeof message === "string" ? message : message();
  throw new InvariantError(`broken invariant: ${what}; please report this`);
}
