import { fullDiskRow } from "./full-disk/full-disk-row.js";
import { ioErrorRow } from "./io-error/io-error-row.js";
import { kill9Row } from "./killed/kill9-row.js";
import { powerCutRow } from "./power-cut/power-cut-row.js";
import type { Row } from "./row.js";
import { simRow } from "./simulated/sim-row.js";
import { syscallsRow } from "./syscalls/syscalls-row.js";

/** In the order in which they run: what finds most comes first. */
export const rows: readonly Row[] = [simRow, syscallsRow, powerCutRow, ioErrorRow, kill9Row, fullDiskRow];
