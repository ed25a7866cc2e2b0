/** A broken invariant: a fault in Strandlog itself. Asserts run in production; what fails one stops writing. */
class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant: ${message}; please report this`);
}
