import { brokerRow } from "./broker-killed/broker-row.js";
import { bitflipRow } from "./damage/bitflip-row.js";
import { indexRow } from "./damage/index-row.js";
import { fullDiskRow } from "./full-disk/full-disk-row.js";
import { fuzzRow } from "./fuzz/fuzz-row.js";
import { hostileRow } from "./hostile/hostile-row.js";
import { ioErrorRow } from "./io-error/io-error-row.js";
import { kill9Row } from "./killed/kill9-row.js";
import { mutantsRow } from "./mutants/mutants-row.js";
import { powerCutRow } from "./power-cut/power-cut-row.js";
import type { Row } from "./row.js";
import { exhaustiveRow } from "./simulated/exhaustive-row.js";
import { recoveryRow } from "./simulated/recovery-row.js";
import { simRow } from "./simulated/sim-row.js";
import { syscallsRow } from "./syscalls/syscalls-row.js";

/** In the order in which they run: what finds most comes first. */
export const rows: readonly Row[] = [
  simRow,
  exhaustiveRow,
  recoveryRow,
  mutantsRow,
  syscallsRow,
  kill9Row,
  brokerRow,
  bitflipRow,
  indexRow,
  fullDiskRow,
  powerCutRow,
  ioErrorRow,
  fuzzRow,
  hostileRow,
];
