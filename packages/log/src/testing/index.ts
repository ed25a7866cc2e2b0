export { Random } from "./random.js";
export { SimulatedClock } from "./simulated-clock.js";
export type { SimulatedDirectory } from "./simulated-directory.js";
export { type CrashKind, type Fault, SimulatedDisk, type Verb } from "./simulated-disk.js";
export type { CrashStyle, SimulatedFile } from "./simulated-file.js";
export { Crashed, quiet, Simulation, Violation } from "./simulation.js";
