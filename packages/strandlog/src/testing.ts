// strandlog/testing: a disk and a clock that are simulated, for tests of your own code.
// biome-ignore lint/performance/noReExportAll: whatever the engine offers is offered here too.
export * from "@strandlog/log/testing";
