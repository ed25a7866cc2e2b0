// One sequential file ring for all partitions: what is in it, synced, is durable.
export {
  type BlockHeader,
  blockHeaderBytes,
  blockSpan,
  decodeBlockHeader,
  encodeBlockHeader,
  fileBytesOf,
  pageBytes,
} from "./block.js";
export { Journal, type JournalObserver } from "./journal.js";
export {
  type JournalFile,
  journalFileName,
  journalFileNumber,
  makeJournalFile,
  openJournalFile,
} from "./journal-file.js";
export { isLiveBlock, JournalScan, type ScannedBlock, type WriterEpoch } from "./journal-scan.js";
export type { Commit } from "./submission.js";
