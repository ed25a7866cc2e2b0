// The broker's door: a log that is open in this process, served to Kafka's clients.
export { type Broker, listen } from "./broker.js";
export type { Address, BrokerOptions } from "./options.js";
