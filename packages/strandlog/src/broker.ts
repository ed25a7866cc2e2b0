// strandlog/broker: a log that is open in this process, served to Kafka's clients.
// biome-ignore lint/performance/noReExportAll: whatever the broker offers is offered here too.
export * from "@strandlog/broker";
