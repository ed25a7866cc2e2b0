// One sequential file ring for all partitions: what is in it, synced, is durable.
export { blockHeaderBytes, blockSpan, decodeBlockHeader, encodeBlockHeader, pageBytes } from "./block.js";
export { Journal, type JournalObserver } from "./journal.js";
export {
  type JournalFile,
  journalFileName,
  journalFileNumber,
  openJournalFile,
} from "./journal-file.js";
export { JournalScan, type ScannedBlock, type WriterEpoch } from "./journal-scan.js";
export type { Commit } from "./submission.js";
