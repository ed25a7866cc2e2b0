// The package that people install: the engine's public API, and the strandlog command (src/cli).
// biome-ignore lint/performance/noReExportAll: whatever the engine offers is offered here too.
export * from "@strandlog/log";
