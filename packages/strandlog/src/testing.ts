// strandlog/testing: a broker for your tests, and a disk and a clock that are simulated.
// biome-ignore lint/performance/noReExportAll: whatever the broker offers is offered here too.
export * from "@strandlog/broker/testing";
// biome-ignore lint/performance/noReExportAll: whatever the engine offers is offered here too.
export * from "@strandlog/log/testing";
