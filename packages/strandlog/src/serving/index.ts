// What makes a broker one that can be operated: its log, its answers to health checks, advice when it does not start.
// Called by the command.
export { withAdvice } from "./advice.js";
export { closedOrStuck } from "./closing.js";
export { tellEvents } from "./events.js";
export { type Health, openHealth } from "./health.js";
export { letHeapGrow } from "./heap.js";
export { errorFields, type Logger, openLogger } from "./logger.js";
export { Readiness } from "./readiness.js";
