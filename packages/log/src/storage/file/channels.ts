// What the driver tells whoever listens, over node:diagnostics_channel; each message names its `directory`.
import { type Channel, channel } from "node:diagnostics_channel";

/** After each commit: payloads, bytes, writeMs, syncMs. */
export const groupChannel: Channel = channel("strandlog:group");
/** After each checkpoint: bytes, partitions, ms. */
export const checkpointChannel: Channel = channel("strandlog:checkpoint");
/** What is wrong though nothing is lost: `where`, and the error. */
export const troubleChannel: Channel = channel("strandlog:trouble");
