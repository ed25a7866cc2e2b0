import type { FileSystem } from "../fs/index.js";
import { crc32c } from "../record/index.js";
import { type Findings, isMissing, missingFile } from "./findings.js";

/** What the checkpoint says of an index file; undefined without a checkpoint. */
export interface IndexClaim {
  readonly bytes: number | undefined;
  readonly crc: number | undefined;
}

/**
 * Compares an index file with the one rebuilt from its log (undefined where the log is damaged) and with the checkpoint.
 * The engine makes a wrong one anew when it needs it, so no record is lost with it.
 */
export async function checkIndex(
  fs: FileSystem,
  path: string,
  rebuilt: Buffer | undefined,
  findings: Findings,
  claim: IndexClaim,
): Promise<void> {
  const wanted = claim.bytes ?? rebuilt?.length ?? 0;
  if (rebuilt !== undefined && claim.crc !== undefined) {
    if (rebuilt.length !== wanted || crc32c(rebuilt) !== claim.crc) {
      const what = "the index that its log gives is not the one that the checkpoint describes";
      findings.damage(path, 0, "CORRUPT_INDEX", what);
    }
  }
  let stored: Buffer | undefined;
  try {
    stored = await fs.readFile(path);
  } catch (error) {
    if (!isMissing(error)) findings.error(path, "CORRUPT_INDEX", error);
    return;
  }
  if (stored === undefined) {
    if (wanted > 0) findings.damage(path, 0, "CORRUPT_INDEX", missingFile);
    return;
  }
  const counted = stored.subarray(0, wanted);
  if (stored.length < wanted) {
    const what = `the file ends there, ${wanted - stored.length} bytes short`;
    findings.damage(path, stored.length, "CORRUPT_INDEX", what);
  }
  // Without a checkpoint a longer file may have the entry that closes a segment.
  if (stored.length > wanted && claim.bytes !== undefined) {
    findings.note(path, `${stored.length - wanted} bytes beyond the ${wanted} that count`);
  }
  const different = rebuilt === undefined ? -1 : firstDifference(counted, rebuilt);
  if (different >= 0) findings.damage(path, different, "CORRUPT_INDEX", "it differs from what its log gives");
  else if (stored.length >= wanted && claim.crc !== undefined && crc32c(counted) !== claim.crc) {
    if (rebuilt === undefined)
      findings.damage(path, 0, "CORRUPT_INDEX", "its checksum is not the one in the checkpoint");
  }
}

function firstDifference(left: Buffer, right: Buffer): number {
  const length = Math.min(left.length, right.length);
  if (left.subarray(0, length).equals(right.subarray(0, length))) return -1;
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return at;
  return -1;
}
