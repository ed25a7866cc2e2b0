// Which topics a member of a group of consumers wants. Its metadata is opaque to the broker but for this: Kafka's own
// clients write it as a version, then the names of the topics.

const countAt = 2;

/** Undefined if it cannot be read: it may then be any topic. */
export function subscribedTopics(metadata: Buffer): ReadonlySet<string> | undefined {
  if (metadata.length < countAt + 4) return undefined;
  const count = metadata.readInt32BE(countAt);
  const topics = new Set<string>();
  let at = countAt + 4;
  for (let n = 0; n < count; n++) {
    if (at + 2 > metadata.length) return undefined;
    const end = at + 2 + metadata.readInt16BE(at);
    if (end < at + 2 || end > metadata.length) return undefined;
    topics.add(metadata.toString("utf8", at + 2, end));
    at = end;
  }
  return count < 0 ? undefined : topics;
}
